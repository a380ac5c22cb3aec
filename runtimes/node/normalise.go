package node

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// stateFiles are what package managers leave in node_modules for themselves, by
// pattern: times, absolute paths, and the tree once more.
var stateFiles = []string{
	".package-lock.json", ".modules.yaml", ".pnpm-workspace-state*.json", ".yarn-integrity", ".yarn-state.yml", ".yarn-state.json", ".bun-tag", ".package-map.json",
}

// stateFolders are likewise; .bin holds the packages' commands, which nothing
// looks for in a layer.
var stateFolders = []string{".bin", ".cache"}

// Normalise turns an installed tree into the layer's tree: node_modules moves to
// r.Prefix, and what a package manager keeps for itself goes. What lies where no
// package of the set has its place is left out, and named.
func (Runtime) Normalise(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	places := placesOf(r)
	var strays []string
	slim := newSlimmer(r)
	out := make(runtimes.Tree, len(t))
	for _, name := range t.Paths() {
		below, ok := strings.CutPrefix(name, "node_modules/")
		if !ok || isState(name) {
			continue
		}
		f := t[name]
		owner, known := places.owner(name)
		if len(places.scripted) > 0 && isLeftoverIn(name, places.scripted[owner]) {
			continue
		}
		if !known {
			strays = append(strays, name)
			continue
		}
		to := r.Prefix + "/" + below
		if r.Excluded(to) || slim.drops(name, f) {
			continue
		}
		if f.Mode.Type() == 0 {
			f.Mode = 0o644 | f.Mode&0o100 | f.Mode&0o100>>3 | f.Mode&0o100>>6
		} else if f.Mode&fs.ModeSymlink == 0 {
			return nil, fmt.Errorf("installed tree: %s is neither a file nor a link", name)
		}
		f.Package = owner
		out[to] = f
	}
	if err := places.checkAll(r, t); err != nil {
		return nil, err
	}
	if err := markCommands(r, t, out); err != nil {
		return nil, err
	}
	clear(t)
	for name, f := range out {
		t[name] = f
	}
	var notes []string
	if len(strays) > 0 {
		notes = append(notes, fmt.Sprintf("left out, since no package of the lock file has its place there: %s", few(strays)))
	}
	return append(notes, slim.notes()...), nil
}

// isState tells whether a file is a package manager's own.
func isState(name string) bool {
	parts := strings.Split(name, "/")
	for i, part := range parts[:len(parts)-1] {
		if part != "node_modules" {
			continue
		}
		if next := parts[i+1]; slices.Contains(stateFolders, next) && i+2 < len(parts) {
			return true
		} else if i+2 == len(parts) && slices.ContainsFunc(stateFiles, func(pattern string) bool {
			ok, _ := path.Match(pattern, next) // the patterns are ours
			return ok
		}) {
			return true
		}
	}
	// pnpm's store within node_modules has a copy of the lock file.
	return name == "node_modules/.pnpm/lock.yaml"
}

// places tell whose a file is.
type places struct {
	byPlace map[string]string // the package's name
	byName  map[string]bool   // where the package manager chose the places

	scripted map[string]bool // packages whose install scripts were run
}

func placesOf(r runtimes.Recipe) places {
	p := places{byPlace: map[string]string{}, byName: map[string]bool{}, scripted: map[string]bool{}}
	for _, pkg := range r.Packages {
		for _, place := range pkg.Places {
			p.byPlace[place] = pkg.Name
		}
		p.byName[pkg.Name] = true
		if pkg.Scripts {
			p.scripted[pkg.Name] = true
		}
	}
	if r.Managed {
		p.byPlace = nil
	}
	return p
}

// owner is the package in whose folder a file lies; known is false where none
// has its place there.
func (p places) owner(name string) (owner string, known bool) {
	if p.byPlace == nil {
		_, alias, _ := splitLocation(packageFolder(name))
		if p.byName[alias] {
			return alias, true
		}
		return "", true
	}
	for at := path.Dir(name); at != "."; at = path.Dir(at) {
		if owner, ok := p.byPlace[at]; ok {
			return owner, true
		}
	}
	return "", false
}

// packageFolder cuts a path after the package's folder that it lies in.
func packageFolder(name string) string {
	i := strings.LastIndex(name, "node_modules/")
	if i < 0 {
		return name
	}
	i += len("node_modules/")
	parts := strings.SplitN(name[i:], "/", 3)
	if strings.HasPrefix(parts[0], "@") && len(parts) > 1 {
		return name[:i] + parts[0] + "/" + parts[1]
	}
	return name[:i] + parts[0]
}

// checkAll makes sure that something lies at each place.
func (p places) checkAll(r runtimes.Recipe, t runtimes.Tree) error {
	missing := make(map[string]string, len(p.byPlace))
	for place, name := range p.byPlace {
		missing[place] = name
	}
	for name := range t {
		for at := path.Dir(name); at != "." && len(missing) > 0; at = path.Dir(at) {
			delete(missing, at)
		}
	}
	for _, place := range sortedKeys(missing) {
		return &runtimes.PackageError{File: missing[place], Problem: fmt.Sprintf("nothing was installed at %s", place)}
	}
	return nil
}
