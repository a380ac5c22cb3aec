package python

import (
	"io/fs"

	"github.com/layerbuild/layerbuild/runtimes"
)

func readRequirements(fs.FS, string, runtimes.Target) (lockedSet, error) { return lockedSet{}, nil }
