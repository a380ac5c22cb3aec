package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// pylock is a pylock.toml (PEP 751) of version 1: what is installed where, by
// markers that may name extras and groups.
type pylock struct {
	Python        string          `toml:"requires-python"`
	Environments  []string        `toml:"environments"`
	Extras        []string        `toml:"extras"`
	Groups        []string        `toml:"dependency-groups"`
	DefaultGroups []string        `toml:"default-groups"`
	Packages      []pylockPackage `toml:"packages"`
}

type pylockPackage struct {
	Name         string             `toml:"name"`
	Version      string             `toml:"version"`
	Marker       string             `toml:"marker"`
	Python       string             `toml:"requires-python"`
	Index        string             `toml:"index"`
	Dependencies []pylockDependency `toml:"dependencies"`
	VCS          *pylockVCS         `toml:"vcs"`
	Directory    *pylockDirectory   `toml:"directory"`
	Archive      *pylockFile        `toml:"archive"`
	Sdist        *pylockFile        `toml:"sdist"`
	Wheels       []pylockFile       `toml:"wheels"`
}

type pylockDependency struct {
	Name string `toml:"name"`
}

type pylockVCS struct {
	Type         string `toml:"type"`
	URL          string `toml:"url"`
	Path         string `toml:"path"`
	Requested    string `toml:"requested-revision"`
	Commit       string `toml:"commit-id"`
	Subdirectory string `toml:"subdirectory"`
}

type pylockDirectory struct {
	Path         string `toml:"path"`
	Subdirectory string `toml:"subdirectory"`
}

type pylockFile struct {
	Name         string            `toml:"name"`
	URL          string            `toml:"url"`
	Path         string            `toml:"path"`
	Size         int64             `toml:"size"`
	Hashes       map[string]string `toml:"hashes"`
	Subdirectory string            `toml:"subdirectory"`
}

// pylockRelock is said where a command is wanted: any of several tools may have
// written the file.
const pylockRelock = "uv export --format pylock.toml"

// pylockReader reads the set of a target from a pylock.toml.
type pylockReader struct {
	file   string
	data   []byte
	lock   *pylock
	target runtimes.Target
	env    pep.Environment // with the extras and groups to install
}

// readPylock reads the packages that a pylock.toml installs on t.
func readPylock(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	r := &pylockReader{file: file, target: t, env: baseEnvironment(t)}
	var err error
	if r.data, err = readLock(project, file, pylockRelock); err != nil {
		return lockedSet{}, err
	}
	if r.lock, err = parsePylock(file, r.data); err != nil {
		return lockedSet{}, err
	}
	if err := r.ask(); err != nil {
		return lockedSet{}, err
	}
	if err := r.checkTarget(); err != nil {
		return lockedSet{}, err
	}
	a := &assembler{project: project, file: file, target: t, relock: pylockRelock}
	chosen, err := r.choose(project, a)
	if err != nil {
		return lockedSet{}, err
	}
	for _, p := range chosen {
		e, err := r.entry(p)
		if err == nil {
			err = a.add(e)
		}
		if err != nil {
			return lockedSet{}, err
		}
	}
	return a.finish()
}

func parsePylock(file string, data []byte) (*pylock, error) {
	return parseVersioned[pylock](file, data, "pylock.toml", "lock-version", func(h lockHead) any { return h.Pylock }, "1")
}

// ask finds the extras and groups to install. The lock's default groups are
// those of a project without any: they are always among them.
func (r *pylockReader) ask() error {
	extras, groups := map[string]bool{}, map[string]bool{}
	mark(extras, r.lock.Extras)
	mark(groups, r.lock.Groups)
	list, err := askedNames(r.file, "extra", r.target.Extras, extras, ifNew(pylockRelock))
	if err != nil {
		return err
	}
	more, err := askedNames(r.file, "group", r.target.Groups, groups, ifNew(pylockRelock))
	r.env.Extras, r.env.DependencyGroups = list, slices.Concat(r.lock.DefaultGroups, more)
	return err
}

// checkTarget refuses a target that the lock does not hold for.
func (r *pylockReader) checkTarget() error {
	if r.lock.Python != "" {
		wants, err := pep.ParseSpecifiers(r.lock.Python)
		if err != nil {
			return &runtimes.InputError{File: r.file, Line: lineOf(r.data, "requires-python"), Problem: "requires-python", Err: err, Hint: "make the file anew"}
		}
		ok, err := admits(wants, r.env)
		if err != nil {
			return err
		}
		if err := lockedFor(r.file, lineOf(r.data, "requires-python"), r.target, r.lock.Python, ok, pylockRelock); err != nil {
			return err
		}
	}
	if len(r.lock.Environments) == 0 {
		return nil
	}
	for _, text := range r.lock.Environments {
		marker, err := pep.ParseMarker(text)
		if err != nil {
			return &runtimes.InputError{File: r.file, Line: lineOf(r.data, "environments"), Problem: "environments", Err: err, Hint: "make the file anew"}
		}
		if marker.Eval(r.env) {
			return nil
		}
	}
	return &runtimes.InputError{
		File: r.file, Line: lineOf(r.data, "environments"),
		Problem: fmt.Sprintf("is locked for other environments than %s on %s", r.target.Runtime.Name, r.target.Arch),
		Hint:    "lock it for that environment, too",
	}
}

// choose gives the packages to install.
func (r *pylockReader) choose(project fs.FS, a *assembler) ([]*pylockPackage, error) {
	held := map[string]*pylockPackage{}
	known := map[string]bool{}
	for i := range r.lock.Packages {
		p := &r.lock.Packages[i]
		name := pep.NormaliseName(p.Name)
		known[name] = true
		if p.Marker != "" {
			marker, err := pep.ParseMarker(p.Marker)
			if err != nil {
				return nil, &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "the marker of " + p.Name, Err: err, Hint: "make the file anew"}
			}
			if !marker.Eval(r.env) {
				continue
			}
		}
		if other := held[name]; other != nil {
			return nil, &runtimes.InputError{
				File: r.file, Line: r.lineOf(p.Name), Hint: "make the file anew",
				Problem: fmt.Sprintf("%s and %s of %s are both chosen for this target", other.Version, p.Version, name),
			}
		}
		held[name] = p
	}
	required, err := r.checkFresh(project, held)
	if err != nil {
		return nil, err
	}
	gone := r.dropped(a, held, required)
	a.notExcluded(func(name string) bool { return known[name] })
	var chosen []*pylockPackage
	for _, name := range sortedKeys(held) {
		if !gone[name] {
			chosen = append(chosen, held[name])
		}
	}
	return chosen, nil
}

// dropped are the packages that exclude leaves out: with what only they pulled
// in, where the lock says what that is.
func (r *pylockReader) dropped(a *assembler, held map[string]*pylockPackage, required []lockEdge) map[string]bool {
	g := newLockGraph(r.target.Exclude)
	pulled, says := map[string]bool{}, false
	for name, p := range held {
		n := &lockNode{name: name, fits: true}
		for _, d := range p.Dependencies {
			other := pep.NormaliseName(d.Name)
			pulled[other], says = true, true
			n.edges = append(n.edges, lockEdge{name: other})
		}
		g.add(n)
	}
	if !says {
		var named []string
		for _, name := range r.target.Exclude {
			if held[pep.NormaliseName(name)] != nil {
				named = append(named, name)
			}
		}
		if len(named) > 0 {
			a.set.notes = append(a.set.notes, fmt.Sprintf("%s does not say what pulled a package in: exclude drops %s and nothing else", r.file, strings.Join(named, ", ")))
		}
		return g.except
	}
	for name := range held {
		if !pulled[name] {
			required = append(required, lockEdge{name: name})
		}
	}
	return g.dropped(required)
}

func (r *pylockReader) lineOf(name string) int { return lineOf(r.data, fmt.Sprintf("name = %q", name)) }

// checkFresh holds the set against what the project beside the lock requires,
// as far as both say: a pylock.toml does not record what it was made from. One
// of another name may be made for something else than the project itself.
func (r *pylockReader) checkFresh(project fs.FS, held map[string]*pylockPackage) ([]lockEdge, error) {
	if path.Base(r.file) != "pylock.toml" {
		return nil, nil
	}
	m, err := readPyproject(project, path.Dir(r.file))
	if m == nil {
		return nil, err
	}
	versions := map[string][]pep.Version{}
	for name, p := range held {
		v, _ := pep.ParseVersion(p.Version)
		versions[name] = []pep.Version{v}
	}
	edges, err := plainEdges(m.Project.Dependencies, baseEnvironment(r.target))
	if err != nil {
		return nil, nil // whoever locks it will say so
	}
	for i := range edges {
		p := held[edges[i].name]
		if p != nil && p.Version == "" {
			edges[i].admits = nil
		}
	}
	if difference := firstDifference(edges, versions); difference != "" {
		return nil, staleLock(r.file, besideLock(r.file, "pyproject.toml"), difference, pylockRelock)
	}
	return edges, nil
}

// entry is a package as the set has it.
func (r *pylockReader) entry(p *pylockPackage) (lockEntry, error) {
	e := lockEntry{name: pep.NormaliseName(p.Name), version: p.Version, line: r.lineOf(p.Name)}
	fail := func(format string, args ...any) (lockEntry, error) {
		return e, &runtimes.InputError{File: r.file, Line: e.line, Problem: fmt.Sprintf(format, args...), Hint: "make the file anew, or restore the committed one"}
	}
	if p.Python != "" {
		if wants, err := pep.ParseSpecifiers(p.Python); err == nil {
			if ok, err := admits(wants, r.env); err == nil && !ok {
				return fail("%s %s is for python%s, which %s is not", e.name, p.Version, p.Python, r.target.Runtime.Name)
			}
		}
	}
	switch {
	case p.VCS != nil:
		if p.VCS.Type != "git" {
			return fail("%s comes from version control of the kind %q, and only Git is known", e.name, p.VCS.Type)
		}
		e.source.git = &gitSource{
			url: cmp.Or(p.VCS.URL, p.VCS.Path), commit: p.VCS.Commit,
			requested: p.VCS.Requested, subdirectory: p.VCS.Subdirectory,
		}
		return e, nil
	case p.Directory != nil:
		e.source.folder, e.source.part = cmp.Or(p.Directory.Path, "."), p.Directory.Subdirectory
		return e, nil
	case p.Archive != nil:
		e.files = []entryFile{p.Archive.entry()}
		e.source.url, e.source.path, e.source.part = p.Archive.URL, p.Archive.Path, p.Archive.Subdirectory
		if p.Archive.Path != "" {
			e.source.url = ""
		}
		return e, nil
	}
	e.source.index = p.Index
	files := p.Wheels
	if p.Sdist != nil {
		files = append(files[:len(files):len(files)], *p.Sdist)
	}
	if len(files) == 0 {
		return fail("no file of %s %s is locked: the file was cut short or edited", e.name, p.Version)
	}
	for i := range files {
		f := files[i].entry()
		if f.hash == "" {
			return fail("%s is locked without a hash", f.name)
		}
		if files[i].URL == "" && files[i].Path != "" && len(files) == 1 {
			e.source = entrySource{path: files[i].Path}
		}
		e.files = append(e.files, f)
	}
	return e, nil
}

// entry is a file as the set has it. Its name is the one at its address, as in
// all other formats: uv normalises the one that it writes beside it.
func (f *pylockFile) entry() entryFile {
	e := entryFile{name: (&uvFile{URL: f.URL, Path: f.Path}).name(), url: f.URL, size: f.Size}
	if f.Name != "" && !strings.HasSuffix(e.name, ".whl") && !isSdist(e.name) {
		e.name = f.Name
	}
	for _, kind := range append([]string{"sha256"}, sortedKeys(f.Hashes)...) {
		if sum, ok := f.Hashes[kind]; ok {
			e.hash = kind + ":" + sum
			break
		}
	}
	return e
}
