package python

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// localVersion stands for the version of a local project that only its build
// tells.
const localVersion = "0+local"

// inProject gives the path in the project of what a file of it names by a path
// relative to dir; ok is false where that is outside of the project.
func inProject(dir, name string) (at string, ok bool) {
	name = strings.ReplaceAll(name, `\`, "/")
	at = path.Join(dir, name)
	return at, !path.IsAbs(name) && fs.ValidPath(at)
}

// outside refuses a path that is not below the configuration's folder.
func outside(file string, line int, what string) error {
	return &runtimes.InputError{
		File: file, Line: line,
		Problem: what + " is outside of the project",
		Hint:    "move it below the folder of the configuration, or move the configuration up; name it by a relative path",
	}
}

// localFile is a wheel or source archive of the project.
func localFile(project fs.FS, name string) (runtimes.File, error) {
	data, err := readFile(project, name)
	if err != nil {
		return runtimes.File{}, err
	}
	sum := sha256.Sum256(data)
	return runtimes.File{
		Name: path.Base(name), SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)),
		Local: &runtimes.LocalFile{Path: name, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(data)), nil
		}},
	}, nil
}

// localProject is a folder of the project that is built.
type localProject struct {
	name     string // normalised; "" where no static file tells it
	version  string // or localVersion
	tree     *sourceTree
	requires []string // what its build needs
	static   *pyproject
	text     []byte // of its pyproject.toml, for the numbers of lines
	commit   string // that it is from, or ""
}

// scmVersion is what a tool is told that would ask version control for the
// version: the history is not brought along.
func (p *localProject) scmVersion() string {
	switch {
	case p.version != localVersion:
		return p.version
	case p.commit != "":
		return "0+g" + p.commit[:9]
	}
	return ""
}

// readLocalProject reads the project in a folder. The name and version that a
// lock file has for it stand in for what it does not say itself.
func readLocalProject(project fs.FS, folder, name, version string) (*localProject, error) {
	tree, err := readSource(project, folder)
	if err != nil {
		return nil, err
	}
	return readProject(project, tree, folder, name, version)
}

// readProject reads what the project says of itself whose source is tree.
func readProject(project fs.FS, tree *sourceTree, folder, name, version string) (*localProject, error) {
	var err error
	p := &localProject{name: name, version: cmp.Or(version, localVersion), tree: tree}
	if p.static, err = readPyproject(project, folder); err != nil {
		return nil, err
	}
	var data []byte // none: setup.py alone
	if p.static != nil {
		if data, err = readFile(project, path.Join(folder, "pyproject.toml")); err != nil {
			return nil, err
		}
		p.text = data
		p.name = cmp.Or(name, pep.NormaliseName(p.static.Project.Name))
		if v, err := pep.ParseVersion(p.static.Project.Version); err == nil {
			p.version = v.String()
		}
	}
	if p.requires, err = BuildRequires(data); err != nil {
		return nil, &runtimes.InputError{File: path.Join(folder, "pyproject.toml"), Problem: "what its build needs cannot be told", Err: err}
	}
	return p, nil
}

// locked is the project as a package of a lock file.
func (p *localProject) locked() lockedPackage {
	return lockedPackage{name: p.name, version: p.version, project: p}
}

// sdistSuffixes are those of source archives, the preferred first.
var sdistSuffixes = []string{".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz"}

func isSdist(name string) bool {
	return slices.ContainsFunc(sdistSuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) })
}

// sdistName splits a source archive's file name, "docopt-0.6.2.tar.gz".
func sdistName(file string) (name, version string, ok bool) {
	for _, suffix := range sdistSuffixes {
		stem, is := strings.CutSuffix(file, suffix)
		if i := strings.LastIndexByte(stem, '-'); is && i > 0 && i+1 < len(stem) {
			v, err := pep.ParseVersion(stem[i+1:])
			if err != nil {
				return "", "", false
			}
			return pep.NormaliseName(stem[:i]), v.String(), true
		}
	}
	return "", "", false
}

// sdist is the source archive of a package that its build starts from.
func (c *chooser) sdist(p lockedPackage) (runtimes.File, bool) {
	var best *runtimes.File
	rank := func(f *runtimes.File) int {
		return slices.IndexFunc(sdistSuffixes, func(suffix string) bool { return strings.HasSuffix(f.Name, suffix) })
	}
	for i := range p.files {
		f := &p.files[i]
		if version, ok := wheel.SplitFileName(p.name, f.Name); !isSdist(f.Name) || !ok && p.version != "" || ok && !wheel.SameVersion(version, p.version) {
			continue
		}
		if !c.admitted(*f) {
			continue
		}
		if best == nil || cmp.Or(cmp.Compare(rank(f), rank(best)), strings.Compare(f.Name, best.Name)) < 0 {
			best = f
		}
	}
	if best == nil {
		return runtimes.File{}, false
	}
	return *best, true
}

// requireBuilds fills in what the packages that are built need, as
// layerbuild.lock has it. Where it does not have it, the error is a
// [*runtimes.Unresolved] that asks for all of them.
func requireBuilds(t runtimes.Target, packages []runtimes.Package, locked []lockedPackage, indexes []string) error {
	projects := make(map[string]*localProject)
	for _, p := range locked {
		projects[p.name] = p.project
	}
	var open []runtimes.Question
	for i := range packages {
		p := &packages[i]
		if p.Build == nil {
			continue
		}
		q := runtimes.Question{
			Ecosystem: "pypi", Build: true, Places: t.BuildPlaces, Indexes: indexes, Tool: uvNeed(),
			Requirements: append([]string{}, buildRequiresOf(t, p.Name)...),
		}
		if project := projects[p.Name]; project != nil {
			q.Name = p.Build.Folder
			q.Requirements = append(slices.Clone(project.requires), q.Requirements...)
		} else {
			q.Name = p.Name + " " + p.Version
			q.Sdist = &p.File
		}
		answer, ok := t.Pins.Builds[q.Name]
		switch {
		case q.Sdist == nil && len(q.Requirements) == 0: // a backend of its own, which needs nothing
			continue
		case !ok:
			q.Why = "what building it needs is not resolved yet"
		case !q.AnsweredBy(answer) && answer.Input == q.Digest():
			q.Why = fmt.Sprintf("what building it needs is resolved for %s, and not for %s", strings.Join(answer.Places, ", "), strings.Join(q.Elsewhere(answer), ", "))
		case !q.AnsweredBy(answer):
			q.Why = "what building it needs has changed since it was resolved"
		default:
			p.Build.Requires = answer.Packages
			continue
		}
		open = append(open, q)
	}
	if len(open) > 0 {
		return &runtimes.Unresolved{Questions: open}
	}
	return nil
}

// unbuiltNotes says which entries of buildRequires do nothing.
func unbuiltNotes(t runtimes.Target, packages []runtimes.Package) []string {
	var notes []string
	for _, name := range sortedKeys(t.BuildRequires) {
		if !slices.ContainsFunc(packages, func(p runtimes.Package) bool { return p.Build != nil && p.Name == pep.NormaliseName(name) }) {
			notes = append(notes, fmt.Sprintf("buildRequires names %s, which is not built from source here", name))
		}
	}
	return notes
}

// buildRequiresOf is what the configuration adds to a package's build.
func buildRequiresOf(t runtimes.Target, name string) []string {
	list, _ := byNormalName(t.BuildRequires, name)
	return list
}
