package builder

import (
	"context"
	"os"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Try reads the lock file of a layer that no configuration has yet, for its first
// runtime and architecture, as Plan does. What the lock file leaves to a package
// index is asked and kept in the cache. What it leaves open is resolved, but for
// what builds need, and layerbuild.lock stays as it is.
func (b *Builder) Try(ctx context.Context, l Layer) (runtimes.Recipe, error) {
	config := *b.Config
	config.Layers = []Layer{l}
	lock, err := openLockFile(config.Root)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	lock.renewal, lock.noBuilds = &renewal{earlier: clonePins(lock.pins)}, true
	r := &run{Builder: b, project: os.DirFS(config.Root), lock: lock}
	return r.recipe(ctx, r.project, expand(&config, config.Output, b.Indexes)[0].combos[0])
}
