package check

import (
	"debug/elf"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Addons are a package's compiled modules, as far as something may speak
// against them.
type Addons struct {
	Path    string  `json:"path"` // of the first one
	Package string  `json:"package,omitempty"`
	ELF     []Addon `json:"elf,omitempty"`
	Foreign string  `json:"foreign,omitempty"` // the first other system it has one for
}

// An Addon is a compiled module for Linux.
type Addon struct {
	Machine string `json:"machine"`
	ABI     int    `json:"abi,omitempty"` // NODE_MODULE_VERSION; 0 where any will do, or it cannot be told
}

// nodeABI is the NODE_MODULE_VERSION of each of Lambda's versions of Node.js
// (doc/abi_version_registry.json of Node.js).
var nodeABI = map[string]int{"14": 83, "16": 93, "18": 108, "20": 115, "22": 127, "24": 137}

// addons reads the addons of each package.
func (r *nodeReader) addons() {
	index := make(map[string]int) // by package's folder
	var all []Addons
	for _, name := range r.t.Paths() {
		f := r.t[name]
		// Electron has versions of its own.
		if path.Ext(name) != ".node" || !f.Mode.IsRegular() || strings.HasPrefix(path.Base(name), "electron.") {
			continue
		}
		at := packageFolder(name)
		if r.manifests[at].barsLinux() {
			continue
		}
		i, ok := index[at]
		if !ok {
			i = len(all)
			index[at] = i
			all = append(all, Addons{Path: name, Package: f.Package})
		}
		all[i].add(name, f)
	}
	r.Addons = slices.DeleteFunc(all, func(a Addons) bool {
		return a.Foreign == "" && !slices.ContainsFunc(a.ELF, func(e Addon) bool { return e.ABI != 0 })
	})
}

// packageFolder is the folder of the package that a file belongs to, its own
// where no node_modules is above it.
func packageFolder(name string) string {
	const modules = "node_modules/"
	i := strings.LastIndex(name, modules)
	if i < 0 {
		return path.Dir(name)
	}
	below := strings.SplitN(name[i+len(modules):], "/", 3)
	n := 1
	if strings.HasPrefix(below[0], "@") {
		n = 2
	}
	return name[:i+len(modules)] + strings.Join(below[:min(n, len(below)-1)], "/")
}

// add reads one file. What cannot be read is the ELF check's.
func (a *Addons) add(name string, f runtimes.TreeFile) {
	at, done, err := readerAt(f)
	if err != nil {
		return
	}
	defer done()
	magic := make([]byte, 4)
	_, _ = at.ReadAt(magic, 0) // a shorter file has none of these
	if system := systemOf(magic); system != "" && a.Foreign == "" {
		a.Foreign = system
	}
	b, err := readELF(at)
	if err != nil || b.Musl {
		return
	}
	e, err := elf.NewFile(at)
	if err != nil {
		return
	}
	one := Addon{Machine: b.Machine, ABI: abiOf(name, e)}
	if !slices.Contains(a.ELF, one) {
		a.ELF = append(a.ELF, one)
	}
}

// systemOf is the other system whose libraries begin so, "" for none.
func systemOf(magic []byte) string {
	switch string(magic) {
	case "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe", "\xca\xfe\xba\xbf":
		return "macOS"
	}
	if string(magic[:2]) == "MZ" {
		return "Windows"
	}
	return ""
}

// An addon says what it is compiled for in the name of a function, or in a
// record that it hands to another one when it is loaded.
const (
	namesABI  = "node_register_module_v"
	handsOver = "node_module_register"
)

// pathABI matches what prebuildify and node-pre-gyp call a file, or its folder.
var pathABI = regexp.MustCompile(`(?:\.abi|/node-v)([0-9]+)[.-]`)

// abiOf is the NODE_MODULE_VERSION that an addon is bound to, 0 where it uses
// Node-API, which is every version's, or does not say.
func abiOf(name string, e *elf.File) int {
	symbols, err := e.DynamicSymbols()
	if err != nil {
		return 0
	}
	bound := 0
	for _, s := range symbols {
		switch number, names := strings.CutPrefix(s.Name, namesABI); {
		case strings.HasPrefix(s.Name, "napi_"):
			return 0 // it needs Node-API, or registers with it
		case names && s.Section != elf.SHN_UNDEF:
			bound, _ = strconv.Atoi(number)
		case s.Name == handsOver && s.Section == elf.SHN_UNDEF:
			bound = recordedABI(e)
		}
	}
	if m := pathABI.FindStringSubmatch(name); bound == 0 && m != nil {
		bound, _ = strconv.Atoi(m[1])
	}
	return bound
}

// addonFindings are packages whose addons a target cannot load.
func addonFindings(all []Addons, t Target) (found []Finding) {
	abi := nodeABI[t.Runtime.Version]
	for _, a := range all {
		f := Finding{Path: a.Path, Package: a.Package}
		if len(a.ELF) == 0 {
			f.ID, f.Problem = NodePlatform, fmt.Sprintf("is for %s, and the package has no file for Linux", a.Foreign)
			found = append(found, f)
			continue
		}
		fits, bound := false, []string(nil)
		for _, e := range a.ELF {
			switch {
			case e.Machine != string(t.Arch):
			case e.ABI == 0, e.ABI == abi:
				fits = true
			default:
				bound = append(bound, abiName(e.ABI))
			}
		}
		if fits || bound == nil || abi == 0 {
			continue
		}
		f.ID = NodeABI
		f.Problem = fmt.Sprintf("is compiled for %s, and %s has NODE_MODULE_VERSION %d", strings.Join(bound, ", "), t.Runtime.Name, abi)
		found = append(found, f)
	}
	return found
}

// abiName names a version of Node.js by its ABI.
func abiName(abi int) string {
	for version, n := range nodeABI {
		if n == abi {
			return fmt.Sprintf("Node.js %s (NODE_MODULE_VERSION %d)", version, abi)
		}
	}
	return fmt.Sprintf("NODE_MODULE_VERSION %d", abi)
}
