//go:build unix

package zipper

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestDirFS holds what a folder's files are said to be against what the standard
// library says.
func TestDirFS(t *testing.T) {
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "file"), []byte("content"), 0o640),
		os.WriteFile(filepath.Join(dir, "run"), nil, 0o755),
		os.Mkdir(filepath.Join(dir, "folder"), 0o750),
		os.WriteFile(filepath.Join(dir, "folder", "inner"), []byte("x"), 0o600),
		os.Symlink("nowhere", filepath.Join(dir, "link")),
		syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, spelled := range []string{dir, dir + "/", dir + "/folder/.."} {
		got, want := DirFS(spelled), os.DirFS(dir)
		for _, name := range []string{".", "folder"} {
			a, err := fs.ReadDir(got, name)
			b, werr := fs.ReadDir(want, name)
			if err != nil || werr != nil || !slices.EqualFunc(a, b, sameFile) {
				t.Errorf("%s of %s: %v %v\n%v %v", name, spelled, a, err, b, werr)
			}
		}
		for _, name := range []string{"/folder", "../x", "nowhere", "file"} {
			if list, err := fs.ReadDir(got, name); err == nil {
				t.Errorf("%s: %v", name, list)
			}
		}
	}
}

func sameFile(a, b fs.DirEntry) bool {
	ai, err := a.Info()
	bi, berr := b.Info()
	return err == nil && berr == nil && a.Name() == b.Name() && a.Type() == b.Type() && a.IsDir() == b.IsDir() &&
		ai.Name() == bi.Name() && ai.Mode() == bi.Mode() && ai.IsDir() == bi.IsDir() && ai.ModTime().Equal(bi.ModTime()) &&
		(ai.IsDir() || ai.Size() == bi.Size())
}
