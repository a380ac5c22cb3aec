//go:build !unix

package zipper

import (
	"io"
	"io/fs"
	"os"
)

// readDir lists a folder.
func readDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

// openFile opens a regular file.
func openFile(name string, _ int64) (io.ReadCloser, error) { return os.Open(name) }
