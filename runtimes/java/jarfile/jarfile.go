// Package jarfile reads jars of a tree: their tables of contents, and the heads of
// their entries.
package jarfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxJar bounds what is read of a jar that does not lie in a file: an archive
// with natives for every platform may be larger than a layer.
const maxJar = 1 << 30

// smallJar is one that is read at once: asking for the head of each entry takes
// longer.
const smallJar = 16 << 20

// maxEntries bounds the table of contents of a jar.
const maxEntries = 500_000

// Archive is a jar, open.
type Archive struct {
	Files  []*zip.File
	closer io.Closer
}

// Paths lists the jars of a tree, in order.
func Paths(t runtimes.Tree) []string {
	return slices.DeleteFunc(t.Paths(), func(p string) bool {
		return !strings.HasSuffix(p, ".jar") || t[p].Mode&fs.ModeSymlink != 0
	})
}

// Open reads the table of contents of a jar.
func Open(f runtimes.TreeFile) (*Archive, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	a := &Archive{closer: r}
	at, ok := r.(io.ReaderAt)
	if !ok || f.Size <= smallJar {
		defer r.Close()
		data, err := f.ReadAll(maxJar)
		if err != nil {
			return nil, err
		}
		at, a.closer = bytes.NewReader(data), io.NopCloser(nil)
	}
	z, err := zip.NewReader(at, f.Size)
	if err != nil {
		a.Close()
		return nil, fmt.Errorf("is no jar: %w", err)
	}
	if len(z.File) > maxEntries {
		a.Close()
		return nil, fmt.Errorf("has more than %d entries", maxEntries)
	}
	a.Files = z.File
	return a, nil
}

// Close ends the reading; entries cannot be opened any more.
func (a *Archive) Close() error { return a.closer.Close() }

// Signed tells whether the jar is signed: its entries may not change then.
func (a *Archive) Signed() bool {
	return slices.ContainsFunc(a.Files, func(f *zip.File) bool {
		dir, base := path.Split(f.Name)
		return strings.EqualFold(dir, "META-INF/") && strings.EqualFold(path.Ext(base), ".sf")
	})
}

// headInput is how much of an entry's compressed bytes is read for its head:
// enough for deflate's tables, of at most 300 bytes or so, and for a hundred
// symbols behind them.
const headInput = 512

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// Head is the beginning of an entry's content, at most n bytes. Without a bound
// on what it reads, an inflater would go through most of a class for the few
// bytes that are wanted.
func Head(f *zip.File, n int) ([]byte, error) {
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, err
	}
	r := io.LimitReader(raw, headInput)
	switch f.Method {
	case zip.Store:
	case zip.Deflate:
		inflater := inflaters.Get().(io.ReadCloser)
		defer inflaters.Put(inflater)
		if err := inflater.(flate.Resetter).Reset(r, nil); err != nil {
			return nil, err
		}
		r = inflater
	default:
		return nil, zip.ErrAlgorithm
	}
	data := make([]byte, n)
	k, err := io.ReadFull(r, data)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return data[:k], err
}
