package cache

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// TestFlips flips one bit of one file in a cache's folder, at random and again
// and again: an entry, a value, a blob or a stamp. Everything is then as it was,
// or is a miss, and a hit again once it was stored again.
// LAYERBUILD_SOAK_FLIPS sets the number of flips.
func TestFlips(t *testing.T) {
	flips := 300
	if s := os.Getenv("LAYERBUILD_SOAK_FLIPS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("LAYERBUILD_SOAK_FLIPS: %v", err)
		}
		flips = n
	}
	dir := t.TempDir()
	c := openCache(t, dir)
	kept := newKept(t, c)
	rnd := rand.New(rand.NewPCG(3, 4))
	misses := make(map[string]int)
	for range flips {
		file := randomFile(t, rnd, dir)
		flipBit(t, rnd, file)
		what := kept.read(t, c)
		misses[what]++
		if what != "" {
			kept.store(t, c)
			if again := kept.read(t, c); again != "" {
				t.Fatalf("the %s is a miss after it was stored again", again)
			}
		}
	}
	t.Logf("%d flips: %v", flips, misses)
	for _, what := range []string{"", "entry", "value", "blob"} { // "" is a stamp
		if misses[what] == 0 {
			t.Errorf("no flip was in a %q", what)
		}
	}
	if r, err := c.Verify(t.Context()); err != nil || len(r.Defects) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
}

// keptThings are an entry, its blobs and a value that have to be served as they
// are or not at all.
type keptThings struct {
	entry Entry
	blobs map[string][]byte
	value []byte
}

func newKept(t *testing.T, c *Cache) *keptThings {
	k := &keptThings{
		entry: Entry{Key: key("kept"), Blobs: make(map[string]Blob), Data: []byte(`{"unzipped":1}`)},
		blobs: map[string][]byte{"archive": noise(1, 1500), "files": noise(2, 300)},
		value: noise(3, 200),
	}
	k.store(t, c)
	return k
}

func (k *keptThings) store(t *testing.T, c *Cache) {
	t.Helper()
	for role, data := range k.blobs {
		k.entry.Blobs[role] = putBlob(t, c, data)
	}
	if err := c.Store(t.Context(), k.entry); err != nil {
		t.Fatal(err)
	}
	if err := c.PutValue(t.Context(), "kind", "key", k.value); err != nil {
		t.Fatal(err)
	}
}

// read reads all of it and says what of it is a miss, "" for nothing.
func (k *keptThings) read(t *testing.T, c *Cache) (missing string) {
	t.Helper()
	hit := func(what string, err error, right bool) {
		t.Helper()
		switch {
		case err == nil && !right:
			t.Fatalf("a wrong %s was served", what)
		case err == nil:
		case !errors.Is(err, ErrMiss):
			t.Fatalf("%s: %v", what, err)
		default:
			missing = what
		}
	}
	for role, want := range k.blobs {
		got, err := readBlob(t, c, k.entry.Blobs[role])
		hit("blob", err, bytes.Equal(got, want))
	}
	value, err := c.GetValue(t.Context(), "kind", "key")
	hit("value", err, bytes.Equal(value, k.value))
	e, err := c.Lookup(t.Context(), k.entry.Key)
	hit("entry", err, e.Key == k.entry.Key && e.Blobs["archive"] == k.entry.Blobs["archive"] &&
		e.Blobs["files"] == k.entry.Blobs["files"] && bytes.Equal(e.Data, k.entry.Data))
	return missing
}

func randomFile(t *testing.T, rnd *rand.Rand, dir string) string {
	t.Helper()
	var files []string
	for _, space := range []string{"ac", "cas", "stamp"} {
		err := filepath.WalkDir(filepath.Join(dir, space), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(files)
	return files[rnd.IntN(len(files))]
}

func flipBit(t *testing.T, rnd *rand.Rand, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		t.Fatalf("%s has %d bytes, %v", file, info.Size(), err)
	}
	at, b := rnd.Int64N(info.Size()), make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << rnd.IntN(8)
	if _, err := f.WriteAt(b, at); err != nil {
		t.Fatal(err)
	}
}
