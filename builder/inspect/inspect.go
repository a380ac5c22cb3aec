// Package inspect says what is in a layer: its packages with their versions,
// licences and sizes, what of them is native code, and the largest files. It
// reads the tree itself, so it does not matter who made the archive.
package inspect

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// The kinds of packages: the families of runtimes that have some, and files
// that belong to no package.
const (
	Python = "python"
	Node   = "nodejs"
	Java   = "java"
	Files  = "files"
)

// Inventory is what a layer holds.
type Inventory struct {
	Files      int       `json:"files"`
	Size       int64     `json:"unzippedSize"`   // bytes, what counts against Lambda's limit
	Compressed int64     `json:"compressedSize"` // bytes of the files' data in the archive
	Packages   []Package `json:"packages"`       // the largest first
	Largest    []File    `json:"largest"`        // files
}

// Package is one version of a package, however often it is there, or, of the
// kind Files, a folder of files that belong to none.
type Package struct {
	Kind       string   `json:"kind"`
	Name       string   `json:"name"`
	Version    string   `json:"version,omitempty"`
	License    string   `json:"license,omitempty"` // as the package says it
	Places     []string `json:"places,omitempty"`  // folders or files that tell of it
	Files      int      `json:"files"`
	Size       int64    `json:"unzippedSize"`
	Compressed int64    `json:"compressedSize"`
	Native     []Native `json:"native,omitempty"`

	content hash.Hash // over its files
	sum     string
}

// Native is a package's code for one platform.
type Native struct {
	Platform string `json:"platform"`          // an architecture of Lambda's, or another platform in words
	Musl     bool   `json:"musl,omitempty"`    // of which Lambda has none
	Files    int    `json:"files,omitempty"`   // 0 where they were not counted
	Glibc    string `json:"glibc,omitempty"`   // the oldest that will do
	Libcxx   string `json:"glibcxx,omitempty"` // of the C++ library
	needs    []check.SymbolVersion
}

// File is one file of a layer.
type File struct {
	Path       string `json:"path"`
	Package    string `json:"package,omitempty"`
	Size       int64  `json:"unzippedSize"`
	Compressed int64  `json:"compressedSize"`
}

// Known is a package that is known to be in a layer without looking there.
type Known struct {
	Name, Version string
	File          string // name of the distribution file
}

// shownFiles are as many as [Inventory.Largest] lists.
const shownFiles = 10

// Take takes the inventory of a tree. compressed are the sizes of its files in
// their archive. What is known fills in where a package's metadata is gone.
func Take(t runtimes.Tree, compressed map[string]int64, known []Known) *Inventory {
	r := reader{t: t, paths: t.Paths(), owner: make(map[string]*Package, len(t)), packages: make(map[[3]string]*Package)}
	r.python(known)
	r.node()
	r.java(known)
	for _, name := range r.paths {
		if r.owner[name] == nil {
			r.owner[name] = r.add(Files, folderOf(name), "", "")
		}
	}
	for _, b := range check.Binaries(t) {
		r.owner[b.Path].addNative(b, 1)
	}
	return r.sum(compressed)
}

// Planned is the inventory of a layer of which only the packages are known.
func Planned(kind string, known []Known) *Inventory {
	r := reader{packages: make(map[[3]string]*Package)}
	for _, k := range known {
		name := k.Name
		if kind == Python {
			name = pythonName(name)
		}
		r.add(kind, name, k.Version, "")
	}
	return r.sum(nil)
}

// reader takes an inventory.
type reader struct {
	t        runtimes.Tree
	paths    []string               // of t, in order
	owner    map[string]*Package    // by path
	packages map[[3]string]*Package // by kind, name and version
}

// add returns the package of that kind, name and version, found at a place.
func (r *reader) add(kind, name, version, place string) *Package {
	name, version = clean(name), clean(version)
	key := [3]string{kind, name, version}
	p := r.packages[key]
	if p == nil {
		p = &Package{Kind: kind, Name: name, Version: version, content: sha256.New()}
		r.packages[key] = p
	}
	if place != "" {
		p.Places = append(p.Places, place)
	}
	return p
}

// license notes what a package says of its licence, the first time.
func (p *Package) license(text string) {
	if p.License == "" {
		p.License = clean(text)
	}
}

// addNative notes one file, or several, for a platform.
func (p *Package) addNative(b check.Binary, files int) {
	i := slices.IndexFunc(p.Native, func(n Native) bool { return n.Platform == b.Machine && n.Musl == b.Musl })
	if i < 0 {
		i = len(p.Native)
		p.Native = append(p.Native, Native{Platform: b.Machine, Musl: b.Musl})
	}
	n := &p.Native[i]
	n.Files += files
	for _, v := range b.Needs {
		j := slices.IndexFunc(n.needs, func(w check.SymbolVersion) bool { return w.Family == v.Family })
		switch {
		case j < 0:
			n.needs = append(n.needs, v)
		case slices.Compare(v.Parts, n.needs[j].Parts) > 0:
			n.needs[j] = v
		default:
			continue
		}
		switch _, number, _ := strings.Cut(v.String(), "_"); v.Family {
		case "GLIBC":
			n.Glibc = number
		case "GLIBCXX":
			n.Libcxx = number
		}
	}
}

// sum adds up the files of each package.
func (r *reader) sum(compressed map[string]int64) *Inventory {
	inv := &Inventory{Packages: []Package{}, Largest: []File{}}
	for _, name := range r.paths {
		f, p := r.t[name], r.owner[name]
		size := compressed[name]
		inv.Files, inv.Size, inv.Compressed = inv.Files+1, inv.Size+f.Size, inv.Compressed+size
		p.Files, p.Size, p.Compressed = p.Files+1, p.Size+f.Size, p.Compressed+size
		fmt.Fprintf(p.content, "%q %v %x %q\n", name, f.Mode, f.SHA256, f.Link)
		file := File{Path: name, Size: f.Size, Compressed: size}
		if p.Kind != Files {
			file.Package = p.Name
		}
		inv.Largest = append(inv.Largest, file)
	}
	slices.SortStableFunc(inv.Largest, func(a, b File) int { return cmp.Compare(b.Size, a.Size) })
	inv.Largest = slices.Clone(inv.Largest[:min(shownFiles, len(inv.Largest))])
	for _, p := range r.packages {
		p.sum = string(p.content.Sum(nil))
		slices.SortFunc(p.Native, func(a, b Native) int {
			return cmp.Or(strings.Compare(a.Platform, b.Platform), cmp.Compare(a.Files, b.Files))
		})
		inv.Packages = append(inv.Packages, *p)
	}
	slices.SortFunc(inv.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.Kind, b.Kind))
	})
	return inv
}

// Count is how many packages there are.
func (inv *Inventory) Count() int {
	n := 0
	for _, p := range inv.Packages {
		if p.Kind != Files {
			n++
		}
	}
	return n
}

// folderOf names the folder that stands for a file of no package: a module
// where Python searches, else at most two levels.
func folderOf(name string) string {
	base, rest, ok := searchedBy(name)
	if ok {
		first, _, isFolder := strings.Cut(rest, "/")
		if isFolder {
			first += "/"
		}
		return base + first
	}
	parts := strings.Split(name, "/")
	if len(parts) == 1 {
		return "./"
	}
	return strings.Join(parts[:min(2, len(parts)-1)], "/") + "/"
}

// maxText is more than names, versions and licences have.
const maxText = 120

// clean makes a text of outside fit for one line.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return text
}
