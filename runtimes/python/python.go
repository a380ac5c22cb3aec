// Package python reads the lock files of Python projects, and knows how their
// installed packages are laid out in a layer.
//
// The terms:
//
//   - A lock file says which packages a project installs and by which hashes:
//     a uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, or a
//     requirements.txt with hashes.
//   - Some of these name hashes but no files, or files without their addresses.
//     They are completed by the answers of a package index, see
//     [runtimes.Incomplete].
//   - A wheel is a prebuilt distribution file. The one to install is chosen
//     here, for the target's Python, architecture and C library, and never by
//     the tool that installs it.
//
// Markers, versions and tags are evaluated by package
// [github.com/layerbuild/layerbuild/runtimes/python/pep].
package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Runtime is the plugin for Python.
type Runtime struct{}

var _ runtimes.Runtime = Runtime{}

// layout is the version of the rules by which packages are laid out and
// normalised. Any change of those rules that changes a layer's bytes changes
// it.
const layout = "python/1"

// Name implements [runtimes.Runtime].
func (Runtime) Name() string { return "python" }

// Recipe implements [runtimes.Runtime].
func (Runtime) Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	found, err := findLock(project, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	set, err := found.read(project, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	if len(set.packages) == 0 {
		return runtimes.Recipe{}, nothingToInstall(found.file, t)
	}
	if err := completeGit(found.file, t, set.packages); err != nil {
		return runtimes.Recipe{}, err
	}
	r := runtimes.Recipe{
		Target:         t,
		Runtime:        "python",
		Layout:         layout,
		Prefix:         prefixOf(t),
		ConsoleScripts: t.ConsoleScripts,
		Bytecode:       t.Bytecode,
		ExcludeFiles:   t.ExcludeFiles,
		LockFile:       found.file,
		Notes:          slices.Concat(found.notes, set.notes),
		Requires:       set.requires,
		Indexes:        indexesOf(t, set.indexes),
		Mirrored:       mirrored(t, set.indexes),
	}
	if t.ConsoleScripts {
		r.Interpreter = t.Runtime.Interpreter
	}
	if r.Packages, err = choosePackages(found.file, t, set.packages); err != nil {
		return runtimes.Recipe{}, err
	}
	if err := requireBuilds(t, r.Packages, set.packages, r.Indexes); err != nil {
		return runtimes.Recipe{}, err
	}
	r.Notes = append(r.Notes, unbuiltNotes(t, r.Packages)...)
	r.Needs, r.Container = container(t, r)
	return r, nil
}

// indexesOf are the indexes to ask, of those that the user configured and those
// that the lock file names. Where the user configured extra ones only, the
// ecosystem's own, "", is among them: they come to the lock file's.
func indexesOf(t runtimes.Target, locked []string) []string {
	if len(t.Indexes) == 0 {
		return locked
	}
	if len(locked) == 0 || !slices.Contains(t.Indexes, "") {
		return t.Indexes
	}
	all := slices.Clone(locked)
	for _, index := range t.Indexes {
		if index != "" && !containsIndex(all, index) {
			all = append(all, index)
		}
	}
	return all
}

// mirrored tells whether the user's indexes take the place of the lock file's.
// They do not where the lock file was made with them.
func mirrored(t runtimes.Target, locked []string) bool {
	if len(t.Indexes) == 0 || slices.Contains(t.Indexes, "") {
		return false
	}
	return len(locked) == 0 || slices.ContainsFunc(locked, func(index string) bool {
		return !containsIndex(t.Indexes, index)
	})
}

func containsIndex(indexes []string, index string) bool {
	return slices.ContainsFunc(indexes, func(other string) bool {
		return strings.TrimSuffix(other, "/") == strings.TrimSuffix(index, "/")
	})
}

// prefixOf is where packages go below /opt. The first of the two is searched by
// one version of Python only, the other by all.
func prefixOf(t runtimes.Target) string {
	if t.Universal {
		return "python"
	}
	return "python/lib/python" + t.Runtime.Version + "/site-packages"
}

// choosePackages chooses the file of each package, and sorts them by name.
func choosePackages(file string, t runtimes.Target, locked []lockedPackage) ([]runtimes.Package, error) {
	c := newChooser(t)
	packages := make([]runtimes.Package, 0, len(locked))
	for _, p := range locked {
		chosen := c.choose(p)
		if slices.Contains(p.absent, chosen.File.SHA256) {
			return nil, &runtimes.DigestError{
				What: chosen.File.Name + " of " + file, Want: chosen.File.SHA256, Got: "no such file in the package index",
			}
		}
		if chosen.Missing == "" || chosen.Build != nil {
			if err := checkFile(file, chosen); err != nil {
				return nil, err
			}
		}
		packages = append(packages, chosen)
	}
	slices.SortFunc(packages, func(a, b runtimes.Package) int { return cmp.Compare(a.Name, b.Name) })
	return packages, nil
}

// checkFile refuses a file that could not be fetched, or not be verified.
func checkFile(lockFile string, p runtimes.Package) error {
	f := p.File
	problem := &runtimes.InputError{File: lockFile}
	switch {
	case f.SHA256 == "":
		problem.Problem = f.Name + " is locked without a hash"
		problem.Hint = "lock it again against an index that gives SHA-256 hashes"
	case !isSHA256(f.SHA256):
		problem.Problem = fmt.Sprintf("the hash of %s is not a SHA-256: %q", f.Name, f.SHA256)
		problem.Hint = "lock it again against an index that gives SHA-256 hashes"
	case f.Local != nil:
		return nil
	case f.URL == "":
		problem.Problem = f.Name + " lies in a local folder that stands for an index; only files of an index or a URL can be used yet"
	case !strings.HasPrefix(f.URL, "https://") && !strings.HasPrefix(f.URL, "http://"):
		problem.Problem = fmt.Sprintf("the URL of %s is neither https nor http", f.Name)
	case withoutUser(f.URL) != f.URL:
		return holdsUser(lockFile, 0, f.Name)
	default:
		return nil
	}
	return problem
}

// holdsUser refuses a URL that holds credentials: they would be committed with
// the lock file, and spread by whoever reads it.
func holdsUser(lockFile string, line int, what string) error {
	return &runtimes.InputError{
		File:    lockFile,
		Line:    line,
		Problem: fmt.Sprintf("the URL of %s holds a user or password", what),
		Hint:    "credentials do not belong in a lock file: lock again without them",
	}
}

// isSHA256 tells whether s is a SHA-256 in lower-case hex.
func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func nothingToInstall(file string, t runtimes.Target) error {
	hint := "if the packages are in a dependency group or an extra, list it under groups or extras"
	if path.Ext(file) == ".txt" {
		hint = "check that the file is the right one, and its markers"
	}
	if len(t.Exclude) > 0 {
		hint += "; check exclude"
	}
	return &runtimes.InputError{File: file, Problem: "nothing to install for " + t.Runtime.Name + " on " + string(t.Arch), Hint: hint}
}

// format is a format of lock files.
type format int

const (
	unknownFormat format = iota
	uvFormat
	pylockFormat
	poetryFormat
	pdmFormat
	pipfileFormat
	requirementsFormat
)

// formatOf tells a lock file's format by its name.
func formatOf(name string) format {
	switch base := path.Base(name); {
	case strings.HasSuffix(base, "uv.lock"):
		return uvFormat
	case base == "pylock.toml", strings.HasPrefix(base, "pylock.") && strings.HasSuffix(base, ".toml"):
		return pylockFormat
	case strings.HasSuffix(base, "poetry.lock"):
		return poetryFormat
	case strings.HasSuffix(base, "pdm.lock"), strings.HasPrefix(base, "pdm.") && strings.HasSuffix(base, ".lock"):
		return pdmFormat
	case strings.HasSuffix(base, "Pipfile.lock"):
		return pipfileFormat
	case strings.HasSuffix(base, ".txt"), strings.HasPrefix(base, "requirements"):
		return requirementsFormat
	}
	return unknownFormat
}
