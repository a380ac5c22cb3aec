package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A FileWriter writes a file beside its place and puts it there when it is
// complete, as Deliver does. What a killed process left of one, the next one
// for the same path clears.
type FileWriter struct{ out *output }

// NewFile begins to write the file at path, and makes the folders that are
// missing above it. What is at path already must be a regular file, or a link:
// a device or a pipe would be replaced, which nobody means.
func NewFile(path string) (*FileWriter, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is there and is no regular file: name another", path)
	}
	// A link to a file stays, and the file that it leads to is replaced.
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	out, err := newOutput(path)
	if err != nil {
		return nil, err
	}
	return &FileWriter{out}, nil
}

func (w *FileWriter) Write(p []byte) (int, error) { return w.out.f.Write(p) }

// ReadAt reads what was written.
func (w *FileWriter) ReadAt(p []byte, offset int64) (int, error) { return w.out.f.ReadAt(p, offset) }

// Commit puts the file into its place.
func (w *FileWriter) Commit() error {
	defer w.out.abort()
	_, err := w.out.publish()
	return err
}

// Abort takes back what was written, and does nothing after Commit.
func (w *FileWriter) Abort() { w.out.abort() }

// Has tells whether a name in the folder of the given path is that of the
// file, or of a temporary file from which this or another process makes it.
func (w *FileWriter) Has(path string) bool {
	dir, base := filepath.Split(w.out.path)
	beside, name := filepath.Split(path)
	ours := name == base || strings.HasPrefix(name, "."+base+".") && isOutput(name)
	return ours && sameFolder(dir, beside)
}

func sameFolder(a, b string) bool {
	first, err := os.Stat(filepath.Clean(a))
	if err != nil {
		return false
	}
	second, err := os.Stat(filepath.Clean(b))
	return err == nil && os.SameFile(first, second)
}
