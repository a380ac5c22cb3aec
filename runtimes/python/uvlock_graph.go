package python

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// uvGraph walks a lock's graph for one target, as `uv sync` does.
type uvGraph struct {
	file    string // the lock file, for messages
	data    []byte // its text, for the lines of messages
	lock    *uvLock
	byName  map[string][]*uvPackage
	env     pep.Environment
	exclude map[string]bool // normalised
	markers map[string]pep.Marker

	project  *uvPackage          // that the walk begins at, or nil
	requires []runtimes.Requires // that the last pass followed

	// active are the extras and groups that are installed, in the form in
	// which markers name them where the lock has conflicts: uv writes such a
	// condition as `extra == 'extra-4-demo-cpu'`.
	active map[string]bool
}

// uvNode is a package itself, or one of its extras.
type uvNode struct {
	pkg   *uvPackage
	extra string
}

// uvRoots is where a walk begins.
type uvRoots struct {
	project *uvPackage // nil for a workspace without a project at its root
	extras  []string   // normalised, and known to exist
	groups  []string
}

func newUVGraph(file string, data []byte, lock *uvLock, t runtimes.Target) *uvGraph {
	g := &uvGraph{
		file: file, data: data, lock: lock,
		byName:  make(map[string][]*uvPackage, len(lock.Packages)),
		env:     baseEnvironment(t),
		exclude: make(map[string]bool, len(t.Exclude)),
		markers: map[string]pep.Marker{},
		active:  map[string]bool{},
	}
	for i := range lock.Packages {
		p := &lock.Packages[i]
		g.byName[p.Name] = append(g.byName[p.Name], p)
	}
	for _, name := range t.Exclude {
		g.exclude[pep.NormaliseName(name)] = true
	}
	return g
}

// walk returns the packages to install, in the order in which they are first
// met. The root project is not among them.
func (g *uvGraph) walk(roots uvRoots) ([]*uvPackage, error) {
	if roots.project != nil {
		name := roots.project.Name
		g.activate("project", name, "")
		for _, extra := range roots.extras {
			g.activate("extra", name, extra)
		}
		for _, group := range roots.groups {
			g.activate("group", name, group)
		}
	}
	for {
		known := len(g.active)
		packages, err := g.pass(roots)
		if err != nil {
			return nil, err
		}
		if len(g.lock.Conflicts) == 0 || len(g.active) == known {
			return packages, g.check(packages)
		}
		// An extra was met that conditions may speak of: judge all of them
		// again. The set only grows, so this ends.
	}
}

// pass walks the graph once, with what is known to be active.
func (g *uvGraph) pass(roots uvRoots) ([]*uvPackage, error) {
	var (
		packages []*uvPackage
		queue    []uvNode
		seen     = map[uvNode]bool{}
	)
	g.project, g.requires = roots.project, nil
	push := func(node uvNode) {
		if seen[node] {
			return
		}
		seen[node] = true
		queue = append(queue, node)
		if node.extra == "" && node.pkg != roots.project {
			packages = append(packages, node.pkg)
		}
	}
	follow := func(from *uvPackage, dependencies []uvDependency) error {
		for i := range dependencies {
			if err := g.follow(from, &dependencies[i], push); err != nil {
				return err
			}
		}
		return nil
	}
	if p := roots.project; p != nil {
		push(uvNode{p, ""})
		for _, extra := range roots.extras {
			push(uvNode{p, extra})
		}
		for _, group := range roots.groups {
			if err := follow(p, p.Groups[group]); err != nil {
				return nil, err
			}
		}
	} else if err := g.followManifest(roots.groups, push); err != nil {
		return nil, err
	}
	for len(queue) > 0 {
		node := queue[0]
		queue = queue[1:]
		dependencies := node.pkg.Dependencies
		if node.extra != "" {
			dependencies = node.pkg.Extras[node.extra] // an extra that the package lacks gives nothing
		}
		if err := follow(node.pkg, dependencies); err != nil {
			return nil, err
		}
	}
	return packages, nil
}

// follow pushes what a dependency leads to, if it holds for the target.
func (g *uvGraph) follow(from *uvPackage, d *uvDependency, push func(uvNode)) error {
	if g.exclude[d.Name] {
		return nil
	}
	holds, err := g.holds(from.Name, d)
	if err != nil || !holds {
		return err
	}
	p, err := g.find(from, d)
	if err != nil {
		return err
	}
	g.requires = append(g.requires, runtimes.Requires{By: g.requirer(from), Name: p.Name})
	push(uvNode{p, ""})
	for _, extra := range d.Extras {
		g.activate("extra", p.Name, extra)
		push(uvNode{p, extra})
	}
	return nil
}

// requirer is the name of a package whose requirement is followed, "" for what
// is no member of the set: the project.
func (g *uvGraph) requirer(p *uvPackage) string {
	if p == g.project || p.Source.Virtual != "" {
		return ""
	}
	return p.Name
}

// holds evaluates a dependency's marker. The extras that it asks for itself
// count as active.
func (g *uvGraph) holds(from string, d *uvDependency) (bool, error) {
	if d.Marker == "" {
		return true, nil
	}
	marker, err := g.marker(d.Marker)
	if err != nil {
		return false, g.errorf(from, "the marker of %s's dependency %s: %w", from, d.Name, err)
	}
	if len(g.lock.Conflicts) == 0 {
		return marker.Eval(g.env), nil
	}
	env := g.env
	env.Extras = slices.Sorted(maps.Keys(g.active))
	for _, extra := range d.Extras {
		env.Extras = append(env.Extras, conflictName("extra", d.Name, extra))
	}
	return marker.Eval(env), nil
}

func (g *uvGraph) marker(s string) (pep.Marker, error) {
	if m, ok := g.markers[s]; ok {
		return m, nil
	}
	m, err := pep.ParseMarker(s)
	if err == nil {
		g.markers[s] = m
	}
	return m, err
}

// find returns the package that a dependency means.
func (g *uvGraph) find(from *uvPackage, d *uvDependency) (*uvPackage, error) {
	candidates := g.byName[d.Name]
	if len(candidates) == 1 && d.Version == "" && d.Source == (uvSource{}) {
		return candidates[0], nil
	}
	var found []*uvPackage
	for _, p := range candidates {
		if (d.Version == "" || d.Version == p.Version) && (d.Source == (uvSource{}) || d.Source == p.Source) {
			found = append(found, p)
		}
	}
	switch what := strings.TrimSpace(d.Name + " " + d.Version); len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, g.errorf(from.Name, "%s depends on %s, which the lock does not hold: it was cut short or edited", from.Name, what)
	default:
		return nil, g.errorf(from.Name, "%s depends on %s, which can be any of %d packages", from.Name, what, len(found))
	}
}

// followManifest follows the groups of a workspace that has no project at its
// root; the lock holds their requirements, not edges.
func (g *uvGraph) followManifest(groups []string, push func(uvNode)) error {
	for _, group := range groups {
		for _, r := range g.lock.Manifest.Groups[group] {
			d := uvDependency{Name: r.Name, Marker: r.Marker, Extras: r.Extras}
			holds, err := g.holds("group "+group, &d)
			if err != nil {
				return err
			}
			if !holds || g.exclude[d.Name] {
				continue
			}
			p, err := g.forTarget(r.Name)
			if err != nil {
				return err
			}
			push(uvNode{p, ""})
			for _, extra := range r.Extras {
				push(uvNode{p, extra})
			}
		}
	}
	return nil
}

// forTarget finds the package of a name among those of several forks.
func (g *uvGraph) forTarget(name string) (*uvPackage, error) {
	var found []*uvPackage
	for _, p := range g.byName[name] {
		fits := len(p.Markers) == 0
		for _, s := range p.Markers {
			marker, err := g.marker(s)
			if err != nil {
				return nil, g.errorf(name, "resolution-markers of %s: %w", name, err)
			}
			fits = fits || marker.Eval(g.env)
		}
		if fits {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return nil, g.errorf(name, "holds %d packages %s for this target, not one", len(found), name)
	}
	return found[0], nil
}

// check refuses sets that cannot be installed together.
func (g *uvGraph) check(packages []*uvPackage) error {
	for _, set := range g.lock.Conflicts {
		var active []string
		for _, c := range set {
			kind, item := "project", ""
			if c.Extra != "" {
				kind, item = "extra", c.Extra
			} else if c.Group != "" {
				kind, item = "group", c.Group
			}
			if g.active[conflictName(kind, c.Package, item)] {
				active = append(active, strings.TrimSpace(kind+" "+item)+" of "+c.Package)
			}
		}
		if len(active) > 1 {
			return &runtimes.InputError{
				File:    g.file,
				Problem: fmt.Sprintf("%s cannot be installed together: the project declares them as conflicting", strings.Join(active, " and ")),
				Hint:    "ask for one of them, in two layers if need be",
			}
		}
	}
	byName := make(map[string]*uvPackage, len(packages))
	for _, p := range packages {
		if q := byName[p.Name]; q != nil {
			return g.errorf(p.Name, "%s and %s of %s are both chosen for this target", q.Version, p.Version, p.Name)
		}
		byName[p.Name] = p
	}
	return nil
}

func (g *uvGraph) activate(kind, name, item string) {
	if len(g.lock.Conflicts) > 0 {
		g.active[conflictName(kind, name, item)] = true
	}
}

// conflictName is uv's name of an extra or group in markers: with its package,
// and that name's length to keep the two apart.
func conflictName(kind, name, item string) string {
	s := fmt.Sprintf("%s-%d-%s", kind, len(name), name)
	if item != "" {
		s += "-" + item
	}
	return s
}

// errorf reports a defect of the lock file, at the entry of a package.
func (g *uvGraph) errorf(name, format string, args ...any) error {
	return &runtimes.InputError{
		File: g.file,
		Line: g.lineOf(name),
		Err:  fmt.Errorf(format, args...),
		Hint: uvLockHint,
	}
}

// lineOf is the line on which the entry of a package begins.
func (g *uvGraph) lineOf(name string) int {
	return lineOf(g.data, fmt.Sprintf("name = %q", name))
}
