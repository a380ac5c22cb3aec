// Package cachetest holds what every cache.Backend has to do as one test
// suite, and a backend in memory that does it.
package cachetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
)

// TestBackend runs the suite. Each part asks new for an empty backend. Names
// in cas/ are the SHA-256 of what is put there, so that a backend whose server
// holds them to that can pass.
func TestBackend(t *testing.T, new func(t *testing.T) cache.Backend) {
	for _, test := range []struct {
		name string
		f    func(t *testing.T, b cache.Backend)
	}{
		{"Absent", testAbsent},
		{"PutGetStat", testPutGetStat},
		{"Overwrite", testOverwrite},
		{"FromStart", testFromStart},
		{"Big", testBig},
		{"Concurrent", testConcurrent},
		{"Canceled", testCanceled},
		{"CanceledWhilePut", testCanceledWhilePut},
		{"WrongSize", testWrongSize},
		{"FailingReader", testFailingReader},
		{"BadNames", testBadNames},
	} {
		t.Run(test.name, func(t *testing.T) { test.f(t, new(t)) })
	}
}

// name returns a name in space that depends on s.
func name(space, s string) string {
	sum := sha256.Sum256([]byte(s))
	return space + "/" + hex.EncodeToString(sum[:])
}

// blob returns the name that data has in cas/.
func blob(data []byte) string { return name("cas", string(data)) }

// noise returns n bytes that no transfer shortens, the same for one seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	return data
}

func put(t *testing.T, b cache.Backend, name string, data []byte) {
	t.Helper()
	if err := b.Put(t.Context(), name, int64(len(data)), bytes.NewReader(data)); err != nil {
		t.Fatalf("Put(%s): %v", name, err)
	}
}

// want checks that a name holds data.
func want(t *testing.T, b cache.Backend, name string, data []byte) {
	t.Helper()
	got, err := get(t.Context(), b, name)
	if err != nil {
		t.Fatalf("Get(%s): %v", name, err)
	}
	if !bytes.Equal(got, data) {
		t.Fatalf("Get(%s) gave %d bytes that are not the %d put", name, len(got), len(data))
	}
	if size, err := b.Stat(t.Context(), name); err != nil || size != int64(len(data)) {
		t.Fatalf("Stat(%s) = %d, %v; want %d", name, size, err, len(data))
	}
}

// wantAbsent checks that a name holds nothing.
func wantAbsent(t *testing.T, b cache.Backend, name string) {
	t.Helper()
	if data, err := get(t.Context(), b, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Get(%s) gave %d bytes, error %v; want fs.ErrNotExist", name, len(data), err)
	}
	if size, err := b.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat(%s) = %d, %v; want fs.ErrNotExist", name, size, err)
	}
}

func get(ctx context.Context, b cache.Backend, name string) ([]byte, error) {
	r, err := b.Get(ctx, name)
	if err != nil {
		if r != nil {
			return nil, errors.Join(err, errors.New("and a reader beside the error"))
		}
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func testAbsent(t *testing.T, b cache.Backend) {
	wantAbsent(t, b, name("ac", "a"))
	wantAbsent(t, b, name("cas", "a"))
}

func testPutGetStat(t *testing.T, b cache.Backend) {
	// One hash in both spaces: they are two names.
	put(t, b, name("cas", "a blob"), []byte("a blob"))
	wantAbsent(t, b, name("ac", "a blob"))
	put(t, b, name("ac", "a blob"), []byte("an entry"))
	put(t, b, blob(nil), nil)
	want(t, b, name("cas", "a blob"), []byte("a blob"))
	want(t, b, name("ac", "a blob"), []byte("an entry"))
	want(t, b, blob(nil), []byte{})
}

func testOverwrite(t *testing.T, b cache.Backend) {
	n := name("ac", "a")
	for _, data := range []string{"first", "second, and longer", "3rd", ""} {
		put(t, b, n, []byte(data))
		want(t, b, n, []byte(data))
	}
}

func testFromStart(t *testing.T, b cache.Backend) {
	r := strings.NewReader("from the start")
	r.Seek(5, io.SeekStart)
	if err := b.Put(t.Context(), name("ac", "a"), r.Size(), r); err != nil {
		t.Fatal(err)
	}
	want(t, b, name("ac", "a"), []byte("from the start"))
}

func testBig(t *testing.T, b cache.Backend) {
	data := noise(1, 20<<20+1)
	put(t, b, blob(data), data)
	want(t, b, blob(data), data)
}

// testConcurrent has several write and read one name: what is read is always
// the whole of something that was written.
func testConcurrent(t *testing.T, b cache.Backend) {
	const workers, rounds = 8, 10
	n := name("ac", "contended")
	var versions [][]byte
	for i := range workers {
		versions = append(versions, noise(byte(i), 100_000+i))
	}
	put(t, b, n, versions[0])
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range rounds {
				v := versions[i]
				if err := b.Put(t.Context(), n, int64(len(v)), bytes.NewReader(v)); err != nil {
					t.Errorf("Put: %v", err)
				}
				got, err := get(t.Context(), b, n)
				if err != nil {
					t.Errorf("Get: %v", err)
				} else if k := len(got) - 100_000; k < 0 || k >= workers || !bytes.Equal(got, versions[k]) {
					t.Errorf("Get gave %d bytes that nobody put", len(got))
				}
			}
		})
	}
	wg.Wait()
}

func testCanceled(t *testing.T, b cache.Backend) {
	n := name("ac", "a")
	put(t, b, n, []byte("before"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := get(ctx, b, n); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v; want context.Canceled", err)
	}
	if _, err := b.Stat(ctx, n); !errors.Is(err, context.Canceled) {
		t.Errorf("Stat: %v; want context.Canceled", err)
	}
	if err := b.Put(ctx, n, 5, strings.NewReader("after")); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v; want context.Canceled", err)
	}
	want(t, b, n, []byte("before"))
}

// hookReader calls hook once, after the first half was read.
type hookReader struct {
	*bytes.Reader
	hook func() error
}

func (r *hookReader) Read(p []byte) (int, error) {
	if int64(r.Len()) <= r.Size()/2 {
		if err := r.hook(); err != nil {
			return 0, err
		}
	}
	return r.Reader.Read(p)
}

func testCanceledWhilePut(t *testing.T, b cache.Backend) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	data := noise(2, 4<<20)
	r := &hookReader{bytes.NewReader(data), func() error { cancel(); return nil }}
	if err := b.Put(ctx, blob(data), r.Size(), r); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v; want context.Canceled", err)
	}
	wantAbsent(t, b, blob(data))
}

func testWrongSize(t *testing.T, b cache.Backend) {
	n := name("ac", "a")
	for _, size := range []int64{0, 4, 6, 1 << 30} {
		if err := b.Put(t.Context(), n, size, strings.NewReader("12345")); err == nil {
			t.Errorf("Put of 5 bytes as %d succeeded", size)
		}
		wantAbsent(t, b, n)
	}
	put(t, b, n, []byte("before"))
	if err := b.Put(t.Context(), n, 7, strings.NewReader("12345")); err == nil {
		t.Error("Put of 5 bytes as 7 succeeded")
	}
	want(t, b, n, []byte("before"))
}

func testFailingReader(t *testing.T, b cache.Backend) {
	data := noise(3, 1<<20)
	n := blob(data)
	broken := errors.New("broken")
	r := &hookReader{bytes.NewReader(data), func() error { return broken }}
	if err := b.Put(t.Context(), n, r.Size(), r); !errors.Is(err, broken) {
		t.Errorf("Put: %v; want the reader's error", err)
	}
	wantAbsent(t, b, n)
}

func testBadNames(t *testing.T, b cache.Backend) {
	sum := strings.Repeat("ab", 32)
	for _, n := range []string{
		"", "/", "ac", "ac/", sum, "/" + sum, "AC/" + sum, "other/" + sum,
		"ac/" + sum[1:], "ac/" + sum + "0", "ac/" + strings.ToUpper(sum),
		"ac/" + sum[:62] + "..", "ac/../" + sum, "../ac/" + sum, "ac//" + sum[1:],
		"ac/" + sum[:31] + "/" + sum[32:], `ac\` + sum, "ac/" + sum[:63] + "\x00",
		"ac/" + sum + "/x", "ac/ab/" + sum, "ac/" + sum[:61] + "%2e",
	} {
		if err := b.Put(t.Context(), n, 1, strings.NewReader("x")); err == nil {
			t.Errorf("Put(%q) succeeded", n)
		}
		if _, err := get(t.Context(), b, n); err == nil {
			t.Errorf("Get(%q) succeeded", n)
		}
		if _, err := b.Stat(t.Context(), n); err == nil {
			t.Errorf("Stat(%q) succeeded", n)
		}
	}
}
