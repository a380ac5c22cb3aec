package node

import (
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Normalise implements [runtimes.Runtime].
func (Runtime) Normalise(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	for _, name := range t.Paths() {
		file := t[name]
		delete(t, name)
		if rest, ok := strings.CutPrefix(name, "node_modules/"); ok {
			t[r.Prefix+"/"+rest] = file
		}
	}
	return nil, nil
}
