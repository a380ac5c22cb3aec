package node

import (
	"fmt"
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// checkManifest holds what a package.json asks for against the lock, as
// `npm ci` does, and names the first difference. Development dependencies
// count, too: a lock that lacks one is an old one.
func (l *npmLock) checkManifest(m *manifest, folder *npmNode, overrides []byte) error {
	if l.check != nil {
		return l.check(m, folder.location)
	}
	if folder.location == "" && m.Name != "" && l.name != "" && m.Name != l.name {
		return &runtimes.InputError{
			File: l.file, Line: l.lineOf("name"), Problem: fmt.Sprintf("locks a project named %s, and %s is %s", l.name, m.file, m.Name),
			Hint: "is it the right lock file? " + npmAgain,
		}
	}
	for _, d := range m.wants(true) {
		if problem := l.differs(folder, d); problem != "" && !mentions(overrides, d.name) {
			return &runtimes.InputError{
				File: m.file, Line: keyLine(m.data, d.name),
				Problem: fmt.Sprintf("wants %s@%s, and %s %s", d.name, d.spec, l.file, problem),
				Hint:    "run `npm install` to bring the lock file up to date, and commit it",
			}
		}
	}
	return nil
}

// differs says how the lock does not do what a package.json wants, "" where it
// does.
func (l *npmLock) differs(folder *npmNode, d dependency) string {
	n := l.meets(folder.location, d.name)
	if n == nil {
		if d.optional || d.peer {
			return ""
		}
		return "does not hold it"
	}
	versions := d.spec
	switch kindOf(d.spec) {
	case aliasSpec:
		var name string
		if name, versions = splitAlias(d.spec); name != n.name {
			return "has the package " + n.name + " for it"
		}
		fallthrough
	case rangeSpec:
		if ok, known := ranges.Match(n.version, versions); known && !ok {
			return "has " + n.version
		}
	case folderSpec, gitSpec, urlSpec:
		entry, known := l.locked[folder.location]
		locked := firstOf(d.name, entry.Dependencies, entry.Optional, entry.Dev, entry.Peers)
		if known && locked != "" && locked != d.spec {
			return "was made for " + d.name + "@" + locked
		}
	case otherSpec:
		return "cannot hold it: that specifier is of another package manager"
	}
	return ""
}

func firstOf(name string, maps ...map[string]string) string {
	for _, m := range maps {
		if v, ok := m[name]; ok {
			return v
		}
	}
	return ""
}

// mentions tells whether the overrides of a package.json name a package: the
// lock then has what they say.
func mentions(overrides []byte, name string) bool {
	return strings.Contains(string(overrides), `"`+name+`"`) || strings.Contains(string(overrides), `"`+name+`@`)
}

// keyLine is the line of a key in a JSON text, 0 where it is not found.
func keyLine(data []byte, key string) int {
	return (&npmLock{text: data}).lineOf(key)
}

// members are the workspace's members, by the names under which the lock links
// to them.
func (l *npmLock) members(m *manifest) []npmEdge {
	var edges []npmEdge
	for _, location := range l.locations {
		n := l.nodes[location]
		if n.link != nil && location == path.Join("node_modules", n.alias) && isMember(m.Workspaces, n.link.location) {
			edges = append(edges, npmEdge{dependency{name: n.alias}, n.link})
		}
	}
	return edges
}

// isMember tells whether the patterns of a package.json name a folder.
func isMember(globs []string, folder string) bool {
	is := false
	for _, glob := range globs {
		pattern, not := strings.CutPrefix(glob, "!")
		pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
		if doublestar.MatchUnvalidated(pattern, folder) {
			is = !not
		}
	}
	return is
}
