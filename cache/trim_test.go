package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache/disk"
)

// age makes what a cache holds look as if it was last used that long ago, as
// the use of nobody who is at work now.
func age(t testing.TB, c *Cache, by time.Duration, names ...string) {
	t.Helper()
	for _, name := range names {
		path, err := c.local.Path(name)
		if err != nil {
			t.Fatal(err)
		}
		if space := disk.Space(name); space == "cas" {
			if path, err = c.local.Path("stamp" + name[len("cas"):]); err != nil {
				t.Fatal(err)
			}
		}
		then := time.Now().Add(-by)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// storeAged stores an entry with two blobs of 1,000 bytes, last used so many
// hours ago, and perhaps one that others name, too.
func storeAged(t testing.TB, c *Cache, name string, hours int, shared ...Blob) Entry {
	t.Helper()
	e := Entry{Key: key(name), Blobs: map[string]Blob{
		"archive": putBlob(t, c, append([]byte(name+"archive"), noise(1, 1000-len(name)-7)...)),
		"files":   putBlob(t, c, append([]byte(name+"files"), noise(2, 1000-len(name)-5)...)),
	}}
	for i, b := range shared {
		e.Blobs["shared"+strconv.Itoa(i)] = b
	}
	if err := c.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	names := []string{entryName(e.Key)}
	for _, b := range e.Blobs {
		names = append(names, b.name())
	}
	age(t, c, time.Duration(hours)*time.Hour, names...)
	return e
}

// there lists which of the entries a cache has, each with all of its blobs.
func there(t testing.TB, c *Cache, all map[string]Entry) (have []string) {
	t.Helper()
	for name, e := range all {
		path, err := c.local.Path(entryName(e.Key))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			continue
		}
		for role, b := range e.Blobs {
			if _, err := c.local.Stat(t.Context(), b.name()); err != nil {
				t.Errorf("entry %s lacks its blob %s: %v", name, role, err)
			}
		}
		have = append(have, name)
	}
	slices.Sort(have)
	return have
}

func trim(t testing.TB, c *Cache, opts TrimOptions) Trimmed {
	t.Helper()
	got, err := c.Trim(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := c.Usage(t.Context()); err != nil || !opts.DryRun && u.Bytes != got.Bytes {
		t.Errorf("%d bytes are left, %v; Trim says %d", u.Bytes, err, got.Bytes)
	}
	if r, err := c.Verify(t.Context()); err != nil || len(r.Defects) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
	return got
}

func TestTrimLeastRecentlyUsed(t *testing.T) {
	for _, test := range []struct {
		name string
		opts TrimOptions
		want []string
	}{
		{"no limit", TrimOptions{MaxSize: -1}, []string{"1", "2", "3", "4", "5"}},
		{"large enough", TrimOptions{MaxSize: 1 << 20}, []string{"1", "2", "3", "4", "5"}},
		{"the oldest", TrimOptions{MaxSize: 12500}, []string{"1", "2", "3", "4"}},
		{"two", TrimOptions{MaxSize: 9500}, []string{"1", "2", "3"}},
		{"all", TrimOptions{MaxSize: 0}, nil},
		{"by age", TrimOptions{MaxSize: -1, UnusedFor: 35 * time.Hour}, []string{"1", "2", "3"}},
		{"by age and size", TrimOptions{MaxSize: 4000, UnusedFor: 35 * time.Hour}, []string{"1"}},
		{"dry", TrimOptions{MaxSize: 0, DryRun: true}, []string{"1", "2", "3", "4", "5"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := openCache(t, t.TempDir())
			all := make(map[string]Entry)
			for i := range 5 {
				name := strconv.Itoa(i + 1)
				all[name] = storeAged(t, c, name, 10*(i+1))
			}
			got := trim(t, c, test.opts)
			if have := there(t, c, all); !slices.Equal(have, test.want) {
				t.Errorf("left are %v, want %v", have, test.want)
			}
			gone := 5 - len(test.want)
			if test.opts.DryRun {
				gone = 5
			}
			if got.Removed.Entries != gone || got.Removed.Blobs != 2*gone || got.Over != 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestTrimSharedBlob: a blob goes with the last entry that names it.
func TestTrimSharedBlob(t *testing.T) {
	c := openCache(t, t.TempDir())
	shared := putBlob(t, c, noise(7, 5000))
	all := map[string]Entry{
		"new": storeAged(t, c, "new", 10, shared),
		"old": storeAged(t, c, "old", 20, shared),
	}
	age(t, c, 30*time.Hour, shared.name()) // by itself it is the oldest
	if got := trim(t, c, TrimOptions{MaxSize: 9000}); got.Removed.Blobs != 2 {
		t.Errorf("got %+v", got)
	}
	if have := there(t, c, all); !slices.Equal(have, []string{"new"}) {
		t.Errorf("left are %v", have)
	}
	trim(t, c, TrimOptions{MaxSize: 0})
	if _, err := c.local.Stat(t.Context(), shared.name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the shared blob is still there: %v", err)
	}
}

// TestTrimDownloads: blobs that no entry names, and values, go by their own
// use.
func TestTrimDownloads(t *testing.T) {
	c := openCache(t, t.TempDir())
	old, used := putBlob(t, c, noise(1, 1000)), putBlob(t, c, noise(2, 1000))
	for _, k := range []string{"old", "used"} {
		if err := c.PutValue(t.Context(), "kind", k, noise(3, 1000)); err != nil {
			t.Fatal(err)
		}
		age(t, c, 10*time.Hour, valueID{"kind", k}.name())
	}
	age(t, c, 10*time.Hour, old.name(), used.name())
	if _, err := readBlob(t, c, used); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetValue(t.Context(), "kind", "used"); err != nil {
		t.Fatal(err)
	}
	got := trim(t, c, TrimOptions{MaxSize: 0})
	if got.Removed.Blobs != 1 || got.Removed.Values != 1 || got.Over != got.Bytes {
		t.Errorf("got %+v", got)
	}
	if _, err := readBlob(t, c, used); err != nil {
		t.Error(err)
	}
	if _, err := c.GetValue(t.Context(), "kind", "used"); err != nil {
		t.Error(err)
	}
}

// TestTrimInUse: whatever a process that is at work has looked up, opened or
// stored stays, however long ago that was, until the process ends.
func TestTrimInUse(t *testing.T) {
	dir := t.TempDir()
	first, user := openCache(t, dir), openCache(t, dir)
	all := map[string]Entry{"looked up": storeAged(t, first, "a", 100), "idle": storeAged(t, first, "b", 100)}
	pending := putBlob(t, user, noise(9, 1000)) // no entry names it yet
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := user.Lookup(t.Context(), all["looked up"].Key); err != nil {
		t.Fatal(err)
	}
	// Three days pass, for all files there are.
	e := all["looked up"]
	age(t, user, 72*time.Hour, entryName(e.Key), pending.name())
	locks, err := filepath.Glob(filepath.Join(dir, "tmp", "*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("%v, %v", locks, err)
	}
	began := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(locks[0], began, began); err != nil {
		t.Fatal(err)
	}
	other := openCache(t, dir)
	trim(t, other, TrimOptions{MaxSize: 0})
	if have := there(t, user, all); !slices.Equal(have, []string{"looked up"}) {
		t.Errorf("left are %v", have)
	}
	if _, err := readBlob(t, user, pending); err != nil {
		t.Error(err)
	}
	age(t, user, 72*time.Hour, pending.name())
	if err := user.Close(); err != nil {
		t.Fatal(err)
	}
	trim(t, other, TrimOptions{MaxSize: 0})
	if have := there(t, other, all); len(have) > 0 {
		t.Errorf("left are %v", have)
	}
}

// TestTrimMarks: using something marks it, but not each time.
func TestTrimMarks(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := storeAged(t, c, "a", 100)
	archive := e.Blobs["archive"]
	use := map[string]func(){
		entryName(e.Key):        func() { c.Lookup(t.Context(), e.Key) },
		archive.name():          func() { readBlob(t, c, archive) },
		e.Blobs["files"].name(): func() { c.Store(t.Context(), e) }, // before its entry is there
	}
	for name, use := range use {
		for _, test := range []struct {
			before time.Duration
			marks  bool
		}{{100 * time.Hour, true}, {61 * time.Minute, true}, {time.Minute, false}, {-24 * time.Hour, true}} {
			age(t, c, test.before, name)
			before, err := c.local.Mark(name)
			if err != nil {
				t.Fatal(err)
			}
			use()
			after, err := c.local.Mark(name)
			if err != nil {
				t.Fatal(err)
			}
			if after.Equal(before) == test.marks {
				t.Errorf("%s of %v ago: marked %v, want %v", name, test.before, !after.Equal(before), test.marks)
			}
			if test.marks && time.Since(after).Abs() > time.Minute {
				t.Errorf("%s is marked with %v", name, after)
			}
		}
	}
	// A mark is no part of what is verified.
	if _, err := readBlob(t, c, archive); err != nil {
		t.Error(err)
	}
}

// TestTrimLeftovers: what was moved aside goes first, and records without
// their blobs go, too.
func TestTrimLeftovers(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := storeAged(t, c, "a", 100)
	bad := putBlob(t, c, noise(5, 3000))
	edit(t, blobPath(t, c, bad), 100)
	if _, err := readBlob(t, c, bad); err == nil {
		t.Fatal("read")
	}
	age(t, c, 100*time.Hour, bad.name()) // its record
	before, err := c.Usage(t.Context())
	if err != nil || before.Quarantined != (Part{1, 3000}) {
		t.Fatalf("%+v, %v", before, err)
	}
	got := trim(t, c, TrimOptions{MaxSize: before.Bytes - 10})
	if got.Removed.Quarantined != 1 || got.Removed.Entries != 0 {
		t.Errorf("got %+v", got)
	}
	if have := there(t, c, map[string]Entry{"a": e}); len(have) != 1 {
		t.Error("the entry is gone")
	}
	if u, err := c.Usage(t.Context()); err != nil || u.Stamps.Files != 2 {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestTidy: a build trims if it has written, and once in an hour.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir)
	all := map[string]Entry{"a": storeAged(t, c, "a", 100)}
	guard := filepath.Join(dir, "trim.lock")
	if err := os.Chtimes(guard, time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	tidy := func(c *Cache, want int) {
		t.Helper()
		if err := c.Tidy(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if have := there(t, c, all); len(have) != want {
			t.Errorf("left are %v, want %d", have, want)
		}
	}
	tidy(c, 1) // trimmed just now
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(guard, old, old); err != nil {
		t.Fatal(err)
	}
	reader := openCache(t, dir)
	if _, err := reader.Lookup(t.Context(), key("nothing")); err == nil {
		t.Fatal("found")
	}
	tidy(reader, 1) // has written nothing
	tidy(c, 0)
	if since := time.Since(c.local.LastTrim()); since > time.Minute {
		t.Errorf("last trimmed %v ago", since)
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	c := openCache(t, dir)
	if u, err := c.Usage(t.Context()); err != nil || u != (Usage{Folder: dir}) {
		t.Errorf("of nothing: %+v, %v", u, err)
	}
	e := storeAged(t, c, "a", 1)
	putBlob(t, c, noise(8, 700))
	if err := c.PutValue(t.Context(), "kind", "key", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if err := c.PutValue(t.Context(), "other", "key", nil); err != nil {
		t.Fatal(err)
	}
	u, err := c.Usage(t.Context())
	if err != nil || u.Entries.Files != 1 || u.Values.Files != 2 || u.Blobs != (Part{3, 2700}) || u.Unnamed != (Part{1, 700}) ||
		u.Stamps.Files != 3 || u.Processes != 1 || u.Others.Files != 0 ||
		u.Bytes != u.Entries.Bytes+u.Values.Bytes+u.Blobs.Bytes+u.Stamps.Bytes {
		t.Errorf("%+v, %v", u, err)
	}
	n := 0
	for l, err := range c.Entries(t.Context()) {
		if n++; err != nil || l.Key != e.Key || l.Bytes != 2000 || time.Since(l.Used).Round(time.Minute) != time.Hour {
			t.Errorf("%+v, %v", l, err)
		}
	}
	for k, v := range c.Values(t.Context(), "kind") {
		if n++; k != "key" || string(v) != "value" {
			t.Errorf("%q: %q", k, v)
		}
	}
	if n != 2 {
		t.Errorf("%d listed", n)
	}
}

func TestClear(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := openCache(t, dir)
	storeAged(t, c, "a", 1)
	for _, tool := range []string{"resolver", "buildkitd/0"} {
		if err := os.MkdirAll(filepath.Join(dir, tool), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	other := openCache(t, dir)
	unlock, err := other.Lock(t.Context(), key("a"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := other.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	kept, err := c.Clear()
	if want := []string{"buildkitd", "lock", "resolver", "tmp", "trim.lock"}; err != nil || !slices.Equal(kept, want) {
		t.Errorf("kept %v, %v; want %v", kept, err, want)
	}
	// The other one goes on.
	if _, err := w.Write([]byte("more")); err != nil {
		t.Error(err)
	}
	if _, err := w.Commit(); err != nil {
		t.Error(err)
	}
	unlock()
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if kept, err := c.Clear(); err != nil || len(kept) > 0 {
		t.Errorf("kept %v, %v", kept, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder: %v", err)
	}
	if kept, err := c.Clear(); err != nil || len(kept) > 0 {
		t.Errorf("of nothing: kept %v, %v", kept, err)
	}
}

// TestClearRefused: a folder that is no cache keeps all it has.
func TestClearRefused(t *testing.T) {
	for name, files := range map[string][]string{
		"something else":   {"ac/", "cas/", "notes/"},
		"a root":           {"bin/", "tmp/", "etc/"},
		"generic names":    {"tmp/", "lock/"},
		"somebody's tools": {"maven/"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range files {
				folder := filepath.Join(dir, filepath.Dir(f))
				if err := os.MkdirAll(folder, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			c := openCache(t, dir)
			var not *disk.NotStoreError
			if _, err := c.Clear(); !errors.As(err, &not) {
				t.Errorf("got %v", err)
			}
			for _, f := range files {
				if _, err := os.Stat(filepath.Join(dir, filepath.Dir(f), "file")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
