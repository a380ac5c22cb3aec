package cache

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "out")
	w, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if _, err := w.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is there before Commit: %v", err)
	}
	if !w.Has(path) || !w.Has(w.out.f.Name()) || w.Has(path+"x") || w.Has(filepath.Join(t.TempDir(), "out")) {
		t.Error("it does not know its own names")
	}
	b := make([]byte, 3)
	if _, err := w.ReadAt(b, 2); err != nil || string(b) != "ole" {
		t.Errorf("read %q, %v", b, err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if got, err := os.ReadFile(path); err != nil || string(got) != "whole" {
		t.Errorf("it holds %q, %v", got, err)
	}
	onlyFile(t, path)
}

// TestNewFileAborted: what was there stays, and nothing else does.
func TestNewFileAborted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(filepath.Dir(path), ".out."+strings.Repeat("a", 26)+outputSuffix)
	if err := os.WriteFile(dead, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	w, err := NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("it holds %q, %v", got, err)
	}
	onlyFile(t, path)
}

// TestNewFileOverOthers: a folder, a device or a pipe is not replaced, and a
// link leads to the file that is.
func TestNewFileOverOthers(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull} {
		if _, err := NewFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	w, err := NewFile(link)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if !w.Has(file) {
		t.Error("what a link leads to is not the file")
	}
	if _, err := w.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "new" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	onlyFile(t, file)
	onlyFile(t, link)
}

// onlyFile fails where a folder holds anything beside one file.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 || files[0].Name() != filepath.Base(path) {
		t.Errorf("the folder holds %v", files)
	}
}
