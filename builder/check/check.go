// Package check holds a finished tree against what Lambda accepts, so that a
// layer that would fail in production fails here, by name.
package check

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// MaxEntries is how many files an archive holds without zip64, which not
// every unpacker reads.
const MaxEntries = 65_534

// SizeError says that a layer is larger than a function and all its layers
// may be.
type SizeError struct {
	Size, Limit int64   // bytes, unzipped
	Largest     []Share // the largest packages, largest first
}

// Share is what one package weighs in a layer.
type Share struct {
	Package string
	Size    int64 // bytes, unzipped
}

func (e *SizeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "unzipped size is %d bytes, %d more than Lambda's limit of %d; the largest packages:",
		e.Size, e.Size-e.Limit, e.Limit)
	for _, s := range e.Largest {
		fmt.Fprintf(&b, "\n  %6.1f MB  %s", float64(s.Size)/1e6, s.Package)
	}
	return b.String()
}

// LinkError says that a symbolic link would not work in a layer.
type LinkError struct{ Path, Target, Problem string }

func (e *LinkError) Error() string {
	return fmt.Sprintf("%s: link to %q %s", e.Path, e.Target, e.Problem)
}

// Tree returns every defect of t, joined. limit is in bytes, unzipped.
func Tree(t runtimes.Tree, limit int64) error {
	var errs []error
	if len(t) == 0 {
		errs = append(errs, errors.New("the layer would hold no files"))
	}
	if len(t) > MaxEntries {
		errs = append(errs, fmt.Errorf("the layer has %d files, a zip that every unpacker reads holds %d", len(t), MaxEntries))
	}
	if size := t.Size(); size > limit {
		errs = append(errs, &SizeError{Size: size, Limit: limit, Largest: largest(t, 8)})
	}
	folders := foldersOf(t)
	for _, name := range t.Paths() {
		f := t[name]
		if folders[name] {
			errs = append(errs, fmt.Errorf("%s is a file and a folder at once", name))
		}
		if f.Mode&fs.ModeSymlink != 0 {
			if problem := linkProblem(t, folders, name, f.Link); problem != "" {
				errs = append(errs, &LinkError{Path: name, Target: f.Link, Problem: problem})
			}
		}
	}
	return errors.Join(errs...)
}

func foldersOf(t runtimes.Tree) map[string]bool {
	folders := make(map[string]bool)
	for name := range t {
		for dir := path.Dir(name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	return folders
}

// maxLinkHops is where Linux gives up on a chain of links (ELOOP).
const maxLinkHops = 40

// linkProblem says why the link at name would not work, "" where it would. It
// follows the target as the kernel does, one path element after the other.
func linkProblem(t runtimes.Tree, folders map[string]bool, name, target string) string {
	dir := path.Dir(name)
	rest := strings.Split(target, "/")
	for hops := 0; len(rest) > 0; {
		if target == "" || path.IsAbs(target) {
			return "is absolute: a layer lies below /opt, so only relative links work"
		}
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			if dir == "." {
				return "leaves the layer"
			}
			dir = path.Dir(dir)
			continue
		}
		next := path.Join(dir, part)
		f, isFile := t[next]
		switch {
		case folders[next]:
			dir = next
		case !isFile, f.Mode&fs.ModeSymlink == 0 && len(rest) > 0:
			return "is broken: the layer does not hold it"
		case f.Mode&fs.ModeSymlink != 0:
			if hops++; hops > maxLinkHops {
				return "goes round in circles"
			}
			target = f.Link
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
	return ""
}

// largest sums sizes by package; a file that belongs to none counts for its
// folder.
func largest(t runtimes.Tree, n int) []Share {
	sizes := make(map[string]int64)
	for name, f := range t {
		owner := f.Package
		if owner == "" {
			owner = path.Dir(name) + "/"
		}
		sizes[owner] += f.Size
	}
	shares := make([]Share, 0, len(sizes))
	for name, size := range sizes {
		shares = append(shares, Share{name, size})
	}
	slices.SortFunc(shares, func(a, b Share) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Package, b.Package))
	})
	return shares[:min(n, len(shares))]
}
