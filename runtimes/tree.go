package runtimes

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// Tree is the tree of files of a layer: slash-separated path below its root →
// file. Folders exist through their files only, so there are no empty ones.
type Tree map[string]TreeFile

// TreeFile is a regular file or a symbolic link.
type TreeFile struct {
	Mode   fs.FileMode // 0644, 0755, or fs.ModeSymlink|0777
	Size   int64       // bytes of content; 0 for a link
	SHA256 [sha256.Size]byte
	Link   string // the target of a link

	// Package is the name of the package that owns the file, "" where none
	// does. Normalise sets it.
	Package string

	// Published says that the file is as it was in a package from a registry,
	// whose hash the lock file has: what it holds is known to everybody.
	Published bool

	Open func() (io.ReadCloser, error)
}

// NewTreeFile returns a regular file with the given content.
func NewTreeFile(data []byte, executable bool) TreeFile {
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	return TreeFile{
		Mode:   mode,
		Size:   int64(len(data)),
		SHA256: sha256.Sum256(data),
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil },
	}
}

// ReadAll returns the content of a file of at most limit bytes.
func (f TreeFile) ReadAll(limit int64) ([]byte, error) {
	if f.Size > limit {
		return nil, fmt.Errorf("%d bytes, more than the %d that can be right", f.Size, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, limit))
}

// Paths lists the tree's paths in bytewise order.
func (t Tree) Paths() []string { return slices.Sorted(maps.Keys(t)) }

// Size is the sum of all files' sizes in bytes: what counts against Lambda's
// limit.
func (t Tree) Size() int64 {
	var n int64
	for _, f := range t {
		n += f.Size
	}
	return n
}
