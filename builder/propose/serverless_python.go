package propose

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// requirementsPlugin is where most Python services come from. It installs what
// the service's folder locks, into the functions' zips or into one layer.
const requirementsPlugin = "serverless-python-requirements"

// requirementsLayer is what the plugin calls its layer, which functions refer to.
const requirementsLayer = "pythonRequirements"

// needless are its settings that have no counterpart because there is nothing
// to set, with the reason.
var needless = []struct {
	why  string
	keys []string
}{
	{"packages are installed for Lambda's system and processor wherever layerbuild runs",
		[]string{"dockerizePip", "dockerPip", "pythonBin", "dockerRootless"}},
	{"layerbuild has a cache of its own, and bounds it", []string{"useStaticCache", "useDownloadCache", "cacheLocation", "staticCacheMaxVersions", "invalidateCaches"}},
	{"a lock file is used where there is one", []string{"usePipenv", "usePoetry", "useUv", "requirePoetryLockFile"}},
	{"a layer needs no helper that unzips it", []string{"cleanupZipHelper"}},
	{"no bytecode is in a layer unless bytecode: true asks for it, and *.dist-info stays, which importlib.metadata reads", []string{"slim", "slimPatternsAppendDefaults"}},
}

// pythonRequirements proposes the layer of what the plugin installs.
func (s *service) pythonRequirements() {
	plugins, err := s.plugins()
	if err != nil {
		s.note("plugins: %v", err)
	}
	if !slices.Contains(plugins, requirementsPlugin) {
		return
	}
	settings, err := s.get(s.root, "custom", requirementsLayer)
	var all []entry
	if err == nil {
		all, err = s.entries(settings)
	}
	if err != nil {
		s.leave("custom."+requirementsLayer, err.Error())
		return
	}
	l := Layer{Name: requirementsLayer, Path: s.dir, Origin: requirementsLayer}
	l.Comment("path", "what "+requirementsPlugin+" installed")
	if why := s.requirements(&l, settings, all); why != "" {
		s.leave("custom."+requirementsLayer, why)
		return
	}
	s.made.Layers = append(s.made.Layers, l)
}

func (s *service) plugins() ([]string, error) {
	n, err := s.get(s.root, "plugins")
	if err != nil || n == nil {
		return nil, err
	}
	if n.Kind == yaml.MappingNode {
		n = child(n, "modules")
	}
	return s.list(n)
}

// requirements fills the layer, or says why there is none.
func (s *service) requirements(l *Layer, settings *yaml.Node, all []entry) (why string) {
	if !s.runsOnAll(l, "python") {
		return "neither the provider nor a function has a runtime of Python's that is known"
	}
	s.universal(l)
	individually, err := s.get(s.root, "package", "individually")
	if err != nil {
		return "package.individually: " + err.Error()
	}
	if individually != nil && individually.Value == "true" && s.hasModules() {
		return "functions have requirements of their own (package.individually with module): make a layer for each folder"
	}
	layer := proposed{key: requirementsLayer, new: true, plugin: true}
	inLayer := false
	for _, e := range all {
		if e.key == "layer" {
			inLayer = true
			if why := s.requirementsLayer(&layer, e.value, &inLayer); why != "" {
				return why
			}
			continue
		}
		s.setting(l, e)
	}
	if why := s.requirementsLock(l, settings); why != "" {
		return why
	}
	if len(layer.add) == 0 {
		layer.add = []entry{{"compatibleRuntimes", value(l.Runtimes)}}
	}
	layer.refer = !inLayer
	s.found = append(s.found, layer)
	return ""
}

func (s *service) hasModules() bool {
	functions, err := s.get(s.root, "functions")
	if err != nil {
		return false
	}
	all, err := s.entries(functions)
	return err == nil && slices.ContainsFunc(all, func(e entry) bool {
		module, err := s.get(e.value, "module")
		return err == nil && module != nil
	})
}

// requirementsLayer reads the plugin's layer: true, or what a layer has.
func (s *service) requirementsLayer(layer *proposed, n *yaml.Node, inLayer *bool) (why string) {
	n, err := s.follow(n, 0)
	switch {
	case err != nil:
		return "layer: " + err.Error()
	case n == nil:
		*inLayer = false
		return ""
	case n.Kind == yaml.ScalarNode:
		text, err := s.text(n)
		if err != nil {
			return "layer: " + err.Error()
		}
		*inLayer = text == "true"
		if *inLayer {
			layer.add = []entry{{"name", scalar("${self:service}-${sls:stage}-python-requirements")}}
		}
		return ""
	}
	all, err := s.entries(n)
	if err != nil {
		return "layer: " + err.Error()
	}
	for _, e := range all {
		if !slices.Contains(layerFields, e.key) || e.key == "path" || e.key == "package" || !copyable(e.value) {
			s.note("custom.%s.layer.%s", requirementsLayer, e.key)
			continue
		}
		layer.add = append(layer.add, e) // variables and all
	}
	return ""
}

// copyable tells whether a value means the same in another place.
func copyable(n *yaml.Node) bool {
	return n.Kind != yaml.AliasNode && n.Anchor == "" && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !copyable(c) })
}

// setting carries one setting over, or says that it is not.
func (s *service) setting(l *Layer, e entry) {
	list, err := s.list(e.value)
	if err != nil {
		l.Notes = append(l.Notes, e.key+": "+err.Error())
		return
	}
	switch {
	case len(list) == 0 || len(list) == 1 && list[0] == "false" || e.key == "fileName":
		return
	case e.key == "noDeploy":
		l.Options = append(l.Options, Option{Name: "exclude", Value: list, Comment: "noDeploy of serverless.yml"})
		return
	case e.key == "poetryWithGroups":
		l.Options = append(l.Options, Option{Name: "groups", Value: list, Comment: e.key + " of serverless.yml"})
		return
	case e.key == "slimPatterns":
		s.slimPatterns(l, list)
		return
	case e.key == "strip" || e.key == "zip":
		if e.key == "zip" {
			l.Notes = append(l.Notes, "zip: a layer is not unzipped at run time; the functions' import unzip_requirements can go")
		}
		return
	case e.key == "dockerImage" || e.key == "dockerFile":
		l.Notes = append(l.Notes, fmt.Sprintf("%s: %s: what has no wheel is built in AWS SAM's image; name another with image", e.key, list[0]))
		return
	}
	for _, n := range needless {
		if slices.Contains(n.keys, e.key) {
			l.Notes = append(l.Notes, fmt.Sprintf("%s, for which there is no need: %s", e.key, n.why))
			return
		}
	}
	l.Notes = append(l.Notes, fmt.Sprintf("%s: %s", e.key, strings.Join(list, ", ")))
}

// slimPatterns are matched by the plugin below its folder of packages.
func (s *service) slimPatterns(l *Layer, list []string) {
	var anywhere []string
	for _, pattern := range list {
		if !strings.HasPrefix(pattern, "**/") || strings.ContainsAny(pattern, "|(!") {
			l.Notes = append(l.Notes, "slimPatterns: "+pattern+": excludeFiles has patterns of whole paths in the layer")
			continue
		}
		anywhere = append(anywhere, pattern)
	}
	if len(anywhere) > 0 {
		l.Options = append(l.Options, Option{Name: "excludeFiles", Value: anywhere, Comment: "slimPatterns of serverless.yml"})
	}
}

// requirementsLock finds what the service's folder locks.
func (s *service) requirementsLock(l *Layer, settings *yaml.Node) (why string) {
	v, err := s.get(settings, "fileName")
	name := ""
	if err == nil && v != nil {
		name, err = s.text(v)
	}
	if err != nil {
		return "fileName: " + err.Error()
	}
	locked, notes, err := s.lock("python", s.dir)
	switch {
	case name != "" && name != "requirements.txt":
		file := path.Join(s.dir, name)
		if !fs.ValidPath(file) || !isFile(s.project.FS, file) {
			return "fileName: there is no " + name
		}
		if l.Path = path.Dir(file); l.Path != s.dir {
			delete(l.Comments, "path")
		}
		l.Options = append([]Option{{Name: "lockfile", Value: path.Base(file), Comment: "fileName of serverless.yml"}}, l.Options...)
		return ""
	case err != nil:
		return err.Error()
	case !locked:
		return "there is no requirements.txt and no lock file"
	}
	l.Notes = append(l.Notes, notes...)
	return ""
}
