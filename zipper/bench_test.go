package zipper

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"
)

// benchTree is shaped like a layer: many small files, a few big ones.
func benchTree() (entries []Entry, size int64) {
	for i := range 1000 {
		entries = append(entries, file(fmt.Sprintf("small/%04d.py", i), 0o644, prose(byte(i%50), 500+i*17%20_000)))
	}
	for i := range 4 {
		entries = append(entries, file(fmt.Sprintf("big/%d.so", i), 0o755, append(prose(byte(i), 4*blockSize), noise(byte(i), blockSize)...)))
	}
	for _, e := range entries {
		size += e.Size
	}
	return entries, size
}

func BenchmarkWrite(b *testing.B) {
	entries, size := benchTree()
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Write(context.Background(), io.Discard, entries, Options{Workers: workers}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWriteVerify is Write that inflates what it has compressed.
func BenchmarkWriteVerify(b *testing.B) {
	entries, size := benchTree()
	b.SetBytes(size)
	for b.Loop() {
		if _, err := Write(context.Background(), io.Discard, entries, Options{Workers: 1, Verify: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSplice takes everything from an earlier archive.
func BenchmarkSplice(b *testing.B) {
	entries, size := benchTree()
	archive, info := write(b, entries, Options{})
	b.SetBytes(size)
	for b.Loop() {
		opts := Options{Workers: 1, Earlier: &Earlier{bytes.NewReader(archive), info.Entries}}
		if _, err := Write(context.Background(), io.Discard, entries, opts); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	entries, size := benchTree()
	archive, info := write(b, entries, Options{})
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				err := Verify(context.Background(), bytes.NewReader(archive), info.Size, info, Options{Workers: workers})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
