package node

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// yarnFormat is a yarn.lock, by yarn 1 or by yarn 2 to 4.
var yarnFormat = format{
	names:   []string{"yarn.lock"},
	manager: "yarn",
	read:    readYarn,
	holds:   yarnHolds,
}

// yarnHolds tells whether a lock file locks the project in a folder below its
// own, which is then a workspace.
func yarnHolds(project fs.FS, file, member string) bool {
	root, err := readYarnMember(project, path.Dir(file))
	if err != nil {
		return true
	}
	dirs, err := yarnWorkspaces(project, root)
	return err != nil || slices.Contains(dirs, path.Join(path.Dir(file), member))
}

// readYarn reads a yarn.lock of either format.
func readYarn(project fs.FS, file string, t runtimes.Target) (*set, error) {
	data, err := readFile(project, file)
	if err != nil {
		return nil, err
	}
	if err := conflictIn(file, data); err != nil {
		return nil, err
	}
	p, err := readYarnProject(project, file, t)
	if err != nil {
		return nil, err
	}
	if isBerry(data) {
		return readBerry(p, data, t)
	}
	lock, err := parseYarnLock(file, data)
	if err != nil {
		return nil, err
	}
	return readYarn1(p, lock, t)
}

// isBerry tells a lock file of yarn 2 and later, which is YAML.
func isBerry(data []byte) bool {
	return bytes.HasPrefix(data, []byte("__metadata:")) || bytes.Contains(data, []byte("\n__metadata:"))
}

// yarnReader resolves dependencies by a yarn.lock of yarn 1.
type yarnReader struct {
	*yarnProject
	lock        *yarnLock
	resolutions []yarnResolution
	nodes       map[string]*yarnNode // by name and version, or by folder and name
}

// yarnResolution is a line of a package.json's resolutions: the range that
// packages get whose path of names matches the pattern.
type yarnResolution struct{ pattern, name, spec string }

func readYarn1(p *yarnProject, lock *yarnLock, t runtimes.Target) (*set, error) {
	r := &yarnReader{yarnProject: p, lock: lock, nodes: map[string]*yarnNode{}}
	var err error
	if r.resolutions, err = yarnResolutions(p.members[0]); err != nil {
		return nil, err
	}
	for _, m := range slices.Clone(p.members) {
		if err := r.check(m); err != nil {
			return nil, err
		}
	}
	exclude := newExcluder(t)
	root := &yarnNode{member: p.layer, at: p.layer.file}
	if p.layer != p.members[0] {
		root.path = []string{p.layer.Name} // by which resolutions know it
	}
	if err := expandYarn(root, exclude, r.edges); err != nil {
		return nil, err
	}
	g, err := closeYarn(p.lock, t, root)
	if err != nil {
		return nil, err
	}
	s, err := writeYarn1(p, g, t)
	if err != nil {
		return nil, err
	}
	s.notes = append(s.notes, exclude.notes(p.lock)...)
	return s, nil
}

// yarnResolutions reads the resolutions of a root's package.json.
func yarnResolutions(root *yarnMember) ([]yarnResolution, error) {
	specs := map[string]string{}
	if len(root.Resolutions) > 0 {
		if err := json.Unmarshal(root.Resolutions, &specs); err != nil {
			return nil, &runtimes.InputError{File: root.file, Problem: "resolutions are not versions by package", Err: err, Hint: "yarn documents its form"}
		}
	}
	var all []yarnResolution
	for _, pattern := range sortedKeys(specs) {
		res := yarnResolution{pattern: pattern, spec: specs[pattern]}
		if res.name = path.Base(pattern); strings.HasPrefix(path.Base(path.Dir(pattern)), "@") {
			res.name = path.Base(path.Dir(pattern)) + "/" + res.name
		}
		if res.name == pattern {
			res.pattern = "**/" + pattern
		}
		all = append(all, res)
	}
	return all, nil
}

// check holds a package.json against the lock file. yarn 1 does not: it
// installs what it likes, and says nothing.
func (r *yarnReader) check(m *yarnMember) error {
	for _, d := range m.depends(true) {
		if kind := kindOf(d.spec); kind == folderSpec || r.workspace(d) != nil {
			continue // read from its folder
		}
		if _, entry := r.find(nil, d); entry != nil {
			continue
		}
		locked := "nothing of that name"
		var others []string
		for _, e := range r.lock.entries {
			for _, key := range e.keys {
				if name, spec := splitYarnKey(key); name == d.name {
					others = append(others, spec)
				}
			}
		}
		if len(others) > 0 {
			locked = strings.Join(others, ", ")
		}
		return &runtimes.InputError{
			File:    r.lock.file,
			Problem: fmt.Sprintf("is stale: %s asks for %s %q, and locked is %s", m.file, d.name, d.spec, locked),
			Hint:    "run `yarn install` and commit yarn.lock",
		}
	}
	return nil
}

// splitYarnKey splits "@scope/name@range".
func splitYarnKey(key string) (name, spec string) {
	if at := strings.IndexByte(key[min(1, len(key)):], '@'); at >= 0 {
		return key[:at+1], key[at+2:]
	}
	return key, ""
}

// find looks up what a package gets for a dependency. parents are the names
// by which the package itself is reached.
func (r *yarnReader) find(parents []string, d dependency) (key string, entry *yarnEntry) {
	key = d.name + "@" + d.spec
	if entry := r.lock.byKey[key]; entry != nil && len(parents) == 0 {
		// What the project itself asks for gets no resolution; in a workspace it
		// does, and is then locked together with what it resolves to.
		return key, entry
	}
	at := strings.Join(append(slices.Clone(parents), d.name), "/")
	for _, res := range r.resolutions {
		if res.name == d.name && doublestar.MatchUnvalidated(res.pattern, at) {
			resolved := d.name + "@" + res.spec
			if entry := r.lock.byKey[resolved]; entry != nil {
				return resolved, entry
			}
		}
	}
	return key, r.lock.byKey[key]
}

// workspace is the member that a dependency means: one of the name, where the
// lock file has no package for it.
func (r *yarnReader) workspace(d dependency) *yarnMember {
	m := r.byName[d.name]
	if m == nil || d.name == "" {
		return nil
	}
	if _, entry := r.find(nil, d); entry != nil {
		return nil
	}
	if spec := strings.TrimPrefix(d.spec, "workspace:"); kindOf(spec) == rangeSpec {
		if ok, known := ranges.Match(cmp.Or(m.Version, "0.0.0"), spec); known && !ok {
			return nil
		}
	}
	return m
}

// edges resolves what a package needs at run time.
func (r *yarnReader) edges(n *yarnNode) ([]yarnEdge, error) {
	var edges []yarnEdge
	if n.member != nil {
		for _, d := range n.member.depends(false) {
			to, err := r.fromMember(n, d)
			if err != nil {
				return nil, err
			}
			edges = append(edges, yarnEdge{d, to})
		}
		return edges, nil
	}
	entry := n.entry.(*yarnEntry)
	for _, d := range wants(entry.dependencies, entry.optional, nil, nil) {
		key, found := r.find(n.path, d)
		if found == nil {
			return nil, r.missing(n, d)
		}
		to, err := r.node(key, found)
		if err != nil {
			return nil, err
		}
		edges = append(edges, yarnEdge{d, to})
	}
	return edges, nil
}

func (r *yarnReader) missing(n *yarnNode, d dependency) error {
	return &runtimes.InputError{
		File: r.lock.file, Line: n.line,
		Problem: fmt.Sprintf("%s needs %s %q, which is not locked", cmp.Or(n.name, n.at), d.name, d.spec),
		Hint:    "run `yarn install` and commit yarn.lock",
	}
}

// fromMember resolves a dependency of a package.json of the project.
func (r *yarnReader) fromMember(n *yarnNode, d dependency) (*yarnNode, error) {
	if m := r.workspace(d); m != nil {
		return r.localNode(m, d.name), nil
	}
	if kindOf(d.spec) != folderSpec {
		key, entry := r.find(n.path, d)
		if entry == nil {
			return nil, r.missing(n, d)
		}
		return r.node(key, entry)
	}
	folder := yarnFolder(d.spec)
	if at, ok := inProject(n.member.dir, folder); ok && isTarball(folder) && exists(r.fs, at) {
		return r.tarball(at, d)
	}
	m, err := r.local(n.member, d, folder)
	if err != nil {
		return nil, err
	}
	return r.localNode(m, d.name), nil
}

// yarnFolder is the path of a "file:", "link:" or "portal:".
func yarnFolder(spec string) string {
	if scheme, rest, ok := strings.Cut(spec, ":"); ok && (scheme == "file" || scheme == "link" || scheme == "portal") {
		return rest
	}
	return spec
}

// newLocalNode is a folder of the project under the name that a dependency gives.
func (p *yarnProject) newLocalNode(m *yarnMember, name string) *yarnNode {
	return &yarnNode{name: name, version: cmp.Or(m.Version, "0.0.0"), member: m, at: m.file}
}

func (r *yarnReader) localNode(m *yarnMember, name string) *yarnNode {
	id := m.dir + "\x00" + name
	if r.nodes[id] == nil {
		r.nodes[id] = r.newLocalNode(m, name)
	}
	return r.nodes[id]
}

// node is the package of an entry.
func (r *yarnReader) node(key string, e *yarnEntry) (*yarnNode, error) {
	name, spec := splitYarnKey(key)
	for _, k := range e.keys { // one of them may be an alias
		if _, s := splitYarnKey(k); strings.HasPrefix(s, "npm:") {
			name, spec = splitAlias(s)
		}
	}
	name = cmp.Or(e.name, name)
	file, err := e.file(r.lock.file, name)
	if err != nil {
		return nil, err
	}
	id := name + "@" + e.version
	if other := r.nodes[id]; other != nil {
		if other.file.Integrity != file.Integrity {
			return nil, &runtimes.InputError{
				File: r.lock.file, Line: e.line,
				Problem: fmt.Sprintf("%s %s is locked with another integrity than in line %d", name, e.version, other.line),
				Hint:    "remove both and run `yarn install`",
			}
		}
		return other, nil
	}
	r.nodes[id] = &yarnNode{
		name: name, version: e.version, file: file, remote: kindOf(spec) != urlSpec,
		at: r.lock.file, line: e.line, entry: e,
	}
	return r.nodes[id], nil
}

// file is an entry's tarball.
func (e *yarnEntry) file(lock, name string) (runtimes.File, error) {
	problem := &runtimes.InputError{File: lock, Line: e.line}
	at, fragment, _ := strings.Cut(e.resolved, "#")
	if strings.HasPrefix(at, "git") || strings.Contains(at, ".git") && e.integrity == "" || strings.Contains(at, "codeload.") && e.integrity == "" {
		problem.Problem = fmt.Sprintf("%s %s comes from git, for which yarn locks no hash of its content", name, e.version)
		problem.Hint = "publish it to a registry, or make it a local tarball with `npm pack` and depend on file:…, or exclude it"
		return runtimes.File{}, problem
	}
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		problem.Problem = fmt.Sprintf("%s %s is locked without an address that it can be fetched from", name, e.version)
		problem.Hint = yarnInstallHint
		return runtimes.File{}, problem
	}
	if u.User != nil {
		problem.Problem = fmt.Sprintf("the URL of %s holds a user or password", name)
		problem.Hint = "credentials do not belong in a lock file: lock again without them"
		return runtimes.File{}, problem
	}
	integrity := strongest(e.integrity)
	if integrity == "" {
		if sum, err := hex.DecodeString(fragment); err == nil && len(sum) == 20 {
			integrity = "sha1-" + base64.StdEncoding.EncodeToString(sum)
		}
	}
	if integrity == "" {
		problem.Problem = fmt.Sprintf("%s %s is locked without a hash", name, e.version)
		problem.Hint = fmt.Sprintf("remove its entry and run `yarn install`, which adds one; `yarn add %s@%s` does, too", name, e.version)
		return runtimes.File{}, problem
	}
	return runtimes.File{Name: yarnFileName(name, e.version), URL: at, Integrity: integrity}, nil
}

// yarnFileName is the name that registries give a package's tarball.
func yarnFileName(name, version string) string { return path.Base(name) + "-" + version + ".tgz" }
