package node

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// What install scripts make of a package is a part: it is made apart from the
// layer, in a tree that has the package and what it needs, by its own and its
// dependencies' word, and nothing else; so whoever needs the same package in the
// same versions takes what was made before. What the scripts made is the
// package's own folder. Where they have written to another one, or cannot do
// without what their package does not name, all scripts are run in the layer's
// own tree: that is the container's [runtimes.Container.Instead].

// needs says of each package, by its identity, by which packages its
// dependencies are met: what require finds, by the dependencies' names.
type needs map[string]map[string]string

// identity tells a package from all others.
func identity(p runtimes.Package) string {
	return p.Name + "@" + p.Version + " " + p.File.Digest()
}

// needsOf is what the placed packages need of each other. A package has nil where
// that cannot be said of it by itself: where it finds this version of another at
// one place and that one elsewhere, or where its tarball brings more packages.
func needsOf(packages []runtimes.Package, placed map[string]*npmNode) needs {
	at := map[string]string{}
	for _, p := range packages {
		for _, place := range p.Places {
			at[place] = identity(p)
		}
	}
	all := needs{}
	for place, n := range placed {
		if n.bundled {
			continue
		}
		met := map[string]string{}
		for _, e := range n.edges {
			if found := findPlace(at, place, e.name); found != "" && !e.dev {
				met[e.name] = at[found]
			}
		}
		id := at[place]
		if other, ok := all[id]; len(n.bundle) > 0 || ok && !maps.Equal(other, met) {
			met = nil
		}
		all[id] = met
	}
	return all
}

// findPlace is where a package at place finds another one by its name, "" for
// nowhere.
func findPlace(at map[string]string, place, name string) string {
	for from, ok := place, true; ok; from, ok = outer(from) {
		if to := path.Join(from, "node_modules", name); at[to] != "" {
			return to
		}
	}
	return ""
}

// layOut lays out a package and what it needs, as near to the top as names allow.
// It returns nil where that is not known of one of them.
func (n needs) layOut(id string, packages map[string]runtimes.Package) []runtimes.Package {
	at := map[string]string{path.Join("node_modules", packages[id].Name): id}
	queue := slices.Collect(maps.Keys(at))
	for len(queue) > 0 {
		place := queue[0]
		queue = queue[1:]
		met := n[at[place]]
		if met == nil {
			return nil
		}
		for _, name := range sortedKeys(met) {
			to := findPlace(at, place, name)
			switch {
			case to != "" && at[to] == met[name]:
				continue
			case to == "":
				to = path.Join("node_modules", name)
			default:
				to = path.Join(place, "node_modules", name)
			}
			at[to] = met[name]
			queue = append(queue, to)
		}
		if len(at) > maxNPMPackages {
			return nil
		}
	}
	places := map[string][]string{}
	for _, place := range sortedKeys(at) {
		places[at[place]] = append(places[at[place]], place)
	}
	var laid []runtimes.Package
	for _, id := range sortedKeys(places) {
		p := packages[id]
		p.Places = places[id]
		laid = append(laid, p)
	}
	return laid
}

// Where scripts' results are in the container.
const (
	resultFolder = workFolder + "/result" // of a part: its output
	builtFolder  = workFolder + "/built"  // of the layer: where the parts are

	resultFiles = "files"     // the package's own, below either
	elsewhere   = "elsewhere" // beside that: what the scripts changed besides, one path in a line
)

// scriptParts are the parts of a set, one for each package whose scripts are run,
// or nil where they cannot be made apart. An image with compilers makes them.
func scriptParts(t runtimes.Target, s *set, image string) []runtimes.Part {
	if s.apart == nil {
		return nil
	}
	packages := map[string]runtimes.Package{}
	names := map[string]bool{}
	for _, p := range s.packages {
		packages[identity(p)] = p
		if p.Scripts && names[scriptName(p)] {
			return nil // two tarballs under one name: the results could not be told apart
		}
		names[scriptName(p)] = true
	}
	var parts []runtimes.Part
	for _, p := range s.packages {
		if !p.Scripts {
			continue
		}
		laid := s.apart.layOut(identity(p), packages)
		if laid == nil {
			return nil
		}
		written := &npmProject{packages: laid, byAddress: s.byAddress}
		files, err := written.files(t)
		if err != nil {
			return nil
		}
		run := scriptsStep(t, laid, scriptName(p))
		parts = append(parts, runtimes.Part{
			Name: p.Name + " " + p.Version,
			Path: path.Join(builtFolder, strconv.Itoa(len(parts))),
			Recipe: runtimes.Recipe{
				Target: t, Runtime: "nodejs", Layout: layout, Prefix: prefix, Packages: laid,
				Indexes: t.Indexes, Mirrored: len(t.Indexes) > 0,
				Container: &runtimes.Container{
					Image:  image,
					Arch:   t.Arch,
					Steps:  append(npmSteps(t, len(laid), files), run),
					Output: resultFolder,
				},
			},
			Unfit: elsewhere,
		})
	}
	return parts
}

// scriptName is how scriptsRunner is told of a package.
func scriptName(p runtimes.Package) string { return p.Name + "@" + p.Version }

// placeStep puts what the parts have in the place of the packages that were
// installed. It runs nothing of them.
func placeStep(t runtimes.Target, packages []runtimes.Package, parts []runtimes.Part) runtimes.Step {
	job := scriptsJob{Root: outputFolder + "/node_modules", Results: map[string]string{}}
	var names []string
	i := 0
	for _, p := range packages {
		if p.Scripts {
			job.Results[scriptName(p)] = parts[i].Path + "/" + resultFiles
			names = append(names, scriptName(p))
			i++
		}
	}
	script, jobFile := workFolder+"/run_scripts.cjs", workFolder+"/scripts.json"
	data, _ := json.MarshalIndent(job, "", "\t") // strings cannot fail to marshal
	return runtimes.Step{
		Name:   "bring the results of the install scripts of " + strings.Join(names, ", "),
		Args:   []string{t.Runtime.Interpreter, script, jobFile},
		Env:    stepEnv(),
		Inputs: []runtimes.InlineFile{{Path: script, Data: scriptsRunner}, {Path: jobFile, Data: data}},
	}
}
