package check

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on the libraries that programs and libraries need.
const (
	ELFNeeded   = "elf-needed"
	ELFPart     = "elf-part"
	ELFUnsought = "elf-unsought"
	ELFPath     = "elf-path"
)

var neededRules = []Rule{
	{ELFNeeded, Error, "a program or library that needs a library which is nowhere", "The function ends with \"libpq.so.5: cannot open shared object file\". The loader looks into the folders that the file itself names, the runtime's and /opt/lib. What the runtimes have is a table of layerbuild's (doc/runtimes.md), which `libraries` under `runtimes:` adds to; a library of the image that built the file is not there unless it is copied.",
		"take a package that brings its libraries (a manylinux wheel, such as psycopg2-binary), or copy the library to lib/ of the layer, for the same system and architecture"},
	{ELFPart, Warning, "a part of a package that needs a library which is nowhere, where other parts do not", "A package made for many systems may have parts that only some of them can use. If the function uses this one, it ends with \"cannot open shared object file\".",
		"copy the library to lib/ of the layer if the function needs that part, or allow it"},
	{ELFUnsought, Warning, "a library that lies in the layer where the loader does not look for it", "Of a layer the loader knows /opt/lib, and the folders that the file which needs the library names itself (RUNPATH). There is no /opt/lib64.",
		"move the library to lib/ of the layer"},
	{ELFPath, Warning, "a program or library that names folders outside of the layer for its libraries", "RPATH and RUNPATH are searched before the system's folders. A path of the machine that built the file means nothing in a function, and what lies below /tmp there is the function's own to write.",
		"build it with $ORIGIN, or patchelf --set-rpath '$ORIGIN'"},
}

// A linkage is what the loader reads of an ELF file to find its libraries.
type linkage struct {
	soname string
	needed []string
	paths  []string // RUNPATH, or where there is none RPATH
}

func linkageOf(e *elf.File) (l linkage, err error) {
	if l.needed, err = e.ImportedLibraries(); err != nil {
		return l, fmt.Errorf("the libraries it needs cannot be read: %w", err)
	}
	for _, tag := range []elf.DynTag{elf.DT_SONAME, elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := e.DynString(tag)
		if err != nil {
			return l, fmt.Errorf("its name or its search path cannot be read: %w", err)
		}
		for _, s := range values {
			if tag == elf.DT_SONAME {
				l.soname = s
			} else if l.paths == nil {
				l.paths = strings.Split(s, ":")
			}
		}
	}
	return l, nil
}

// The folders of a function that hold libraries, those of its layers apart.
var systemFolders = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/local/lib64", "/var/lang", "/var/runtime", "/var/task"}

// folders are where the loader looks for what a file at name needs: those of a
// layer, below its root, and the file's own that are outside of it.
func (l linkage) folders(name string) (inside, outside []string) {
	inside = []string{"lib"} // LD_LIBRARY_PATH has /opt/lib
	origin := path.Join("/opt", path.Dir(name))
	for _, p := range l.paths {
		dir := path.Clean(strings.NewReplacer("$ORIGIN", origin, "${ORIGIN}", origin, "$LIB", "lib64", "${LIB}", "lib64").Replace(p))
		below := func(folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }
		switch {
		case p == "":
		case below("/opt"):
			inside = append(inside, cmp.Or(strings.TrimPrefix(dir, "/opt/"), "."))
		case !slices.ContainsFunc(systemFolders, below):
			outside = append(outside, p)
		}
	}
	return inside, outside
}

// A Library is one that a file needs and that the loader does not find in the
// layer. At is where the layer has it all the same.
type Library struct {
	Name string `json:"name"`
	At   string `json:"at,omitempty"`
}

// holders are where a tree has libraries, by machine and name: that of the
// file, and the one that it has given itself.
type holders map[string][]string

func holdersOf(t runtimes.Tree, all []linked) holders {
	h := make(holders)
	for _, b := range all {
		h.add(b.Machine, path.Base(b.Path), b.Path)
		if b.soname != "" && b.soname != path.Base(b.Path) {
			h.add(b.Machine, b.soname, b.Path)
		}
	}
	for name, f := range t {
		if f.Mode&fs.ModeSymlink != 0 && strings.Contains(path.Base(name), ".so") {
			h.add("", path.Base(name), name)
		}
	}
	for _, paths := range h {
		slices.Sort(paths)
	}
	return h
}

func (h holders) add(machine, library, at string) {
	key := machine + " " + library
	h[key] = append(h[key], at)
}

func (h holders) of(machine, library string) []string {
	return slices.Concat(h[machine+" "+library], h[" "+library])
}

// find is where the loader finds a library that a file needs: below paths of the
// tree, and whether that is a place it searches. What lies beside the file in
// its own package counts as searched: packages load their libraries by
// themselves before others need them.
func (h holders) find(t runtimes.Tree, b linked, library string) (at []string, searched bool) {
	inside, _ := b.folders(b.Path)
	for i, dir := range inside {
		inside[i] = followed(t, dir)
	}
	at = h.of(b.Machine, library)
	return at, slices.ContainsFunc(at, func(p string) bool {
		return slices.Contains(inside, path.Dir(p)) || sameUnit(b.Package, b.Path, t[p].Package, p)
	})
}

// followed is where a folder's path leads through the tree's links: pnpm has a
// link for each package that another one needs.
func followed(t runtimes.Tree, dir string) string {
	at := "."
	rest := strings.Split(dir, "/")
	for hops := 0; len(rest) > 0 && hops <= maxLinkHops; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		if f := t[next]; f.Mode&fs.ModeSymlink != 0 {
			rest = append(strings.Split(f.Link, "/"), rest...)
			hops++
			continue
		}
		at = next
	}
	return at
}

// maxReached is more than any package has libraries that need one another.
const maxReached = 1000

// lacking are the libraries that a file, or one that it needs of its own
// package, needs and that the loader does not find in the tree.
func (h holders) lacking(t runtimes.Tree, all map[string]linked, b linked) (lacks []Library) {
	reached := []string{b.Path}
	for n := 0; n < len(reached) && n < maxReached; n++ {
		next := all[reached[n]]
		for _, needed := range next.needed {
			library := Library{Name: path.Base(needed)}
			at, searched := h.find(t, next, library.Name)
			for _, p := range at {
				if t[p].Package == b.Package && b.Package != "" && !slices.Contains(reached, p) {
					reached = append(reached, p)
				}
			}
			if at != nil && !searched {
				library.At = at[0]
			}
			if !searched && !slices.Contains(lacks, library) {
				lacks = append(lacks, library)
			}
		}
	}
	return lacks
}

// sameUnit tells whether two files belong together: to one package, or both to
// none and to one language's folder.
func sameUnit(pkg, name, otherPkg, other string) bool {
	first, _, _ := strings.Cut(name, "/")
	otherFirst, _, _ := strings.Cut(other, "/")
	return pkg == otherPkg && (pkg != "" || first == otherFirst)
}

// builtPackages are the wheels that were compiled for this layer: whoever did
// that has not looked after the libraries that they need. Those for others say
// in their platform's name that somebody has (manylinux).
func builtPackages(t runtimes.Tree) map[string]bool {
	built := make(map[string]bool)
	for name, f := range t {
		if dir, base := path.Split(name); base != "WHEEL" || !strings.HasSuffix(dir, ".dist-info/") || !f.Mode.IsRegular() {
			continue
		}
		data, err := f.ReadAll(1 << 20)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for lines.Scan() {
			if tag, ok := strings.CutPrefix(lines.Text(), "Tag: "); ok && strings.Contains(tag, "-linux_") {
				built[f.Package] = true
			}
		}
	}
	return built
}

// pathFindings are search paths that lead out of the layer.
func pathFindings(all []linked) (found []Finding) {
	told := make(map[string]bool) // by package
	for _, b := range all {
		_, outside := b.folders(b.Path)
		if outside == nil || b.Package != "" && told[b.Package] {
			continue
		}
		told[b.Package] = true
		found = append(found, Finding{ID: ELFPath, Path: b.Path, Package: b.Package,
			Problem: "looks for libraries in " + strings.Join(outside, " and ") + ", outside of the layer"})
	}
	return found
}

// neededFindings are the libraries that the files which run on a target would
// not find there: those of a package together.
func neededFindings(all []Binary, target Target) (found []Finding) {
	units := make(map[string][]Binary)
	var order []string
	for _, b := range all {
		if !b.runsOn(target.Arch) {
			continue
		}
		unit := cmp.Or(b.Package, "/"+b.Path)
		if units[unit] == nil {
			order = append(order, unit)
		}
		units[unit] = append(units[unit], b)
	}
	for _, unit := range order {
		found = append(found, missingFindings(units[unit], target)...)
		found = append(found, unsoughtFindings(units[unit], target)...)
	}
	return found
}

// missingFindings is the finding on a package's files, if any lacks a library.
// It is a part that lacks it where another of the modules and programs finds all
// it needs, unless the package was compiled for this layer.
func missingFindings(unit []Binary, target Target) []Finding {
	var broken []Binary
	working := false
	for _, b := range leading(unit) {
		if b.missing(target) != nil {
			broken = append(broken, b)
		} else {
			working = true
		}
	}
	if broken == nil { // what no module has linked, such as plugins
		for _, b := range unit {
			if b.missing(target) != nil {
				broken = append(broken, b)
			}
		}
	}
	if broken == nil {
		return nil
	}
	first, id := broken[0], ELFNeeded
	if working && !first.Built {
		id = ELFPart
	}
	var missing []string
	for _, b := range broken {
		for _, library := range b.missing(target) {
			if !slices.Contains(missing, library) {
				missing = append(missing, library)
			}
		}
	}
	return []Finding{{ID: id, Path: first.Path, Package: first.Package,
		Problem: fmt.Sprintf("needs %s, which neither the layer nor %s has; in layerbuild.yaml: %s", inWords(missing), target.Runtime.Name, copyLine(missing))}}
}

// unsoughtFindings are libraries that a package's files need and that lie in
// the layer, but not where the loader searches.
func unsoughtFindings(unit []Binary, target Target) (found []Finding) {
	told := make(map[Library]bool)
	for _, b := range unit {
		for _, library := range b.Lacks {
			if library.At == "" || told[library] || !target.Runtime.Lacks(library.Name) {
				continue
			}
			told[library] = true
			found = append(found, Finding{ID: ELFUnsought, Path: b.Path, Package: b.Package,
				Problem: fmt.Sprintf("needs %s, which the layer has as %s, where the loader does not look", library.Name, library.At)})
		}
	}
	return found
}

// missing are the libraries that neither the layer nor a target's runtime has.
func (b Binary) missing(target Target) (missing []string) {
	for _, library := range b.Lacks {
		if library.At == "" && target.Runtime.Lacks(library.Name) {
			missing = append(missing, library.Name)
		}
	}
	return missing
}

// leading are a package's modules and programs, which load its libraries, or
// its libraries where it has nothing else.
func leading(unit []Binary) []Binary {
	modules := slices.DeleteFunc(slices.Clone(unit), func(b Binary) bool { return isLibrary(b.Path) })
	if len(modules) == 0 {
		return unit
	}
	return modules
}

// isLibrary tells a library, which only other files load, from modules and
// programs, by its name.
func isLibrary(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "lib") && strings.Contains(base, ".so")
}

// inWords lists names.
func inWords(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// copyLine is what layerbuild.yaml says to bring libraries into a layer.
func copyLine(libraries []string) string {
	var items []string
	for _, library := range libraries {
		items = append(items, "/usr/lib64/"+library+": lib/")
	}
	return "copy: {" + strings.Join(items, ", ") + "}"
}
