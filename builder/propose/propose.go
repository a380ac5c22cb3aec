// Package propose makes a first layerbuild.yaml out of what a project has
// already: lock files, or the configuration of a deploy tool.
//
// A [Source] reads one such thing and returns a [Proposal]. Proposals are data:
// the command line asks about their layers, and [Render] writes those that are
// wanted as a commented layerbuild.yaml, which package builder reads. Nothing
// here runs a program, or asks a network but by [Project.Ask].
package propose

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Proposal is what a source makes of a project.
type Proposal struct {
	Source string // what it was made of, for people: "serverless.yml", "lock files"
	Layers []Layer

	// Left are the places of the project for which no layer is proposed, each
	// with the reason.
	Left []Left

	// Notes are what could not be carried over and belongs to no one layer.
	Notes []string

	// Edits are what files of the deploy tool need so that they use the
	// archives. They are shown, and made where the user wants them.
	Edits []Edit

	// ByHand are edits that the user must make.
	ByHand []string

	// EditFor makes Edits and ByHand for those of the layers that are wanted, as
	// they are wanted; nil where that makes no difference.
	EditFor func(layers []Layer) (edits []Edit, byHand []string)
}

// Choose sets the layers that are wanted, some of the proposal's or changed ones.
func (p *Proposal) Choose(layers []Layer) {
	p.Layers = layers
	if p.EditFor != nil {
		p.Edits, p.ByHand = p.EditFor(layers)
	}
}

// Layer is a layer that is proposed. Name, Path, Runtimes and Arches are
// required.
type Layer struct {
	Name     string   // one that Lambda accepts, see [Name]
	Path     string   // of its folder, slash-separated, from the folder of layerbuild.yaml
	Runtimes []string // Lambda's identifiers
	Arches   []string // Lambda's words

	// Options are the layer's other fields, in the order in which they are
	// written.
	Options []Option

	// Comments say why a field is as it is, by the field's name: path, runtime
	// or architectures. That of "" stands behind the layer's name.
	Comments map[string]string

	// Notes are what could not be carried over, for a comment above the layer.
	Notes []string

	Origin string // what EditFor knows the layer by
}

// Option is a field of a layer.
type Option struct {
	Name    string // as in doc/config.md: "slim", "exclude", "plain", "include"
	Value   any    // bool, string, []string, map[string]string, or []map[string]string
	Comment string
}

// Left is a place that got no layer.
type Left struct {
	Place string // "services/web", "layers.tools in serverless.yml"
	Why   string
}

// Edit is a change of one file.
type Edit struct {
	File     string // slash-separated, from the project's folder
	Old, New []byte
}

// Comment sets why a field is as it is.
func (l *Layer) Comment(field, why string) {
	if l.Comments == nil {
		l.Comments = make(map[string]string)
	}
	l.Comments[field] = why
}

// Language is that of the layer's packages, as in [runtimes.Info.Family], or ""
// where its runtimes have several or an unknown one.
func (l Layer) Language() string {
	language := ""
	for _, name := range l.Runtimes {
		info, ok := runtimes.Lookup(name)
		if !ok {
			info, _ = runtimes.New(name)
		}
		if info.Family == "" || language != "" && info.Family != language {
			return ""
		}
		language = info.Family
	}
	return language
}

// Project is what proposals are made for.
type Project struct {
	FS        fs.FS      // the folder that layerbuild.yaml is to lie in
	Name      string     // of that folder
	Languages []Language // that are looked for, in this order
	Paths     []string   // folders that are searched, slash-separated; none: all

	Runtimes []string // that the user named, for the layers of their languages
	Arches   []string // that the user named, for all layers
	// Ask makes a recipe with a network's help, where a lock file leaves something
	// to a package index. An [*runtimes.InputError] says that there is none for
	// the target, any other error that nothing is known; nil: none may be asked.
	Ask func(runtimes.Target) (runtimes.Recipe, error)

	Today string // "2026-11-25": what Lambda has retired by then is not proposed
}

// Language is what a language's plugin knows of a project that nobody has
// configured.
type Language interface {
	Name() string // as in [runtimes.Info.Family]

	// Detect looks at a folder of a project, slash-separated. It returns an
	// [*runtimes.InputError] where the folder's packages cannot be installed.
	Detect(project fs.FS, dir string) (runtimes.Detected, error)

	Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error)
}

// Source is something that layers are proposed from.
type Source struct {
	Name  string   // for people
	Files []string // the names of the files that it reads, the preferred first; none: the project itself

	// Has tells of a file of such a name, which may be another tool's, too,
	// whether it is one; nil: it always is.
	Has func(p Project, file string) bool

	// Read makes a proposal of a file, slash-separated and from the project's
	// folder; it is "" where Files are none. Its defects are
	// [*runtimes.InputError]s.
	Read func(p Project, file string) (Proposal, error)
}

// Locks stands for the lock files where a file of a deploy tool is named.
const Locks = "locks"

// Sources are those that there are, in the order in which they are looked for.
// A deploy tool's file says more of a project than its lock files, so these are
// last.
func Sources() []Source {
	return []Source{
		{Name: "Serverless Framework", Files: serverlessFiles, Read: readServerless},
		{Name: "AWS SAM", Files: samFiles, Has: hasSAM, Read: readSAM},
		{Name: "lock files", Read: readLocks},
	}
}

// Find chooses the source that a project has, and its file. from is a file that
// the user named, or "".
func (p Project) Find(from string) (Source, string, error) {
	var known []string
	for _, s := range Sources() {
		known = append(known, s.Files...)
		if from == Locks && len(s.Files) == 0 {
			return s, "", nil
		}
		for _, name := range s.Files {
			switch {
			case from != "" && path.Base(from) == name:
				return s, from, nil
			case from == "" && isFile(p.FS, name) && (s.Has == nil || s.Has(p, name)):
				return s, name, nil
			}
		}
		if from == "" && len(s.Files) == 0 {
			return s, "", nil
		}
	}
	err := &runtimes.InputError{Problem: "--from " + from + ": no file that layers can be read from", Hint: "--from " + Locks + " stands for lock files"}
	if len(known) > 0 {
		err.Hint = "such files are " + strings.Join(known, ", ") + "; " + err.Hint
	}
	return Source{}, "", err
}

// Below lists the files of deploy tools in the folders that are searched below
// the project's own, which [Project.Find] looks for in that one alone.
func (p Project) Below() ([]string, error) {
	dirs, err := folders(p.FS, p.Paths)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, dir := range dirs {
		if dir == "." {
			continue
		}
		for _, s := range Sources() {
			for _, name := range s.Files {
				if file := path.Join(dir, name); isFile(p.FS, file) && (s.Has == nil || s.Has(p, file)) {
					files = append(files, file)
					break
				}
			}
		}
	}
	return files, nil
}

// Read makes the proposal of a source, with the runtimes and architectures that
// the user named.
func (p Project) Read(s Source, file string) (Proposal, error) {
	proposal, err := s.Read(p, file)
	proposal.Source = s.Name
	if file != "" {
		proposal.Source = file
	}
	for i := range proposal.Layers {
		p.apply(&proposal.Layers[i])
	}
	nameApart(proposal.Layers)
	proposal.Choose(proposal.Layers)
	return proposal, err
}

// apply sets what the user named, which needs no reason.
func (p Project) apply(l *Layer) {
	named := p.named(l.Language())
	if len(named) > 0 {
		l.Runtimes = names(named)
		delete(l.Comments, "runtime")
	}
	if len(p.Arches) > 0 {
		l.Arches = p.Arches
		delete(l.Comments, "architectures")
	}
}

// Name makes a layer's name of any text. That of no letter is "layer".
func Name(text string) string { return builder.LayerName(text) }

// nameApart gives layers of one name different ones, by the folders above them:
// services/api and jobs/api become services-api and jobs-api.
func nameApart(layers []Layer) {
	count := func(name string) (n int) {
		for _, l := range layers {
			if strings.EqualFold(l.Name, name) {
				n++
			}
		}
		return n
	}
	var twice []int
	for i, l := range layers {
		if count(l.Name) > 1 {
			twice = append(twice, i)
		}
	}
	named := make(map[int]string)
	for _, i := range twice {
		l := layers[i]
		besides := func(other Layer) bool { return other.Path == l.Path && other.Language() != l.Language() }
		if slices.ContainsFunc(layers, besides) { // two languages in one folder
			named[i] = Name(l.Name + "-" + l.Language())
		} else if name := Name(l.Path); l.Path != "." && count(name) == 0 {
			named[i] = name
		}
	}
	for i, name := range named {
		layers[i].Name = name
	}
}

func isFile(project fs.FS, file string) bool {
	info, err := fs.Stat(project, file)
	return err == nil && !info.IsDir()
}

// defaultArches are the architectures of layers of which nothing says for which
// they are, and why.
func defaultArches() (arches []string, why string) {
	return []string{string(runtimes.X86_64)}, "the default of Lambda's functions; or [arm64], or both"
}

func (l *Layer) takeDefaultArches() {
	var why string
	l.Arches, why = defaultArches()
	l.Comment("architectures", why)
}
