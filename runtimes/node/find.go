package node

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// format is a format of lock files.
type format struct {
	names   []string // of the files, preferred first
	manager string   // that writes them: "npm", "pnpm", "yarn", "bun"
	read    func(project fs.FS, file string, t runtimes.Target) (*set, error)

	// holds tells whether a lock file locks the project in a folder below its
	// own: a member of its workspace. A file that cannot be read holds it.
	holds func(project fs.FS, file, member string) bool
}

// formats are those that can be read. Where a folder has several lock files,
// the one of the manager that package.json names is used, else the first of
// this list.
func formats() []format {
	return []format{npmFormat, pnpmFormat, yarnFormat, bunFormat}
}

// foundLock is the lock file that a target is read from.
type foundLock struct {
	file   string // as a path in the project
	format format
	notes  []string
}

// findLock finds the lock file of a target: in its folder, or in one above
// where it is that of a workspace.
func findLock(project fs.FS, t runtimes.Target) (foundLock, error) {
	dir := path.Clean(cmp.Or(t.Path, "."))
	if t.LockFile != "" {
		return namedLock(project, dir, t.LockFile)
	}
	above := ""
	for at := dir; ; at = path.Dir(at) {
		if all := locksIn(project, at); len(all) > 0 {
			found := choose(project, at, all)
			if at == dir || found.format.holds(project, found.file, memberLocation(at, dir)) {
				return found, nil
			}
			above = cmp.Or(above, found.file)
		}
		if at == "." {
			return foundLock{}, noLock(project, dir, above)
		}
	}
}

// locksIn lists the lock files of a folder, in their order.
func locksIn(project fs.FS, dir string) []foundLock {
	var all []foundLock
	for _, f := range formats() {
		for _, name := range f.names {
			if file := path.Join(dir, name); exists(project, file) {
				all = append(all, foundLock{file: file, format: f})
			}
		}
	}
	return all
}

// choose takes one of a folder's lock files.
func choose(project fs.FS, dir string, all []foundLock) foundLock {
	if len(all) == 1 {
		return all[0]
	}
	first, manager := all[0].format.manager, managerOf(project, dir)
	taken, why := 0, "by layerbuild's order"
	if i := slices.IndexFunc(all, func(f foundLock) bool { return f.format.manager == manager }); i >= 0 {
		taken, why = i, "as packageManager says"
	} else if !slices.ContainsFunc(all, func(f foundLock) bool { return f.format.manager != first }) {
		why = "as " + first + " does"
	}
	var others []string
	for i, f := range all {
		if i != taken {
			others = append(others, path.Base(f.file))
		}
	}
	found := all[taken]
	found.notes = []string{fmt.Sprintf("%s is used, %s, and not %s beside it; lockfile: says otherwise, or remove what is stale",
		found.file, why, strings.Join(others, ", "))}
	return found
}

// managerOf is the package manager that a folder's package.json names, "" where
// it names none or cannot be read: the lock file's reader says so.
func managerOf(project fs.FS, dir string) string {
	m, err := readManifest(project, dir)
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(m.PackageManager, "@")
	return name
}

// namedLock is the lock file that the configuration names. It may be that of
// the workspace which the layer belongs to.
func namedLock(project fs.FS, dir, name string) (foundLock, error) {
	var known []string
	for _, f := range formats() {
		known = append(known, f.names...)
		if !slices.Contains(f.names, path.Base(name)) {
			continue
		}
		for at := dir; ; at = path.Dir(at) {
			file := path.Join(at, name)
			if exists(project, file) && (at == dir || f.holds(project, file, memberLocation(path.Dir(file), dir))) {
				return foundLock{file: file, format: f}, nil
			}
			if at == "." {
				break
			}
		}
		return foundLock{}, &runtimes.InputError{File: path.Join(dir, name), Problem: "there is no such lock file", Hint: "lockfile is the name of a file in the layer's folder"}
	}
	for _, other := range unread {
		if path.Base(name) == other.name {
			return foundLock{}, &runtimes.InputError{File: path.Join(dir, name), Problem: "lock files of this kind are not read", Hint: other.hint}
		}
	}
	return foundLock{}, &runtimes.InputError{
		File: path.Join(dir, name), Problem: "not the name of a lock file that is known", Hint: "known are " + strings.Join(known, ", "),
	}
}

// unread are the lock files that are known and not read, each with what makes a
// readable one of it.
var unread = []struct{ name, hint string }{
	{"bun.lockb", "`bun install --save-text-lockfile --frozen-lockfile --lockfile-only` writes bun.lock of it"},
}

// noLock says what to do where no lock file was found; above is one that does
// not lock the folder.
func noLock(project fs.FS, dir, above string) error {
	where := dir
	if dir == "." {
		where = "the project's folder"
	}
	problem := &runtimes.InputError{Problem: "no lock file in " + where}
	if _, err := fs.Stat(project, dir); err != nil {
		problem.Problem = fmt.Sprintf("there is no folder %s", dir)
		problem.Hint = "path is the folder of the lock file, below that of the configuration"
		return problem
	}
	if above != "" {
		return notMember(above, memberLocation(path.Dir(above), dir))
	}
	for _, other := range unread {
		if exists(project, path.Join(dir, other.name)) {
			return &runtimes.InputError{File: path.Join(dir, other.name), Problem: "lock files of this kind are not read", Hint: other.hint}
		}
	}
	if exists(project, path.Join(dir, "package.json")) {
		problem.Hint = "`npm install --package-lock-only` makes one from package.json"
		if manager := managerOf(project, dir); manager != "" && manager != "npm" {
			problem.Hint = fmt.Sprintf("`%s install` makes one from package.json", manager)
		}
		return problem
	}
	var names []string
	for _, f := range formats() {
		names = append(names, f.names...)
	}
	problem.Hint = runtimes.HintInFolder(project, dir, "nodejs",
		strings.Join(names, ", ")+" can be read; a folder of own files is declared by plain: true")
	return problem
}
