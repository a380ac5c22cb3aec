package node

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmFormat is npm's. A shrinkwrap wins over a package-lock.json, as in npm.
var npmFormat = format{
	names:   []string{"npm-shrinkwrap.json", "package-lock.json"},
	manager: "npm",
	read:    readNPM,
	holds:   npmHolds,
}

// npmHolds tells whether a lock file locks the project in a folder below its
// own. One that cannot be read counts: its reader says what is wrong with it.
func npmHolds(project fs.FS, file, member string) bool {
	l, err := readNPMLock(project, file)
	if err != nil {
		return true
	}
	n := l.nodes[member]
	return n != nil && n.folder
}

// readNPM reads what the project in t's folder installs by a lock file of npm.
func readNPM(project fs.FS, file string, t runtimes.Target) (*set, error) {
	l, err := readNPMLock(project, file)
	if err != nil {
		return nil, err
	}
	c := &npmClosure{lock: l, target: t, exclude: newExcluder(t)}
	if err := c.findRoot(project); err != nil {
		return nil, err
	}
	placed, err := c.complete()
	if err != nil {
		return nil, err
	}
	s := &set{notes: append(c.notes, c.exclude.notes(file)...), requires: c.requires}
	if s.packages, err = c.packages(project, placed); err != nil {
		return nil, err
	}
	s.notes = append(s.notes, runtimeNotes(t, s.packages)...)
	s.notes = append(s.notes, allowScripts(t, s.packages)...)
	s.apart, s.byAddress = needsOf(s.packages, placed), byAddress(s.packages, placed)
	written := &npmProject{packages: s.packages, byAddress: s.byAddress, placed: placed}
	files, err := written.files(t)
	if err != nil {
		return nil, err
	}
	s.steps = func(t runtimes.Target) []runtimes.Step { return npmSteps(t, len(s.packages), files) }
	return s, nil
}

// findRoot finds whose dependencies are installed, and which these are.
func (c *npmClosure) findRoot(project fs.FS) error {
	l := c.lock
	if file := path.Join(l.dir, "package.json"); !exists(project, file) {
		return &runtimes.InputError{File: file, Problem: "is not there, beside its lock file", Hint: "it says which of the locked packages are installed, also for `npm ci`"}
	}
	top, err := readManifest(project, l.dir)
	if err != nil {
		return err
	}
	if err := l.checkManifest(top, l.nodes[""], top.Overrides); err != nil {
		return err
	}
	location := memberLocation(l.dir, path.Clean(cmp.Or(c.target.Path, ".")))
	root := l.nodes[location]
	if root == nil || !root.folder {
		return notMember(l.file, location)
	}
	m := top
	if location != "" {
		if m, err = readManifest(project, path.Join(l.dir, location)); err != nil {
			return err
		}
		if err := l.checkManifest(m, root, top.Overrides); err != nil {
			return err
		}
	}
	c.root, c.workspaces = root, top.Workspaces
	if m.Name != "" {
		root.name = m.Name
	}
	if c.target.Project && !validName(root.name) {
		return &runtimes.InputError{File: m.file, Problem: "project: true installs the project itself, which has no name", Hint: "give it a name, or leave project out"}
	}
	c.roots = l.edgesOf(root, m.wants(false))
	for _, d := range root.wants { // the peers of a lock of version 1
		if l.version == 1 && !slices.ContainsFunc(c.roots, func(e npmEdge) bool { return e.name == d.name }) {
			c.roots = append(c.roots, npmEdge{d, l.meets("", d.name)})
		}
	}
	if location == "" {
		c.addMembers(l.members(m))
	}
	return nil
}

// addMembers adds the members of a workspace to what the workspace itself
// installs.
func (c *npmClosure) addMembers(members []npmEdge) {
	var more []string
	for _, e := range members {
		if !slices.ContainsFunc(c.roots, func(own npmEdge) bool { return own.to == e.to }) {
			more = append(more, e.to.location)
			c.roots = append(c.roots, e)
		}
	}
	if len(more) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s is a workspace's: its members are installed, too, as `%s install` does (%s); path: %s is what that one needs alone",
			c.lock.file, c.lock.manager, few(more), path.Join(c.lock.dir, more[0])))
	}
}

// memberLocation is a folder of the project, as a lock in dir names it.
func memberLocation(dir, folder string) string {
	switch {
	case folder == dir:
		return ""
	case dir == ".":
		return folder
	}
	return strings.TrimPrefix(folder, dir+"/")
}

func notMember(file, member string) error {
	return &runtimes.InputError{
		File: file, Problem: fmt.Sprintf("does not lock the project in %s", member),
		Hint: fmt.Sprintf("add the folder to the workspaces of %s and lock again, or give it a lock file of its own", path.Join(path.Dir(file), "package.json")),
	}
}
