package builder

import (
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// markPublished says of a normalised tree's files which are as they were in a
// package from a registry: those of packages whose hash the lock file has, and
// of which nothing was built and no script was run. Whoever may read the
// registry knows what they hold, and nothing of this machine is in them.
//
// Both engines have held each file against its package by then: the direct
// engine by the package's hash, for what a container installed Normalise by
// RECORD, by a jar's hash, or, of npm packages, which were unpacked by a package
// manager that verified them, by their place alone.
func markPublished(r runtimes.Recipe, t runtimes.Tree) {
	own := make(map[string]bool) // by name: one of the versions is not from a registry
	for _, p := range r.Packages {
		own[p.Name] = own[p.Name] || !isPublished(p)
	}
	for name, f := range t {
		if here, known := own[f.Package]; known && !here && !isInstallers(name) {
			f.Published = true
			t[name] = f
		}
	}
}

func isPublished(p runtimes.Package) bool {
	return p.File.Digest() != "" && p.File.Local == nil && p.Build == nil && !p.Scripts
}

// installers are files that installers write, and with them where a package came
// from.
var installers = []string{"direct_url.json", ".package-lock.json", ".modules.yaml", ".yarn-state.yml", ".yarn-integrity"}

func isInstallers(name string) bool {
	return slices.Contains(installers, name[strings.LastIndexByte(name, '/')+1:])
}
