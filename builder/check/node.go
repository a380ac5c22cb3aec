package check

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// The ids of the checks on packages of Node.js.
const (
	NodeABI        = "node-abi"
	NodePlatform   = "node-platform"
	NodeEngine     = "node-engine"
	NodeDependency = "node-dependency"
)

var nodeRules = []Rule{
	{NodeABI, Error, "an addon that is compiled for another version of Node.js", "An addon that uses V8 itself, and not Node-API, is bound to one NODE_MODULE_VERSION: loading it ends with \"was compiled against a different Node.js version\". A package that has files for several versions is not meant, as long as one of them is the runtime's.",
		"build the layer for its function's runtime, in that runtime's image (allowScripts), or lock a version of the package that has a file for it"},
	{NodePlatform, Error, "a package that was installed for another system", "npm install takes the files of the machine that it runs on. In Lambda the package finds none that it can load (\"invalid ELF header\", \"Could not load the module using the linux-x64 runtime\").",
		"build the layer with layerbuild build, or install with npm ci --os=linux --cpu=x64 (or arm64) --libc=glibc"},
	{NodeEngine, Warning, "a package that asks for another version of Node.js", "What engines in its package.json names does not include the runtime's version: the package's authors do not test it there, and it may use what is not there.",
		"lock a version of the package for the runtime, or use another runtime; allow it, if the function is known to work"},
	{NodeDependency, Warning, "a package whose dependency is not in the layer", "require or import of it ends with \"Cannot find module\", unless another layer or the runtime has it. What the runtime's own AWS SDK brings (@aws-sdk, @smithy) is not meant.",
		"see what exclude leaves out; allow it, where another layer has it"},
}

// Node is what the checks have to know of a tree's packages of Node.js.
type Node struct {
	Addons  []Addons  `json:"addons,omitempty"`
	Engines []Engine  `json:"engines,omitempty"`
	Missing []Missing `json:"missing,omitempty"`
	Lacking []Lacking `json:"lacking,omitempty"`
}

// An Engine is a range of versions of Node.js that packages ask for.
type Engine struct {
	Range   string `json:"range"`
	Path    string `json:"path"` // of the first such package's package.json
	Package string `json:"package,omitempty"`
	Others  int    `json:"others,omitempty"` // how many packages more ask for it
}

// Missing is a dependency that some packages declare and none of them finds.
type Missing struct {
	Name    string `json:"name"`
	Path    string `json:"path"` // of the first such package's package.json
	Package string `json:"package,omitempty"`
	Others  int    `json:"others,omitempty"`
}

// Lacking is a package that chooses one of its optional dependencies by the
// platform, where the layer has one for another system. Of what is for Linux on
// the other processor, the ELF checks tell.
type Lacking struct {
	Path    string          `json:"path"` // of its package.json
	Package string          `json:"package,omitempty"`
	Has     string          `json:"has"`
	Arches  []runtimes.Arch `json:"arches"`
}

// manifest is what is read of a package.json. Registries hold every kind of
// each field, so none is an error.
type manifest struct {
	Engines  json.RawMessage `json:"engines"`
	OS       json.RawMessage `json:"os"`
	Requires json.RawMessage `json:"dependencies"`
	Optional json.RawMessage `json:"optionalDependencies"`
}

// keys are the names in an object, in order, none where it is something else.
func keys(object json.RawMessage) []string {
	var m map[string]json.RawMessage
	if json.Unmarshal(object, &m) != nil {
		return nil
	}
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m manifest) engine() string {
	var engines struct{ Node string }
	if json.Unmarshal(m.Engines, &engines) != nil {
		return ""
	}
	return engines.Node
}

// barsLinux tells whether the package says that it does not run on Linux.
func (m manifest) barsLinux() bool {
	var list []string
	if json.Unmarshal(m.OS, &list) != nil || len(list) == 0 {
		return false
	}
	not := func(s string) bool { return strings.HasPrefix(s, "!") }
	return slices.Contains(list, "!linux") || !slices.Contains(list, "linux") && !slices.ContainsFunc(list, not)
}

// packageJSON matches the package.json of an installed package, at a place that
// require looks at: one among a package's own tests is none.
var packageJSON = regexp.MustCompile(`^nodejs/(?:node[0-9]+/)?(?:node_modules/(?:\.pnpm/[^/]+/node_modules/)?(?:@[^/]+/)?[^/@.][^/]*/)+package\.json$`)

// packages reads the package.json of each package.
func packages(t runtimes.Tree) (n Node) {
	r := nodeReader{t: t, folders: foldersOf(t), manifests: make(map[string]manifest)}
	for folder := range r.folders {
		if searchedFolder.MatchString(folder) {
			r.searched = append(r.searched, folder)
		}
	}
	for _, name := range t.Paths() {
		if !packageJSON.MatchString(name) || !t[name].Mode.IsRegular() {
			continue
		}
		data, err := t[name].ReadAll(maxManifest)
		var m manifest
		if err != nil || json.Unmarshal(data, &m) != nil {
			continue // whoever requires the package will see
		}
		r.manifests[path.Dir(name)] = m
		r.addEngine(name, m)
		r.addMissing(name, m)
		r.addLacking(name, m)
	}
	r.addons()
	return r.Node
}

// nodeReader finds what Node says of a tree.
type nodeReader struct {
	Node
	t         runtimes.Tree
	folders   map[string]bool
	searched  []string            // those of NODE_PATH
	manifests map[string]manifest // by package's folder
}

func (r *nodeReader) addEngine(name string, m manifest) {
	asked := m.engine()
	if asked == "" {
		return
	}
	if i := slices.IndexFunc(r.Engines, func(e Engine) bool { return e.Range == asked }); i >= 0 {
		r.Engines[i].Others++
		return
	}
	r.Engines = append(r.Engines, Engine{Range: asked, Path: name, Package: r.t[name].Package})
}

func (r *nodeReader) addMissing(name string, m manifest) {
	optional := keys(m.Optional) // npm takes what is named in both for optional
	for _, dependency := range keys(m.Requires) {
		if builtins[dependency] || strings.HasPrefix(dependency, "@types/") || slices.Contains(optional, dependency) || r.resolves(path.Dir(name), dependency) {
			continue
		}
		if i := slices.IndexFunc(r.Missing, func(m Missing) bool { return m.Name == dependency }); i >= 0 {
			r.Missing[i].Others++
			continue
		}
		r.Missing = append(r.Missing, Missing{Name: dependency, Path: name, Package: r.t[name].Package})
	}
}

// builtins are modules that Node.js has itself and that npm has, too.
var builtins = map[string]bool{
	"assert": true, "buffer": true, "child_process": true, "constants": true, "crypto": true, "dns": true, "domain": true, "events": true,
	"fs": true, "http": true, "https": true, "module": true, "net": true, "os": true, "path": true, "process": true, "punycode": true,
	"querystring": true, "stream": true, "string_decoder": true, "timers": true, "tls": true, "tty": true, "url": true, "util": true, "vm": true, "zlib": true,
}

// searchedFolder matches the folders of NODE_PATH, which are looked at last.
var searchedFolder = regexp.MustCompile(`^nodejs/(?:node[0-9]+/)?node_modules$`)

// resolves tells whether a package in a folder finds a dependency: in its own
// node_modules, in one above it, or in one of NODE_PATH.
func (r *nodeReader) resolves(from, dependency string) bool {
	has := func(modules string) bool {
		at := modules + "/" + dependency
		_, isFile := r.t[at] // a link
		return isFile || r.folders[at]
	}
	for dir := from; dir != "."; dir = path.Dir(dir) {
		if path.Base(dir) != "node_modules" && has(dir+"/node_modules") {
			return true
		}
	}
	return slices.ContainsFunc(r.searched, has)
}

// nodeFindings are what a target's Node.js would not find, or not load.
func nodeFindings(n Node, t Target) (found []Finding) {
	if t.Runtime.Family != "nodejs" {
		return nil
	}
	found = addonFindings(n.Addons, t)
	for _, l := range n.Lacking {
		if slices.Contains(l.Arches, t.Arch) {
			found = append(found, Finding{ID: NodePlatform, Path: l.Path, Package: l.Package,
				Problem: fmt.Sprintf("has %s beside it, and none of its optional packages for Linux on %s", l.Has, t.Arch)})
		}
	}
	for _, e := range n.Engines {
		if !ranges.Admits(e.Range, t.Runtime.Version) {
			found = append(found, Finding{ID: NodeEngine, Path: e.Path, Package: e.Package,
				Problem: fmt.Sprintf("asks for Node.js %s%s, and %s has %s", e.Range, others(e.Others), t.Runtime.Name, t.Runtime.Version)})
		}
	}
	for _, m := range n.Missing {
		if !provided(m.Name, t) {
			found = append(found, Finding{ID: NodeDependency, Path: m.Path, Package: m.Package,
				Problem: fmt.Sprintf("needs %s%s, which the layer does not have", m.Name, others(m.Others))})
		}
	}
	return found
}

func others(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return ", as another package does"
	}
	return fmt.Sprintf(", as %d other packages do", n)
}

// provided tells whether a runtime has a package itself: version 3 of the AWS
// SDK from Node.js 18 on, version 2 before.
func provided(name string, t Target) bool {
	scope, _, scoped := strings.Cut(name, "/")
	if major, _ := strconv.Atoi(t.Runtime.Version); major < 18 {
		return name == "aws-sdk"
	}
	return scoped && (scope == "@aws-sdk" || scope == "@smithy")
}

// platformName are the parts of packages' names that tell a platform: of
// @img/sharp-linux-x64 and @esbuild/darwin-arm64.
var platformName = regexp.MustCompile(`(?:^|[-/.])(linux|darwin|win32|windows|freebsd|android|openbsd|netbsd|sunos)(musl)?[-/.]?(x64|x86_64|amd64|arm64|aarch64|ia32|arm|universal)?(?:[-/.]|$)`)

// arches are Lambda's architectures by the names that packages have for them.
var arches = map[string]runtimes.Arch{
	"x64": runtimes.X86_64, "x86_64": runtimes.X86_64, "amd64": runtimes.X86_64, "arm64": runtimes.ARM64, "aarch64": runtimes.ARM64,
}

// addLacking notes for which of Lambda's architectures a package finds nothing
// among its optional dependencies, though it finds something for another system.
func (r *nodeReader) addLacking(name string, m manifest) {
	wanted, has := make(map[runtimes.Arch]bool), make(map[runtimes.Arch]bool)
	foreign := ""
	for _, dependency := range keys(m.Optional) {
		there := r.resolves(path.Dir(name), dependency)
		if there && strings.Contains(dependency, "wasm") {
			return // it runs everywhere
		}
		parts := platformName.FindStringSubmatch(dependency)
		if parts == nil {
			continue
		}
		arch := arches[parts[3]]
		switch {
		case parts[1] == "linux" && arch != "" && there:
			wanted[arch], has[arch] = true, true // with musl, too, of which the ELF checks tell
		case parts[1] == "linux" && arch != "":
			wanted[arch] = true
		case parts[1] != "linux" && there:
			foreign = cmp.Or(foreign, dependency)
		}
	}
	var lacking []runtimes.Arch
	for _, arch := range []runtimes.Arch{runtimes.ARM64, runtimes.X86_64} {
		if wanted[arch] && !has[arch] {
			lacking = append(lacking, arch)
		}
	}
	if foreign != "" && lacking != nil {
		r.Lacking = append(r.Lacking, Lacking{Path: name, Package: r.t[name].Package, Has: foreign, Arches: lacking})
	}
}
