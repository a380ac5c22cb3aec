package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// lockedSet is what a lock file installs on a target, before the files are
// chosen.
type lockedSet struct {
	packages []lockedPackage
	indexes  []string // that the lock file names, in the order of their first use
	notes    []string
	requires []runtimes.Requires
}

// lockedPackage is one package with every file that the lock file allows.
type lockedPackage struct {
	name    string // normalised
	version string
	files   []runtimes.File // wheels and source archives

	// sourceOnly says that the lock file forbids wheels of the package,
	// wheelOnly that it forbids to build it.
	sourceOnly, wheelOnly bool

	project *localProject // that the package is built from, or nil
	git     *gitSource    // where that comes from, or nil

	// absent are the hashes of files that the lock file names and no index has.
	absent []string
}

// readUVLock reads the packages that the lock file installs on t.
func readUVLock(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	data, err := readFile(project, file)
	if err != nil {
		return lockedSet{}, err
	}
	lock, err := parseUVLock(file, data)
	if err != nil {
		return lockedSet{}, err
	}
	g := newUVGraph(file, data, lock, t)
	if err := g.checkTarget(t); err != nil {
		return lockedSet{}, err
	}
	roots, memberDir, err := g.roots(t)
	if err != nil {
		return lockedSet{}, err
	}
	var set lockedSet
	if roots.project != nil {
		if set.notes, err = checkFresh(project, file, roots.project, memberDir, g.env, roots.extras, roots.groups); err != nil {
			return lockedSet{}, err
		}
	}
	packages, err := g.walk(roots)
	if err != nil {
		return lockedSet{}, err
	}
	set.requires = g.requires
	if t.Project {
		if packages, err = g.withProject(roots.project, packages); err != nil {
			return lockedSet{}, err
		}
	}
	for _, p := range packages {
		if err := g.checkMember(project, p, roots.project); err != nil {
			return lockedSet{}, err
		}
		if p.Source.Virtual != "" {
			continue // it has dependencies, and nothing to install
		}
		locked, err := g.files(project, p)
		if err != nil {
			return lockedSet{}, err
		}
		set.packages = append(set.packages, locked)
		if r := p.Source.Registry; r != "" && !slices.Contains(set.indexes, r) {
			set.indexes = append(set.indexes, r)
		}
	}
	for _, name := range t.Exclude {
		if g.byName[pep.NormaliseName(name)] == nil {
			set.notes = append(set.notes, fmt.Sprintf("%s is excluded but not in %s", name, file))
		}
	}
	return set, nil
}

// checkMember refuses a lock that a member of the set has outgrown, as the
// layer's own project may have. Its extras are not looked at: which of them
// are installed, others decide.
func (g *uvGraph) checkMember(project fs.FS, p, root *uvPackage) error {
	dir, ok := p.Source.tree()
	if !ok || p == root {
		return nil
	}
	at, ok := inProject(path.Dir(g.file), dir)
	if !ok {
		return nil // which is refused where it is read
	}
	_, err := checkFresh(project, g.file, p, at, g.env, nil, nil)
	return err
}

// checkTarget refuses a target that was not thought of when the project was
// locked.
func (g *uvGraph) checkTarget(t runtimes.Target) error {
	if g.lock.RequiresPython != "" {
		wants, err := pep.ParseSpecifiers(g.lock.RequiresPython)
		if err != nil {
			return &runtimes.InputError{File: g.file, Line: lineOf(g.data, "requires-python"), Problem: "requires-python", Err: err}
		}
		admits, err := admits(wants, g.env)
		if err != nil {
			return fmt.Errorf("version of %s: %w", t.Runtime.Name, err)
		}
		if !admits {
			return &runtimes.InputError{
				File:    g.file,
				Line:    lineOf(g.data, "requires-python"),
				Problem: fmt.Sprintf("is locked for python%s, which %s is not", g.lock.RequiresPython, t.Runtime.Name),
				Hint:    "widen requires-python in pyproject.toml and run `uv lock`, or choose another runtime",
			}
		}
	}
	if len(g.lock.Supported) == 0 {
		return nil
	}
	for _, s := range g.lock.Supported {
		marker, err := g.marker(s)
		if err != nil {
			return &runtimes.InputError{File: g.file, Line: lineOf(g.data, "supported-markers"), Problem: "supported-markers", Err: err}
		}
		if marker.Eval(g.env) {
			return nil
		}
	}
	return &runtimes.InputError{
		File:    g.file,
		Line:    lineOf(g.data, "supported-markers"),
		Problem: fmt.Sprintf("is locked for other environments than %s on %s", t.Runtime.Name, t.Arch),
		Hint:    "add it to tool.uv.environments in pyproject.toml and run `uv lock`",
	}
}

// roots finds the project that t installs, and its extras and groups.
func (g *uvGraph) roots(t runtimes.Target) (roots uvRoots, memberDir string, err error) {
	lockDir := path.Dir(g.file)
	member := memberOf(lockDir, t.Path)
	memberDir = path.Join(lockDir, member)
	roots.project = g.member(member)
	if roots.project == nil {
		if err := g.noProject(member, memberDir); err != nil {
			return uvRoots{}, "", err
		}
	}
	extras, groups := map[string]bool{}, map[string]bool{}
	if p := roots.project; p != nil {
		mark(extras, slices.Concat(sortedKeys(p.Extras), p.Metadata.ProvidesExtras))
		mark(groups, slices.Concat(sortedKeys(p.Groups), sortedKeys(p.Metadata.RequiresDev)))
	} else {
		mark(groups, sortedKeys(g.lock.Manifest.Groups))
	}
	if roots.extras, err = askedNames(g.file, "extra", t.Extras, extras, uvIfNew); err != nil {
		return uvRoots{}, "", err
	}
	if roots.groups, err = askedNames(g.file, "group", t.Groups, groups, uvIfNew); err != nil {
		return uvRoots{}, "", err
	}
	return roots, memberDir, nil
}

// memberOf gives dir as a path below the lock's folder, "." where it is not
// below it: the lock file then lies in a folder of the layer's.
func memberOf(lockDir, dir string) string {
	dir = path.Clean(cmp.Or(dir, "."))
	if lockDir == "." {
		return dir
	}
	if rest, ok := strings.CutPrefix(dir, lockDir+"/"); ok {
		return rest
	}
	return "."
}

// member finds the local project in a folder below the lock's.
func (g *uvGraph) member(dir string) *uvPackage {
	for i := range g.lock.Packages {
		if d, ok := g.lock.Packages[i].Source.tree(); ok && d == dir {
			return &g.lock.Packages[i]
		}
	}
	return nil
}

// noProject tells whether a lock without a project in the wanted folder can be
// used: only the lock of a root that has nothing but groups.
func (g *uvGraph) noProject(member, memberDir string) error {
	if member == "." && len(g.lock.Manifest.Members) == 0 && len(g.lock.Manifest.Groups) > 0 {
		return nil
	}
	problem := &runtimes.InputError{File: g.file, Hint: uvLockHint}
	var members []string
	for i := range g.lock.Packages {
		if dir, ok := g.lock.Packages[i].Source.tree(); ok {
			members = append(members, path.Join(path.Dir(g.file), dir))
		}
	}
	slices.Sort(members)
	switch {
	case len(members) == 0:
		problem.Problem = "locks no project: it was cut short, or is not the lock of a project"
	case member == ".":
		problem.Problem = "locks a workspace whose root is no project of its own"
		problem.Hint = "set the layer's path to one of its members: " + strings.Join(members, ", ")
	default:
		problem.Problem = fmt.Sprintf("does not hold the project in %s", memberDir)
		problem.Hint = "it holds those in " + strings.Join(members, ", ") + "; run `uv lock` if that one is new"
	}
	return problem
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func mark(set map[string]bool, names []string) {
	for _, name := range names {
		set[pep.NormaliseName(name)] = true
	}
}

func exists(project fs.FS, name string) bool {
	info, err := fs.Stat(project, name)
	return err == nil && !info.IsDir()
}

// uvIfNew is the advice where a uv.lock has no such extra or group.
const uvIfNew = "run `uv lock` if it is new in pyproject.toml"
