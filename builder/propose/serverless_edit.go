package propose

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder/yamledit"
)

// excludeOutput keeps the archives out of the functions' zips.
const excludeOutput = "!.layerbuild/**"

// A step is one thing that serverless.yml needs.
type step struct {
	say  string // what to write, for who does it by hand
	edit func(f *yamledit.File) error
}

// edits are what serverless.yml needs to use the archives of the layers. Where
// it is written in a way that cannot be changed by a program, a note says what
// is to be written by hand.
func (s *service) edits(layers []Layer) (edits []Edit, notes []string) {
	steps := s.steps(layers)
	byHand := steps
	if f, err := yamledit.Parse(s.data); err == nil && len(steps) > 0 {
		failed := slices.DeleteFunc(slices.Clone(steps), func(st step) bool { return st.edit != nil && st.edit(f) == nil })
		if edited, err := f.Bytes(); err == nil && len(failed) < len(steps) {
			edits = []Edit{{File: s.file, Old: s.data, New: edited}}
			byHand = failed
		}
	}
	for _, st := range byHand {
		notes = append(notes, s.file+": "+st.say)
	}
	return edits, notes
}

func (s *service) steps(layers []Layer) []step {
	var all []step
	for _, l := range layers {
		i := slices.IndexFunc(s.found, func(p proposed) bool { return p.key == l.Origin })
		if i < 0 {
			continue
		}
		file, single := s.artifact(l)
		switch {
		case !single:
			all = append(all, step{say: "layers." + l.Origin + ".package.artifact: one of " + file})
		case s.found[i].new:
			all = append(all, s.newLayer(s.found[i], file), dropPlugin())
			if s.pythonRef {
				all = append(all, s.addReference())
			}
		default:
			all = append(all, s.setArtifact(l.Origin, file))
		}
	}
	if st, needed := s.exclude(); needed && len(all) > 0 {
		all = append(all, st)
	}
	return all
}

// artifact is the path of a layer's archive from the service's folder, or a
// pattern of those that it has.
func (s *service) artifact(l Layer) (file string, single bool) {
	name := l.Name
	if single = l.single(); !single {
		name += "-*"
	}
	return archiveFrom(s.dir, name), single
}

// archiveFrom is the path of an archive from a folder of the project.
func archiveFrom(dir, name string) string {
	up := ""
	if dir != "." {
		up = strings.Repeat("../", strings.Count(dir, "/")+1)
	}
	return up + ".layerbuild/dist/" + name + ".zip"
}

// single tells whether a layer has one archive.
func (l Layer) single() bool {
	return len(l.Runtimes) == 1 && len(l.Arches) == 1 ||
		slices.ContainsFunc(l.Options, func(o Option) bool { return (o.Name == "plain" || o.Name == "universal") && o.Value == true })
}

// setArtifact names the archive of a layer that serverless.yml has. Its path
// stays: by it the framework keeps the folder out of the functions' zips.
func (s *service) setArtifact(key, file string) step {
	return step{"layers." + key + ".package.artifact: " + file, func(f *yamledit.File) error {
		layer := yamledit.Get(yamledit.Get(f.Root(), "layers"), key)
		packaging := yamledit.Get(layer, "package")
		merged, err := s.get(child(child(s.root, "layers"), key), "package")
		switch {
		case layer == nil || err != nil || merged != nil && packaging == nil:
			return yamledit.ErrByHand
		case packaging == nil:
			return f.Add(layer, "package", map[string]string{"artifact": file})
		}
		return f.Add(packaging, "artifact", file)
	}}
}

// newLayer adds a layer that serverless.yml does not have.
func (s *service) newLayer(l proposed, file string) step {
	layer := mapping()
	layer.Content = []*yaml.Node{scalar("package"), {Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("artifact"), scalar(file)}}}
	for _, f := range l.add {
		layer.Content = append(layer.Content, scalar(f.key), f.value)
	}
	return step{"layers." + l.key + " with package.artifact: " + file, func(f *yamledit.File) error {
		layers := yamledit.Get(f.Root(), "layers")
		if layers != nil {
			return f.Add(layers, l.key, layer)
		}
		return f.Add(f.Root(), "layers", &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar(l.key), layer}})
	}}
}

// dropPlugin takes the plugin of Python's requirements out, which would make
// its own layer all the same.
func dropPlugin() step {
	return step{"plugins without " + requirementsPlugin, func(f *yamledit.File) error {
		return f.Drop(f.Root(), "plugins", requirementsPlugin)
	}}
}

// addReference gives the layer of Python's requirements to all functions, which
// had them in their zips.
func (s *service) addReference() step {
	id := logicalID(requirementsLayer)
	return step{"provider.layers: [!Ref " + id + "], or layers of functions", func(f *yamledit.File) error {
		provider := yamledit.Get(f.Root(), "provider")
		own := slices.ContainsFunc(s.functions, func(f function) bool { return f.own })
		if has, err := s.get(s.root, "provider", "layers"); own || provider == nil || has != nil || err != nil {
			return yamledit.ErrByHand
		}
		return f.Add(provider, "layers", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!Ref", Value: id}}})
	}}
}

// exclude keeps the archives out of the functions' zips, where they lie in the
// service's folder.
func (s *service) exclude() (st step, needed bool) {
	if s.dir != "." {
		return st, false
	}
	st = step{fmt.Sprintf("package.patterns: ['%s']", excludeOutput), func(f *yamledit.File) error {
		packaging := yamledit.Get(f.Root(), "package")
		switch {
		case packaging == nil:
			return f.Add(f.Root(), "package", map[string][]string{"patterns": {excludeOutput}})
		case yamledit.Get(packaging, "patterns") == nil:
			if merged, err := s.get(s.root, "package", "patterns"); merged != nil || err != nil {
				return yamledit.ErrByHand
			}
			return f.Add(packaging, "patterns", []string{excludeOutput})
		}
		return f.Append(packaging, "patterns", excludeOutput)
	}}
	patterns, err := s.get(s.root, "package", "patterns")
	var list []string
	if err == nil {
		list, err = s.list(patterns)
	}
	// Where nothing is taken that no pattern names, nothing of ours is.
	named := slices.Contains(list, "!**") && !slices.Contains(list, "**")
	return st, err != nil || !named && !slices.Contains(list, excludeOutput)
}

func scalar(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }
