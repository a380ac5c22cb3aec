package check

import (
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on Python's packages.
const (
	PythonModule   = "python-module"
	PythonRequires = "python-requires"
	PythonCapped   = "python-capped"
	PythonMissing  = "python-missing"
	PythonConflict = "python-conflict"
)

var pythonRules = []Rule{
	{PythonModule, Error, "an extension module that the runtime's Python does not load", "Python looks for an extension module under three endings: its own with version and platform (.cpython-313-x86_64-linux-gnu.so), .abi3.so, and .so. A module with another ending was built for another Python, architecture or system, and is not there for this one: \"No module named _cffi_backend\". A package that has its module for several of them is not meant, as long as one is the layer's.",
		"install the packages for the runtime's Python and architecture: build the layer with layerbuild, or pip install --platform, --python-version and --only-binary=:all:"},
	{PythonRequires, Error, "a package that needs a newer Python", "Its metadata (Requires-Python) asks for a newer Python than the runtime's, as a rule because its code has syntax or imports which older ones do not know.",
		"lock a version of the package that supports the runtime's Python, or use a newer runtime"},
	{PythonCapped, Warning, "a package that is not meant for a Python as new as the runtime's", "Its metadata (Requires-Python) ends before the runtime's Python. Many a package works all the same; pip would not install it.",
		"see whether a newer version of the package supports the runtime's Python"},
	{PythonMissing, Warning, "a package that another one requires and the layer has not", "Markers are evaluated for the target, and extras are not asked for, as pip check does. The layer works where the function or another of its layers brings the package; what the configuration excludes is meant to come from there, and no finding.",
		"lock the package, too; or name it under exclude, if it comes from elsewhere"},
	{PythonConflict, Warning, "a package in a version that another one does not admit", "What pip check says: the packages were not tried together by their authors. Lock files hold such sets where somebody has overridden a requirement.",
		"lock versions that go together, or allow the finding if that is meant"},
}

// Python is what the checks have to know of a tree's Python packages. A folder
// is the X.Y of python/lib/pythonX.Y/site-packages, "" for python/ itself,
// which every version searches.
type Python struct {
	Folders  []string          `json:"folders,omitempty"` // except ""
	Modules  []ExtensionModule `json:"modules,omitempty"`
	Requires []RequiredPython  `json:"requires,omitempty"`
	Unmet    []Unmet           `json:"unmet,omitempty"`
	Bytecode []Bytecode        `json:"bytecode,omitempty"`
	Scripts  []Script          `json:"scripts,omitempty"`
	Found    []placed          `json:"found,omitempty"` // whatever the version
}

// inPython splits the path of a file in a layer into the folder that it lies
// in and its path from there, false where no Python searches it.
func inPython(name string) (folder, rest string, ok bool) {
	rest, ok = strings.CutPrefix(name, "python/")
	if versioned, is := strings.CutPrefix(rest, "lib/python"); ok && is {
		version, inner, found := strings.Cut(versioned, "/site-packages/")
		if found && version != "" && strings.Trim(version, "0123456789.") == "" {
			return version, inner, true
		}
	}
	return "", rest, ok
}

// pythonOf reads the Python packages of a tree, nil where it has none.
func pythonOf(t runtimes.Tree) *Python {
	var p Python
	var names []string
	for _, name := range t.Paths() {
		folder, _, ok := inPython(name)
		if !ok {
			continue
		}
		names = append(names, name)
		if folder != "" && !slices.Contains(p.Folders, folder) {
			p.Folders = append(p.Folders, folder)
		}
	}
	if names == nil {
		return nil
	}
	dists := distributions(t, names)
	p.Modules = modulesOf(t, names)
	p.Requires = requiredPythons(dists)
	p.Unmet = unmet(dists, p.Folders, topLevel(names))
	compiled := bytecodeOf(t, names)
	p.Bytecode = compiled.used
	p.Scripts = scriptsOf(t)
	p.Found = append(pathFiles(t, names), compiled.placed...)
	return &p
}

// pythonFindings are what a target's Python would not load, or what would not
// work there.
func pythonFindings(p *Python, t Target) (found []Finding) {
	if p == nil || t.Runtime.Family != "python" {
		return nil
	}
	searched := func(folder string) bool { return folder == "" || folder == t.Runtime.Version }
	for _, m := range p.Modules {
		if searched(m.Folder) {
			found = append(found, m.findings(t)...)
		}
	}
	for _, r := range p.Requires {
		if searched(r.Folder) {
			found = append(found, r.findings(t)...)
		}
	}
	view := ""
	if slices.Contains(p.Folders, t.Runtime.Version) {
		view = t.Runtime.Version
	}
	unmet := slices.DeleteFunc(slices.Clone(p.Unmet), func(u Unmet) bool { return u.Folder != view })
	found = append(found, unmetFindings(unmet, t)...)
	for _, b := range p.Bytecode {
		if searched(b.Folder) {
			found = append(found, b.findings(t)...)
		}
	}
	for _, s := range p.Scripts {
		found = append(found, s.findings(t)...)
	}
	for _, f := range p.Found {
		if searched(f.Folder) {
			found = append(found, f.like(f.More))
		}
	}
	return found
}

// list joins names for people: "a", "a and b", "a, b and c".
func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
