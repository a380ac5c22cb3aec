//go:build !unix

package zipper

import (
	"io"
	"os"
)

// openFile opens a regular file.
func openFile(name string, _ int64) (io.ReadCloser, error) { return os.Open(name) }
