package node

import (
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// bunGraph makes of a bun.lock what npm's lock files say: which package lies at
// which place. The key of a package is its place without the folders named
// node_modules: "debug/ms" is the ms that debug finds below itself. What is
// below the key of a workspace's member lies below the member's own folder.
type bunGraph struct {
	lock *npmLock
	doc  *bunDocument
	at   map[string]string // by key: the location of what is below it
}

func newBunLock(file string, data []byte) *npmLock {
	return &npmLock{
		manager: "bun", again: bunAgain, file: file, dir: path.Dir(file), text: data, version: 3,
		nodes: map[string]*npmNode{}, keys: map[string]string{},
	}
}

func (g *bunGraph) build() error {
	l := g.lock
	if _, ok := g.doc.Workspaces[""]; !ok {
		return &runtimes.InputError{File: l.file, Problem: "holds no project: it was cut short or edited", Hint: bunAgain}
	}
	for _, folder := range sortedKeys(g.doc.Workspaces) {
		p := g.doc.Workspaces[folder]
		if _, alias, ok := splitLocation(folder); !ok || alias != "" || strings.HasPrefix(folder, "..") {
			return l.errorf(folder, bunAgain, "is no folder of a workspace's member")
		}
		l.nodes[folder] = &npmNode{location: folder, folder: true, name: p.Name, version: string(p.Version), wants: p.list()}
	}
	l.name = g.doc.Workspaces[""].Name
	g.at = map[string]string{"": ""}
	// What is above a package comes before it in this order.
	for _, key := range sortedKeys(g.doc.Packages) {
		if err := g.add(key, g.doc.Packages[key]); err != nil {
			return err
		}
	}
	l.locations = sortedKeys(l.nodes)
	l.connect()
	g.findTarballs()
	return nil
}

// findTarballs finds the tarballs of the project: the file names them as the
// member does that depends on them, from its own folder.
func (g *bunGraph) findTarballs() {
	found := map[*npmNode]bool{}
	for _, folder := range sortedKeys(g.doc.Workspaces) {
		for _, e := range g.lock.nodes[folder].edges {
			if e.to == nil || found[e.to] || kindOf(e.to.resolved) != folderSpec || !isTarball(e.to.resolved) {
				continue
			}
			found[e.to] = true
			e.to.resolved = "file:" + path.Join(folder, strings.TrimPrefix(e.to.resolved, "file:"))
		}
	}
}

// add adds the package of a key.
func (g *bunGraph) add(key string, e bunEntry) error {
	l := g.lock
	above, alias := splitBunKey(key)
	at, ok := g.at[above]
	name, from := e.split()
	if !ok || !validName(alias) || !validName(name) || strings.Count(key, "/") > maxNPMDepth {
		l.keys[key] = key
		return l.errorf(key, bunAgain, "is no place of a package, or has no name: %q", e.id)
	}
	n := &npmNode{
		location: path.Join(at, "node_modules", alias), alias: alias, name: name,
		integrity: e.integrity, scripts: e.info.Scripts, bundled: e.info.Bundled, wants: e.info.list(),
	}
	if p := e.info; len(p.OS)+len(p.CPU)+len(p.Libc) > 0 {
		n.platform = &runtimes.Platform{OS: p.OS, CPU: p.CPU, Libc: p.Libc}
	}
	l.nodes[n.location], l.keys[n.location] = n, key
	g.at[key] = n.location
	return g.locate(n, e, from)
}

// locate says where a package comes from.
func (g *bunGraph) locate(n *npmNode, e bunEntry, from string) error {
	l := g.lock
	scheme, rest, _ := strings.Cut(from, ":")
	switch {
	case scheme == "workspace", scheme == "root":
		folder := path.Clean(rest)
		if folder == "." {
			folder = ""
		}
		if n.link = l.nodes[folder]; n.link == nil || !n.link.folder {
			return l.errorf(n.location, bunAgain, "is the project in %s, of which the file holds nothing", rest)
		}
		g.at[l.keys[n.location]] = folder
	case scheme == "link":
		return l.errorf(n.location, "depend on it by file:, or make its folder a member of the workspace",
			"is linked to a folder of the machine that locked it (%s)", from)
	case validVersion(from):
		n.version, n.resolved = from, e.address
	case kindOf(from) == urlSpec:
		n.version, n.resolved, n.fromURL = versionInName(from), from, true
	case isTarball(from) && scheme != "git" && !strings.Contains(from, "://"):
		n.version, n.resolved = versionInName(from), "file:"+strings.TrimPrefix(from, "file:")
	case kindOf(from) == folderSpec, kindOf(from) == gitSpec:
		n.resolved = from
	default:
		return l.errorf(n.location, bunAgain, "%q is of a kind that is not known here", from)
	}
	return nil
}

// versionInName is the version that a tarball's name tells, "0.0.0" where it
// tells none: bun locks none.
func versionInName(file string) string {
	file, _, _ = strings.Cut(file, "#")
	name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(path.Base(file), ".gz"), ".tar"), ".tgz")
	for i := range name {
		if version := strings.TrimPrefix(name[i+1:], "v"); name[i] == '-' && version != "" && version[0] >= '0' && version[0] <= '9' && validVersion(version) {
			return version
		}
	}
	return "0.0.0"
}

// splitBunKey splits a package's key into that of what it lies in, and the name
// of its folder.
func splitBunKey(key string) (above, alias string) {
	i := strings.LastIndexByte(key, '/')
	if scope := strings.LastIndexByte(key[:max(i, 0)], '/'); i >= 0 && key[scope+1] == '@' {
		i = scope
	}
	if i < 0 {
		return "", key
	}
	return key[:i], key[i+1:]
}
