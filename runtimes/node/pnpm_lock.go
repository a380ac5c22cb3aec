package node

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pnpmDocument is a pnpm-lock.yaml of version 6.0 or 9.0, with the fields that
// decide what is installed.
type pnpmDocument struct {
	Version  string `yaml:"lockfileVersion"`
	Settings struct {
		AutoInstallPeers bool `yaml:"autoInstallPeers"`
		ExcludeLinks     bool `yaml:"excludeLinksFromLockfile"`
	} `yaml:"settings"`
	Catalogs         map[string]map[string]pnpmDirect `yaml:"catalogs"`
	Overrides        map[string]string                `yaml:"overrides"`
	Patches          map[string]pnpmPatch             `yaml:"patchedDependencies"`
	PnpmfileChecksum string                           `yaml:"pnpmfileChecksum"`
	Importers        map[string]*pnpmImporter         `yaml:"importers"`
	Packages         map[string]*pnpmPackage          `yaml:"packages"`
	Snapshots        map[string]*pnpmSnapshot         `yaml:"snapshots"` // from 9.0 on

	// Before 9.0, the lock of a project that is no workspace has no importers.
	Single pnpmImporter `yaml:",inline"`
}

// pnpmImporter is what a project of the lock depends on, by alias.
type pnpmImporter struct {
	Dependencies         map[string]pnpmDirect `yaml:"dependencies"`
	OptionalDependencies map[string]pnpmDirect `yaml:"optionalDependencies"`
	DevDependencies      map[string]pnpmDirect `yaml:"devDependencies"`
	PublishDirectory     string                `yaml:"publishDirectory"`
}

// pnpmDirect is one dependency of a project: what package.json asks for, and
// what it came to.
type pnpmDirect struct {
	Specifier string `yaml:"specifier"`
	Version   string `yaml:"version"`
}

// pnpmPatch is a patch of a package: its hash is in the package's id.
type pnpmPatch struct {
	Hash string `yaml:"hash"`
	Path string `yaml:"path"`
}

// UnmarshalYAML takes a bare hash, too, as newer locks have it.
func (p *pnpmPatch) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		p.Hash = n.Value
		return nil
	}
	type plain pnpmPatch
	return n.Decode((*plain)(p))
}

// pnpmPackage is a file of the lock, and before 9.0 also what [pnpmSnapshot] says.
type pnpmPackage struct {
	Name             string         `yaml:"name"`
	Version          string         `yaml:"version"`
	Resolution       pnpmResolution `yaml:"resolution"`
	Engines          pnpmEngines    `yaml:"engines"`
	OS               pnpmWords      `yaml:"os"`
	CPU              pnpmWords      `yaml:"cpu"`
	Libc             pnpmWords      `yaml:"libc"`
	HasBin           bool           `yaml:"hasBin"`
	RequiresBuild    bool           `yaml:"requiresBuild"` // before 9.0
	PeerDependencies yaml.Node      `yaml:"peerDependencies"`
	Bundled          yaml.Node      `yaml:"bundledDependencies"`

	Snapshot pnpmSnapshot `yaml:",inline"`
}

// pnpmSnapshot is a package with its dependencies, by alias.
type pnpmSnapshot struct {
	Dependencies         map[string]string `yaml:"dependencies"`
	OptionalDependencies map[string]string `yaml:"optionalDependencies"`
	TransitivePeers      []string          `yaml:"transitivePeerDependencies"`
	Optional             bool              `yaml:"optional"`
	Patched              bool              `yaml:"patched"`
}

// pnpmResolution says where a package comes from.
type pnpmResolution struct {
	Integrity string `yaml:"integrity"`
	Tarball   string `yaml:"tarball"`
	Directory string `yaml:"directory"`
	Type      string `yaml:"type"`
	Repo      string `yaml:"repo"`
	Commit    string `yaml:"commit"`
	GitHosted bool   `yaml:"gitHosted"`
}

// pnpmWords is a list of words, or a single one, as package.json files have it.
type pnpmWords []string

func (w *pnpmWords) UnmarshalYAML(n *yaml.Node) error {
	var list []string
	if n.Kind == yaml.ScalarNode {
		list = []string{n.Value}
	} else if n.Decode(&list) != nil {
		return nil // what is no list of words restricts nothing
	}
	*w = list
	return nil
}

// pnpmEngines is engines.node; registries hold every kind of engines.
type pnpmEngines string

func (e *pnpmEngines) UnmarshalYAML(n *yaml.Node) error {
	var named struct {
		Node string `yaml:"node"`
	}
	if n.Decode(&named) == nil {
		*e = pnpmEngines(named.Node)
	}
	return nil
}

// pnpmLock is a lock file that was read.
type pnpmLock struct {
	file  string
	dir   string
	data  []byte
	old   bool // before 9.0
	doc   pnpmDocument
	nodes map[string]*pnpmNode // by id, as the lock has it
}

// pnpmNode is a package with its peers: what has a folder of its own.
type pnpmNode struct {
	id            string // "name@1.0.0(peer@2.0.0)"; before 9.0 "/name@1.0.0(peer@2.0.0)"
	name, version string
	pkg           *pnpmPackage
	snapshot      *pnpmSnapshot
	edges         []pnpmEdge // sorted by alias

	folder string        // in the project, of a local one; "" otherwise
	local  runtimes.File // of a local one: its tarball
	fileID string        // of a local one: its id in the written project

	answered *runtimes.File // what the registry said of it, see [pnpmClosure.complete]
}

// pnpmEdge is a dependency on a node, by the name that it is required by.
type pnpmEdge struct {
	alias, ref string
	to         *pnpmNode
}

const pnpmAgain = "have pnpm write it anew: `pnpm install --lockfile-only`"

// readPnpmLock reads a lock file, without following what it says.
func readPnpmLock(project fs.FS, file string) (*pnpmLock, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, err
	}
	return parsePnpmLock(file, data)
}

func parsePnpmLock(file string, data []byte) (*pnpmLock, error) {
	if err := conflictIn(file, data); err != nil {
		return nil, err
	}
	l := &pnpmLock{file: file, dir: path.Dir(file), data: mainDocument(data), nodes: map[string]*pnpmNode{}}
	if err := l.checkVersion(); err != nil {
		return nil, err
	}
	if err := yaml.Unmarshal(l.data, &l.doc); err != nil {
		return nil, l.syntax(err)
	}
	if len(l.doc.Importers) == 0 {
		if !l.old {
			return nil, l.errorf("", pnpmAgain, "locks no project: it was cut short, or is not the lock of a project")
		}
		l.doc.Importers = map[string]*pnpmImporter{".": &l.doc.Single}
	}
	for name, importer := range l.doc.Importers {
		if importer == nil {
			l.doc.Importers[name] = &pnpmImporter{}
		}
	}
	return l, nil
}

// mainDocument leaves only empty lines of the document that newer versions of
// pnpm put before the lock itself: the package manager's own, and packages that
// hold settings.
func mainDocument(data []byte) []byte {
	text := bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	start, mark := []byte("---\n"), []byte("\n---\n")
	if !bytes.HasPrefix(text, start) {
		return data
	}
	end := bytes.Index(text[len(start)-1:], mark)
	if end < 0 {
		return data
	}
	end += len(start) - 1 + len(mark)
	lines := bytes.Count(text[:end], []byte("\n"))
	return append(bytes.Repeat([]byte("\n"), lines), text[end:]...)
}

// checkVersion reads the version alone: a lock of another one may well have
// other fields.
func (l *pnpmLock) checkVersion() error {
	var head struct {
		Version string `yaml:"lockfileVersion"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(l.data))
	if err := decoder.Decode(&head); err != nil {
		if errors.Is(err, io.EOF) {
			return l.errorf("", pnpmAgain, "is empty")
		}
		return l.syntax(err)
	}
	if decoder.Decode(&yaml.Node{}) == nil {
		return l.errorf("", "lock it with pnpm 10: `npx pnpm@10 install --lockfile-only`", "holds more YAML documents than any pnpm writes")
	}
	major, _, _ := strings.Cut(head.Version, ".")
	n, err := strconv.Atoi(major)
	switch {
	case err != nil:
		return l.errorf("lockfileVersion", pnpmAgain, "has no lockfileVersion that can be read: %q", head.Version)
	case n == 6 || n == 9:
		l.old = n == 6
		return nil
	case n < 9:
		return l.errorf("lockfileVersion", "write it anew with a newer pnpm: `npx pnpm@10 install --lockfile-only`, and look at the versions that this moves",
			"is of version %s; those of 6.0 (pnpm 8) and 9.0 (pnpm 9 and 10) are read", head.Version)
	}
	return l.errorf("lockfileVersion", "a newer pnpm wrote it: upgrade layerbuild, or lock with pnpm 10",
		"is of version %s, which is not known here; those of 6.0 (pnpm 8) and 9.0 (pnpm 9 and 10) are read", head.Version)
}

func (l *pnpmLock) syntax(err error) error {
	problem := &runtimes.InputError{File: l.file, Problem: "is no lock file of pnpm", Err: err, Hint: "restore it from version control, or " + pnpmAgain}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		problem.Line, _ = strconv.Atoi(m[1])
	}
	return problem
}

// errorf is an error of the lock file, at the first line that begins with key,
// or of the whole where key is "".
func (l *pnpmLock) errorf(key, hint, format string, args ...any) error {
	return &runtimes.InputError{File: l.file, Line: l.lineOf(key), Problem: fmt.Sprintf(format, args...), Hint: hint}
}

func (l *pnpmLock) lineOf(key string) int {
	if key == "" {
		return 0
	}
	line := 0
	for text := range bytes.Lines(l.data) {
		line++
		text = bytes.TrimLeft(bytes.TrimSpace(text), `'"? `)
		if rest, ok := bytes.CutPrefix(text, []byte(key)); ok && (len(rest) == 0 || bytes.ContainsAny(rest[:1], `:'"`)) {
			return line
		}
	}
	return 0
}

// idOf is the id of what a dependency came to, "" for a link to a folder: pnpm
// writes only the version where the alias is the package's own name.
func (l *pnpmLock) idOf(alias, ref string) string {
	if strings.HasPrefix(ref, "link:") {
		return ""
	}
	bare, _, _ := strings.Cut(ref, "(")
	if l.old {
		if strings.HasPrefix(ref, "file:") || strings.Contains(bare, "/") {
			return ref
		}
		return "/" + alias + "@" + ref
	}
	scheme, _, _ := strings.Cut(bare, ":")
	if strings.HasPrefix(ref, "@") || strings.Contains(scheme, "@") {
		return ref
	}
	return alias + "@" + ref
}

// splitID splits an id into the package's name and version, or what stands for
// a version; the peers are cut off.
func splitPnpmID(id string) (name, version string) {
	id, _, _ = strings.Cut(strings.TrimPrefix(id, "/"), "(")
	if at := strings.IndexByte(id[min(1, len(id)):], '@'); at >= 0 {
		return id[:at+1], id[at+2:]
	}
	return "", id
}
