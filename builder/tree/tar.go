// Package tree reads what an engine installed, a tar stream, into a
// [runtimes.Tree] whose contents lie in one temporary file without
// a name.
package tree

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/cache/tempfile"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Limits on what an engine may yield. Lambda takes 262,144,000 bytes; what
// exclude patterns drop may come on top.
const (
	maxBytes = 4 << 30
	maxFiles = 1_000_000
)

// Spool holds the contents of a tree's files in a temporary file that no
// other process sees and that is gone when the process is.
type Spool struct{ file *tempfile.File }

// Close frees the contents: the tree's files cannot be opened any more.
func (s *Spool) Close() error { return s.file.Close() }

// ReadTar reads a tree from a tar stream. The caller closes the Spool when it
// is done with the tree. Folders are dropped, a hard link becomes a copy, and
// whatever is neither file nor link is an error.
func ReadTar(ctx context.Context, r io.Reader, tempDir string) (runtimes.Tree, *Spool, error) {
	file, err := tempfile.New(tempDir)
	if err != nil {
		return nil, nil, err
	}
	spool := &Spool{file}
	t, err := readTar(ctx, r, file.File)
	if err != nil {
		spool.Close()
		return nil, nil, err
	}
	return t, spool, nil
}

func readTar(ctx context.Context, r io.Reader, file *os.File) (runtimes.Tree, error) {
	t := make(runtimes.Tree)
	out := bufio.NewWriterSize(file, 1<<20)
	var offset int64
	buf := make([]byte, 128<<10)
	archive := tar.NewReader(bufio.NewReaderSize(r, 1<<20))
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read the installed tree: %w", err)
		}
		if h.Typeflag == tar.TypeDir || h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		name, err := cleanName(h.Name)
		if err != nil {
			return nil, err
		}
		f, err := entry(h, t)
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeReg {
			if offset+h.Size > maxBytes {
				return nil, fmt.Errorf("the installed tree is larger than %d bytes", int64(maxBytes))
			}
			sum := sha256.New()
			n, err := io.CopyBuffer(io.MultiWriter(out, sum), onlyReader{archive}, buf)
			if err != nil {
				return nil, fmt.Errorf("read the installed tree: %s: %w", name, err)
			}
			sum.Sum(f.SHA256[:0])
			f.Open = section(file, offset, n)
			offset += n
		}
		t[name] = f
		if len(t) > maxFiles {
			return nil, fmt.Errorf("the installed tree has more than %d files", maxFiles)
		}
	}
	// What follows the archive's end marker is drained, so that whoever
	// writes it never blocks.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, err
	}
	return t, out.Flush()
}

// onlyReader hides a reader's other methods, so that io.CopyBuffer uses its
// buffer.
type onlyReader struct{ io.Reader }

func section(file *os.File, offset, size int64) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		return sectionFile{io.NewSectionReader(file, offset, size)}, nil
	}
}

// sectionFile is a file of the tree, open. It can be read at any offset, too.
type sectionFile struct{ *io.SectionReader }

func (sectionFile) Close() error { return nil }

// entry turns a tar header into a file; its content comes later.
func entry(h *tar.Header, t runtimes.Tree) (runtimes.TreeFile, error) {
	switch h.Typeflag {
	case tar.TypeReg:
		mode := fs.FileMode(0o644)
		if h.Mode&0o111 != 0 {
			mode = 0o755
		}
		return runtimes.TreeFile{Mode: mode, Size: h.Size}, nil
	case tar.TypeSymlink:
		return runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: h.Linkname}, nil
	case tar.TypeLink:
		target, err := cleanName(h.Linkname)
		if err != nil {
			return runtimes.TreeFile{}, err
		}
		f, ok := t[target]
		if !ok {
			return runtimes.TreeFile{}, fmt.Errorf("the installed tree has a hard link %q to %q, which it does not hold", h.Name, h.Linkname)
		}
		return f, nil
	}
	return runtimes.TreeFile{}, fmt.Errorf("the installed tree holds %q, which is neither file nor link (tar type %q)", h.Name, h.Typeflag)
}

func cleanName(name string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(name, "/"))
	if !fs.ValidPath(clean) || clean == "." || strings.ContainsAny(clean, "\\\x00") || !utf8.ValidString(clean) {
		return "", fmt.Errorf("the installed tree holds a bad name: %q", name)
	}
	return clean, nil
}
