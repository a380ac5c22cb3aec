package node

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npm1Entry is a package in a lock file of version 1. It says nothing of
// platforms and install scripts, nor which dependencies are optional.
type npm1Entry struct {
	Version      looseString          `json:"version"`
	Resolved     looseString          `json:"resolved"`
	Integrity    looseString          `json:"integrity"`
	Bundled      bool                 `json:"bundled"`
	Dev          bool                 `json:"dev"`
	Optional     bool                 `json:"optional"`
	Peer         bool                 `json:"peer"`
	Requires     npm1Requires         `json:"requires"`
	Dependencies map[string]npm1Entry `json:"dependencies"`
}

// npm1Requires are the dependencies of a package; "true" stands for none.
type npm1Requires map[string]string

func (r *npm1Requires) UnmarshalJSON(data []byte) error {
	var on bool
	if json.Unmarshal(data, &on) == nil {
		return nil
	}
	var named map[string]string
	err := json.Unmarshal(data, &named)
	*r = named
	return err
}

// addVersion1 reads the packages of a lock file of version 1.
func (l *npmLock) addVersion1(doc npmDocument) error {
	root := &npmNode{folder: true, name: doc.Name}
	l.nodes[""] = root
	var entries map[string]npm1Entry
	if len(doc.Dependencies) > 0 {
		if err := json.Unmarshal(doc.Dependencies, &entries); err != nil {
			return &runtimes.InputError{File: l.file, Problem: "its dependencies cannot be read", Err: err, Hint: npmAgain}
		}
	}
	if err := l.addVersion1Below("", entries, 1); err != nil {
		return err
	}
	for _, location := range sortedKeys(l.nodes) {
		if _, _, ok := splitLocation(location); !ok {
			return l.errorf(location, npmAgain, "is no place of a package")
		}
	}
	// Which peers npm installed, nothing asks for in such a file.
	for _, name := range sortedKeys(entries) {
		if e := entries[name]; e.Peer && !e.Dev {
			root.wants = append(root.wants, dependency{name: name, optional: e.Optional, peer: true})
		}
	}
	for _, n := range l.nodes {
		for i := range n.wants {
			if to := l.meets(n.location, n.wants[i].name); to != nil && to.optional {
				n.wants[i].optional = true
			}
		}
	}
	return nil
}

func (l *npmLock) addVersion1Below(parent string, entries map[string]npm1Entry, depth int) error {
	if depth > maxNPMDepth {
		return &runtimes.InputError{File: l.file, Problem: "nests packages deeper than any project does"}
	}
	for _, alias := range sortedKeys(entries) {
		e := entries[alias]
		location := path.Join(parent, "node_modules", alias)
		if !validName(alias) {
			return l.errorf(alias, npmAgain, "%q is no name of a package", alias)
		}
		n := l.version1Node(location, alias, e)
		l.nodes[location] = n
		below := location
		if folder, ok := strings.CutPrefix(string(e.Version), "file:"); ok && !isTarball(folder) {
			below = path.Clean(folder)
			if below == "." || path.IsAbs(below) || strings.Contains("/"+below+"/", "/node_modules/") {
				return l.errorf(alias, npmAgain, "cannot be installed from %s", e.Version)
			}
			to := l.nodes[below]
			if to == nil {
				to = &npmNode{location: below, name: alias, folder: true, wants: n.wants}
				l.nodes[below] = to
			}
			n.link, n.wants = to, nil
		}
		if err := l.addVersion1Below(below, e.Dependencies, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (l *npmLock) version1Node(location, alias string, e npm1Entry) *npmNode {
	n := &npmNode{
		location: location, alias: alias, name: alias, version: string(e.Version), resolved: string(e.Resolved),
		integrity: string(e.Integrity), bundled: e.Bundled, optional: e.Optional,
	}
	switch kindOf(n.version) {
	case aliasSpec:
		n.name, n.version = splitAlias(n.version)
	case urlSpec, gitSpec:
		n.resolved, n.version, n.fromURL = n.version, "", true
	case folderSpec:
		n.resolved, n.version = n.version, ""
	}
	for _, name := range sortedKeys(e.Requires) {
		n.wants = append(n.wants, dependency{name: name, spec: e.Requires[name]})
	}
	return n
}

// tarballSuffixes are those of package archives.
var tarballSuffixes = []string{".tgz", ".tar.gz", ".tar"}

func isTarball(name string) bool {
	return slices.ContainsFunc(tarballSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}
