package cache

import (
	"path/filepath"
	"testing"
)

func BenchmarkLookup(b *testing.B) {
	c := openCache(b, b.TempDir())
	e := testEntry(b, c, "a")
	if err := c.Store(b.Context(), e); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.Lookup(b.Context(), e.Key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetValue(b *testing.B) {
	c := openCache(b, b.TempDir())
	if err := c.PutValue(b.Context(), "kind", "key", noise(1, 100_000)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := c.GetValue(b.Context(), "kind", "key"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStampOf(b *testing.B) {
	c := openCache(b, b.TempDir())
	path := blobPath(b, c, putBlob(b, c, []byte("blob")))
	for b.Loop() {
		if _, err := StampOf(path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutBlob40MB(b *testing.B) {
	c := openCache(b, b.TempDir())
	data := noise(1, 40<<20)
	b.SetBytes(int64(len(data)))
	for i := 0; b.Loop(); i++ {
		data[0], data[1] = byte(i), byte(i>>8) // another blob each time
		putBlob(b, c, data)
	}
}

func BenchmarkDeliver40MB(b *testing.B) {
	c := openCache(b, b.TempDir())
	blob := putBlob(b, c, noise(1, 40<<20))
	out := filepath.Join(b.TempDir(), "out.zip")
	b.SetBytes(blob.Size)
	for b.Loop() {
		if _, err := c.Deliver(b.Context(), blob, out); err != nil {
			b.Fatal(err)
		}
	}
}
