package node

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"

	"github.com/layerbuild/layerbuild/runtimes"
)

// format is a format of lock files.
type format struct {
	names   []string // of the files, preferred first
	manager string   // that writes them: "npm", "pnpm", "yarn", "bun"
	read    func(project fs.FS, file string, t runtimes.Target) (*set, error)
}

// formats are those that can be read. Where a folder has several lock files,
// the first of this list is used.
func formats() []format {
	return []format{}
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
	for at := dir; ; at = path.Dir(at) {
		for _, f := range formats() {
			for _, name := range f.names {
				if t.LockFile != "" && name != path.Base(t.LockFile) {
					continue
				}
				file := path.Join(at, name)
				if _, err := fs.Stat(project, file); err == nil {
					return foundLock{file: file, format: f}, nil
				}
			}
		}
		if at == "." {
			return foundLock{}, noLock(dir)
		}
	}
}

func noLock(dir string) error {
	return &runtimes.InputError{
		Problem: fmt.Sprintf("no lock file in %s", dir),
		Hint:    "package-lock.json (made by `npm install`) can be read; a folder of own files is declared by plain: true",
	}
}
