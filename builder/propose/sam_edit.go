package propose

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder/yamledit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// functionLayers proposes layers of the packages that functions without one of
// the template's have beside their code.
func (s *samTemplate) functionLayers() {
	byFolder := make(map[string]int)
	for _, f := range s.functions {
		folder, err := s.folder(f.code)
		if f.code == nil || err != nil || slices.ContainsFunc(f.layers, func(id string) bool { return id != "" }) ||
			slices.ContainsFunc(s.made.Layers, func(l Layer) bool { return l.Origin != "" && l.Path == folder }) {
			continue
		}
		i, known := byFolder[folder]
		if !known {
			l, ok := s.functionLayer(f, folder)
			if !ok {
				continue
			}
			i = len(s.made.Layers)
			byFolder[folder] = i
			s.made.Layers = append(s.made.Layers, l)
		}
		l := &s.made.Layers[i]
		l.Comment("", strings.TrimPrefix(l.Comments[""]+", "+f.id, ", "))
		if f.runtime != "" && !slices.Contains(l.Runtimes, f.runtime) {
			l.Runtimes = append(l.Runtimes, f.runtime)
		}
		if f.arch != "" && !slices.Contains(l.Arches, f.arch) {
			l.Arches = append(l.Arches, f.arch)
		}
	}
}

// functionLayer is the layer of the packages in a function's folder.
func (s *samTemplate) functionLayer(f samFunction, folder string) (Layer, bool) {
	l := Layer{Name: Name(path.Base(folder)), Path: folder, Runtimes: []string{f.runtime}}
	if folder == "." {
		l.Name = Name(f.id)
	}
	language := l.Language()
	leave := func(why string) (Layer, bool) {
		s.made.Left = append(s.made.Left, Left{Place: f.id + " in " + s.file, Why: why})
		return l, false
	}
	for _, known := range s.project.Languages {
		if f.runtime != "" && known.Name() != language {
			continue
		}
		found, err := known.Detect(s.project.FS, folder)
		input, wrong := asInput(err)
		switch {
		case wrong:
			return leave(reason(input))
		case err != nil:
			return leave(err.Error())
		case found.LockFile == "":
			continue
		case f.unknown != nil:
			return leave("Runtime: " + f.unknown.Error())
		case f.builds != "":
			return leave("BuildMethod " + f.builds + " makes what it runs of " + found.LockFile + " and its code")
		}
		l.Comment("", found.LockFile)
		return s.explained(l, f, found), true
	}
	return l, false
}

// explained is the layer of a function with what is to be said of it.
func (s *samTemplate) explained(l Layer, f samFunction, found runtimes.Detected) Layer {
	if f.arch == "" {
		l.takeDefaultArches()
	}
	l.Notes = append(l.Notes, found.Notes...)
	l.Notes = append(l.Notes, fmt.Sprintf("%s has no resource for it: add one of type AWS::Serverless::LayerVersion, and to Layers of the function; sam build goes on installing %s into the function while it lies in CodeUri", s.file, path.Base(found.LockFile)))
	return l
}

// edit is what the template needs to use the archives of layers, and what is
// to be written by hand where the text cannot be changed.
func (s *samTemplate) edit(layers []Layer) (edits []Edit, byHand []string) {
	text, err := yamledit.Parse(s.data)
	if err != nil {
		return nil, nil // it was read before
	}
	resources := yamledit.Get(text.Root(), "Resources")
	for _, l := range layers {
		r := yamledit.Get(resources, l.Origin)
		if l.Origin == "" || r == nil {
			continue
		}
		kind, _ := samStatic(yamledit.Get(r, "Type"))
		place := s.file + ": " + l.Origin + "." + samContent[kind]
		if !l.single() {
			byHand = append(byHand, place+": a resource for each of the layer's archives, which layerbuild build lists")
			continue
		}
		archive := archiveFrom(s.dir, l.Name)
		err := text.Set(yamledit.Get(yamledit.Get(r, "Properties"), samContent[kind]), archive)
		if err == nil {
			err = dropBuild(text, r)
		}
		if err != nil {
			byHand = append(byHand, place+": "+archive+", and no BuildMethod")
		}
	}
	edited, err := text.Bytes()
	switch {
	case err != nil:
		return nil, []string{s.file + ": the content of each layer is .layerbuild/dist/NAME.zip, and none has a BuildMethod"}
	case bytes.Equal(edited, s.data):
		return nil, byHand
	}
	return []Edit{{File: s.file, Old: s.data, New: edited}}, byHand
}

// dropBuild removes what sam build is told of a layer.
func dropBuild(text *yamledit.File, r *yaml.Node) error {
	metadata := yamledit.Get(r, "Metadata")
	var told []string
	for _, e := range samEntries(metadata) {
		if e.key == "BuildMethod" || e.key == "BuildArchitecture" || e.key == "BuildProperties" {
			told = append(told, e.key)
		}
	}
	if len(told) > 0 && len(told) == len(metadata.Content)/2 {
		return text.Remove(r, "Metadata")
	}
	for _, name := range told {
		if err := text.Remove(metadata, name); err != nil {
			return err
		}
	}
	return nil
}
