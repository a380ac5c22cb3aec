package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Bounds of a lock file: real ones stay far below.
const (
	maxNPMPackages = 200_000
	maxNPMDepth    = 100 // of node_modules in node_modules
)

// npmEntry is a package in a lock file of version 2 or 3.
type npmEntry struct {
	Name         string            `json:"name"` // where it is not that of the folder
	Version      looseString       `json:"version"`
	Resolved     looseString       `json:"resolved"`
	Integrity    looseString       `json:"integrity"`
	Link         bool              `json:"link"`
	InBundle     bool              `json:"inBundle"`
	Scripts      bool              `json:"hasInstallScript"`
	OS           looseList         `json:"os"`
	CPU          looseList         `json:"cpu"`
	Libc         looseList         `json:"libc"`
	Engines      npmEngines        `json:"engines"`
	Dependencies map[string]string `json:"dependencies"`
	Optional     map[string]string `json:"optionalDependencies"`
	Dev          map[string]string `json:"devDependencies"`
	Peers        map[string]string `json:"peerDependencies"`
	PeerMeta     peerMeta          `json:"peerDependenciesMeta"`
	Bundle       bundleNames       `json:"bundleDependencies"`
}

// npmEngines is what a package says of Node.js; old ones have a list, which npm
// does not heed.
type npmEngines struct{ Node string }

func (e *npmEngines) UnmarshalJSON(data []byte) error {
	var named map[string]any
	if json.Unmarshal(data, &named) == nil {
		e.Node, _ = named["node"].(string)
	}
	return nil
}

// npmDocument is a lock file of npm.
type npmDocument struct {
	Name         string              `json:"name"`
	Version      *int                `json:"lockfileVersion"`
	Packages     map[string]npmEntry `json:"packages"`
	Dependencies json.RawMessage     `json:"dependencies"` // of version 1; version 2 repeats it for old programs
}

// npmNode is a package of a lock file at its place: a package of a registry, a
// folder of the project ("packages/api", "" for the project itself), or a link
// to such a folder.
type npmNode struct {
	location string // below the lock's folder: "node_modules/a/node_modules/b"
	alias    string // the name of its folder, by which it is required
	name     string // its own
	version  string

	resolved  string
	integrity string
	platform  *runtimes.Platform // nil where the lock does not tell
	engines   string
	scripts   bool
	bundled   bool     // it lies in the tarball of a package that it is below of
	bundle    []string // what its own tarball brings

	link   *npmNode // the folder that it links to
	folder bool
	wants  []dependency

	fromURL   bool // something asks for it by its address
	completed bool // by what the registry says

	optional bool // only optional dependencies lead to it: lock files of version 1 say no more
	edges    []npmEdge
}

// npmEdge says by which node a dependency is met.
type npmEdge struct {
	dependency
	to *npmNode // nil where nothing meets it; never a link
}

// npmLock is a lock file of npm, read, or of another manager whose lock files
// say likewise where each package lies.
type npmLock struct {
	manager  string                                   // "npm"
	again    string                                   // the hint that tells how it is written anew
	complete bool                                     // it says where packages run and which have install scripts
	check    func(m *manifest, location string) error // in place of npm's own check
	keys     map[string]string                        // of the entries, by location, where they differ

	file    string // as a path in the project
	dir     string // its folder there
	text    []byte
	version int
	name    string // of the locked project, "" where it has none
	nodes   map[string]*npmNode
	locked  map[string]npmEntry // the folders' entries

	locations []string // of the nodes, sorted
}

// readNPMLock reads a package-lock.json or npm-shrinkwrap.json.
func readNPMLock(project fs.FS, file string) (*npmLock, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, err
	}
	return parseNPMLock(file, data)
}

func parseNPMLock(file string, data []byte) (*npmLock, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var doc npmDocument
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, jsonProblem(file, data, err)
	}
	l := &npmLock{manager: "npm", again: npmAgain, file: file, dir: path.Dir(file), text: data, name: doc.Name, nodes: map[string]*npmNode{}, locked: map[string]npmEntry{}}
	var err error
	switch version := doc.Version; {
	case version == nil:
		return nil, &runtimes.InputError{
			File: file, Problem: "has no lockfileVersion, so it is older than npm 5 or no lock file",
			Hint: "`npm install --package-lock-only` writes it anew",
		}
	case *version == 1:
		l.version = 1
		err = l.addVersion1(doc)
	case *version == 2 || *version == 3:
		l.version, l.complete = *version, true
		err = l.addPackages(doc)
	default:
		return nil, &runtimes.InputError{
			File: file, Line: l.lineOf("lockfileVersion"), Problem: fmt.Sprintf("lockfileVersion %d is not known", *version),
			Hint: "1, 2 and 3 can be read: `npm install --package-lock-only --lockfile-version 3` writes such a one; a newer layerbuild may know it",
		}
	}
	if err != nil {
		return nil, err
	}
	if len(l.nodes) > maxNPMPackages {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("holds more than %d packages", maxNPMPackages)}
	}
	l.locations = sortedKeys(l.nodes)
	l.connect()
	return l, nil
}

// addPackages reads the packages of a lock file of version 2 or 3.
func (l *npmLock) addPackages(doc npmDocument) error {
	root, ok := doc.Packages[""]
	if !ok {
		return &runtimes.InputError{File: l.file, Problem: "holds no packages: it was cut short or edited", Hint: npmAgain}
	}
	l.name = root.Name
	for _, location := range sortedKeys(doc.Packages) {
		e := doc.Packages[location]
		n, err := l.node(location, e)
		if err != nil {
			return err
		}
		if n.folder {
			l.locked[location] = e
		}
		l.nodes[location] = n
	}
	for _, location := range sortedKeys(doc.Packages) {
		e := doc.Packages[location]
		if !e.Link {
			continue
		}
		to := l.nodes[path.Clean(string(e.Resolved))]
		if e.Resolved == "" || path.Clean(string(e.Resolved)) == "." {
			to = l.nodes[""]
		}
		if to == nil || !to.folder {
			return l.errorf(location, npmAgain, "links to %s, of which it holds nothing", string(e.Resolved))
		}
		l.nodes[location].link = to
	}
	return nil
}

// npmAgain is the hint for a lock file that npm would not have written so.
const npmAgain = "`npm install --package-lock-only` writes it anew; then commit it"

// node is an entry of a lock file of version 2 or 3.
func (l *npmLock) node(location string, e npmEntry) (*npmNode, error) {
	n := &npmNode{
		location: location, version: string(e.Version), resolved: string(e.Resolved), integrity: string(e.Integrity),
		engines: e.Engines.Node, scripts: e.Scripts, bundle: e.Bundle.Names,
		wants: wants(e.Dependencies, e.Optional, e.Peers, e.PeerMeta),
	}
	if e.Bundle.All {
		n.bundle = sortedKeys(e.Dependencies)
	}
	if len(e.OS)+len(e.CPU)+len(e.Libc) > 0 {
		n.platform = &runtimes.Platform{OS: e.OS, CPU: e.CPU, Libc: e.Libc}
	}
	parent, alias, ok := splitLocation(location)
	if !ok {
		return nil, l.errorf(location, npmAgain, "is no place of a package")
	}
	n.alias, n.folder = alias, alias == ""
	if n.name = cmp.Or(e.Name, alias); n.name == "" && location != "" && !strings.HasSuffix(location, "..") {
		n.name = path.Base(location)
	}
	if n.name != "" && !validName(n.name) {
		return nil, l.errorf(location, npmAgain, "%q is no name of a package", n.name)
	}
	_, above, _ := splitLocation(parent)
	n.bundled = e.InBundle && above != "" && n.integrity == "" && n.resolved == ""
	return n, nil
}

// splitLocation splits the location of a package into that of what it lies in,
// and its folder's name; that is "" for a folder of the project.
func splitLocation(location string) (parent, alias string, ok bool) {
	const modules = "node_modules/"
	if location == "" {
		return "", "", true
	}
	if strings.ContainsAny(location, "\\\x00") || path.IsAbs(location) || path.Clean(location) != location {
		return "", "", false
	}
	i := strings.LastIndex("/"+location, "/"+modules)
	if i < 0 {
		return "", "", true
	}
	parent, alias = strings.TrimSuffix(location[:i], "/"), location[i+len(modules):]
	return parent, alias, validName(alias) && strings.Count(location, modules) <= maxNPMDepth
}

// validName tells whether a name can be that of a package's folder. Old names
// may have capitals and more, but never lead elsewhere.
func validName(name string) bool {
	scope, base, scoped := strings.Cut(name, "/")
	if !scoped {
		scope, base = "@x", name
	}
	return strings.HasPrefix(scope, "@") && validPart(scope[1:]) && validPart(base) && base != "node_modules"
}

func validPart(s string) bool {
	return s != "" && len(s) <= 214 && s[0] != '.' && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\:"<>|?%#@`, r)
	})
}

// connect finds the node that meets each dependency, as require does: from a
// package's folder upwards.
func (l *npmLock) connect() {
	for _, n := range l.nodes {
		n.edges = l.edgesOf(n, n.wants)
		for _, e := range n.edges {
			if e.to != nil && kindOf(e.spec) == urlSpec {
				e.to.fromURL = true
			}
		}
	}
}

func (l *npmLock) edgesOf(n *npmNode, list []dependency) []npmEdge {
	edges := make([]npmEdge, 0, len(list))
	for _, d := range list {
		edges = append(edges, npmEdge{d, l.meets(n.location, d.name)})
	}
	return edges
}

// meets is the package that require finds by a name from a location; for a
// link it is the folder.
func (l *npmLock) meets(location, name string) *npmNode {
	for at, ok := location, true; ok; at, ok = outer(at) {
		if n := l.nodes[path.Join(at, "node_modules", name)]; n != nil {
			if n.link != nil {
				return n.link
			}
			return n
		}
	}
	return nil
}

// outer is the next folder in which require looks for node_modules.
func outer(location string) (string, bool) {
	if location == "" {
		return "", false
	}
	if parent, alias, _ := splitLocation(location); alias != "" {
		return parent, true
	}
	switch up := path.Dir(location); {
	case path.Base(location) == "..": // of a folder outside of the lock's
		return "", false
	case up == ".":
		return "", true
	default:
		return up, true
	}
}

// lineOf is the line on which a key stands, 0 where that is not known.
func (l *npmLock) lineOf(key string) int {
	if own, ok := l.keys[key]; ok {
		key = own
	}
	quoted, err := json.Marshal(key)
	if err != nil {
		return 0
	}
	if i := bytes.Index(l.text, append(quoted, ':')); i >= 0 {
		return lineAt(l.text, i)
	}
	return 0
}

func (l *npmLock) errorf(location, hint, format string, args ...any) error {
	what := location
	if what == "" {
		what = "the project itself"
	}
	return &runtimes.InputError{
		File: l.file, Line: l.lineOf(location), Problem: what + ": " + fmt.Sprintf(format, args...), Hint: hint,
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
