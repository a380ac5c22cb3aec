package propose

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// serverlessFiles are the names of a service's file, the preferred first.
var serverlessFiles = []string{"serverless.yml", "serverless.yaml"}

// maxServiceFile bounds what is read of it.
const maxServiceFile = 1 << 20

// A service is what a serverless.yml describes.
type service struct {
	document
	project Project
	file    string // from the project's folder
	dir     string // its folder
	data    []byte

	functions []function
	provider  target
	shared    []string // logical ids of the layers of functions that name none

	unread bool // not all functions could be read

	found []proposed
	made  Proposal
}

// A target is what something runs on, "" where that is not said.
type target struct{ runtime, arch string }

// A function is what of a service's function concerns layers.
type function struct {
	target
	layers []string // logical ids of the service's own
	own    bool     // it says which layers it has
}

// A proposed layer is one that serverless.yml has to know of.
type proposed struct {
	key string // in its layers

	// The rest is of a layer that serverless.yml does not have yet.
	new     bool
	add     []entry  // fields
	refer   bool     // all functions get it
	plugin  bool     // in the place of the plugin of Python's requirements
	without []string // patterns of what the functions' zips need no more
}

// readServerless proposes the layers of a service of the Serverless Framework.
func readServerless(p Project, file string) (Proposal, error) {
	data, err := readFile(p.FS, file, maxServiceFile)
	if err != nil {
		return Proposal{}, err
	}
	s, err := parseService(p, file, data)
	if err != nil {
		return Proposal{}, err
	}
	s.targets()
	s.layers()
	s.pythonRequirements()
	if len(s.made.Layers)+len(s.made.Left) == 0 {
		if err := s.locks(); err != nil {
			return Proposal{}, err
		}
	}
	s.made.EditFor = s.edits
	return s.made, nil
}

func parseService(p Project, file string, data []byte) (*service, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, &runtimes.InputError{File: file, Problem: "cannot be read as YAML", Err: err}
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, &runtimes.InputError{File: file, Problem: "describes no service: it is no mapping"}
	}
	return &service{document: document{root: doc.Content[0]}, project: p, file: file, dir: path.Dir(file), data: data}, nil
}

// note says what could not be carried over and belongs to no layer.
func (s *service) note(format string, args ...any) {
	s.made.Notes = append(s.made.Notes, s.file+": "+fmt.Sprintf(format, args...))
}

func (s *service) leave(place, why string) {
	s.made.Left = append(s.made.Left, Left{Place: place + " in " + s.file, Why: why})
}

// targets reads what the provider and the functions run on, and the layers
// that functions have.
func (s *service) targets() {
	s.provider = s.target("provider")
	_, s.shared = s.refs("provider")
	functions, err := s.get(s.root, "functions")
	if err != nil {
		s.unread = true
		s.note("functions: %v", err)
		return
	}
	lists := []*yaml.Node{functions}
	if functions != nil && functions.Kind == yaml.SequenceNode {
		lists = functions.Content
	}
	for _, list := range lists {
		all, err := s.entries(list)
		if err != nil {
			s.unread = true
			s.note("functions: %v", err)
			continue
		}
		for _, e := range all {
			s.functions = append(s.functions, s.function(e))
		}
	}
}

func (s *service) function(e entry) function {
	f := function{target: s.provider}
	place := "functions." + e.key
	f.own, f.layers = s.refsOf(place, e.value)
	if !f.own {
		f.layers = s.shared
	}
	own := s.targetOf(place, e.value)
	if own.runtime != "" {
		f.runtime = own.runtime
	}
	if own.arch != "" {
		f.arch = own.arch
	}
	return f
}

func (s *service) target(key string) target {
	n, err := s.get(s.root, key)
	if err != nil {
		s.note("%s: %v", key, err)
		return target{}
	}
	return s.targetOf(key, n)
}

func (s *service) targetOf(place string, n *yaml.Node) target {
	value := func(key string) string {
		v, err := s.get(n, key)
		text := ""
		if err == nil {
			text, err = s.text(v)
		}
		if err != nil {
			s.note("%s.%s: %v", place, key, err)
		}
		return text
	}
	t := target{value("runtime"), value("architecture")}
	if t.arch != "" {
		if why := unknownArch([]string{t.arch}); why != "" {
			s.note("%s.architecture: %s", place, why)
			t.arch = ""
		}
	}
	return t
}

func (s *service) refs(key string) (own bool, ids []string) {
	n, err := s.get(s.root, key)
	if err != nil {
		return false, nil // said where its runtime was read
	}
	return s.refsOf(key, n)
}

// refsOf lists the service's own layers that something has: what is referred to
// otherwise, by an ARN for example, is no concern of this service.
func (s *service) refsOf(place string, n *yaml.Node) (own bool, ids []string) {
	list, err := s.get(n, "layers")
	if err != nil {
		s.note("%s.layers: %v", place, err)
		return true, nil
	}
	if list == nil || list.Kind != yaml.SequenceNode {
		return list != nil, nil
	}
	for _, item := range list.Content {
		ref := child(item, "Ref")
		if item.Tag == "!Ref" {
			ref = item
		}
		if ref != nil {
			ids = append(ids, ref.Value)
		}
	}
	return true, ids
}

// logicalID is what the framework calls a layer in CloudFormation.
func logicalID(key string) string {
	key = strings.NewReplacer("-", "Dash", "_", "Underscore").Replace(key)
	if key == "" {
		return "LambdaLayer"
	}
	return strings.ToUpper(key[:1]) + key[1:] + "LambdaLayer"
}

// users are what the functions run on that have a layer, each once.
func (s *service) users(key string) []target {
	var all []target
	for _, f := range s.functions {
		if slices.Contains(f.layers, logicalID(key)) && !slices.Contains(all, f.target) {
			all = append(all, f.target)
		}
	}
	return all
}

func (s *service) layers() {
	n, err := s.get(s.root, "layers")
	if err == nil && n != nil {
		var all []entry
		all, err = s.entries(n)
		for _, e := range all {
			if why := s.layer(e.key, e.value); why != "" {
				s.leave("layers."+e.key, why)
			}
		}
	}
	if err != nil {
		s.leave("layers", err.Error())
	}
}

// layerFields are what the framework knows of a layer. Of these, those that
// stay in serverless.yml need no word.
var layerFields = []string{"path", "package", "compatibleRuntimes", "compatibleArchitectures",
	"name", "description", "licenseInfo", "allowedAccounts", "retain"}

// layer proposes one layer, or says why it does not.
func (s *service) layer(key string, n *yaml.Node) (why string) {
	all, err := s.entries(n)
	if err != nil {
		return err.Error()
	}
	artifact, err := s.get(n, "package", "artifact")
	if err != nil {
		return "package.artifact: " + err.Error()
	}
	if artifact != nil {
		return "it has an artifact already, " + artifact.Value
	}
	folder, why := s.folder(n)
	if why != "" {
		return why
	}
	l := Layer{Name: Name(key), Path: folder, Origin: key}
	if why := s.runsOn(&l, key, n); why != "" {
		return why
	}
	if why := s.contents(&l, s.users(key)); why != "" {
		return why
	}
	s.patterns(&l, n)
	for _, e := range all {
		if !slices.Contains(layerFields, e.key) {
			l.Notes = append(l.Notes, fmt.Sprintf("%s of serverless.yml is unknown", e.key))
		}
	}
	s.made.Layers = append(s.made.Layers, l)
	s.found = append(s.found, proposed{key: key})
	return ""
}

// folder is a layer's, from the project's folder.
func (s *service) folder(n *yaml.Node) (folder, why string) {
	v, err := s.get(n, "path")
	if err == nil && v == nil {
		return "", "it has no path"
	}
	var text string
	if err == nil {
		text, err = s.text(v)
	}
	if err != nil {
		return "", "path: " + err.Error()
	}
	folder = path.Join(s.dir, strings.ReplaceAll(text, `\`, "/"))
	if path.IsAbs(text) || !fs.ValidPath(folder) {
		return "", "its path " + text + " leads out of the folder of layerbuild.yaml"
	}
	info, err := fs.Stat(s.project.FS, folder)
	if err != nil || !info.IsDir() {
		return "", "its folder " + folder + " is not there"
	}
	return folder, ""
}

// runsOn sets a layer's runtimes and architectures: those that it declares, or
// those of the functions that have it, or the provider's.
func (s *service) runsOn(l *Layer, key string, n *yaml.Node) (why string) {
	users := s.users(key)
	source := "of the functions that have the layer"
	if len(users) == 0 {
		users, source = []target{s.provider}, "the provider's"
	}
	declared := func(field string) []string {
		v, err := s.get(n, field)
		var list []string
		if err == nil {
			list, err = s.list(v)
		}
		if err != nil {
			l.Notes = append(l.Notes, field+": "+err.Error())
		}
		return list
	}
	l.Runtimes = declared("compatibleRuntimes")
	if len(l.Runtimes) == 0 {
		l.Runtimes = distinct(users, func(t target) string { return t.runtime })
		l.Comment("runtime", source)
	}
	l.Arches = declared("compatibleArchitectures")
	if len(l.Arches) == 0 {
		l.Arches = distinct(users, func(t target) string { return t.arch })
		l.Comment("architectures", source)
	}
	if len(l.Arches) == 0 {
		l.takeDefaultArches()
	}
	l.Runtimes = s.known(l, l.Runtimes)
	if len(l.Runtimes) == 0 {
		return "nothing says for which runtime it is that layerbuild knows: neither compatibleRuntimes nor provider.runtime"
	}
	return unknownArch(l.Arches)
}

func unknownArch(names []string) (why string) {
	for _, a := range names {
		if a != string(runtimes.X86_64) && a != string(runtimes.ARM64) {
			return "Lambda has no architecture " + a
		}
	}
	return ""
}

// known leaves out the runtimes that layerbuild does not know.
func (s *service) known(l *Layer, names []string) []string {
	var all []string
	for _, name := range names {
		if _, listed := runtimes.Lookup(name); listed {
			all = append(all, name)
		} else {
			l.Notes = append(l.Notes, "the runtime "+name+", which layerbuild does not know: see runtimes in doc/config.md")
		}
	}
	return all
}

func distinct(targets []target, value func(target) string) []string {
	var all []string
	for _, t := range targets {
		if v := value(t); v != "" && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	return all
}

// patterns carries over what the framework is told to leave out of a layer.
func (s *service) patterns(l *Layer, n *yaml.Node) {
	packaging, err := s.get(n, "package")
	if err != nil {
		l.Notes = append(l.Notes, "package: "+err.Error())
		return
	}
	all, err := s.entries(packaging)
	if err != nil {
		l.Notes = append(l.Notes, "package: "+err.Error())
		return
	}
	var exclude []string
	for _, e := range all {
		list, err := s.list(e.value)
		switch {
		case err != nil:
			l.Notes = append(l.Notes, fmt.Sprintf("package.%s: %v", e.key, err))
			continue
		case e.key != "patterns" && e.key != "exclude":
			l.Notes = append(l.Notes, fmt.Sprintf("package.%s: %s", e.key, strings.Join(list, ", ")))
			continue
		}
		// A pattern that takes files in again means another thing than its
		// neighbours do alone.
		for _, pattern := range list {
			bare, excludes := strings.CutPrefix(pattern, "!")
			excludes = excludes || e.key == "exclude"
			if problem, _ := runtimes.CheckFilePattern(bare); problem != "" || !excludes || strings.ContainsAny(bare, "!(|") {
				exclude = nil
				l.Notes = append(l.Notes, fmt.Sprintf("package.%s: %s; see excludeFiles and include in doc/config.md", e.key, strings.Join(list, ", ")))
				break
			}
			exclude = append(exclude, bare)
		}
	}
	if len(exclude) > 0 {
		l.Options = append(l.Options, Option{Name: "excludeFiles", Value: exclude, Comment: "package.patterns of serverless.yml"})
	}
}

// asInput is the defect of a user's file in err, if it is one.
func asInput(err error) (*runtimes.InputError, bool) {
	var input *runtimes.InputError
	return input, errors.As(err, &input)
}
