package python

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// pdmLock is a pdm.lock of format 4. With the strategy inherit_metadata each
// package says for which groups and under which marker it is installed;
// without, only the graph tells.
type pdmLock struct {
	Packages []pdmPackage `toml:"package"`
	Metadata struct {
		Version     string      `toml:"lock_version"`
		ContentHash string      `toml:"content_hash"`
		Groups      []string    `toml:"groups"`
		Strategy    []string    `toml:"strategy"`
		Targets     []pdmTarget `toml:"targets"`
	} `toml:"metadata"`
}

// pdmTarget is where a lock holds; an empty field means anywhere.
type pdmTarget struct {
	Python         string `toml:"requires_python"`
	Platform       string `toml:"platform"` // "linux", "manylinux_2_17_x86_64", "windows_amd64"
	Implementation string `toml:"implementation"`
}

// pdmPackage is a package, or an extra of one.
type pdmPackage struct {
	Name         string    `toml:"name"`
	Version      string    `toml:"version"`
	Extras       []string  `toml:"extras"`
	Python       string    `toml:"requires_python"`
	Groups       []string  `toml:"groups"`
	Marker       string    `toml:"marker"`
	Dependencies []string  `toml:"dependencies"`
	Files        []pdmFile `toml:"files"`

	Path         string `toml:"path"`
	URL          string `toml:"url"`
	Git          string `toml:"git"`
	Ref          string `toml:"ref"`
	Revision     string `toml:"revision"`
	Subdirectory string `toml:"subdirectory"`
}

type pdmFile struct {
	File string `toml:"file"`
	URL  string `toml:"url"`
	Hash string `toml:"hash"`
}

const pdmRelock = "pdm lock"

// pdmReader reads the set of a target from a pdm.lock.
type pdmReader struct {
	file     string
	data     []byte
	lock     *pdmLock
	target   runtimes.Target
	env      pep.Environment
	manifest *pdmManifest // nil where there is no pyproject.toml
	groups   []string     // to install: groups and extras, and "default"
	graph    *lockGraph
	requires []runtimes.Requires
	notes    []string
}

// readPDMLock reads the packages that a pdm.lock installs on t.
func readPDMLock(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	r := &pdmReader{file: file, target: t, env: baseEnvironment(t), graph: newLockGraph(t.Exclude)}
	var err error
	if r.data, err = readLock(project, file, pdmRelock); err != nil {
		return lockedSet{}, err
	}
	if r.lock, err = parsePDMLock(file, r.data); err != nil {
		return lockedSet{}, err
	}
	if r.manifest, err = readPDMManifest(project, besideLock(file, "pyproject.toml")); err != nil {
		return lockedSet{}, err
	}
	if err := r.checkTarget(); err != nil {
		return lockedSet{}, err
	}
	if err := r.ask(); err != nil {
		return lockedSet{}, err
	}
	if err := r.addNodes(); err != nil {
		return lockedSet{}, err
	}
	if err := r.checkFresh(); err != nil {
		return lockedSet{}, err
	}
	chosen, err := r.choose()
	if err != nil {
		return lockedSet{}, err
	}
	a := &assembler{project: project, file: file, target: t, relock: pdmRelock, set: lockedSet{notes: r.notes, requires: r.requires}}
	if r.manifest != nil {
		a.own = r.manifest.indexes
	}
	r.unhashed(a)
	for _, i := range chosen {
		if err := a.add(r.entry(i)); err != nil {
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

func parsePDMLock(file string, data []byte) (*pdmLock, error) {
	return parseVersioned[pdmLock](file, data, "pdm", "lock_version", func(h lockHead) any { return h.Metadata.PDM }, "4")
}

// inherits tells whether the packages say for what they are installed.
func (l *pdmLock) inherits() bool { return slices.Contains(l.Metadata.Strategy, "inherit_metadata") }

// checkTarget refuses a target that the project was not locked for.
func (r *pdmReader) checkTarget() error {
	if len(r.lock.Metadata.Targets) == 0 {
		return nil
	}
	python, platform := false, false
	var ranges []string
	for _, t := range r.lock.Metadata.Targets {
		wants, err := pep.ParseSpecifiers(t.Python)
		if err != nil {
			return &runtimes.InputError{File: r.file, Line: lineOf(r.data, "requires_python"), Problem: "requires_python", Err: err, Hint: "run `pdm lock`"}
		}
		ranges = append(ranges, t.Python)
		ok, err := admits(wants, r.env)
		if err != nil {
			return err
		}
		ok = ok && (t.Implementation == "" || t.Implementation == "cpython")
		python = python || ok
		platform = platform || ok && r.onPlatform(t.Platform)
	}
	line := lineOf(r.data, "requires_python")
	if err := lockedFor(r.file, line, r.target, strings.Join(ranges, " and "), python, pdmRelock); err != nil || platform {
		return err
	}
	return &runtimes.InputError{
		File: r.file, Line: lineOf(r.data, "[[metadata.targets]]"),
		Problem: fmt.Sprintf("is locked for other platforms than %s on %s", r.target.Runtime.Name, r.target.Arch),
		Hint:    fmt.Sprintf("run `pdm lock --platform manylinux_2_17_%s --append`, or lock for all platforms", archName(r.target.Arch)),
	}
}

// onPlatform tells whether one of pdm's platforms is the target's.
func (r *pdmReader) onPlatform(name string) bool {
	linux := name == "linux" || strings.HasPrefix(name, "manylinux") || strings.HasPrefix(name, "linux_")
	if !linux {
		return name == ""
	}
	for _, arch := range []string{"x86_64", "aarch64", "armv7l", "i686", "ppc64le", "s390x", "riscv64"} {
		if strings.HasSuffix(name, "_"+arch) {
			return arch == archName(r.target.Arch)
		}
	}
	return true
}

// ask finds the groups and extras that the layer asks for: to pdm both are
// groups.
func (r *pdmReader) ask() error {
	known := map[string]bool{}
	mark(known, r.lock.Metadata.Groups)
	for _, p := range r.lock.Packages {
		mark(known, p.Groups)
	}
	extras, groups := known, known
	if m := r.manifest; m != nil {
		extras, groups = map[string]bool{}, map[string]bool{}
		for name := range known {
			if _, ok := m.extras[name]; ok {
				extras[name] = true
			} else {
				groups[name] = true
			}
		}
		if len(r.lock.Metadata.Groups) == 0 { // before format 4.4 a lock did not say
			mark(extras, sortedKeys(m.extras))
			mark(groups, sortedKeys(m.groups))
		}
	}
	delete(groups, "default")
	delete(extras, "default")
	list, err := askedNames(r.file, "extra", r.target.Extras, extras, ifNew(pdmRelock+" -G :all"))
	if err != nil {
		return err
	}
	more, err := askedNames(r.file, "group", r.target.Groups, groups, ifNew(pdmRelock+" -G :all"))
	r.groups = slices.Concat([]string{"default"}, list, more)
	return err
}

// addNodes makes the graph of the lock. The entry of an extra adds its edges to
// those of the package itself.
func (r *pdmReader) addNodes() error {
	at := map[string]*lockNode{}
	for i, p := range r.lock.Packages {
		name := pep.NormaliseName(p.Name)
		fail := func(err error) error {
			return &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "what " + p.Name + " says", Err: err, Hint: "run `pdm lock`"}
		}
		key := name + " " + p.Version
		n := at[key]
		if n == nil {
			n = &lockNode{name: name, tag: i}
			if p.Version != "" {
				var err error
				if n.version, err = pep.ParseVersion(p.Version); err != nil {
					return fail(err)
				}
			}
			wants, err := pep.ParseSpecifiers(p.Python)
			if err != nil {
				return fail(err)
			}
			if n.fits, err = admits(wants, r.env); err != nil {
				return err
			}
			at[key] = n
			r.graph.add(n)
		}
		if len(p.Extras) == 0 {
			n.tag = i
		}
		for _, text := range p.Dependencies {
			e, err := requirementEdge(text, r.env)
			if err != nil {
				return fail(err)
			}
			if e.name == name {
				continue // an extra's entry requires the package itself
			}
			n.edges = append(n.edges, e.forExtras(p.Extras))
		}
	}
	return nil
}

// forExtras is an edge that counts only where one of some extras is asked for.
func (e lockEdge) forExtras(extras []string) lockEdge {
	if len(extras) == 0 {
		return e
	}
	holds := e.holds
	e.holds = func(asked []string) bool {
		return (holds == nil || holds(asked)) && slices.ContainsFunc(extras, func(extra string) bool {
			return slices.Contains(asked, pep.NormaliseName(extra))
		})
	}
	return e
}

// choose gives the packages to install, by their places in the lock, sorted.
func (r *pdmReader) choose() ([]int, error) {
	var roots []lockEdge
	if r.manifest != nil {
		var err error
		if roots, err = r.manifest.edges(r.groups, r.env); err != nil {
			return nil, err
		}
	}
	r.requires = r.graph.requires(roots)
	var chosen []int
	if !r.lock.inherits() {
		if r.manifest == nil {
			return nil, &runtimes.InputError{
				File: r.file, Problem: "there is no pyproject.toml beside it, which says what of it is installed",
				Hint: "add the project's pyproject.toml, or lock with the strategy inherit_metadata",
			}
		}
		nodes, missing := r.graph.walk(roots)
		if missing != nil {
			return nil, &runtimes.InputError{
				File:    r.file,
				Problem: fmt.Sprintf("holds nothing that meets %s: it was cut short or edited, or is out of date", missing.text),
				Hint:    "run `pdm lock`, or restore the committed file",
			}
		}
		for _, n := range nodes {
			chosen = append(chosen, n.tag)
		}
		slices.Sort(chosen)
		return chosen, nil
	}
	gone := r.graph.dropped(roots)
	seen := map[string]int{}
	for i, p := range r.lock.Packages {
		name := pep.NormaliseName(p.Name)
		holds, err := r.holds(p)
		if err != nil {
			return nil, err
		}
		if !holds || gone[name] {
			continue
		}
		other, twice := seen[name]
		if twice && r.lock.Packages[other].Version != p.Version {
			return nil, &runtimes.InputError{
				File: r.file, Line: r.lineOf(p.Name), Hint: "run `pdm lock`",
				Problem: fmt.Sprintf("%s and %s of %s are both chosen for this target", r.lock.Packages[other].Version, p.Version, name),
			}
		}
		if !twice {
			seen[name] = i
			chosen = append(chosen, i)
		}
	}
	return chosen, nil
}

// holds tells whether a package is installed for one of the groups.
func (r *pdmReader) holds(p pdmPackage) (bool, error) {
	if !slices.ContainsFunc(p.Groups, func(group string) bool { return slices.Contains(r.groups, pep.NormaliseName(group)) }) {
		return false, nil
	}
	if p.Marker == "" {
		return true, nil
	}
	marker, err := pep.ParseMarker(p.Marker)
	if err != nil {
		return false, &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "the marker of " + p.Name, Err: err, Hint: "run `pdm lock`"}
	}
	env := r.env
	env.Extras, env.DependencyGroups = r.groups, r.groups
	return marker.Eval(env), nil
}

func (r *pdmReader) lineOf(name string) int { return lineOf(r.data, fmt.Sprintf("name = %q", name)) }

// entry is a package as the set has it.
func (r *pdmReader) entry(i int) lockEntry {
	p := r.lock.Packages[i]
	e := lockEntry{name: pep.NormaliseName(p.Name), version: p.Version, line: r.lineOf(p.Name)}
	for _, f := range p.Files {
		file := entryFile{name: f.File, url: f.URL, hash: f.Hash}
		if file.name == "" {
			file.name = (&uvFile{URL: f.URL}).name()
		}
		e.files = append(e.files, file)
	}
	switch {
	case p.Git != "":
		e.source.git = &gitSource{url: p.Git, commit: p.Revision, requested: p.Ref, subdirectory: p.Subdirectory}
	case p.URL != "":
		e.source.url, e.source.part = p.URL, p.Subdirectory
	case p.Path != "" && (strings.HasSuffix(p.Path, ".whl") || isSdist(p.Path)):
		e.source.path = p.Path
	case p.Path != "":
		e.source.folder, e.source.part = p.Path, p.Subdirectory
	}
	return e
}

// unhashed notes what the whole lock has without hashes.
func (r *pdmReader) unhashed(a *assembler) {
	for i, p := range r.lock.Packages {
		if e := r.entry(i); len(e.files) == 0 && e.source == (entrySource{}) {
			text := e.name + "==" + p.Version
			if p.Marker != "" {
				text += " ; " + p.Marker
			}
			a.unhashed = append(a.unhashed, text)
		}
	}
}

// addProject adds the project itself.
func (r *pdmReader) addProject(a *assembler) error {
	if r.manifest == nil || !r.manifest.packaged {
		return &runtimes.InputError{
			File: r.file, Problem: "project: true asks for the project itself, which is no package",
			Hint: "give its pyproject.toml a name and a [build-system], or leave project out",
		}
	}
	local, err := readLocalProject(a.project, path.Dir(r.file), r.manifest.name, "")
	if err != nil {
		return err
	}
	a.set.packages = append(a.set.packages, local.locked())
	return nil
}
