// Package check holds a finished tree against what Lambda accepts, so that a
// layer that would fail in production fails here, by name.
package check

import "github.com/layerbuild/layerbuild/runtimes"

// Gather reads a tree for the checks. limit is what it may weigh, in bytes,
// unzipped.
func Gather(t runtimes.Tree, limit int64) Facts {
	all, damaged := binaries(t)
	return Facts{
		Version:  factsVersion,
		Binaries: summary(all),
		Places:   placesOf(t),
		Found:    append(archiveFindings(t, limit), damaged...),
	}
}
