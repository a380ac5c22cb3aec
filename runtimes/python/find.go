package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// foundLock is the lock file that a target is read from.
type foundLock struct {
	file   string // as a path in the project
	format format
	notes  []string
}

// lockFormat is a format of lock files.
type lockFormat struct {
	format format
	name   string // of the file
	read   func(fs.FS, string, runtimes.Target) (lockedSet, error)
}

// lockFormats are the formats, the preferred first: where a folder has several
// lock files, this order decides. A requirements.txt is often a forgotten
// export of another.
func lockFormats() []lockFormat {
	return []lockFormat{
		{uvFormat, "uv.lock", readUVLock},
		{pylockFormat, "pylock.toml", readPylock},
		{poetryFormat, "poetry.lock", readPoetryLock},
		{pdmFormat, "pdm.lock", readPDMLock},
		{pipfileFormat, "Pipfile.lock", readPipfileLock},
		{requirementsFormat, "requirements.txt", completeRequirements},
	}
}

// read reads the set of a target from the lock file.
func (f foundLock) read(project fs.FS, t runtimes.Target) (lockedSet, error) {
	for _, known := range lockFormats() {
		if known.format == f.format {
			return known.read(project, f.file, t)
		}
	}
	return lockedSet{}, fmt.Errorf("no reader for %s", f.file)
}

// findLock finds the lock file of a target. Only a uv.lock may lie in a folder
// above, where it is that of a workspace.
func findLock(project fs.FS, t runtimes.Target) (foundLock, error) {
	dir := path.Clean(cmp.Or(t.Path, "."))
	if t.LockFile != "" {
		return namedLock(project, dir, t.LockFile)
	}
	var found foundLock
	workspace, above := findUVLock(project, dir)
	for _, f := range lockFormats() {
		file := path.Join(dir, f.name)
		if f.format == uvFormat {
			file = workspace
		}
		switch {
		case file == "" || !exists(project, file):
		case found.file == "":
			found.file, found.format = file, f.format
		default:
			found.notes = append(found.notes, fmt.Sprintf("%s is used, and %s beside it is not; set lockfile: %s to use that one", found.file, file, f.name))
		}
	}
	if found.file == "" {
		return foundLock{}, noLock(project, dir, above)
	}
	return found, nil
}

// namedLock is the lock file that the configuration names. A uv.lock may be
// that of the workspace which the layer belongs to.
func namedLock(project fs.FS, dir, name string) (foundLock, error) {
	file := path.Join(dir, name)
	f := formatOf(name)
	if f == unknownFormat {
		return foundLock{}, &runtimes.InputError{
			File:    file,
			Problem: "not the name of a lock file that is known",
			Hint:    "known are uv.lock, pylock.toml, pylock.NAME.toml, poetry.lock, pdm.lock, Pipfile.lock and requirements files, *.txt",
		}
	}
	if !exists(project, file) {
		if name == "uv.lock" {
			if found, _ := findUVLock(project, dir); found != "" {
				return foundLock{file: found, format: f}, nil
			}
		}
		return foundLock{}, &runtimes.InputError{File: file, Problem: "there is no such lock file", Hint: "lockfile is the name of a file in the layer's folder"}
	}
	return foundLock{file: file, format: f}, nil
}

// findUVLock looks for a uv.lock in dir and the folders above it, up to the
// project's. One above counts only if it locks the project in dir; above is
// one that does not.
func findUVLock(project fs.FS, dir string) (file, above string) {
	if file := path.Join(dir, "uv.lock"); exists(project, file) {
		return file, ""
	}
	for at := dir; at != "."; {
		at = path.Dir(at)
		file := path.Join(at, "uv.lock")
		if !exists(project, file) {
			continue
		}
		if locksMember(project, file, memberOf(at, dir)) {
			return file, ""
		}
		return "", file
	}
	return "", ""
}

// locksMember tells whether a lock file holds the local project in a folder
// below its own. One that cannot be read counts: its reader says what is
// wrong with it.
func locksMember(project fs.FS, file, member string) bool {
	data, err := readFile(project, file)
	if err != nil {
		return true
	}
	// Parsing a large lock twice costs more than this does.
	if !strings.Contains(string(data), fmt.Sprintf("= %q }", member)) {
		lock, err := parseUVLock(file, data)
		return err != nil || (&uvGraph{lock: lock}).member(member) != nil
	}
	return true
}

// noLock says what to do where no lock file was found.
func noLock(project fs.FS, dir, above string) error {
	problem := &runtimes.InputError{Problem: "no lock file in " + where(dir)}
	switch {
	case above != "":
		problem.Problem += fmt.Sprintf(", and %s does not lock a project there", above)
		problem.Hint = "add the folder to the workspace and run `uv lock`, or give it a lock file of its own"
	case exists(project, path.Join(dir, "requirements.in")):
		problem.Hint = "`uv pip compile --generate-hashes --universal requirements.in -o requirements.txt` makes one"
	case exists(project, path.Join(dir, "pyproject.toml")):
		problem.Hint = fmt.Sprintf("`%s lock` makes one from pyproject.toml", managerOf(project, dir))
		if dir == "." {
			problem.Hint += "; for a member of a workspace, name its folder from the workspace's: layerbuild build PATH"
		}
	case exists(project, path.Join(dir, "Pipfile")):
		problem.Hint = "`pipenv lock` makes one"
	case exists(project, path.Join(dir, "setup.py")):
		problem.Hint = "`uv pip compile --generate-hashes --universal setup.py -o requirements.txt` makes one"
	default:
		if _, err := fs.Stat(project, dir); err != nil {
			problem.Problem = fmt.Sprintf("there is no folder %s", dir)
			problem.Hint = "path is the folder of the lock file, below that of the configuration"
			break
		}
		problem.Hint = runtimes.HintInFolder(project, dir, "python",
			"uv.lock (made by `uv lock`), pylock.toml, poetry.lock, pdm.lock, Pipfile.lock and requirements.txt can be read; a folder of own files is declared by plain: true")
	}
	return problem
}

// managerOf is the package manager that a pyproject.toml is written for.
func managerOf(project fs.FS, dir string) string {
	tables, _ := readTables(project, path.Join(dir, "pyproject.toml"))
	for _, manager := range []string{"poetry", "pdm"} {
		if tableAt(tables, "tool", manager) != nil {
			return manager
		}
	}
	return "uv"
}

func where(dir string) string {
	if dir == "." {
		return "the project's folder"
	}
	return dir
}
