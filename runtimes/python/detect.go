package python

import (
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// Detect says what a layer of the folder dir would be read from, and for which
// versions of Python the project is. It returns an [*runtimes.InputError] where
// dir has a project that nothing locks.
func (Runtime) Detect(project fs.FS, dir string) (runtimes.Detected, error) {
	if !runtimes.HasProject(project, dir, "python") || isToolsOnly(project, dir) {
		return runtimes.Detected{}, nil
	}
	found, err := findLock(project, runtimes.Target{Path: dir})
	if err != nil {
		return runtimes.Detected{}, err
	}
	d := runtimes.Detected{LockFile: found.file, Notes: found.notes, Versions: versionFacts(project, dir, found.file)}
	d.Name, d.Requires = workspaceNames(project, dir)
	return d, nil
}

// workspaceNames are the name of the project in dir and those of the packages
// that it needs. What cannot be read is left out: the lock's reader says so.
func workspaceNames(project fs.FS, dir string) (name string, requires []string) {
	tables, err := readTables(project, path.Join(dir, "pyproject.toml"))
	if err != nil {
		return "", nil
	}
	own := tableAt(tables, "project")
	name, _ = own["name"].(string)
	for _, text := range stringsOf(own["dependencies"]) {
		if r, err := pep.ParseRequirement(text); err == nil {
			requires = append(requires, pep.NormaliseName(r.Name))
		}
	}
	return pep.NormaliseName(name), requires
}

// isToolsOnly tells whether a folder shows of a Python project nothing but a
// pyproject.toml that configures tools, as a linter.
func isToolsOnly(project fs.FS, dir string) bool {
	for _, name := range runtimes.ProjectFiles("python") {
		if name != "pyproject.toml" && exists(project, path.Join(dir, name)) {
			return false
		}
	}
	tables, err := readTables(project, path.Join(dir, "pyproject.toml"))
	if err != nil {
		return false // its reader says what is wrong
	}
	return tables["project"] == nil && tables["dependency-groups"] == nil &&
		tableAt(tables, "tool", "poetry") == nil && tableAt(tables, "tool", "uv", "workspace") == nil
}

// versionFacts are what a project's files say of Python's version. Files that
// cannot be read say nothing here; whoever needs them says so.
func versionFacts(project fs.FS, dir, lock string) []runtimes.VersionFact {
	var facts []runtimes.VersionFact
	if file, version := runtimes.VersionFile(project, dir, "python", ".python-version"); file != "" {
		if v, err := pep.ParseVersion(strings.TrimPrefix(version, "cpython-")); err == nil {
			facts = append(facts, runtimes.VersionFact{
				Says:   "as " + file + " says: " + v.String(),
				Allows: func(version string) bool { return strings.HasPrefix(v.String()+".", version+".") },
			})
		}
	}
	add := func(text any, from string) {
		s, _ := text.(string)
		if c, err := parsePoetryConstraint(s); s != "" && err == nil {
			facts = append(facts, runtimes.VersionFact{
				Says:   "newest that " + from + " allows: " + s,
				Allows: func(version string) bool { return admitsSeries(c, version) },
			})
		}
	}
	manifest := path.Join(dir, "pyproject.toml")
	tables, _ := readTables(project, manifest)
	add(tableAt(tables, "project")["requires-python"], "requires-python of "+manifest)
	add(tableAt(tables, "tool", "poetry", "dependencies")["python"], "python of "+manifest)
	if pipfile := path.Join(dir, "Pipfile"); path.Base(lock) == "Pipfile.lock" {
		tables, _ := readTables(project, pipfile)
		if version, _ := tableAt(tables, "requires")["python_version"].(string); version != "" {
			add(version+".*", "python_version of "+pipfile)
		}
	}
	if path.Ext(lock) != ".txt" && path.Ext(lock) != ".json" {
		tables, _ := readTables(project, lock)
		add(tables["requires-python"], "requires-python of "+lock)
	}
	return facts
}

// admitsSeries tells whether a constraint admits some release of a version such
// as 3.13.
func admitsSeries(c poetryConstraint, version string) bool {
	for _, release := range []string{version, version + ".999"} {
		if v, err := pep.ParseVersion(release); err == nil && c.admits(v) {
			return true
		}
	}
	return false
}
