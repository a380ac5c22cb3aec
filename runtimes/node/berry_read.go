package node

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// berryReader resolves dependencies by a yarn.lock of yarn 2 or later.
type berryReader struct {
	*yarnProject
	lock         *berryLock
	config       *berryConfig
	overrides    []berryOverride
	byResolution map[string]*berryEntry
	builtin      map[string]string    // a descriptor → the key of yarn's own patch of it
	nodes        map[string]*yarnNode // by locator, and by folder and name
}

func readBerry(p *yarnProject, data []byte, t runtimes.Target) (*set, error) {
	lock, err := parseBerryLock(p.lock, data)
	if err != nil {
		return nil, err
	}
	r := &berryReader{yarnProject: p, lock: lock, byResolution: map[string]*berryEntry{}, builtin: map[string]string{}, nodes: map[string]*yarnNode{}}
	if r.config, err = readBerryConfig(p); err != nil {
		return nil, err
	}
	if r.overrides, err = berryOverrides(p.members[0]); err != nil {
		return nil, err
	}
	r.index()
	if err := r.check(); err != nil {
		return nil, err
	}
	exclude := newExcluder(t)
	root := &yarnNode{member: p.layer, at: p.layer.file, entry: r.byResolution[r.locator(p.layer)]}
	if err := expandYarn(root, exclude, r.edges); err != nil {
		return nil, err
	}
	g, err := closeYarn(p.lock, t, root)
	if err != nil {
		return nil, err
	}
	s, err := writeBerry(r, g, t)
	if err != nil {
		return nil, err
	}
	s.notes = append(s.notes, exclude.notes(p.lock)...)
	return s, nil
}

// index makes entries be found by what they came to, and yarn's own patches
// (of fsevents, resolve and typescript) by what they are patches of.
func (r *berryReader) index() {
	for _, e := range r.lock.entries {
		r.byResolution[e.resolution] = e
		for _, key := range e.keys {
			name, spec := splitYarnKey(key)
			if ref := parseBerryReference(spec); ref.protocol == "patch" && strings.Contains(ref.selector, "builtin<") && strings.HasPrefix(ref.source, name+"@") {
				r.builtin[ref.source] = key
			}
		}
	}
}

// locator is how the lock file names a workspace.
func (r *berryReader) locator(m *yarnMember) string {
	dir := "."
	if rest, ok := strings.CutPrefix(m.dir, path.Dir(r.lock.file)+"/"); ok {
		dir = rest
	} else if path.Dir(r.lock.file) == "." && m.dir != "." {
		dir = m.dir
	}
	for _, e := range r.lock.entries {
		if _, at, ok := strings.Cut(e.resolution, "@workspace:"); ok && at == dir {
			return e.resolution // the root may be without a name of its own
		}
	}
	return m.Name + "@workspace:" + dir
}

// check holds the package.json files against the lock file, as `yarn install
// --immutable` does.
func (r *berryReader) check() error {
	known := map[string]bool{}
	for _, m := range slices.Clone(r.members) {
		locator := r.locator(m)
		known[locator] = true
		entry := r.byResolution[locator]
		if entry == nil {
			return r.stale(m, fmt.Sprintf("%s is a workspace that is not locked", m.dir))
		}
		if name, _ := splitYarnKey(locator); m.Name != "" && name != m.Name {
			return r.stale(m, fmt.Sprintf("%s has the name %s, and locked is %s", m.file, m.Name, name))
		}
		if err := r.checkMember(m, entry); err != nil {
			return err
		}
	}
	for _, e := range r.lock.entries {
		if _, dir, ok := strings.Cut(e.resolution, "@workspace:"); ok && !known[e.resolution] {
			return &runtimes.InputError{
				File: r.lock.file, Line: e.line,
				Problem: fmt.Sprintf("the workspace %s is locked, and workspaces of %s names no such folder", path.Join(path.Dir(r.lock.file), dir), r.members[0].file),
				Hint:    "restore the folder, or run `yarn install` and commit yarn.lock",
			}
		}
	}
	return nil
}

func (r *berryReader) stale(m *yarnMember, difference string) error {
	return &runtimes.InputError{File: r.lock.file, Problem: "is stale: " + difference, Hint: "run `yarn install` and commit yarn.lock"}
}

func (r *berryReader) checkMember(m *yarnMember, entry *berryEntry) error {
	n := &yarnNode{member: m, entry: entry}
	wanted := map[string]string{}
	for _, d := range m.depends(true) {
		wanted[d.name] = d.spec
		locked, ok := entry.dependencies[d.name]
		if !ok {
			return r.stale(m, fmt.Sprintf("%s asks for %s %q, and locked is nothing of that name", m.file, d.name, d.spec))
		}
		if berrySpecOf(locked) != berrySpecOf(d.spec) {
			return r.stale(m, fmt.Sprintf("%s asks for %s %q, and locked is %q", m.file, d.name, d.spec, strings.TrimPrefix(locked, "npm:")))
		}
		if _, found := r.find(n, d); found == nil {
			return r.stale(m, fmt.Sprintf("%s asks for %s %q, and no package is locked for it", m.file, d.name, d.spec))
		}
	}
	for _, name := range sortedKeys(entry.dependencies) {
		if _, ok := wanted[name]; !ok {
			return r.stale(m, fmt.Sprintf("%s does not ask for %s any more, and locked is %q", m.file, name, entry.dependencies[name]))
		}
	}
	return nil
}

// berrySpecOf is a specifier with the protocol that yarn adds where it has
// none.
func berrySpecOf(spec string) string {
	if kind := kindOf(spec); kind == rangeSpec || kind == tagSpec {
		return "npm:" + spec
	}
	return spec
}

// find looks up what a package gets for a dependency.
func (r *berryReader) find(n *yarnNode, d dependency) (key string, entry *berryEntry) {
	spec, parent := d.spec, ""
	if e, _ := n.entry.(*berryEntry); e != nil {
		parent = e.resolution
	}
	if o := r.override(parent, d); o != nil {
		spec, parent = o.spec, r.locator(r.members[0])
	}
	plain := d.name + "@" + spec
	bound := "::locator=" + escapeBerry(parent)
	for _, descriptor := range []string{d.name + "@" + berrySpecOf(spec), plain} {
		if key := r.builtin[descriptor]; key != "" {
			return key, r.lock.byKey[key]
		}
	}
	for _, key := range []string{d.name + "@" + berrySpecOf(spec), plain, plain + bound} {
		if entry := r.lock.byKey[key]; entry != nil {
			return key, entry
		}
	}
	return plain, nil
}

// edges resolves what a package needs at run time.
func (r *berryReader) edges(n *yarnNode) ([]yarnEdge, error) {
	entry, _ := n.entry.(*berryEntry)
	var deps []dependency
	switch {
	case n.member != nil && n.linked: // yarn gives it nothing
	case n.member != nil:
		deps = n.member.depends(false)
	case entry != nil:
		deps = r.config.extend(n, entry.sortedDeps())
	}
	var edges []yarnEdge
	for _, d := range deps {
		key, found := r.find(n, d)
		if found == nil {
			return nil, &runtimes.InputError{
				File: r.lock.file, Line: n.line,
				Problem: fmt.Sprintf("%s needs %s %q, which is not locked", cmp.Or(n.name, n.at), d.name, d.spec),
				Hint:    "run `yarn install` and commit yarn.lock",
			}
		}
		to, err := r.node(d, key, found)
		if err != nil {
			return nil, err
		}
		edges = append(edges, yarnEdge{d, to})
	}
	return edges, nil
}

// node is the package of an entry.
func (r *berryReader) node(d dependency, key string, e *berryEntry) (*yarnNode, error) {
	name, reference := splitYarnKey(e.resolution)
	ref := parseBerryReference(reference)
	problem := &runtimes.InputError{File: r.lock.file, Line: e.line}
	id := e.resolution
	n := &yarnNode{name: name, version: e.version, conditions: berryConditions(e.conditions), at: r.lock.file, line: e.line, entry: e}
	n.file.Name = yarnFileName(name, e.version)
	switch {
	case ref.protocol == "npm":
		n.remote = true
	case ref.protocol == "patch":
		n.remote = true
		n.base = r.byResolution[ref.source]
		if n.base == nil {
			problem.Problem, problem.Hint = fmt.Sprintf("%s is a patch of %s, which is not locked", name, ref.source), "run `yarn install` and commit yarn.lock"
			return nil, problem
		}
	case slices.Contains([]string{"workspace", "link", "portal", "file"}, ref.protocol):
		return r.localNode(d, e, ref)
	case ref.protocol == "" && ref.selector == "" && strings.HasPrefix(ref.path, "http") && e.checksum != "":
		n.file.URL = ref.path
	default:
		problem.Problem = fmt.Sprintf("%s comes from %s, which yarn clones or runs to pack it", name, berryOrigin(ref))
		problem.Hint = "publish it to a registry, or make it a local tarball with `npm pack` and depend on file:…, or exclude it"
		return nil, problem
	}
	if r.nodes[id] == nil {
		r.nodes[id] = n
	}
	return r.nodes[id], nil
}

func berryOrigin(ref berryReference) string {
	if ref.protocol == "" || strings.HasPrefix(ref.protocol, "git") || strings.Contains(ref.selector, "commit=") {
		return "git"
	}
	return ref.protocol + ":"
}

// localNode is a folder or a tarball of the project.
func (r *berryReader) localNode(d dependency, e *berryEntry, ref berryReference) (*yarnNode, error) {
	at, ok := path.Join(path.Dir(r.lock.file), ref.path), true
	if ref.protocol != "workspace" {
		var dir string
		if dir, ok = r.folderOf(ref.params.Get("locator"), 0); ok {
			at, ok = inProject(dir, ref.path)
		}
	}
	if !ok {
		return nil, &runtimes.InputError{
			File: r.lock.file, Line: e.line, Problem: fmt.Sprintf("%s is at %s, which is outside of the project", d.name, ref.path),
			Hint: "move it below the folder of the configuration, or move the configuration up",
		}
	}
	id := at + "\x00" + d.name
	if r.nodes[id] != nil {
		return r.nodes[id], nil
	}
	if ref.protocol == "file" && isTarball(at) {
		file, _, err := localTarball(r.yarnProject, at)
		if err != nil {
			return nil, err
		}
		r.nodes[id] = &yarnNode{name: d.name, version: e.version, file: file, at: r.lock.file, line: e.line, entry: e}
		return r.nodes[id], nil
	}
	m, err := r.local(&yarnMember{manifest: &manifest{file: r.lock.file}, dir: "."}, d, at)
	if err != nil {
		return nil, err
	}
	n := r.newLocalNode(m, d.name)
	n.entry, n.line, n.linked = e, e.line, ref.protocol == "link"
	r.nodes[id] = n
	return n, nil
}

// folderOf is the folder of a local package by its locator, to which paths in
// its package.json are relative.
func (r *berryReader) folderOf(locator string, depth int) (string, bool) {
	_, reference := splitYarnKey(locator)
	ref := parseBerryReference(reference)
	if ref.protocol == "workspace" {
		return path.Join(path.Dir(r.lock.file), ref.path), true
	}
	if depth > 20 || ref.protocol != "portal" && ref.protocol != "file" {
		return "", false
	}
	dir, ok := r.folderOf(ref.params.Get("locator"), depth+1)
	if !ok {
		return "", false
	}
	return inProject(dir, ref.path)
}
