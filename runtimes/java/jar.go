package java

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

// maxEntries bounds the table of contents of a jar, and maxClasses that of all
// jars of a layer.
const (
	maxEntries = 500_000
	maxClasses = 2_000_000
)

// archive is a jar of a tree, open.
type archive struct {
	path   string // in the tree
	zip    *zip.Reader
	closer io.Closer
}

func (j *archive) name() string { return path.Base(j.path) }

// jarPaths lists the jars of a tree, in order.
func jarPaths(t runtimes.Tree) []string {
	return slices.DeleteFunc(t.Paths(), func(p string) bool {
		return !strings.HasSuffix(p, ".jar") || t[p].Mode&fs.ModeSymlink != 0
	})
}

// openArchive reads the table of contents of a jar.
func openArchive(t runtimes.Tree, name string) (*archive, error) {
	f := t[name]
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	j := &archive{path: name, closer: r}
	at, ok := r.(io.ReaderAt)
	if !ok || f.Size <= smallJar {
		defer r.Close()
		data, err := f.ReadAll(maxJar)
		if err != nil {
			return nil, err
		}
		at, j.closer = bytes.NewReader(data), io.NopCloser(nil)
	}
	if j.zip, err = zip.NewReader(at, f.Size); err != nil {
		j.closer.Close()
		return nil, &runtimes.PackageError{File: path.Base(name), Problem: "is no jar: " + err.Error()}
	}
	if len(j.zip.File) > maxEntries {
		j.closer.Close()
		return nil, &runtimes.PackageError{File: path.Base(name), Problem: fmt.Sprintf("has more than %d entries", maxEntries)}
	}
	return j, nil
}

// headInput is how much of an entry's compressed bytes is read for its head:
// enough for deflate's tables, of at most 300 bytes or so, and for a hundred
// symbols behind them.
const headInput = 512

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// head is the beginning of an entry's content, at most n bytes. Without a bound
// on what it reads, an inflater would go through most of a class for the few
// bytes that are wanted.
func head(f *zip.File, n int) ([]byte, error) {
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

// signed tells whether the jar is signed: its entries may not change then.
func (j *archive) signed() bool {
	return slices.ContainsFunc(j.zip.File, func(f *zip.File) bool {
		dir, base := path.Split(f.Name)
		return strings.EqualFold(dir, "META-INF/") && strings.EqualFold(path.Ext(base), ".sf")
	})
}
