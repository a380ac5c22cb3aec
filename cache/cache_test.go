package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func openCache(t testing.TB, dir string) *Cache {
	t.Helper()
	c, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// key returns a digest that depends on s.
func key(s string) Digest {
	h := newHash()
	io.WriteString(h, s)
	return h.digest()
}

// noise returns n bytes, the same for one seed.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(s).Read(data)
	return data
}

func putBlob(t testing.TB, c *Cache, data []byte) Blob {
	t.Helper()
	b, err := c.PutBlob(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readBlob(t testing.TB, c *Cache, b Blob) ([]byte, error) {
	t.Helper()
	f, err := c.OpenBlob(t.Context(), b)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// blobPath returns the path of a blob's file.
func blobPath(t testing.TB, c *Cache, b Blob) string {
	t.Helper()
	path, err := c.local.Path(b.name())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wantMiss checks for a miss; a stored thing that is a miss has a reason
// other than its absence.
func wantMiss(t testing.TB, err error, absent bool) {
	t.Helper()
	var m *MissError
	if !errors.Is(err, ErrMiss) || !errors.As(err, &m) {
		t.Fatalf("error %v; want a miss", err)
	}
	if errors.Is(err, fs.ErrNotExist) != absent {
		t.Fatalf("miss %v; absent should be %v", err, absent)
	}
}

// edit changes one byte of a file in place, and leaves its size.
func edit(t testing.TB, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var one [1]byte
	if _, err := f.ReadAt(one[:], off); err != nil {
		t.Fatal(err)
	}
	one[0] ^= 0x10
	if _, err := f.WriteAt(one[:], off); err != nil {
		t.Fatal(err)
	}
}

func TestBlob(t *testing.T) {
	c := openCache(t, t.TempDir())
	for _, size := range []int{0, 1, 1000, 3 << 20} {
		data := noise(uint64(size), size)
		_, err := readBlob(t, c, Blob{key("never"), int64(size)})
		wantMiss(t, err, true)
		b := putBlob(t, c, data)
		if want := key(string(data)); b.SHA256 != want || b.Size != int64(size) {
			t.Errorf("blob %v of %d bytes; want SHA-256 %v", b, size, want)
		}
		for _, ask := range []Blob{b, {b.SHA256, -1}} {
			if got, err := readBlob(t, c, ask); err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v; want the %d put", len(got), err, size)
			}
		}
		_, err = readBlob(t, c, Blob{b.SHA256, b.Size + 1}) // which harms nothing
		wantMiss(t, err, false)
		if got, err := readBlob(t, c, b); err != nil || !bytes.Equal(got, data) {
			t.Errorf("after a wrong question: read %d bytes, %v", len(got), err)
		}
		if again := putBlob(t, c, data); again != b {
			t.Errorf("put twice: %v and %v", b, again)
		}
	}
}

func TestBlobWriter(t *testing.T) {
	c := openCache(t, t.TempDir())
	w, err := c.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	io.WriteString(w, "hello, ")
	io.WriteString(w, "world")
	back := make([]byte, 5)
	if _, err := w.ReadAt(back, 7); err != nil || string(back) != "world" {
		t.Errorf("read back %q, %v", back, err)
	}
	_, err = readBlob(t, c, w.Blob())
	wantMiss(t, err, true) // not before Commit
	b, err := w.Commit()
	if err != nil || b != w.Blob() || b.SHA256 != key("hello, world") {
		t.Errorf("committed %v, %v", b, err)
	}
	if got, err := readBlob(t, c, b); err != nil || string(got) != "hello, world" {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := w.Commit(); err == nil {
		t.Error("committed twice")
	}
	w, err = c.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "thrown away")
	w.Abort()
	w.Abort()
	_, err = readBlob(t, c, w.Blob())
	wantMiss(t, err, true)
}

func testEntry(t testing.TB, c *Cache, k string) Entry {
	t.Helper()
	return Entry{
		Key: key(k),
		Blobs: map[string]Blob{
			"archive": putBlob(t, c, []byte("archive of "+k)),
			"files":   putBlob(t, c, []byte("files of "+k)),
		},
		Data: json.RawMessage(`{"packages":3,"note":"<&>"}`),
	}
}

func TestEntry(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := testEntry(t, c, "a")
	_, err := c.Lookup(t.Context(), e.Key)
	wantMiss(t, err, true)
	if err := c.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	got, err := c.Lookup(t.Context(), e.Key)
	if err != nil {
		t.Fatal(err)
	}
	var data struct{ Note string }
	if err := json.Unmarshal(got.Data, &data); err != nil || data.Note != "<&>" {
		t.Errorf("data %s, %v", got.Data, err)
	}
	got.Data = e.Data
	if !reflect.DeepEqual(got, e) {
		t.Errorf("looked up %v; want %v", got, e)
	}
	if err := c.Check(t.Context(), got); err != nil {
		t.Error(err)
	}
	wantMiss(t, c.Check(t.Context(), got, "archive", "sbom"), false)

	bare := Entry{Key: key("bare")}
	if err := c.Store(t.Context(), bare); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Lookup(t.Context(), bare.Key); err != nil || len(got.Blobs) > 0 || got.Data != nil {
		t.Errorf("looked up %v, %v", got, err)
	}
}

func TestStoreRefused(t *testing.T) {
	c := openCache(t, t.TempDir())
	b := putBlob(t, c, []byte("blob"))
	for name, e := range map[string]Entry{
		"blob absent":   {Blobs: map[string]Blob{"a": {key("absent"), 4}}},
		"blob's size":   {Blobs: map[string]Blob{"a": {b.SHA256, 5}}},
		"size unknown":  {Blobs: map[string]Blob{"a": {b.SHA256, -1}}},
		"role's text":   {Blobs: map[string]Blob{"\xff": b}},
		"data not JSON": {Data: json.RawMessage("{")},
		"too large":     {Data: json.RawMessage(`"` + strings.Repeat("x", maxEntry) + `"`)},
	} {
		e.Key = key(name)
		if err := c.Store(t.Context(), e); err == nil {
			t.Errorf("%s: stored", name)
		}
		_, err := c.Lookup(t.Context(), e.Key)
		wantMiss(t, err, true)
	}
}

func TestValue(t *testing.T) {
	c := openCache(t, t.TempDir())
	values := map[[2]string]string{
		{"lock 1", "a"}:       "one",
		{"lock 2", "a"}:       "two",
		{"lock", "1 a"}:       "",
		{"", ""}:              "nothing",
		{"lock\n", "\xff"}:    "odd",
		{"lock\n", "\xfe"}:    "odder",
		{"lock", "\" \"1\\n"}: "quotes\n",
	}
	for id := range values {
		_, err := c.GetValue(t.Context(), id[0], id[1])
		wantMiss(t, err, true)
	}
	for id, v := range values {
		for _, data := range []string{"before", v} {
			if err := c.PutValue(t.Context(), id[0], id[1], []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for id, v := range values {
		if got, err := c.GetValue(t.Context(), id[0], id[1]); err != nil || string(got) != v {
			t.Errorf("%q: %q, %v; want %q", id, got, err, v)
		}
	}
	r, err := c.Verify(t.Context())
	if err != nil || len(r.Defects) > 0 || r.Values != len(values) {
		t.Errorf("Verify: %+v, %v", r, err)
	}
}

func TestCanceled(t *testing.T) {
	c := openCache(t, t.TempDir())
	e := testEntry(t, c, "a")
	if err := c.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, lookup := c.Lookup(ctx, e.Key)
	_, value := c.GetValue(ctx, "kind", "key")
	_, open := c.OpenBlob(ctx, e.Blobs["archive"])
	_, put := c.PutBlob(ctx, strings.NewReader("new"))
	_, deliver := c.Deliver(ctx, e.Blobs["archive"], filepath.Join(t.TempDir(), "out"))
	_, verify := c.Verify(ctx)
	_, lock := c.Lock(ctx, e.Key)
	for name, err := range map[string]error{
		"Lookup": lookup, "GetValue": value, "OpenBlob": open, "PutBlob": put, "Deliver": deliver,
		"Verify": verify, "Lock": lock, "Store": c.Store(ctx, e), "Check": c.Check(ctx, e),
		"PutValue": c.PutValue(ctx, "kind", "key", nil),
	} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrMiss) {
			t.Errorf("%s: %v; want context.Canceled and no miss", name, err)
		}
	}
}

func TestDigest(t *testing.T) {
	d := key("a")
	if got, err := ParseDigest(d.String()); err != nil || got != d {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", d.String()[1:], d.String() + "0", strings.ToUpper(d.String()), strings.Repeat("g", 64)} {
		if _, err := ParseDigest(s); err == nil {
			t.Errorf("%q parsed", s)
		}
	}
}
