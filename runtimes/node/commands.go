package node

import (
	"fmt"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/commands"
)

// maxPackageJSON bounds a package.json that is read for its commands.
const maxPackageJSON = 16 << 20

// markCommands makes the commands of the packages executable in a layer's tree,
// given the installed one. npm does so where it asked the registry for a package,
// and not where its cache or the lock file said all: which mode a file gets must
// not hang on that.
func markCommands(r runtimes.Recipe, installed, layer runtimes.Tree) error {
	if r.Managed {
		return nil
	}
	for _, pkg := range r.Packages {
		for _, place := range pkg.Places {
			file, ok := installed[place+"/package.json"]
			if !ok || file.Size > maxPackageJSON || !file.Mode.IsRegular() {
				continue
			}
			data, err := file.ReadAll(maxPackageJSON)
			if err != nil {
				return fmt.Errorf("%s/package.json: %w", place, err)
			}
			below := path.Join(r.Prefix, strings.TrimPrefix(place, "node_modules"))
			set := commands.Of(data)
			names := set.Files
			if set.Folder != "" {
				names = layer.Paths()
			}
			for _, name := range names {
				name = strings.TrimPrefix(name, below+"/")
				f, ok := layer[below+"/"+name]
				if ok && f.Mode.IsRegular() && set.Has(name) {
					f.Mode = 0o755
					layer[below+"/"+name] = f
				}
			}
		}
	}
	return nil
}
