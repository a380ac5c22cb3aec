package node

import (
	"fmt"
	"slices"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// excluder knows which packages a target leaves out, by names and patterns
// ("@aws-sdk/*").
type excluder struct {
	patterns []string
	met      map[string]bool // patterns that named something
}

func newExcluder(t runtimes.Target) *excluder {
	return &excluder{patterns: t.Exclude, met: map[string]bool{}}
}

// excludes tells whether a package is left out, by any of its names.
func (e *excluder) excludes(names ...string) bool {
	return slices.ContainsFunc(e.patterns, func(pattern string) bool { return matchesAny(pattern, names) })
}

// drops is like excludes, and notes that the patterns meant something.
func (e *excluder) drops(names ...string) bool {
	found := false
	for _, pattern := range e.patterns {
		if matchesAny(pattern, names) {
			e.met[pattern], found = true, true
		}
	}
	return found
}

func matchesAny(pattern string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return doublestar.MatchUnvalidated(pattern, name) })
}

// notes says which patterns leave out nothing.
func (e *excluder) notes(file string) []string {
	var notes []string
	for _, pattern := range e.patterns {
		if !e.met[pattern] {
			notes = append(notes, fmt.Sprintf("%s is excluded but not among the packages that %s installs here", pattern, file))
		}
	}
	return notes
}
