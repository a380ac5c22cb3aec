package check

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on what an archive may hold.
const (
	Empty     = "empty"
	Entries   = "entries"
	Size      = "size"
	Collision = "collision"
	Link      = "link"
)

var archiveRules = []Rule{
	{Empty, Error, "a layer without files", "Lambda takes no empty layer.",
		"see what exclude and excludeFiles leave, and what the lock file installs for this target"},
	{Entries, Error, "more files than a zip holds without zip64", "Not every unpacker reads the extension zip64, and Lambda is known to refuse some such archives.",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Size, Error, "a layer above 262,144,000 bytes", "Lambda refuses a function whose code and layers are larger than that, unzipped, at the end of a deploy.",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Collision, Error, "a path that is a file and a folder", "Only one of the two can be unpacked.",
		"leave one of them out with excludeFiles, or include to another path"},
	{Link, Error, "a symbolic link that would not work below /opt", "A layer is unpacked to /opt: a link that is absolute, broken, circular or leads out of the layer finds nothing there, or something else.",
		"leave it out with excludeFiles; an included one, by including what it leads to"},
}

// MaxEntries is how many files an archive holds without zip64, which not
// every unpacker reads.
const MaxEntries = 65_534

// archiveFindings are what no function can use, whatever its runtime.
func archiveFindings(t runtimes.Tree, limit int64) (found []Finding) {
	add := func(id, path, format string, args ...any) {
		found = append(found, Finding{ID: id, Path: path, Package: t[path].Package, Problem: fmt.Sprintf(format, args...)})
	}
	if len(t) == 0 {
		add(Empty, "", "the layer would hold no files")
	}
	if len(t) > MaxEntries {
		add(Entries, "", "the layer has %d files, a zip that every unpacker reads holds %d", len(t), MaxEntries)
	}
	if size := t.Size(); size > limit {
		add(Size, "", "%s", tooLarge(t, size, limit))
	}
	folders := foldersOf(t)
	for _, name := range t.Paths() {
		if folders[name] {
			add(Collision, name, "is a file and a folder at once")
		}
		if file := t[name]; file.Mode&fs.ModeSymlink != 0 {
			if problem := linkProblem(t, folders, name, file.Link); problem != "" {
				add(Link, name, "links to %q, which %s", file.Link, problem)
			}
		}
	}
	return found
}

// tooLarge says what weighs most.
func tooLarge(t runtimes.Tree, size, limit int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "unzipped size is %d bytes, %d more than Lambda's limit of %d; the largest packages:", size, size-limit, limit)
	for _, s := range largest(t, 8) {
		fmt.Fprintf(&b, "\n  %6.1f MB  %s", float64(s.size)/1e6, s.of)
	}
	return b.String()
}

// foldersOf is all folders that the tree's files lie in.
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

// share is what one package weighs in a layer, in bytes, unzipped.
type share struct {
	of   string
	size int64
}

// largest sums sizes by package; a file that belongs to none counts for its
// folder.
func largest(t runtimes.Tree, n int) []share {
	sizes := make(map[string]int64)
	for name, f := range t {
		owner := f.Package
		if owner == "" {
			owner = path.Dir(name) + "/"
		}
		sizes[owner] += f.Size
	}
	shares := make([]share, 0, len(sizes))
	for name, size := range sizes {
		shares = append(shares, share{name, size})
	}
	slices.SortFunc(shares, func(a, b share) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.of, b.of))
	})
	return shares[:min(n, len(shares))]
}
