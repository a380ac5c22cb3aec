package node

import (
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmProject is the project that the image's npm installs: nothing but the set,
// each package at its place.
type npmProject struct {
	packages  []runtimes.Package
	byAddress map[string]bool     // by identity: packages of no registry
	placed    map[string]*npmNode // for what tarballs bring; nil where none does
}

// writtenEntry is an entry of the lock file that is written for npm.
type writtenEntry struct {
	Name         string            `json:"name,omitempty"`
	Version      string            `json:"version,omitempty"`
	Resolved     string            `json:"resolved,omitempty"`
	Integrity    string            `json:"integrity,omitempty"`
	InBundle     bool              `json:"inBundle,omitempty"`
	Bundle       []string          `json:"bundleDependencies,omitempty"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
}

// npmSteps install a written project with the image's own npm. Whatever the
// packages say of each other is left out of it: every place is demanded by the
// one that it lies in, so npm has nothing to decide.
func npmSteps(t runtimes.Target, packages int, files []runtimes.InlineFile) []runtimes.Step {
	step := driverStep(t, fmt.Sprintf("install %d packages", packages), files,
		"npm", "ci", "--omit=dev", "--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--legacy-peer-deps",
		"--os="+targetOS, "--cpu="+targetCPU(t.Arch), "--libc="+targetLibc)
	step.Caches = []runtimes.CacheMount{npmCacheMount}
	return []runtimes.Step{step}
}

// files are those of the written project.
func (p *npmProject) files(t runtimes.Target) ([]runtimes.InlineFile, error) {
	keyed := runsScripts(p.packages)
	entries := map[string]*writtenEntry{"": {Name: "layer", Version: "1.0.0"}}
	var locals []runtimes.InlineFile
	for i, pkg := range p.packages {
		e := writtenEntry{Name: pkg.Name, Version: pkg.Version, Resolved: pkg.File.URL, Integrity: pkg.File.Integrity}
		if pkg.File.Local != nil {
			name := fmt.Sprintf("local/%d/%s", i, pkg.File.Name)
			data, err := readLocal(pkg.File.Local)
			if err != nil {
				return nil, err
			}
			locals = append(locals, runtimes.InlineFile{Path: name, Data: data})
			e.Resolved = "file:" + name
		} else if (mirrored(t.Indexes, pkg.Name) || keyed) && !p.byAddress[identity(pkg)] {
			// The configured registries know where it is; and where the file is
			// in a key, a server's name must not be.
			e.Resolved = ""
		}
		for _, place := range pkg.Places {
			at := e
			entries[place] = &at
		}
	}
	for place, n := range p.placed {
		if n.bundled {
			entries[place] = &writtenEntry{Name: n.name, Version: n.version, InBundle: true}
		} else {
			entries[place].Bundle = n.bundle
		}
	}
	for place, e := range entries {
		if place == "" {
			continue
		}
		parent, alias, _ := splitLocation(place)
		spec := e.Version
		if e.Name == alias {
			e.Name = ""
		} else {
			spec = "npm:" + e.Name + "@" + e.Version
		}
		outer := entries[parent]
		if outer == nil {
			return nil, fmt.Errorf("nothing lies at %s", parent)
		}
		if outer.Dependencies == nil {
			outer.Dependencies = map[string]string{}
		}
		outer.Dependencies[alias] = spec
	}
	root := entries[""]
	lock := map[string]any{"name": root.Name, "version": root.Version, "lockfileVersion": 3, "requires": true, "packages": entries}
	return append([]runtimes.InlineFile{
		jsonInput("package.json", root),
		jsonInput("package-lock.json", lock),
	}, locals...), nil
}

// mirrored tells whether a registry is configured for a package.
func mirrored(npmrc []string, name string) bool {
	scope, _, scoped := strings.Cut(name, "/")
	return slices.ContainsFunc(npmrc, func(line string) bool {
		return strings.HasPrefix(line, "registry=") || scoped && strings.HasPrefix(line, scope+":registry=")
	})
}

// byAddress tells by their identity which packages come of no registry.
func byAddress(packages []runtimes.Package, placed map[string]*npmNode) map[string]bool {
	those := map[string]bool{}
	for _, p := range packages {
		if !placed[p.Places[0]].ofRegistry() {
			those[identity(p)] = true
		}
	}
	return those
}

func jsonInput(name string, v any) runtimes.InlineFile {
	data, _ := json.MarshalIndent(v, "", "\t") // strings cannot fail to marshal
	return runtimes.InlineFile{Path: path.Clean(name), Data: data}
}

// readLocal reads a file of the project.
func readLocal(f *runtimes.LocalFile) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
