package node

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// yarnNode is a package of a yarn.lock of either format, or a local folder.
type yarnNode struct {
	name, version string      // of the package itself; a dependency may call it otherwise
	member        *yarnMember // of a local folder, else nil
	remote        bool        // it comes from a registry, which can be asked for it
	weak          bool        // the lock file has its SHA-1 only
	linked        bool        // of a local folder that yarn only links
	conditions    *runtimes.Platform
	base          *berryEntry // of a patch, the package that is patched
	file          runtimes.File

	at    string   // how messages name it: "yarn.lock", or a package.json
	line  int      // in the lock file
	path  []string // names of the packages by which it was reached first
	entry any      // *yarnEntry or *berryEntry
	edges []yarnEdge
}

// yarnEdge is a dependency of a [yarnNode].
type yarnEdge struct {
	dependency
	to *yarnNode
}

// yarnGraph is what a layer's member needs, without what is left out.
type yarnGraph struct {
	root  *yarnNode
	nodes []*yarnNode // those that are installed, in the order in which they are reached
}

// expand finds everything that root needs, by the edges that a lock file has.
func expandYarn(root *yarnNode, exclude *excluder, edges func(*yarnNode) ([]yarnEdge, error)) error {
	expanded := map[*yarnNode]bool{root: true}
	for queue := []*yarnNode{root}; len(queue) > 0; queue = queue[1:] {
		node := queue[0]
		found, err := edges(node)
		if err != nil {
			return err
		}
		for _, e := range found {
			if exclude.excludes(e.name, e.to.name) {
				continue
			}
			node.edges = append(node.edges, e)
			if !expanded[e.to] {
				expanded[e.to] = true
				e.to.path = append(slices.Clone(node.path), e.name)
				queue = append(queue, e.to)
			}
		}
	}
	return nil
}

// reach lists what the package needs without the packages that are left out, itself
// not among them, and which of it must be there.
func (n *yarnNode) reach(left func(*yarnNode) bool) (nodes []*yarnNode, required map[*yarnNode]bool) {
	required = map[*yarnNode]bool{}
	seen := map[*yarnNode]bool{n: true}
	for queue := []*yarnNode{n}; len(queue) > 0; queue = queue[1:] {
		for _, e := range queue[0].edges {
			if !seen[e.to] && !left(e.to) {
				seen[e.to] = true
				nodes = append(nodes, e.to)
				queue = append(queue, e.to)
			}
		}
	}
	for queue := []*yarnNode{n}; len(queue) > 0; queue = queue[1:] {
		for _, e := range queue[0].edges {
			if !required[e.to] && !e.optional && !left(e.to) {
				required[e.to] = true
				queue = append(queue, e.to)
			}
		}
	}
	return nodes, required
}

// completeYarn gives the packages what the registry says of them, or asks for
// what is not known yet: a yarn.lock does not say which packages have install
// scripts, and one of yarn 1 not where they run.
func completeYarn(file string, t runtimes.Target, nodes []*yarnNode) error {
	var requests []runtimes.FileRequest
	for _, n := range nodes {
		if !n.remote {
			continue
		}
		q := runtimes.FileRequest{Ecosystem: "npm", Name: n.name, Version: n.version, Indexes: t.Indexes}
		if n.file.Integrity != "" {
			q.Hashes = []string{n.file.Integrity}
		}
		answer, ok := t.Files[q.Key()]
		if !ok {
			requests = append(requests, q)
			continue
		}
		if !n.complete(answer) {
			return &runtimes.InputError{
				File: file, Line: n.line,
				Problem: fmt.Sprintf("the registry has no file of %s %s with the hash that is locked", n.name, n.version),
				Hint:    "check which registry is configured: it may have dropped the release; or lock again",
			}
		}
	}
	if len(requests) > 0 {
		slices.SortFunc(requests, func(a, b runtimes.FileRequest) int { return cmp.Compare(a.Key(), b.Key()) })
		return &runtimes.Incomplete{LockFile: file, Requests: slices.CompactFunc(requests, func(a, b runtimes.FileRequest) bool { return a.Key() == b.Key() })}
	}
	return nil
}

// complete takes what a registry says of a package. Where a lock file has a
// SHA-1 only, the registry names its file by that and by a stronger hash, which
// is then the one that counts.
func (n *yarnNode) complete(answer []runtimes.File) bool {
	if n.file.Integrity != "" && !slices.ContainsFunc(answer, func(f runtimes.File) bool { return f.Integrity == n.file.Integrity }) {
		return false
	}
	weak := strongest(n.file.Integrity) == ""
	for _, f := range answer {
		if strongest(f.Integrity) == "" || !weak && f.Integrity != n.file.Integrity {
			continue
		}
		n.weak = weak && n.file.Integrity != ""
		n.file.Platform, n.file.Scripts, n.file.Integrity = f.Platform, f.Scripts, f.Integrity
		n.file.URL = cmp.Or(n.file.URL, f.URL)
		return true
	}
	return false
}

// fits tells whether a package is for the target. What the lock says counts
// before what the registry does.
func (n *yarnNode) fits(t runtimes.Target) bool {
	return fitsPlatform(n.platform(), t)
}

func (n *yarnNode) platform() *runtimes.Platform {
	if n.conditions != nil {
		return n.conditions
	}
	return n.file.Platform
}

// closeYarn gives the packages that are installed for a target: what only
// another platform has is left out, with what only that needs.
func closeYarn(file string, t runtimes.Target, root *yarnNode) (*yarnGraph, error) {
	all, _ := root.reach(func(*yarnNode) bool { return false })
	if err := completeYarn(file, t, all); err != nil {
		return nil, err
	}
	// What is needed by a package that is left out need not be there.
	_, required := root.reach(func(n *yarnNode) bool { return false })
	for _, n := range all {
		if required[n] && !n.fits(t) {
			return nil, &runtimes.InputError{
				File: file, Line: n.line,
				Problem: fmt.Sprintf("%s %s is needed on every platform and is for %s only", n.name, n.version, platformWords(n.platform())),
				Hint:    "make it an optional dependency, or exclude it",
			}
		}
	}
	g := &yarnGraph{root: root}
	foreign := func(n *yarnNode) bool { return !n.fits(t) }
	g.nodes, _ = root.reach(foreign)
	for _, n := range append([]*yarnNode{root}, g.nodes...) {
		n.edges = slices.DeleteFunc(n.edges, func(e yarnEdge) bool { return foreign(e.to) })
	}
	return g, nil
}

// requires lists which package needs which.
func (g *yarnGraph) requires() []runtimes.Requires {
	var all []runtimes.Requires
	for _, n := range append([]*yarnNode{g.root}, g.nodes...) {
		by := n.name
		if n == g.root {
			by = ""
		}
		for _, e := range n.edges {
			all = append(all, runtimes.Requires{By: by, Name: e.to.name})
		}
	}
	return all
}

// packages are the graph's packages as a recipe has them.
func (g *yarnGraph) packages() []runtimes.Package {
	packages := make([]runtimes.Package, 0, len(g.nodes))
	for _, n := range g.nodes {
		packages = append(packages, runtimes.Package{Name: n.name, Version: n.version, File: n.file})
	}
	return packages
}
