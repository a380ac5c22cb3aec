// Package tree reads what an engine installed, a tar stream, or what a zip file
// holds, into a [runtimes.Tree] whose contents lie in one temporary file
// without a name.
package tree

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// Limits on what an engine may yield. Lambda takes 262,144,000 bytes; what
// exclude patterns drop may come on top.
const (
	maxBytes = 4 << 30
	maxFiles = 1_000_000
)

// Spool holds the contents of a tree's files in a temporary file that no
// other process sees and that is gone when the process is.
type Spool struct{ contents io.Closer }

// Close frees the contents: the tree's files cannot be opened any more. A nil
// Spool holds none.
func (s *Spool) Close() error {
	if s == nil {
		return nil
	}
	return s.contents.Close()
}

// ReadTar reads a tree from a tar stream. The caller closes the Spool when it
// is done with the tree. Folders are dropped, a hard link becomes a copy, and
// whatever is neither file nor link is an error.
func ReadTar(ctx context.Context, r io.Reader, tempDir string) (runtimes.Tree, *Spool, error) {
	read, err := zipper.ReadTar(ctx, r, zipper.TarOptions{TempDir: tempDir, MaxBytes: maxBytes, MaxEntries: maxFiles, Hash: true})
	if err != nil {
		return nil, nil, fmt.Errorf("read the installed tree: %w", err)
	}
	t := make(runtimes.Tree, len(read.Entries))
	for _, e := range read.Entries {
		switch {
		case e.Mode.IsDir():
		case e.Mode&fs.ModeSymlink != 0:
			t[e.Name] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: e.Link}
		default:
			mode := fs.FileMode(0o644)
			if e.Mode&0o111 != 0 {
				mode = 0o755
			}
			t[e.Name] = runtimes.TreeFile{Mode: mode, Size: e.Size, SHA256: read.SHA256[e.Name], Open: e.Open}
		}
	}
	return t, &Spool{read}, nil
}
