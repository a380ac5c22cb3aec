package zipper

import (
	"io/fs"
	"os"
	"path/filepath"
)

// DirFS is [os.DirFS] for [Folder], which opens and reads its files with fewer
// system calls: a tree of many small files is archived sooner.
func DirFS(dir string) fs.FS { return dirFS{os.DirFS(dir), dir} }

type dirFS struct {
	fs.FS
	dir string
}

func (d dirFS) path(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// What [os.DirFS] is beside an [fs.FS].

func (d dirFS) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(d.FS, name) }
func (d dirFS) Stat(name string) (fs.FileInfo, error)      { return fs.Stat(d.FS, name) }
func (d dirFS) ReadLink(name string) (string, error)       { return fs.ReadLink(d.FS, name) }
func (d dirFS) Lstat(name string) (fs.FileInfo, error)     { return fs.Lstat(d.FS, name) }
