// Package node reads the lock files of Node.js projects, and knows how their
// installed packages are laid out in a layer.
//
// The terms:
//
//   - A lock file says which packages a project installs, by which integrity:
//     npm's package-lock.json, and those of pnpm, yarn and bun.
//   - The production closure of a project is what its dependencies and
//     optionalDependencies need at run time on the target's platform; of a
//     workspace, that of one member.
//   - npm's lock files say in which folder each package lies, so that a layer
//     can be laid out from the packages' tarballs alone. The other package
//     managers decide that when they install: their sets are Managed.
package node

import (
	"cmp"
	"io/fs"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Runtime is the plugin for Node.js.
type Runtime struct{}

var _ runtimes.Runtime = Runtime{}

// layout is the version of the rules by which packages are laid out and
// normalised. Any change of those rules that changes a layer's bytes changes
// it.
const layout = "nodejs/1"

// prefix is where packages go below /opt: every version searches it.
const prefix = "nodejs/node_modules"

// Name implements [runtimes.Runtime].
func (Runtime) Name() string { return "nodejs" }

// Recipe implements [runtimes.Runtime].
func (Runtime) Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	found, err := findLock(project, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	s, err := found.format.read(project, found.file, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	if len(s.packages) == 0 {
		return runtimes.Recipe{}, nothingToInstall(found.file, t)
	}
	slices.SortFunc(s.packages, func(a, b runtimes.Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.File.Digest(), b.File.Digest()))
	})
	r := runtimes.Recipe{
		Target:       t,
		Runtime:      "nodejs",
		Layout:       layout,
		Prefix:       prefix,
		Packages:     s.packages,
		Managed:      s.managed,
		Slim:         t.Slim,
		ExcludeFiles: t.ExcludeFiles,
		LockFile:     found.file,
		Notes:        slices.Concat(found.notes, s.notes),
		Requires:     s.requires,
		Indexes:      t.Indexes,
		Mirrored:     len(t.Indexes) > 0,
	}
	r.Needs, r.Container = container(t, s)
	return r, nil
}

func nothingToInstall(file string, t runtimes.Target) error {
	hint := "only dependencies and optionalDependencies of package.json are installed"
	if len(t.Exclude) > 0 {
		hint += "; check exclude"
	}
	return &runtimes.InputError{File: file, Problem: "nothing to install for " + t.Runtime.Name + " on " + string(t.Arch), Hint: hint}
}
