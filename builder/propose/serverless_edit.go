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
	var added []*yaml.Node // the layers that serverless.yml does not have, keys and values
	var files, without []string
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
			added = append(added, newLayer(s.found[i], file)...)
			files = append(files, "layers."+l.Origin+" with package.artifact: "+file)
			if s.found[i].plugin {
				all = append(all, dropPlugin())
			}
			if s.found[i].refer {
				all = append(all, s.addReference(l.Origin))
			} else if !s.found[i].plugin {
				all = append(all, step{say: "layers: [!Ref " + logicalID(l.Origin) + "] of the functions that use " + l.Path})
			}
			without = append(without, s.found[i].without...)
		default:
			all = append(all, s.setArtifact(l.Origin, file))
		}
	}
	if len(added) > 0 {
		all = append([]step{addLayers(strings.Join(files, ", "), added)}, all...)
	}
	if s.dir == "." {
		without = append(without, excludeOutput)
	}
	if len(all) > 0 {
		all = append(all, s.exclude(without)...)
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

// newLayer is a layer that serverless.yml does not have: its key and its value.
func newLayer(l proposed, file string) []*yaml.Node {
	layer := mapping()
	layer.Content = []*yaml.Node{scalar("package"), {Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("artifact"), scalar(file)}}}
	for _, f := range l.add {
		layer.Content = append(layer.Content, scalar(f.key), f.value)
	}
	return []*yaml.Node{scalar(l.key), layer}
}

func addLayers(say string, added []*yaml.Node) step {
	return step{say, func(f *yamledit.File) error {
		layers := yamledit.Get(f.Root(), "layers")
		if layers == nil {
			return f.Add(f.Root(), "layers", &yaml.Node{Kind: yaml.MappingNode, Content: added})
		}
		for i := 0; i < len(added); i += 2 {
			if err := f.Add(layers, added[i].Value, added[i+1]); err != nil {
				return err
			}
		}
		return nil
	}}
}

// dropPlugin takes the plugin of Python's requirements out, which would make
// its own layer all the same.
func dropPlugin() step {
	return step{"plugins without " + requirementsPlugin, func(f *yamledit.File) error {
		return f.Drop(f.Root(), "plugins", requirementsPlugin)
	}}
}

// addReference gives a layer to all functions, by the provider's layers. A
// function that has layers of its own does not get these.
func (s *service) addReference(key string) step {
	id := logicalID(key)
	return step{"provider.layers: [!Ref " + id + "], or layers of functions", func(f *yamledit.File) error {
		provider := yamledit.Get(f.Root(), "provider")
		own := s.unread || slices.ContainsFunc(s.functions, func(f function) bool { return f.own })
		if has, err := s.get(s.root, "provider", "layers"); own || provider == nil || has != nil || err != nil {
			return yamledit.ErrByHand
		}
		return f.Add(provider, "layers", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!Ref", Value: id}}})
	}}
}

// exclude keeps files out of the functions' zips.
func (s *service) exclude(without []string) []step {
	patterns, err := s.get(s.root, "package", "patterns")
	var list []string
	if err == nil {
		list, err = s.list(patterns)
	}
	// Where nothing is taken that no pattern names, nothing of this is.
	if err == nil && slices.Contains(list, "!**") && !slices.Contains(list, "**") {
		return nil
	}
	without = slices.DeleteFunc(without, func(pattern string) bool { return slices.Contains(list, pattern) })
	if len(without) == 0 {
		return nil
	}
	return []step{{fmt.Sprintf("package.patterns: ['%s']", strings.Join(without, "', '")), func(f *yamledit.File) error {
		packaging := yamledit.Get(f.Root(), "package")
		switch {
		case packaging == nil:
			return f.Add(f.Root(), "package", map[string][]string{"patterns": without})
		case yamledit.Get(packaging, "patterns") == nil:
			if patterns != nil || err != nil {
				return yamledit.ErrByHand
			}
			return f.Add(packaging, "patterns", without)
		}
		for _, pattern := range without {
			if err := f.Append(packaging, "patterns", pattern); err != nil {
				return err
			}
		}
		return nil
	}}}
}

func scalar(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }
