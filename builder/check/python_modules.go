package check

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// An ExtensionModule is one of a package's that only certain interpreters load,
// for all of the package's that have the same endings.
type ExtensionModule struct {
	Path    string   `json:"path"`
	Package string   `json:"package,omitempty"`
	Folder  string   `json:"folder,omitempty"` // see Python
	Endings []string `json:"endings"`          // ".cpython-312-x86_64-linux-gnu.so"
}

// moduleFile matches the files of extension modules: name and ending. The ending
// of a library, libm.so.6, is no module's.
var moduleFile = regexp.MustCompile(`^([^.]+)(\.abi3\.so|\.so|(?:\.(?:cpython|pypy|graalpy|cp)-?[0-9][^.]*)\.(?:so|pyd)|\.pyd)$`)

// modulesOf lists the extension modules that not every Python loads. A module
// that lies in several places of its package, for a choice, is one.
func modulesOf(t runtimes.Tree, names []string) (kept []ExtensionModule) {
	type unit struct{ of, module, folder string }
	var order []unit
	modules := make(map[unit]*ExtensionModule)
	for _, name := range names {
		m := moduleFile.FindStringSubmatch(path.Base(name))
		if m == nil {
			continue
		}
		folder, _, _ := inPython(name)
		u := unit{t[name].Package, m[1], folder}
		if u.of == "" {
			u.of = path.Dir(name) + "/"
		}
		if modules[u] == nil {
			order = append(order, u)
			modules[u] = &ExtensionModule{Path: name, Package: t[name].Package, Folder: folder}
		}
		if !slices.Contains(modules[u].Endings, m[2]) {
			modules[u].Endings = append(modules[u].Endings, m[2])
		}
	}
	for _, u := range order {
		m := *modules[u]
		alike := func(other ExtensionModule) bool {
			return other.Package == m.Package && other.Folder == m.Folder && slices.Equal(other.Endings, m.Endings)
		}
		if !slices.ContainsFunc(m.Endings, anyPython) && (m.Package == "" || !slices.ContainsFunc(kept, alike)) {
			kept = append(kept, m)
		}
	}
	return kept
}

// anyPython tells whether every CPython on Linux loads modules with an ending;
// whether it then finds in them what it needs, the ending does not say.
func anyPython(ending string) bool { return ending == ".so" || ending == ".abi3.so" }

// gnuMachines are the architectures' names in the endings of modules.
var gnuMachines = map[runtimes.Arch]string{runtimes.X86_64: "x86_64", runtimes.ARM64: "aarch64"}

// findings says whether a target's Python loads the module.
func (m ExtensionModule) findings(t Target) []Finding {
	own := fmt.Sprintf(".cpython-%s-%s-linux-gnu.so", strings.ReplaceAll(t.Runtime.Version, ".", ""), gnuMachines[t.Arch])
	if slices.Contains(m.Endings, own) {
		return nil
	}
	return []Finding{{ID: PythonModule, Path: m.Path, Package: m.Package,
		Problem: fmt.Sprintf("is a module with the ending %s: %s on %s loads %s, .abi3.so and .so", list(m.Endings), t.Runtime.Name, t.Arch, own)}}
}
