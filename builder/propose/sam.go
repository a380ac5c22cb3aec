package propose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/yamledit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// samFiles are the names of AWS SAM's template, in the order in which SAM looks
// for them.
var samFiles = []string{"template.yaml", "template.yml", "template.json"}

// maxTemplate is CloudFormation's limit, as of a template that lies in S3.
const maxTemplate = 1 << 20

// samContent is the property that names a layer's content, by the type of
// resources that are layers.
var samContent = map[string]string{
	"AWS::Serverless::LayerVersion": "ContentUri",
	"AWS::Lambda::LayerVersion":     "Content",
}

const samFunctionType = "AWS::Serverless::Function"

// A samTemplate is a template that is read.
type samTemplate struct {
	project   Project
	file, dir string // its folder
	data      []byte
	root      *yaml.Node
	functions []samFunction
	made      Proposal
}

// A samFunction is what a function says of its code and layers.
type samFunction struct {
	id            string
	code          *yaml.Node
	runtime, arch string   // "" where nothing static says it
	unknown       error    // why the runtime is not known
	layers        []string // logical ids of the template
	builds        string   // its BuildMethod
}

// hasSAM tells whether a file is a template with functions or layers.
func hasSAM(p Project, file string) bool {
	data, err := readFile(p.FS, file, maxTemplate)
	if err != nil {
		return false
	}
	text, err := yamledit.Parse(data)
	if err != nil {
		return false
	}
	for _, r := range samEntries(yamledit.Get(text.Root(), "Resources")) {
		kind, _ := samStatic(yamledit.Get(r.value, "Type"))
		if kind == samFunctionType || samContent[kind] != "" {
			return true
		}
	}
	return false
}

// readSAM proposes the layers of a template of AWS SAM.
func readSAM(p Project, file string) (Proposal, error) {
	s := samTemplate{project: p, file: file, dir: path.Dir(file)}
	var err error
	if s.data, err = readFile(p.FS, file, maxTemplate); err != nil {
		return Proposal{}, err
	}
	text, err := yamledit.Parse(s.data)
	if err != nil {
		return Proposal{}, &runtimes.InputError{File: file, Problem: "cannot be read as a template", Err: err}
	}
	s.root = text.Root()
	resources := samEntries(yamledit.Get(s.root, "Resources"))
	for _, r := range resources {
		if kind, _ := samStatic(yamledit.Get(r.value, "Type")); kind == samFunctionType {
			s.functions = append(s.functions, s.function(r.key, r.value))
		}
	}
	for _, r := range resources {
		kind, _ := samStatic(yamledit.Get(r.value, "Type"))
		if samContent[kind] == "" {
			continue
		}
		l, err := s.layer(r.key, r.value, samContent[kind])
		if err != nil {
			s.made.Left = append(s.made.Left, Left{Place: r.key + " in " + file, Why: err.Error()})
			continue
		}
		l.Origin = r.key
		s.made.Layers = append(s.made.Layers, l)
	}
	s.functionLayers()
	s.made.EditFor = s.edit
	return s.made, nil
}

// samEntries are the entries of a mapping.
func samEntries(n *yaml.Node) []entry {
	var all []entry
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			all = append(all, entry{n.Content[i].Value, n.Content[i+1]})
		}
	}
	return all
}

// samStatic is what a value says before anything is deployed; of nil it is "".
func samStatic(n *yaml.Node) (string, error) {
	n = samTarget(n)
	switch {
	case n == nil || n.ShortTag() == "!!null":
		return "", nil
	case n.Kind == yaml.ScalarNode && (strings.HasPrefix(n.ShortTag(), "!!") || n.Tag == "!Sub" && !strings.Contains(n.Value, "${")):
		return n.Value, nil
	case n.Kind == yaml.ScalarNode:
		return "", fmt.Errorf("%s %s is known only when it is deployed", n.Tag, n.Value)
	case !strings.HasPrefix(n.ShortTag(), "!!"):
		return "", fmt.Errorf("%s is known only when it is deployed", n.Tag)
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && (n.Content[0].Value == "Ref" || strings.HasPrefix(n.Content[0].Value, "Fn::")):
		return "", fmt.Errorf("%s is known only when it is deployed", strings.TrimSpace(n.Content[0].Value+" "+n.Content[1].Value))
	}
	return "", errors.New("it is not one text")
}

// samTarget is what an alias stands for.
func samTarget(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// samList is a list of such values, and what of it is not known.
func samList(n *yaml.Node) (all []string, unknown []error) {
	n = samTarget(n)
	items := []*yaml.Node{n}
	if n != nil && n.Kind == yaml.SequenceNode && n.ShortTag() == "!!seq" {
		items = n.Content
	}
	for _, item := range items {
		text, err := samStatic(item)
		switch {
		case err != nil:
			unknown = append(unknown, err)
		case text != "" && !slices.Contains(all, text):
			all = append(all, text)
		}
	}
	return all, unknown
}

// samRef is the logical id that a value refers to, or "".
func samRef(n *yaml.Node) string {
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Tag == "!Ref":
		return n.Value
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "Ref":
		return n.Content[1].Value
	}
	return ""
}

// function reads a function, with what all functions have in common.
func (s *samTemplate) function(id string, r *yaml.Node) samFunction {
	own := yamledit.Get(r, "Properties")
	common := yamledit.Get(yamledit.Get(s.root, "Globals"), "Function")
	get := func(name string) *yaml.Node {
		if v := yamledit.Get(own, name); v != nil {
			return v
		}
		return yamledit.Get(common, name)
	}
	f := samFunction{id: id, code: get("CodeUri")}
	f.runtime, f.unknown = samStatic(get("Runtime"))
	f.builds, _ = samStatic(yamledit.Get(yamledit.Get(r, "Metadata"), "BuildMethod"))
	switch arches, unknown := samList(get("Architectures")); {
	case len(arches) == 1:
		f.arch = arches[0]
	case len(arches) == 0 && len(unknown) == 0:
		f.arch = string(runtimes.X86_64) // what Lambda takes then
	}
	if _, err := builder.ParseArches([]string{f.arch}); err != nil {
		f.arch = ""
	}
	if _, err := builder.ParseRuntimes([]string{f.runtime}, nil); f.unknown == nil && err != nil {
		f.runtime, f.unknown = "", errors.New("none that layerbuild knows")
	}
	for _, from := range []*yaml.Node{common, own} { // SAM joins the lists
		if layers := yamledit.Get(from, "Layers"); layers != nil {
			for _, item := range layers.Content {
				f.layers = append(f.layers, samRef(item))
			}
		}
	}
	return f
}

// users are the functions that have a layer of the template.
func (s *samTemplate) users(id string) []samFunction {
	var all []samFunction
	for _, f := range s.functions {
		if slices.Contains(f.layers, id) {
			all = append(all, f)
		}
	}
	return all
}

// folder is the folder of the project that a value names.
func (s *samTemplate) folder(n *yaml.Node) (string, error) {
	if yamledit.Get(n, "Bucket") != nil || yamledit.Get(n, "S3Bucket") != nil {
		return "", errors.New("it lies in S3 already")
	}
	text, err := samStatic(n)
	switch {
	case err != nil:
		return "", err
	case strings.Contains(text, "://"):
		return "", fmt.Errorf("it lies elsewhere already: %s", text)
	}
	dir := path.Join(s.dir, text)
	if !fs.ValidPath(dir) {
		return "", fmt.Errorf("%s lies outside the folder of layerbuild.yaml", text)
	}
	switch info, err := fs.Stat(s.project.FS, dir); {
	case err != nil && path.Ext(text) == "":
		return "", fmt.Errorf("there is no folder %s", dir)
	case err != nil || !info.IsDir():
		return "", fmt.Errorf("%s is an archive already, or is to be one", text)
	}
	return dir, nil
}

// layer proposes the layer of a resource.
func (s *samTemplate) layer(id string, r *yaml.Node, content string) (Layer, error) {
	properties, metadata := yamledit.Get(r, "Properties"), yamledit.Get(r, "Metadata")
	var l Layer
	value := yamledit.Get(properties, content)
	if value == nil {
		return l, fmt.Errorf("it has no %s", content)
	}
	folder, err := s.folder(value)
	if err != nil {
		return l, fmt.Errorf("%s: %w", content, err)
	}
	method, err := samStatic(yamledit.Get(metadata, "BuildMethod"))
	if err != nil {
		return l, fmt.Errorf("BuildMethod: %w", err)
	}
	l.Path = folder
	name, err := samStatic(yamledit.Get(properties, "LayerName"))
	if err != nil || name == "" {
		name = id
	}
	l.Name = Name(name)
	compatible, unknown := samList(yamledit.Get(properties, "CompatibleRuntimes"))
	for _, err := range unknown {
		l.Notes = append(l.Notes, "CompatibleRuntimes: "+err.Error())
	}
	if method == "" {
		err = s.plain(&l, id, compatible)
	} else {
		err = s.packages(&l, method, compatible)
	}
	if err != nil {
		return l, err
	}
	return l, s.architectures(&l, id, properties, metadata)
}

// plain is a layer that SAM packs as it lies there.
func (s *samTemplate) plain(l *Layer, id string, compatible []string) error {
	l.Runtimes = compatible
	if len(compatible) == 0 {
		for _, f := range s.users(id) {
			if f.runtime != "" && !slices.Contains(l.Runtimes, f.runtime) {
				l.Runtimes = append(l.Runtimes, f.runtime)
			}
		}
		l.Comment("runtime", "that of the functions that have it")
	}
	if len(l.Runtimes) == 0 {
		if len(s.project.Runtimes) == 0 {
			return errors.New("nothing says for which runtime: add CompatibleRuntimes")
		}
		l.Runtimes = s.project.Runtimes
	}
	if _, err := builder.ParseRuntimes(l.Runtimes, nil); err != nil {
		return err
	}
	l.Options = append(l.Options, Option{Name: "plain", Value: true, Comment: "packed as it lies there: " + s.file + " has no BuildMethod"})
	return nil
}

// packages is a layer that SAM installs by a package manager.
func (s *samTemplate) packages(l *Layer, method string, compatible []string) error {
	l.Runtimes = []string{method}
	language := l.Language()
	if method == "makefile" {
		return fmt.Errorf("BuildMethod makefile runs %s, which cannot be read: what it installs needs a lock file, what it copies plain: true or include", path.Join(l.Path, "Makefile"))
	}
	i := slices.IndexFunc(s.project.Languages, func(known Language) bool { return known.Name() == language })
	if _, err := builder.ParseRuntimes(l.Runtimes, nil); err != nil || i < 0 {
		return fmt.Errorf("BuildMethod %s: layerbuild installs no packages for it", method)
	}
	found, err := s.project.Languages[i].Detect(s.project.FS, l.Path)
	if input, wrong := asInput(err); wrong {
		return errors.New(reason(input))
	} else if err != nil {
		return err
	}
	if found.LockFile == "" {
		return fmt.Errorf("BuildMethod %s: no lock file lies in %s; own code alone is a folder without BuildMethod that has it in %s/", method, l.Path, samPlace[language])
	}
	l.Comment("", found.LockFile)
	l.Comment("runtime", "BuildMethod")
	l.Notes = append(l.Notes, found.Notes...)
	if others := slices.DeleteFunc(compatible, func(name string) bool { return name == method }); len(others) > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("CompatibleRuntimes: %s: packages are installed for BuildMethod's %s alone, as SAM does it", strings.Join(others, ", "), method))
	}
	return s.include(l, language)
}

// samPlace is where in a layer SAM puts what it builds.
var samPlace = map[string]string{"python": "python", "nodejs": "nodejs", "java": "java/lib"}

// include carries over the files that lie beside a lock file: SAM copies them to
// where the packages are. What Java has there is source.
func (s *samTemplate) include(l *Layer, language string) error {
	to := samPlace[language]
	if language == "java" {
		return nil
	}
	entries, err := fs.ReadDir(s.project.FS, l.Path)
	if err != nil {
		return err
	}
	include := make(map[string]string)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !isPackageFile(e.Name()) {
			include[path.Join(l.Path, e.Name())] = path.Join(to, e.Name())
		}
	}
	if len(include) > 0 {
		l.Options = append(l.Options, Option{Name: "include", Value: include, Comment: "what lies beside the lock file"})
	}
	return nil
}

// architectures finds out for which a layer is built.
func (s *samTemplate) architectures(l *Layer, id string, properties, metadata *yaml.Node) error {
	compatible, unknown := samList(yamledit.Get(properties, "CompatibleArchitectures"))
	for _, err := range unknown {
		l.Notes = append(l.Notes, "CompatibleArchitectures: "+err.Error())
	}
	built, err := samStatic(yamledit.Get(metadata, "BuildArchitecture"))
	if err != nil {
		l.Notes = append(l.Notes, "BuildArchitecture: "+err.Error())
	}
	var used []string
	for _, f := range s.users(id) {
		if f.arch != "" && !slices.Contains(used, f.arch) {
			used = append(used, f.arch)
		}
	}
	switch {
	case built != "":
		l.Arches = []string{built}
		l.Comment("architectures", "BuildArchitecture")
	case len(compatible) > 0:
		l.Arches = compatible
	case len(used) > 0:
		l.Arches = used
		l.Comment("architectures", "of the functions that have it")
	default:
		l.takeDefaultArches()
	}
	if !l.single() {
		l.Options = append(l.Options, Option{Name: "universal", Value: true, Comment: "one archive for all, or an error where packages differ"})
	}
	_, err = builder.ParseArches(l.Arches)
	return err
}
