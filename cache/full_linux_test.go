package cache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullWhileWriting: a blob whose place in the cache is full goes on
// elsewhere and can be delivered. (With a file system that fills up in the
// middle, with root: TestFullDisk of cmd/layerbuild.)
func TestFullWhileWriting(t *testing.T) {
	c := openCache(t, t.TempDir())
	w, err := c.NewBlob()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	w.f = full
	want := "what is written there"
	for _, part := range strings.SplitAfter(want, " ") {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d bytes of %q, %v", n, part, err)
		}
	}
	got := make([]byte, len(want))
	if _, err := w.ReadAt(got, 0); err != nil || string(got) != want {
		t.Errorf("read back %q, %v", got, err)
	}
	if b, err := w.Commit(); !errors.Is(err, syscall.ENOSPC) || b != (Blob{key(want), int64(len(want))}) {
		t.Errorf("Commit: %v, %v", b, err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if _, err := w.Deliver(t.Context(), out); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(out); err != nil || string(data) != want {
		t.Errorf("delivered %q, %v", data, err)
	}
	if left, err := filepath.Glob(filepath.Join(c.Dir(), "tmp", "*", "*")); err != nil || len(left) > 0 {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
}
