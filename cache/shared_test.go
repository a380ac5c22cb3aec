package cache

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
)

// TestConcurrent has several caches on one folder, as processes have, write
// and read the same few things.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(t.TempDir(), "out")
	var wg sync.WaitGroup
	for worker := range 8 {
		c := openCache(t, dir)
		wg.Go(func() {
			for i := range 20 {
				k := string(rune('a' + (worker+i)%5))
				e := testEntry(t, c, k)
				if err := c.Store(t.Context(), e); err != nil {
					t.Error(err)
				}
				got, err := c.Lookup(t.Context(), key(k))
				if err != nil || !reflect.DeepEqual(got.Blobs, e.Blobs) {
					t.Errorf("looked up %v, %v", got, err)
				}
				if err := c.Check(t.Context(), e); err != nil {
					t.Error(err)
				}
				if _, err := c.Deliver(t.Context(), e.Blobs["archive"], out); err != nil {
					t.Error(err)
				}
				if err := c.PutValue(t.Context(), "kind", k, []byte(k)); err != nil {
					t.Error(err)
				}
				if v, err := c.GetValue(t.Context(), "kind", k); err != nil || string(v) != k {
					t.Errorf("value %q, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
	r, err := openCache(t, dir).Verify(t.Context())
	if err != nil || r.Entries != 5 || r.Values != 5 || r.Blobs != 10 || len(r.Defects) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
}

// TestReadOnly makes the folder one that cannot be written by taking the
// places of tmp/ and lock/, which binds root too.
func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	first := openCache(t, dir)
	e := testEntry(t, first, "a")
	if err := first.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tmp", "lock", "bad", "stamp"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	c := openCache(t, dir)
	if _, err := c.Lookup(t.Context(), e.Key); err != nil {
		t.Error(err)
	}
	if err := c.Check(t.Context(), e); err != nil {
		t.Error(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := c.Deliver(t.Context(), e.Blobs["archive"], out); err != nil {
		t.Error(err)
	}
	if _, err := c.Lock(t.Context(), e.Key); err == nil {
		t.Error("locked")
	}
	if err := c.PutValue(t.Context(), "kind", "key", nil); err == nil {
		t.Error("value put")
	}
	w, err := c.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	io.WriteString(w, "built all the same")
	if _, err := w.Commit(); err == nil {
		t.Error("blob put")
	}
	if _, err := w.Deliver(t.Context(), out); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != "built all the same" {
		t.Errorf("delivered %q, %v", got, err)
	}
	edit(t, blobPath(t, c, e.Blobs["files"]), 0)
	_, err = readBlob(t, c, e.Blobs["files"])
	wantMiss(t, err, false)
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	a, b := openCache(t, dir), openCache(t, dir)
	unlock, err := a.Lock(t.Context(), key("a"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error)
	go func() {
		unlock, err := b.Lock(t.Context(), key("a"))
		if err == nil {
			unlock()
		}
		got <- err
	}()
	unlock()
	select {
	case err := <-got:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still waiting for a lock that was given back")
	}
}
