package node

import (
	"path"
	"strings"
)

// maxPnpmNodes bounds what is followed: a lock of that size names no more.
const maxPnpmNodes = 200_000

// node finds the package of an id, with its dependencies by their ids. What
// these lead to is found by [pnpmLock.connect].
func (l *pnpmLock) node(id string) (*pnpmNode, error) {
	if n := l.nodes[id]; n != nil {
		return n, nil
	}
	bare, _, _ := strings.Cut(id, "(")
	n := &pnpmNode{id: id}
	if l.old {
		if n.pkg = l.doc.Packages[id]; n.pkg != nil {
			n.snapshot = &n.pkg.Snapshot
		}
	} else {
		n.pkg, n.snapshot = l.doc.Packages[bare], l.doc.Snapshots[id]
		if _, there := l.doc.Snapshots[id]; there && n.snapshot == nil {
			n.snapshot = &pnpmSnapshot{}
		}
	}
	if n.pkg == nil || n.snapshot == nil {
		return nil, l.errorf("", "restore it from version control, or "+pnpmAgain, "does not hold %s, which something in it needs", id)
	}
	n.name, n.version = splitPnpmID(id)
	if n.pkg.Name != "" {
		n.name = n.pkg.Name
	}
	if n.pkg.Version != "" {
		n.version = n.pkg.Version
	}
	if !validName(n.name) {
		return nil, l.errorf(bare, pnpmAgain, "%q is no package: its name cannot be told", id)
	}
	if err := l.findLocal(n); err != nil {
		return nil, err
	}
	l.nodes[id] = n
	if len(l.nodes) > maxPnpmNodes {
		return nil, l.errorf("", "", "holds more than %d packages, which no project has", maxPnpmNodes)
	}
	refs := map[string]string{}
	for alias, ref := range n.snapshot.Dependencies {
		refs[alias] = ref
	}
	for alias, ref := range n.snapshot.OptionalDependencies {
		refs[alias] = ref
	}
	n.edges = edgesOf(refs)
	return n, nil
}

func edgesOf(refs map[string]string) []pnpmEdge {
	edges := make([]pnpmEdge, 0, len(refs))
	for _, alias := range sortedKeys(refs) {
		edges = append(edges, pnpmEdge{alias: alias, ref: refs[alias]})
	}
	return edges
}

// findLocal notes the folder of a package that is one of the project.
func (l *pnpmLock) findLocal(n *pnpmNode) error {
	if n.pkg.Resolution.Type != "directory" {
		return nil
	}
	folder, ok := inProject(l.dir, n.pkg.Resolution.Directory)
	if !ok {
		return l.errorf("", outsideHint, "%s is outside of the project: %s", n.name, n.pkg.Resolution.Directory)
	}
	n.folder = folder
	return nil
}

// member finds the project of the lock that a link leads to. Its dependencies
// are those of its importer, its name is told by its package.json.
func (c *pnpmClosure) member(at, ref string) (*pnpmNode, error) {
	l := c.lock
	target := path.Join(at, strings.TrimPrefix(ref, "link:"))
	id := "link:" + target
	if n := l.nodes[id]; n != nil {
		return n, nil
	}
	folder, ok := inProject(l.dir, target)
	if !ok {
		return nil, l.errorf("", outsideHint, "%s leads outside of the project", ref)
	}
	location := target
	importer := l.doc.Importers[location]
	if importer == nil { // what a member publishes may lie in a folder of its own
		location = path.Dir(target)
		if importer = l.doc.Importers[location]; importer == nil || path.Clean(importer.PublishDirectory) != path.Base(target) {
			return nil, l.errorf("", "add the folder to the packages of pnpm-workspace.yaml and run `pnpm install`, or depend on it by file:",
				"does not lock the project in %s, which is linked to", folder)
		}
	}
	m, err := readManifest(c.project, path.Join(l.dir, location))
	if err != nil {
		return nil, err
	}
	if err := c.checkManifest(m, importer); err != nil {
		return nil, err
	}
	n := pnpmLocalNode(id, folder, m)
	n.edges = importer.production()
	l.nodes[id] = n
	return n, nil
}

// pnpmLocalNode is a folder of the project that no id of the lock stands for.
func pnpmLocalNode(id, folder string, m *manifest) *pnpmNode {
	return &pnpmNode{id: id, name: m.Name, version: m.Version, folder: folder, pkg: &pnpmPackage{HasBin: len(m.Bin) > 0}, snapshot: &pnpmSnapshot{}}
}

// production lists what a project of the lock needs at run time.
func (i *pnpmImporter) production() []pnpmEdge {
	refs := map[string]string{}
	for _, list := range []map[string]pnpmDirect{i.Dependencies, i.OptionalDependencies} {
		for alias, d := range list {
			refs[alias] = d.Version
		}
	}
	return edgesOf(refs)
}

// connect finds what an edge leads to. Links of a project are relative to it,
// those of other packages to the lock file.
func (c *pnpmClosure) connect(from *pnpmNode, e *pnpmEdge) error {
	if e.to != nil {
		return nil
	}
	if !validName(e.alias) {
		return c.lock.errorf(e.alias, pnpmAgain, "%q is no name of a package", e.alias)
	}
	var err error
	if id := c.lock.idOf(e.alias, e.ref); id != "" {
		e.to, err = c.lock.node(id)
		return err
	}
	at := "."
	if location, ok := strings.CutPrefix(from.id, "link:"); ok {
		at = location
		if c.lock.doc.Importers[at] == nil {
			at = path.Dir(at)
		}
	}
	e.to, err = c.member(at, e.ref)
	return err
}
