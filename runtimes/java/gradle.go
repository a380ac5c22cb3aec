package java

import (
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

// readGradle reads a gradle.lockfile.
func readGradle(_ fs.FS, file string, _ runtimes.Target) (*jars, error) {
	return nil, &runtimes.InputError{File: file, Problem: "lock files of this kind are not supported yet"}
}
