package builder

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// target is one archive to make: a layer for one runtime and architecture,
// or, if it is universal, for all of them.
type target struct {
	id     TargetID
	layer  Layer
	combos []runtimes.Target // what the archive must serve
	zip    string            // absolute path of the archive
}

// expand returns the configuration's targets, in its order.
func expand(config *Config, output string, indexes map[string][]string) []target {
	var targets []target
	for _, layer := range config.Layers {
		var combos []runtimes.Target
		for _, runtime := range layer.Runtimes {
			for _, arch := range layer.Architectures {
				combos = append(combos, runtimes.Target{
					Runtime:        runtime,
					Arch:           arch,
					Universal:      layer.Universal,
					Path:           layer.Path,
					LockFile:       layer.LockFile,
					Groups:         layer.Groups,
					Extras:         layer.Extras,
					Exclude:        layer.Exclude,
					ExcludeFiles:   layer.ExcludeFiles,
					ConsoleScripts: layer.ConsoleScripts,
					Bytecode:       layer.Bytecode,
					Project:        layer.Project,
					BuildRequires:  layer.BuildRequires,
					AllowScripts:   layer.AllowScripts,
					Slim:           layer.Slim,
					Profiles:       layer.Profiles,
					Artifacts:      layer.Artifacts,
					Own:            layer.Own,
					Places:         placesOf(config, runtime.Family, func(l Layer) bool { return l.Path == layer.Path }),
					BuildPlaces:    placesOf(config, runtime.Family, func(Layer) bool { return true }),
					Indexes:        indexes[runtime.Family],
				})
			}
		}
		if layer.Universal {
			targets = append(targets, newTarget(layer, output, combos))
			continue
		}
		for _, combo := range combos {
			targets = append(targets, newTarget(layer, output, []runtimes.Target{combo}))
		}
	}
	return targets
}

// placesOf are those for which some layers of a language are built: what is
// resolved for them holds for all.
func placesOf(config *Config, family string, counts func(Layer) bool) []runtimes.Place {
	var all []runtimes.Place
	for _, layer := range config.Layers {
		for _, info := range layer.Runtimes {
			for _, arch := range layer.Architectures {
				p := runtimes.Place{Runtime: info, Arch: arch}
				if counts(layer) && info.Family == family && !slices.Contains(all, p) {
					all = append(all, p)
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b runtimes.Place) int { return strings.Compare(a.String(), b.String()) })
	return all
}

func newTarget(layer Layer, output string, combos []runtimes.Target) target {
	id := TargetID{Layer: layer.Name}
	for _, c := range combos {
		if !slices.Contains(id.Runtimes, c.Runtime.Name) {
			id.Runtimes = append(id.Runtimes, c.Runtime.Name)
		}
		if !slices.Contains(id.Arches, string(c.Arch)) {
			id.Arches = append(id.Arches, string(c.Arch))
		}
	}
	name := layer.FileName(combos[0].Runtime, combos[0].Arch) + ".zip"
	return target{id: id, layer: layer, combos: combos, zip: filepath.Join(output, name)}
}

// manifest is the path of the manifest, beside the archive.
func (t target) manifest() string { return strings.TrimSuffix(t.zip, ".zip") + ".json" }

// String names a target in errors: "api (python3.13, arm64)".
func (id TargetID) String() string {
	return fmt.Sprintf("%s (%s, %s)", id.Layer, strings.Join(id.Runtimes, "+"), strings.Join(id.Arches, "+"))
}

// choose keeps the targets that opts names.
func choose(targets []target, opts Options) ([]target, error) {
	for _, name := range opts.Layers {
		if !slices.ContainsFunc(targets, func(t target) bool { return named(t.layer.Name, name) }) {
			return nil, unknownLayer(name, targets)
		}
	}
	var chosen []target
	for _, t := range targets {
		if opts.selects(t) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return nil, errNoneSelected()
	}
	return chosen, nil
}

func errNoneSelected() error {
	return &runtimes.InputError{
		Problem: "no layer has the runtime and architecture asked for",
		Hint:    "see what there is: layerbuild plan",
	}
}

// selects tells whether a target is one of those that are asked for.
func (opts Options) selects(t target) bool {
	asked := func(name string) bool { return named(t.layer.Name, name) }
	has := func(a runtimes.Arch) bool { return slices.Contains(t.id.Arches, string(a)) }
	return (len(opts.Layers) == 0 || slices.ContainsFunc(opts.Layers, asked)) &&
		(len(opts.Runtimes) == 0 || intersects(t.id.Runtimes, opts.Runtimes)) &&
		(len(opts.Arches) == 0 || slices.ContainsFunc(opts.Arches, has))
}

// named tells whether a layer is the one, or one of those, that an argument
// names.
func named(layer, argument string) bool {
	return layer == argument || isPattern(argument) && doublestar.MatchUnvalidated(argument, layer)
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func unknownLayer(name string, targets []target) error {
	var names []string
	for _, t := range targets {
		if !slices.Contains(names, t.layer.Name) {
			names = append(names, t.layer.Name)
		}
	}
	err := &runtimes.InputError{Problem: fmt.Sprintf("there is no layer %q", name)}
	if isPattern(name) {
		err.Problem = fmt.Sprintf("no layer's name matches %q", name)
	}
	if near := Nearest(name, names); near != "" {
		err.Hint = "did you mean " + near + "?"
	} else {
		err.Hint = "the layers are: " + strings.Join(names, ", ")
	}
	return err
}
