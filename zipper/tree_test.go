package zipper

import (
	"bytes"
	"context"
	"flag"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Contents are made once: many tests use the same.
var contents sync.Map // from content to []byte

type content struct {
	noise bool
	seed  byte
	n     int
}

func (c content) bytes() []byte {
	b, ok := contents.Load(c)
	if !ok {
		b, _ = contents.LoadOrStore(c, c.make())
	}
	return slices.Clip(b.([]byte))
}

func (c content) make() []byte {
	if c.noise {
		return makeNoise(c.seed, c.n)
	}
	return makeProse(c.seed, c.n)
}

// noise returns n bytes that no compressor can shrink.
func noise(seed byte, n int) []byte { return content{true, seed, n}.bytes() }

// prose returns n bytes that compress about as source code does.
func prose(seed byte, n int) []byte { return content{false, seed, n}.bytes() }

func makeNoise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

func makeProse(seed byte, n int) []byte {
	words := strings.Fields("def return self import from class None True if else for in not and " +
		"raise ValueError isinstance numpy dtype array shape index axis result")
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	b := make([]byte, 0, n+32)
	for len(b) < n {
		b = append(b, words[r.IntN(len(words))]...)
		b = append(b, " \n(._,"[r.IntN(6)])
	}
	return b[:n]
}

// uneven is noise of which one byte has a share of its own, at 0.02 nearly enough
// to be worth compressing, and some of which is a copy.
func uneven(seed byte, n int, share float64) []byte {
	b, r := slices.Clone(noise(seed, n)), rand.New(rand.NewChaCha8([32]byte{seed, 1}))
	for i := range b {
		if r.Float64() < share {
			b[i] = 'x'
		}
	}
	for part := b; len(part) > 8<<10; part = part[8<<10:] {
		copy(part[4<<10:5<<10+512], part)
	}
	return b
}

func file(name string, mode fs.FileMode, content []byte) Entry {
	return Entry{
		Name: name, Mode: mode, Size: int64(len(content)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

func folder(name string) Entry       { return Entry{Name: name, Mode: fs.ModeDir | 0o700} }
func link(name, target string) Entry { return Entry{Name: name, Mode: fs.ModeSymlink, Link: target} }

// smallTree has every kind of entry, in no order, and makes a small archive.
func smallTree() []Entry {
	return []Entry{
		folder("python/"),
		file("python/tool", 0o700, []byte("#!/usr/bin/env python3\nprint('hello, hello, hello')\n")),
		file("python/mod.py", 0o664, prose(1, 700)),
		file("python/empty", 0o600, nil),
		file("python/noise.bin", 0o444, noise(2, 300)),
		file("python/Grüße.txt", 0o644, []byte("ä\n")),
		file("python.txt", 0o644|fs.ModeSetuid, bytes.Repeat([]byte("x"), 500)),
		link("python/lib.so", "lib.so.1"),
		link("python/ünïcode", "Grüße.txt"),
		folder("python/data/"),
	}
}

// bigTree adds what needs blocks, or nearly.
func bigTree() []Entry {
	mixed := append(prose(3, blockSize+100), noise(3, blockSize/2)...)
	return append(smallTree(),
		file("big/2MiB.py", 0o644, prose(4, 2*blockSize)),
		file("big/3MiB+1.py", 0o644, prose(5, 3*blockSize+1)),
		file("big/block.py", 0o644, prose(6, blockSize)),
		file("big/block+1.py", 0o644, prose(7, blockSize+1)),
		file("big/block-1.py", 0o644, prose(8, blockSize-1)),
		file("big/mixed", 0o755, mixed),
		file("big/noise", 0o644, noise(9, blockSize+1)),
		file("big/zeros", 0o644, make([]byte, 3*blockSize/2)),
		file("small/a.py", 0o644, prose(10, 300<<10)),
		file("small/b.py", 0o644, prose(11, 300<<10)),
		file("small/noise", 0o644, noise(12, 200<<10)),
		file("small/uneven", 0o644, uneven(13, 60_000, 0.0215)),
		file("small/uneven-less", 0o644, uneven(13, 60_000, 0.0185)),
	)
}

// mediumTree is for tests that write many times.
func mediumTree() []Entry {
	return append(smallTree(),
		file("a/noise", 0o644, noise(1, blockSize+1)),
		file("a/prose.py", 0o644, prose(2, 2*blockSize+1)),
		file("z/prose.py", 0o644, prose(3, blockSize+1)),
	)
}

// write archives entries and reads the archive back.
func write(t testing.TB, entries []Entry, opts Options) ([]byte, Info) {
	t.Helper()
	var b bytes.Buffer
	info, err := Write(context.Background(), &b, entries, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(context.Background(), bytes.NewReader(b.Bytes()), int64(b.Len()), info, opts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), info
}

// contentOf reads what an entry is to hold.
func contentOf(t testing.TB, e Entry) []byte {
	t.Helper()
	if e.Open == nil {
		return []byte(e.Link)
	}
	r, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
