package java

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxJar bounds what is read of a jar that does not lie in a file: an archive
// with natives for every platform may be larger than a layer.
const maxJar = 1 << 30

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
	if !ok {
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

// head is the beginning of an entry's content, at most n bytes.
func head(f *zip.File, n int) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, n)
	k, err := io.ReadFull(r, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
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
