package python

import (
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

// This file stands in for parts that are being written; it goes when they land.

func container(runtimes.Target, runtimes.Recipe) ([]runtimes.Need, *runtimes.Container) {
	return nil, nil
}

// Normalise implements [runtimes.Runtime].
func (Runtime) Normalise(runtimes.Recipe, runtimes.Tree) ([]string, error) { return nil, nil }

func readRequirements(fs.FS, string, runtimes.Target) (lockedSet, error) { return lockedSet{}, nil }
