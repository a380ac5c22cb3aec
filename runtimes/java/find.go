package java

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pomName is what a Maven project is described by. Those of a Gradle project
// are in gradle_find.go.
const pomName = "pom.xml"

// foundLock is the file that a target is read from.
type foundLock struct {
	file   string // as a path in the project
	gradle bool   // it is a gradle.lockfile, else a pom
	notes  []string
}

// findLock finds the file of a target. A gradle.lockfile wins over a pom.xml:
// it says more.
func findLock(project fs.FS, t runtimes.Target) (foundLock, error) {
	dir := path.Clean(cmp.Or(t.Path, "."))
	if t.LockFile != "" {
		return namedLock(project, dir, t.LockFile)
	}
	pom := path.Join(dir, pomName)
	for i, name := range gradleLocks {
		lock := path.Join(dir, name)
		if !exists(project, lock) {
			continue
		}
		found := foundLock{file: lock, gradle: true}
		for _, other := range slices.Concat(gradleLocks[i+1:], []string{pomName}) {
			if exists(project, path.Join(dir, other)) {
				found.notes = append(found.notes, fmt.Sprintf("%s is used, and %s beside it is not; set lockfile: %s to use that one", lock, other, other))
			}
		}
		return found, nil
	}
	if exists(project, pom) {
		return foundLock{file: pom}, nil
	}
	return foundLock{}, noLock(project, dir)
}

// namedLock is the file that the configuration names.
func namedLock(project fs.FS, dir, name string) (foundLock, error) {
	file, base := path.Join(dir, name), path.Base(name)
	found := foundLock{file: file, gradle: strings.HasSuffix(base, ".lockfile")}
	switch {
	case !found.gradle && path.Ext(base) != ".xml" && path.Ext(base) != ".pom":
		return found, &runtimes.InputError{
			File: file, Problem: "not the name of a file that is known",
			Hint: "known are gradle.lockfile and poms, *.xml",
		}
	case !exists(project, file):
		return found, &runtimes.InputError{File: file, Problem: "there is no such file", Hint: "lockfile is the name of a file in the layer's folder"}
	}
	return found, nil
}

// noLock says what to do where nothing was found.
func noLock(project fs.FS, dir string) error {
	where := dir
	if dir == "." {
		where = "the project's folder"
	}
	problem := &runtimes.InputError{Problem: "no gradle.lockfile and no pom.xml in " + where}
	if _, err := fs.Stat(project, dir); err != nil {
		problem.Problem = "there is no folder " + dir
		problem.Hint = "path is the folder of the pom.xml or gradle.lockfile, below that of the configuration"
		return problem
	}
	if err := gradleUnlocked(project, dir); err != nil {
		return err
	}
	problem.Hint = runtimes.HintInFolder(project, dir, "java",
		"gradle.lockfile (see doc/java.md) and pom.xml can be read; a folder of own files is declared by plain: true")
	return problem
}

func exists(project fs.FS, file string) bool {
	info, err := fs.Stat(project, file)
	return err == nil && !info.IsDir()
}

// readSmall reads a file of at most limit bytes; nil where there is none.
func readSmall(project fs.FS, file string, limit int64) ([]byte, error) {
	f, err := project.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &runtimes.InputError{File: file, Problem: fmt.Sprintf("has more than %d bytes", limit)}
	}
	return append([]byte{}, data...), err
}
