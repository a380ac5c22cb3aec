package java

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The locks of a Gradle project, the one that wins first. The second is that of
// Gradle before version 7, one file for each configuration.
var gradleLocks = []string{"gradle.lockfile", "gradle/dependency-locks/" + gradleConfiguration + ".lockfile"}

// gradleScripts are what a Gradle project is described by. They are programs,
// and are not run: they only show that there is a project.
var gradleScripts = []string{"build.gradle", "build.gradle.kts"}

const maxScript = 4 << 20

// gradleUnlocked is the error for a folder with a Gradle project and no lock of
// what runs; nil where there is no such project.
func gradleUnlocked(project fs.FS, dir string) error {
	script := ""
	for _, name := range gradleScripts {
		if file := path.Join(dir, name); exists(project, file) {
			script = cmp.Or(script, file)
		}
	}
	problem := &runtimes.InputError{File: script, Problem: "the Gradle project is not locked"}
	switch others := gradleOtherLocks(project, dir); {
	case exists(project, path.Join(dir, "buildscript-gradle.lockfile")):
		problem.Problem = "only the build script's own class path is locked (buildscript-gradle.lockfile), and not what the project runs with"
	case len(others) > 0:
		problem.Problem = fmt.Sprintf("it has %s, and no lock of the %s", strings.Join(others, ", "), gradleConfiguration)
	case script == "":
		return nil
	}
	problem.Hint = gradleLockHint(cmp.Or(path.Base(script), "build.gradle"))
	if data, err := readBounded(project, cmp.Or(script, "."), maxScript); err == nil && bytes.Contains(data, []byte("dependencyLocking")) {
		problem.Hint = "dependencyLocking is in it already: run " + gradleWriteLocks + ", and commit gradle.lockfile"
	}
	if below := gradleSubprojects(project, dir); len(below) > 0 {
		problem.Hint = fmt.Sprintf("each sub-project has its own lock: name its folder as path, such as %s; or %s", below[0], problem.Hint)
	}
	return problem
}

// gradleOtherLocks lists locks of single configurations, other than the one
// that is wanted.
func gradleOtherLocks(project fs.FS, dir string) []string {
	entries, err := fs.ReadDir(project, path.Join(dir, "gradle/dependency-locks"))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".lockfile") {
			names = append(names, e.Name())
		}
	}
	return names[:min(len(names), 4)]
}

// gradleSubprojects lists the folders right below dir that have a lock.
func gradleSubprojects(project fs.FS, dir string) []string {
	entries, err := fs.ReadDir(project, dir)
	if err != nil {
		return nil
	}
	var below []string
	for _, e := range entries {
		if sub := path.Join(dir, e.Name()); e.IsDir() && slices.ContainsFunc(gradleLocks, func(name string) bool { return exists(project, path.Join(sub, name)) }) {
			below = append(below, sub)
		}
	}
	return below
}
