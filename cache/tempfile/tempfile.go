// Package tempfile makes files without a name: nothing of a process that is
// killed stays in the folder for temporary files.
package tempfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// prefix begins the names of files that cannot do without one. Nobody opens a
// file by such a name, so anybody may remove it at any time.
const prefix = "layerbuild-unnamed-"

// A File is an open file, for reading and writing, that nobody else can open
// and that is gone once it is closed or its process is dead.
type File struct {
	*os.File
	name string // what Close must remove, "" where there is no such thing
}

// New makes an empty file in the file system of the folder dir, or of
// [os.TempDir] where dir is "".
func New(dir string) (*File, error) {
	if dir == "" {
		dir = os.TempDir()
	}
	if f, err := open(dir); err == nil {
		return &File{File: f}, nil
	}
	return create(dir)
}

// create is the way where the system or the file system makes no file without
// a name: one is given and taken away again. A process that is killed in
// between leaves the name of an empty file, which the next one clears.
func create(dir string) (*File, error) {
	removeDead(dir)
	f, err := os.CreateTemp(dir, prefix+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &File{f, f.Name()}, nil // no open file can be removed here
	}
	return &File{File: f}, nil
}

// removeDead removes the names that killed processes left in a folder. What
// cannot be removed is another user's, or open where that matters.
func removeDead(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// Close frees the file.
func (f *File) Close() error {
	err := f.File.Close()
	if f.name != "" {
		_ = os.Remove(f.name)
		f.name = ""
	}
	return err
}
