package python

import (
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Detect says what a layer of the folder dir would be read from. It returns an
// [*runtimes.InputError] where dir has a project that nothing locks.
func (Runtime) Detect(project fs.FS, dir string) (runtimes.Detected, error) {
	if !runtimes.HasProject(project, dir, "python") {
		return runtimes.Detected{}, nil
	}
	found, err := findLock(project, runtimes.Target{Path: dir})
	if err != nil {
		return runtimes.Detected{}, err
	}
	return runtimes.Detected{LockFile: found.file, Notes: found.notes}, nil
}
