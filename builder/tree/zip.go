package tree

import (
	"context"
	"io"
	"io/fs"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// Zip is what a zip file holds.
type Zip struct {
	// Tree has the modes as the archive states them, and devices and the like,
	// which no tree has that is going to be archived.
	Tree    runtimes.Tree
	Folders map[string]fs.FileMode // those that have an entry of their own
	Zip64   bool

	Compressed map[string]int64 // bytes of each file's data in the archive
}

// ReadZip reads a tree from a zip file of any origin, size bytes of r. Each
// entry is inflated once and verified; the caller closes the Spool when it is
// done with the tree. An error that wraps [zipper.ErrRefused] means the file.
func ReadZip(ctx context.Context, r io.ReaderAt, size int64, tempDir string) (*Zip, *Spool, error) {
	a, err := zipper.Open(r, size, zipper.Limits{})
	if err != nil {
		return nil, nil, err
	}
	contents, err := a.Unpack(ctx, tempDir, zipper.Options{})
	if err != nil {
		return nil, nil, err
	}
	z := &Zip{make(runtimes.Tree, len(a.Entries)), make(map[string]fs.FileMode), a.Zip64, make(map[string]int64, len(a.Entries))}
	for i := range a.Entries {
		e := &a.Entries[i]
		z.Compressed[e.Name] = e.Compressed
		switch e.Mode.Type() {
		case fs.ModeDir:
			z.Folders[strings.TrimSuffix(e.Name, "/")] = e.Mode
		case fs.ModeSymlink:
			link, err := e.Link()
			if err != nil {
				contents.Close()
				return nil, nil, err
			}
			z.Tree[e.Name] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: link}
		default:
			z.Tree[e.Name] = runtimes.TreeFile{Mode: e.Mode, Size: e.Size, SHA256: contents.SHA256[i],
				Open: func() (io.ReadCloser, error) { return contents.Open(i), nil }}
		}
	}
	return z, &Spool{contents}, nil
}
