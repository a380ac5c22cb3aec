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
	Function  = "size-function"
	Collision = "collision"
	Link      = "link"
)

var archiveRules = []Rule{
	{Empty, Error, "a layer without files", "Lambda takes no empty layer.",
		"see what exclude and excludeFiles leave, and what the lock file installs for this target"},
	{Entries, Error, "more files than a zip holds without zip64", "Not every unpacker reads the extension zip64, and Lambda is known to refuse some such archives.",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Size, Error, "a layer above 262,144,000 bytes", "Lambda refuses a function whose code and layers are larger than that, unzipped, at the end of a deploy: \"Unzipped size must be smaller than 262144000 bytes\".",
		"leave packages out with exclude or excludeFiles, or split the layer"},
	{Function, Error, "a layer that leaves no room for the rest of its function", "Lambda's limit of 262,144,000 bytes is for the function's own code and all its layers together, unzipped. check: {otherLayers: 80MB, function: 10MB} says what the others weigh; without it the layer is judged alone.",
		"leave packages out with exclude or excludeFiles, move some to another function's layer, or correct otherLayers and function"},
	{Collision, Error, "a path that is a file and a folder", "Only one of the two can be unpacked.",
		"leave one of them out with excludeFiles, or include to another path"},
	{Link, Error, "a symbolic link that would not work below /opt", "A layer is unpacked to /opt: a link that is absolute, broken, circular or leads out of the layer finds nothing there, or something else.",
		"leave it out with excludeFiles; an included one, by including what it leads to"},
}

// MaxEntries is how many files an archive holds without zip64, which not
// every unpacker reads.
const MaxEntries = 65_534

// Weight is what a tree counts for in a function's size, unzipped.
type Weight struct {
	Size    int64   `json:"size"`
	Limit   int64   `json:"limit"` // of a function with its layers
	Largest []share `json:"largest,omitempty"`
}

// share is what one package weighs in a layer, in bytes.
type share struct {
	Of   string `json:"of"`
	Size int64  `json:"size"`
}

// heaviest is how many packages a message about a layer's size lists.
const heaviest = 8

func weigh(t runtimes.Tree, limit int64) Weight {
	return Weight{Size: t.Size(), Limit: limit, Largest: largest(t, heaviest)}
}

// over says that a function is too large, "" where it is not: one that has this
// layer and, of the rest, the other bytes.
func (w Weight) over(other int64) string {
	excess := w.Size + other - w.Limit
	if excess <= 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "unzipped size is %d bytes, ", w.Size)
	if other > 0 {
		fmt.Fprintf(&b, "and %d with the function's other layers and its code, ", w.Size+other)
	}
	fmt.Fprintf(&b, "%d more than Lambda's limit of %d; the largest packages:", excess, w.Limit)
	for _, s := range w.Largest {
		fmt.Fprintf(&b, "\n  %6.1f MB  %s", float64(s.Size)/1e6, s.Of)
	}
	return b.String()
}

// weightFindings are what the layer's size comes to in a target's function. A
// layer that is too large by itself is one finding, whatever the function.
func weightFindings(w Weight, t Target) []Finding {
	if w.over(0) != "" {
		return nil
	}
	if problem := w.over(t.Beside); problem != "" {
		return []Finding{{ID: Function, Problem: problem}}
	}
	return nil
}

// archiveFindings are what no function can use, whatever its runtime.
func archiveFindings(t runtimes.Tree, w Weight) (found []Finding) {
	add := func(id, path, format string, args ...any) {
		found = append(found, Finding{ID: id, Path: path, Package: t[path].Package, Problem: fmt.Sprintf(format, args...)})
	}
	if len(t) == 0 {
		add(Empty, "", "the layer would hold no files")
	}
	if len(t) > MaxEntries {
		add(Entries, "", "the layer has %d files, a zip that every unpacker reads holds %d", len(t), MaxEntries)
	}
	if problem := w.over(0); problem != "" {
		add(Size, "", "%s", problem)
	}
	folders := foldersOf(t)
	links := linkWalk{t, folders, linkBudget}
	for _, name := range t.Paths() {
		if folders[name] {
			add(Collision, name, "is a file and a folder at once")
		}
		if file := t[name]; file.Mode&fs.ModeSymlink != 0 {
			if problem := links.problem(name, file.Link); problem != "" {
				add(Link, name, "links to %q, which %s", file.Link, problem)
			}
		}
	}
	return found
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

// linkBudget is what following all links of a layer may cost, in bytes of paths
// and a sum for each element. 65,534 links of honest packages cost a third of it;
// as many that lead to and fro, as a hostile archive has them, would take hours.
const (
	linkBudget  = 1 << 28
	elementCost = 64
)

// A linkWalk follows the links of a tree.
type linkWalk struct {
	t       runtimes.Tree
	folders map[string]bool
	left    int // of the budget
}

// problem says why the link at name would not work, "" where it would. It
// follows the target as the kernel does, one path element after the other.
func (w *linkWalk) problem(name, target string) string {
	t, folders := w.t, w.folders
	dir := path.Dir(name)
	rest := strings.Split(target, "/")
	for hops := 0; len(rest) > 0; {
		if target == "" || path.IsAbs(target) {
			return "is absolute: a layer lies below /opt, so only relative links work"
		}
		if w.left -= len(dir) + elementCost; w.left < 0 {
			return "leads, as the layer's other links do, to and fro between so many folders that nobody follows it"
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
			w.left -= elementCost * len(rest) // which are copied
			rest = append(strings.Split(target, "/"), rest...)
		}
	}
	return ""
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
		return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Of, b.Of))
	})
	return shares[:min(n, len(shares))]
}
