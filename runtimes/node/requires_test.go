package node

import (
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// checkRequires holds that what a reader says of requirements leads from the
// project to every package of the set.
func checkRequires(t *testing.T, packages []runtimes.Package, requires []runtimes.Requires) {
	t.Helper()
	reached := map[string]bool{"": true}
	for again := true; again; {
		again = false
		for _, q := range requires {
			if reached[q.By] && !reached[q.Name] {
				reached[q.Name], again = true, true
			}
		}
	}
	for _, p := range packages {
		if !reached[p.Name] {
			t.Errorf("nothing says what needs %s", p.Name)
		}
	}
}
