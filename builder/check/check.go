// Package check holds a finished tree against what Lambda accepts, so that a
// layer that would fail in production fails here, by name.
package check

import (
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Gather reads a tree for the checks. limit is what it may weigh, in bytes,
// unzipped.
func Gather(t runtimes.Tree, limit int64) Facts {
	all, damaged := binaries(t)
	weight := weigh(t, limit)
	java, damagedJars := jars(t)
	return Facts{
		Version:  factsVersion,
		Weight:   weight,
		Binaries: summary(all),
		Places:   placesOf(t),
		Node:     packages(t),
		Java:     java,
		Python:   pythonOf(t),
		Found:    slices.Concat(archiveFindings(t, weight), nameFindings(t), modeFindings(t), pathFindings(all), damaged, damagedJars, secrets(t)),
	}
}
