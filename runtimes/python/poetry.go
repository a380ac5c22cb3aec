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
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// poetryLock is a poetry.lock of format 1 or 2. From 2.1 on, each package says
// for which groups and under which markers it is installed; before that, only
// the graph tells.
type poetryLock struct {
	Packages []poetryPackage     `toml:"package"`
	Extras   map[string][]string `toml:"extras"`
	Metadata struct {
		Version        string                  `toml:"lock-version"`
		PythonVersions string                  `toml:"python-versions"`
		ContentHash    string                  `toml:"content-hash"`
		Files          map[string][]poetryFile `toml:"files"` // of format 1.0 and 1.1
	} `toml:"metadata"`
}

type poetryPackage struct {
	Name           string              `toml:"name"`
	Version        string              `toml:"version"`
	PythonVersions string              `toml:"python-versions"`
	Groups         []string            `toml:"groups"`
	Markers        any                 `toml:"markers"` // one for all groups, or one for each
	Files          []poetryFile        `toml:"files"`
	Dependencies   map[string]any      `toml:"dependencies"`
	Extras         map[string][]string `toml:"extras"`
	Source         poetrySource        `toml:"source"`
}

type poetryFile struct {
	File string `toml:"file"`
	Hash string `toml:"hash"`
}

type poetrySource struct {
	Type         string `toml:"type"`
	URL          string `toml:"url"`
	Reference    string `toml:"reference"`
	Resolved     string `toml:"resolved_reference"`
	Subdirectory string `toml:"subdirectory"`
}

const poetryRelock = "poetry lock"

// poetryReader reads the set of a target from a poetry.lock.
type poetryReader struct {
	file     string
	data     []byte
	lock     *poetryLock
	target   runtimes.Target
	env      pep.Environment
	manifest *poetryManifest // nil where there is no pyproject.toml
	extras   []string        // asked for, normalised
	groups   []string        // likewise, with "main"
	graph    *lockGraph
	requires []runtimes.Requires
	notes    []string
}

// readPoetryLock reads the packages that a poetry.lock installs on t.
func readPoetryLock(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	r := &poetryReader{file: file, target: t, env: baseEnvironment(t), graph: newLockGraph(t.Exclude)}
	var err error
	if r.data, err = readLock(project, file, poetryRelock); err != nil {
		return lockedSet{}, err
	}
	if r.lock, err = parsePoetryLock(file, r.data); err != nil {
		return lockedSet{}, err
	}
	if r.manifest, err = readPoetryManifest(project, besideLock(file, "pyproject.toml")); err != nil {
		return lockedSet{}, err
	}
	if err := r.checkTarget(); err != nil {
		return lockedSet{}, err
	}
	if err := r.ask(); err != nil {
		return lockedSet{}, err
	}
	if err := r.checkFresh(); err != nil {
		return lockedSet{}, err
	}
	if err := r.addNodes(); err != nil {
		return lockedSet{}, err
	}
	chosen, err := r.choose()
	if err != nil {
		return lockedSet{}, err
	}
	a := &assembler{project: project, file: file, target: t, relock: poetryRelock, set: lockedSet{notes: r.notes, requires: r.requires}}
	if err := r.unhashed(a); err != nil {
		return lockedSet{}, err
	}
	for _, i := range chosen {
		e, err := r.entry(i)
		if err == nil {
			err = a.add(e)
		}
		if err != nil {
			return lockedSet{}, err
		}
	}
	if t.Project {
		if err := r.addProject(a); err != nil {
			return lockedSet{}, err
		}
	}
	a.notExcluded(func(name string) bool { return len(r.graph.nodes[name]) > 0 })
	return a.finish()
}

func parsePoetryLock(file string, data []byte) (*poetryLock, error) {
	return parseVersioned[poetryLock](file, data, "poetry", "lock-version", func(h lockHead) any { return h.Metadata.Poetry }, "1", "2")
}

// grouped tells whether the packages say for what they are installed.
func (l *poetryLock) grouped() bool {
	v, err := pep.ParseVersion(l.Metadata.Version)
	from, _ := pep.ParseVersion("2.1")
	return err == nil && v.Compare(from) >= 0
}

func (r *poetryReader) checkTarget() error {
	c, err := parsePoetryConstraint(r.lock.Metadata.PythonVersions)
	if err != nil {
		return &runtimes.InputError{File: r.file, Line: lineOf(r.data, "python-versions"), Problem: "python-versions", Err: err, Hint: "run `poetry lock`"}
	}
	// The packages have such lines, too; that of the whole lock is the last.
	return lockedFor(r.file, 0, r.target, " "+r.lock.Metadata.PythonVersions, c.admitsPython(r.env), poetryRelock)
}

// ask finds the extras and groups that the layer asks for.
func (r *poetryReader) ask() (err error) {
	extras, groups := map[string]bool{}, map[string]bool{}
	mark(extras, sortedKeys(r.lock.Extras))
	for _, p := range r.lock.Packages {
		mark(groups, p.Groups)
	}
	if r.manifest != nil {
		mark(groups, sortedKeys(r.manifest.groups))
	}
	delete(groups, "main")
	if r.extras, err = askedNames(r.file, "extra", r.target.Extras, extras, ifNew(poetryRelock)); err != nil {
		return err
	}
	r.groups, err = askedNames(r.file, "group", r.target.Groups, groups, ifNew(poetryRelock))
	r.groups = append([]string{"main"}, r.groups...)
	return err
}

// choose gives the packages to install, by their places in the lock, sorted.
func (r *poetryReader) choose() ([]int, error) {
	roots, err := r.roots(r.groups)
	if err != nil {
		return nil, err
	}
	r.requires = r.graph.requires(roots)
	var chosen []int
	if !r.lock.grouped() {
		if r.manifest == nil {
			return nil, &runtimes.InputError{
				File: r.file, Problem: "there is no pyproject.toml beside it, which says what of it is installed",
				Hint: "add the project's pyproject.toml, or lock again with poetry 2",
			}
		}
		nodes, missing := r.graph.walk(roots)
		if missing != nil {
			return nil, r.incomplete(*missing)
		}
		for _, n := range nodes {
			chosen = append(chosen, n.tag)
		}
		slices.Sort(chosen)
		return chosen, nil
	}
	gone := r.graph.dropped(roots)
	seen := map[string]int{}
	for i := range r.lock.Packages {
		p := &r.lock.Packages[i]
		name := pep.NormaliseName(p.Name)
		holds, err := r.holds(p)
		if err != nil {
			return nil, err
		}
		if !holds || gone[name] {
			continue
		}
		if other, twice := seen[name]; twice {
			return nil, &runtimes.InputError{
				File: r.file, Line: r.lineOf(p.Name), Hint: "run `poetry lock`",
				Problem: fmt.Sprintf("%s and %s of %s are both chosen for this target", r.lock.Packages[other].Version, p.Version, name),
			}
		}
		seen[name] = i
		chosen = append(chosen, i)
	}
	return chosen, nil
}

// holds tells whether a package is installed for one of the groups.
func (r *poetryReader) holds(p *poetryPackage) (bool, error) {
	env := r.env
	env.Extras = r.extras
	for _, group := range p.Groups {
		if group = pep.NormaliseName(group); !slices.Contains(r.groups, group) {
			continue
		}
		text, _ := p.Markers.(string)
		if each, ok := p.Markers.(map[string]any); ok {
			value, _ := byNormalName(each, group)
			text, _ = value.(string)
		}
		if text == "" || text == "*" {
			return true, nil
		}
		marker, err := pep.ParseMarker(text)
		if err != nil {
			return false, &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "the markers of " + p.Name, Err: err, Hint: "run `poetry lock`"}
		}
		if marker.Eval(env) {
			return true, nil
		}
	}
	return false, nil
}

func (r *poetryReader) lineOf(name string) int {
	return lineOf(r.data, fmt.Sprintf("name = %q", name))
}

func (r *poetryReader) incomplete(e lockEdge) error {
	return &runtimes.InputError{
		File:    r.file,
		Problem: fmt.Sprintf("holds nothing that meets %s: it was cut short or edited, or is out of date", strings.TrimSpace(e.text)),
		Hint:    "run `poetry lock`, or restore the committed file",
	}
}

// entry is a package as the set has it.
func (r *poetryReader) entry(i int) (lockEntry, error) {
	p := &r.lock.Packages[i]
	e := lockEntry{name: pep.NormaliseName(p.Name), version: p.Version, line: r.lineOf(p.Name)}
	for _, f := range r.lock.files(p) {
		e.files = append(e.files, entryFile{name: f.File, hash: f.Hash})
	}
	switch s := p.Source; s.Type {
	case "", "pypi":
	case "legacy":
		e.source.index = s.URL
	case "git":
		e.source.git = &gitSource{url: s.URL, commit: s.Resolved, requested: s.Reference, subdirectory: s.Subdirectory}
	case "directory":
		e.source.folder, e.source.part = cmp.Or(s.URL, "."), s.Subdirectory
	case "file":
		e.source.path = s.URL
	case "url":
		e.source.url, e.source.part = s.URL, s.Subdirectory
	default:
		return e, &runtimes.InputError{
			File: r.file, Line: e.line, Problem: fmt.Sprintf("%s comes from a source of the kind %q, which is not known", e.name, s.Type),
			Hint: "use a newer layerbuild",
		}
	}
	return e, nil
}

// files are those of a package; format 1.0 and 1.1 list those of all versions
// of a name together, at the end.
func (l *poetryLock) files(p *poetryPackage) []poetryFile {
	if len(p.Files) > 0 || len(l.Metadata.Files) == 0 {
		return p.Files
	}
	all, _ := byNormalName(l.Metadata.Files, pep.NormaliseName(p.Name))
	var own []poetryFile
	for _, f := range all {
		if fileVersion(f.File, pep.NormaliseName(p.Name), p.Version) {
			own = append(own, f)
		}
	}
	return own
}

// fileVersion tells whether a file's name is that of a version, or cannot be
// read.
func fileVersion(file, name, version string) bool {
	if w, err := pep.ParseWheel(file); err == nil {
		v, err := pep.ParseVersion(version)
		return err != nil || w.Version.Compare(v) == 0
	}
	if found, ok := wheel.SplitFileName(name, file); ok {
		return wheel.SameVersion(found, version)
	}
	return true
}

// unhashed notes what the whole lock has without hashes: old versions of
// poetry wrote such locks.
func (r *poetryReader) unhashed(a *assembler) error {
	open := map[string]string{}
	for i := range r.lock.Packages {
		p := &r.lock.Packages[i]
		if len(r.lock.files(p)) > 0 || p.Source.Type != "" && p.Source.Type != "legacy" {
			continue
		}
		name := pep.NormaliseName(p.Name)
		c, err := parsePoetryConstraint(p.PythonVersions)
		if err != nil {
			return &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "python-versions of " + p.Name, Err: err, Hint: "run `poetry lock`"}
		}
		where, everywhere := placesOf(c, r.target.Places)
		if where == "" && !everywhere {
			continue
		}
		if other, twice := open[name]; twice {
			return &runtimes.InputError{
				File: r.file, Line: r.lineOf(p.Name), Hint: "run `poetry lock` with poetry 1.3 or newer, which writes the hashes",
				Problem: fmt.Sprintf("holds %s %s and %s, both without hashes", name, other, p.Version),
			}
		}
		open[name] = p.Version
		a.unhashed = append(a.unhashed, name+"=="+p.Version+where)
		if p.Source.URL != "" && !containsIndex(a.own, p.Source.URL) {
			a.own = append(a.own, p.Source.URL)
		}
	}
	return nil
}

// placesOf is the marker of those places whose Python a constraint admits.
func placesOf(c poetryConstraint, places []runtimes.Place) (marker string, everywhere bool) {
	admitted := map[string]bool{}
	everywhere = true
	for _, p := range places {
		if c.admitsPython(baseEnvironment(runtimes.Target{Runtime: p.Runtime, Arch: p.Arch})) {
			admitted[fmt.Sprintf("python_version == '%s'", p.Runtime.Version)] = true
		} else {
			everywhere = false
		}
	}
	if everywhere || len(admitted) == 0 {
		return "", everywhere
	}
	return " ; " + strings.Join(sortedKeys(admitted), " or "), false
}

// addProject adds the project itself.
func (r *poetryReader) addProject(a *assembler) error {
	if r.manifest == nil || !r.manifest.packaged {
		return &runtimes.InputError{
			File: r.file, Problem: "project: true asks for the project itself, which is no package",
			Hint: "give its pyproject.toml a name and a [build-system], or leave project out",
		}
	}
	local, err := readLocalProject(a.project, path.Dir(r.file), r.manifest.name, r.manifest.version)
	if err != nil {
		return err
	}
	a.set.packages = append(a.set.packages, local.locked())
	return nil
}
