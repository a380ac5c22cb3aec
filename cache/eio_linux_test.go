package cache

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestReadError has a blob that cannot be read, by a file of the kernel that
// answers with EIO: a miss, and no defect of the blob's, whose disk may be well
// again later. It can be stored again. (On a disk that fails in earnest, as
// root: TestFailingDisk of cmd/layerbuild.)
func TestReadError(t *testing.T) {
	c := openCache(t, t.TempDir())
	var told []string
	c.Warn(func(text string) { told = append(told, text) })
	data := noise(1, 3000)
	b := putBlob(t, c, data)
	path := blobPath(t, c, b)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(path); !errors.Is(err, syscall.EIO) {
		t.Fatalf("reading it gives %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	for range 2 {
		_, err := readBlob(t, c, b)
		wantMiss(t, err, false)
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("the reason is %v", err)
		}
		_, err = c.Deliver(t.Context(), b, out)
		wantMiss(t, err, false)
		if _, err := os.Lstat(out); err == nil {
			t.Error("something was delivered")
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], b.name()+" ") || !strings.Contains(told[0], "input/output error") {
		t.Errorf("told: %q", told)
	}
	if r, err := c.Verify(t.Context()); err != nil || len(r.Defects) != 1 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
	if got := putBlob(t, c, data); got != b {
		t.Errorf("got %v", got)
	}
	if got, err := readBlob(t, c, b); err != nil || string(got) != string(data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}
