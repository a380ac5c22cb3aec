package builder

import (
	"cmp"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Lambda's limits, in characters.
const (
	maxName        = 140
	maxDescription = 256
	maxLicenseInfo = 512
)

// engines are the values of the field engine.
var engines = []string{"auto", "buildkit", "direct"}

// configFile is the file's form: the configuration and what layers start from.
type configFile struct {
	Config
	runtimes value // read first, whatever stands above them
	defaults value // read then
	layers   value
}

// The tables of fields. doc/config.md describes each row.
var (
	fileFields = []field[configFile]{
		{"runtimes", runtimesSchema, func(v value, into *configFile) { into.runtimes = v }},
		{"defaults", defaultsSchema, func(v value, into *configFile) { into.defaults = v }},
		{"layers", layersSchema, func(v value, into *configFile) { into.layers = v }},
		{"output", pathSchema, func(v value, into *configFile) { v.setPath(&into.Output) }},
		{"cache", cacheSchema, func(v value, into *configFile) { v.cache(&into.Cache) }},
		{"caBundle", pathSchema, func(v value, into *configFile) { v.setPath(&into.CABundle) }},
		{"engine", engineSchema, func(v value, into *configFile) { into.Engine = v.engine() }},
		{"builder", builderSchema, func(v value, into *configFile) { v.builder(&into.Builder) }},
		{"secrets", secretsSchema, func(v value, into *configFile) { into.Secrets = v.secrets() }},
	}

	layerFields = []field[Layer]{
		{"path", projectPathSchema, func(v value, into *Layer) { into.Path = v.pathOrPattern() }},
		{"runtime", runtimeSchema, func(v value, into *Layer) { into.Runtimes = v.runtimes() }},
		{"architectures", architecturesSchema, func(v value, into *Layer) { into.Architectures = v.architectures() }},
		{"plain", booleanSchema, func(v value, into *Layer) { into.Plain = v.boolean() }},
		{"lockfile", fileNameSchema, func(v value, into *Layer) { into.LockFile = v.fileName() }},
		{"groups", listSchema, func(v value, into *Layer) { into.Groups = v.strs() }},
		{"extras", listSchema, func(v value, into *Layer) { into.Extras = v.strs() }},
		{"exclude", listSchema, func(v value, into *Layer) { into.Exclude = v.strs() }},
		{"excludeFiles", patternsSchema, func(v value, into *Layer) { into.ExcludeFiles = v.patterns() }},
		{"include", includeSchema, func(v value, into *Layer) { into.Include = v.includes() }},
		{"consoleScripts", booleanSchema, func(v value, into *Layer) { into.ConsoleScripts = v.boolean() }},
		{"project", booleanSchema, func(v value, into *Layer) { into.Project = v.boolean() }},
		{"buildRequires", buildRequiresSchema, func(v value, into *Layer) { into.BuildRequires = v.listsByName() }},
		{"allowScripts", listSchema, func(v value, into *Layer) { into.AllowScripts = v.strs() }},
		{"slim", slimSchema, func(v value, into *Layer) { into.Slim = v.slim() }},
		{"profiles", listSchema, func(v value, into *Layer) { into.Profiles = v.strs() }},
		{"artifacts", artifactsSchema, func(v value, into *Layer) { into.Artifacts = v.artifacts() }},
		{"bytecode", booleanSchema, func(v value, into *Layer) { into.Bytecode = v.boolean() }},
		{"image", imageSchema, func(v value, into *Layer) { into.Own.Image = v.image() }},
		{"setup", setupSchema, func(v value, into *Layer) { into.Own.Setup = v.setup() }},
		{"env", variablesSchema, func(v value, into *Layer) { into.Own.Env = v.env() }},
		{"copy", copySchema, func(v value, into *Layer) { into.Own.Copy = v.copies() }},
		{"universal", booleanSchema, func(v value, into *Layer) { into.Universal = v.boolean() }},
		{"check", checkSchema, func(v value, into *Layer) { into.Check = v.check() }},
		{"description", textSchema(maxDescription), func(v value, into *Layer) { into.Description = v.text(maxDescription) }},
		{"licenseInfo", textSchema(maxLicenseInfo), func(v value, into *Layer) { into.LicenseInfo = v.text(maxLicenseInfo) }},
	}

	builderFields = []field[BuilderConfig]{
		{"address", addressSchema, func(v value, into *BuilderConfig) { into.Address = v.address() }},
		{"architectures", buildersSchema, func(v value, into *BuilderConfig) { into.ByArch = v.builders() }},
		{"network", networkSchema, func(v value, into *BuilderConfig) { into.Network = v.network() }},
		{"tls", tlsSchema, func(v value, into *BuilderConfig) { v.tls(&into.TLS) }},
	}

	tlsFields = []field[TLSConfig]{
		{"ca", pathSchema, func(v value, into *TLSConfig) { v.setPath(&into.CA) }},
		{"cert", pathSchema, func(v value, into *TLSConfig) { v.setPath(&into.Cert) }},
		{"key", pathSchema, func(v value, into *TLSConfig) { v.setPath(&into.Key) }},
		{"serverName", stringSchema, func(v value, into *TLSConfig) { into.ServerName, _ = v.str() }},
	}
)

// defaultFields are those of a layer that may have one value for all.
func defaultFields() []field[Layer] {
	return slices.DeleteFunc(slices.Clone(layerFields), func(f field[Layer]) bool { return f.name == "path" })
}

// parseConfig reads the configuration in data; root is the project's folder,
// project what it holds.
func parseConfig(file, root string, project fs.FS, data []byte) (*Config, error) {
	d := &decoder{file: file, root: root, merging: make(map[*yaml.Node]bool)}
	top := d.document(data)
	if top == nil {
		return nil, d.err()
	}
	read := configFile{Config: *newConfig(file, root)}
	lines := mapping(value{d, "the file", top.Line, top}, fileFields, &read)
	if read.runtimes.node != nil {
		read.Runtimes = read.runtimes.runtimeTable()
		d.runtimes = read.Runtimes
	}
	var defaults Layer
	if read.defaults.node != nil {
		mapping(read.defaults, defaultFields(), &defaults)
	}
	switch {
	case read.layers.node != nil:
		read.Layers = read.layers.readLayers(defaults)
	case lines != nil:
		d.addf(top.Line, "for example:\n\n"+ConfigExample, "layers is missing")
	}
	if len(d.errs) == 0 { // else a layer may lack what its files' names are made of
		read.Layers = d.expandPatterns(read.Layers, project)
	}
	if len(d.errs) == 0 {
		d.checkFileNames(read.Layers)
	}
	if len(d.errs) > 0 || d.tooMany {
		return nil, d.err()
	}
	return &read.Config, nil
}

// readLayers reads the mapping of names to layers.
func (v value) readLayers(defaults Layer) []Layer {
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of names to layers")
		return nil
	}
	entries := v.d.entries(v.node)
	if len(v.node.Content) == 0 {
		v.addf("for example:\n\n"+ConfigExample, "layers is empty")
	}
	var layers []Layer
	for _, e := range entries {
		layer := defaults
		layer.Name, layer.Line = e.name, e.line
		entry := value{v.d, "layer " + short(e.name), e.line, e.node}
		lines := mapping(entry, layerFields, &layer)
		if !isPattern(layer.Path) { // else the name is a mere label
			entry.checkName(e.name)
		}
		if lines == nil {
			continue
		}
		entry.checkRequired(lines, layer)
		entry.checkPlain(lines, &layer)
		entry.checkLanguage(lines, layer)
		entry.checkBytecode(lines, layer)
		entry.checkOwn(lines, layer)
		layers = append(layers, layer)
	}
	return layers
}

// checkRequired reports the fields that a layer lacks. Those that are there
// and wrong were reported when they were read.
func (v value) checkRequired(lines map[string]int, l Layer) {
	if lines["path"] == 0 {
		v.addf("name the folder of its lock file: path: services/api", "%s has no path", v.name)
	}
	if lines["runtime"] == 0 && l.Runtimes == nil {
		v.addf("in the layer or in defaults: runtime: "+runtimes.Table()[0].Name, "%s has no runtime", v.name)
	}
	if lines["architectures"] == 0 && l.Architectures == nil {
		v.addf("in the layer or in defaults: architectures: [x86_64], [arm64] or both", "%s has no architectures", v.name)
	}
}

// plainLacks are the fields that mean nothing in a plain layer.
var plainLacks = []string{
	"lockfile", "groups", "extras", "exclude", "consoleScripts", "bytecode", "project", "buildRequires",
	"allowScripts", "slim", "profiles", "artifacts",
}

// languageLacks are the fields that mean nothing for a language. A layer that
// has them of the defaults, which are for all languages, passes over them.
var languageLacks = map[string][]string{
	"python": {"allowScripts", "slim", "profiles", "artifacts"},
	"nodejs": {"groups", "extras", "consoleScripts", "bytecode", "buildRequires", "profiles", "artifacts"},
	"java":   {"groups", "extras", "consoleScripts", "bytecode", "buildRequires", "allowScripts"},
}

// languageHints say what there is in place of a field.
var languageHints = map[string]string{
	"nodejs groups":         "dependencies and optionalDependencies are installed, devDependencies are not",
	"nodejs extras":         "dependencies and optionalDependencies are installed, devDependencies are not",
	"nodejs consoleScripts": "a Node.js layer holds no commands",
	"nodejs bytecode":       "Node.js compiles when it loads",
	"java groups":           "what runs is installed: scopes compile and runtime, runtimeClasspath; see profiles",
}

// languageNames are the languages by their plugins' names, for people.
var languageNames = map[string]string{"python": "Python", "nodejs": "Node.js", "java": "Java"}

// checkLanguage reports fields that mean nothing for the layer's language.
func (v value) checkLanguage(lines map[string]int, l Layer) {
	if l.Plain || len(l.Runtimes) == 0 {
		return
	}
	language := l.Runtimes[0].Family
	for _, name := range languageLacks[language] {
		if line := lines[name]; line != 0 {
			v.d.addf(line, cmp.Or(languageHints[language+" "+name], "doc/config.md says which language has which fields"), "%s means nothing in a layer for %s", name, languageNames[language])
		}
	}
}

// checkPlain reports what does not go together with a layer's runtimes.
func (v value) checkPlain(lines map[string]int, l *Layer) {
	if err := l.settle(); err != nil {
		v.line = cmp.Or(lines["runtime"], v.line)
		v.add(err)
	}
	for _, name := range plainLacks {
		if line := lines[name]; line != 0 && l.Plain {
			v.d.addf(line, "a plain layer holds the files of its folder and no packages; files are left out by excludeFiles",
				"%s means nothing in a plain layer", name)
		}
	}
}

// checkBytecode reports bytecode in an archive that several versions of a
// language share.
func (v value) checkBytecode(lines map[string]int, l Layer) {
	several := func(r runtimes.Info) bool { return r != l.Runtimes[0] }
	if l.Bytecode && l.Universal && !l.Plain && slices.ContainsFunc(l.Runtimes, several) {
		v.d.addf(cmp.Or(lines["bytecode"], lines["universal"], v.line),
			"name one runtime, or drop bytecode or universal: the bytecode of one version is of no use to another",
			"%s has bytecode and is universal for several runtimes", v.name)
	}
}

func (v value) runtimes() []runtimes.Info {
	items := []value{v}
	if v.node.Kind == yaml.SequenceNode {
		items = v.items()
		if len(v.node.Content) == 0 {
			v.addf("", "runtime lists no runtime")
		}
	} else if !v.isString() {
		v.wrong("a string or a list of strings")
		items = nil
	}
	all := []runtimes.Info{}
	for _, item := range items {
		info, err := lookupRuntime(v.d.runtimes, item.node.Value)
		if err != nil {
			item.add(err)
			continue
		}
		all = append(all, info)
	}
	return all
}

func (v value) architectures() []runtimes.Arch {
	if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		v.addf("", "architectures lists no architecture")
	}
	all := []runtimes.Arch{}
	for _, item := range v.items() {
		arch, err := lookupArch(item.node.Value)
		if err != nil {
			item.add(err)
			continue
		}
		all = append(all, arch)
	}
	return all
}

// add reports a defect of the value, found by a function that knows no file.
func (v value) add(err *runtimes.InputError) { v.addf(err.Hint, "%s", err.Problem) }

func (v value) patterns() []string {
	all := []string{}
	for _, item := range v.items() {
		all = append(all, item.pattern())
	}
	return all
}

func (v value) includes() []Include {
	all := []Include{}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of files in the project to places in the layer")
		return all
	}
	lines := make(map[string]int)
	for _, e := range v.d.entries(v.node) {
		source := value{v.d, "include", e.line, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.name}}
		place := value{v.d, "the place of " + e.name, e.line, e.node}
		include := Include{From: source.projectPath(), To: place.layerPath()}
		if first, ok := lines[include.To]; ok && include.To != "" {
			place.addf("give one of them another place", "include puts two sources at %s, the first on line %d", include.To, first)
		}
		lines[include.To] = e.line
		all = append(all, include)
	}
	slices.SortFunc(all, func(a, b Include) int { return cmp.Compare(a.To, b.To) })
	return all
}

// listsByName reads a mapping of names to lists of strings.
func (v value) listsByName() map[string][]string {
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of packages to lists of requirements")
		return nil
	}
	all := make(map[string][]string)
	for _, e := range v.d.entries(v.node) {
		list := value{v.d, v.name + " of " + short(e.name), e.line, e.node}
		if e.name == "" {
			list.addf("", "%s names no package", v.name)
		}
		all[e.name] = list.strs()
	}
	return all
}

// text reads a string of at most limit characters.
func (v value) text(limit int) string {
	s, _ := v.str()
	if n := utf8.RuneCountInString(s); n > limit {
		v.addf("", "%s has %d characters, Lambda allows %d", v.name, n, limit)
	}
	return s
}

// slimClasses are the values of the field slim.
var slimClasses = []string{"docs", "tests", "types", "maps", "otherPlatforms"}

func (v value) slim() []string {
	all := []string{}
	for _, item := range v.items() {
		if !slices.Contains(slimClasses, item.node.Value) {
			item.addf(hint(item.node.Value, slimClasses), "unknown class of files %q", short(item.node.Value))
		}
		all = append(all, item.node.Value)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// artifactPattern matches what a Maven repository calls a jar.
var artifactPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$`)

func (v value) artifacts() []string {
	all := []string{}
	for _, item := range v.items() {
		if !artifactPattern.MatchString(item.node.Value) {
			item.addf("its version is the locked one", "%q is not group:artifact:classifier", short(item.node.Value))
		}
		all = append(all, item.node.Value)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (v value) engine() string {
	s, ok := v.str()
	if ok && !slices.Contains(engines, s) {
		v.addf(hint(s, engines), "unknown engine %q", s)
	}
	return s
}

// builder reads an address, or a mapping that holds one.
func (v value) builder(into *BuilderConfig) {
	if v.isString() {
		into.Address = v.address()
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("an address (a string) or a mapping")
		return
	}
	mapping(v, builderFields, into)
}

func (v value) address() string {
	s, ok := v.str()
	if ok && !strings.Contains(s, "://") {
		v.addf("for example unix:///run/buildkit/buildkitd.sock or tcp://builder.example:1234",
			"%q is no address of BuildKit", s)
	}
	return s
}

// builders reads the addresses of builders by architecture.
func (v value) builders() map[runtimes.Arch]string {
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of architectures to addresses")
		return nil
	}
	all := make(map[runtimes.Arch]string)
	for _, e := range v.d.entries(v.node) {
		one := value{v.d, v.name + " of " + short(e.name), e.line, e.node}
		arch, err := lookupArch(e.name)
		if err != nil {
			one.add(err)
			continue
		}
		all[arch] = one.address()
	}
	return all
}

func (v value) network() string {
	s, ok := v.str()
	if ok && s != "host" {
		v.addf("host is allowed; without the field, the builder decides", "unknown network %q", s)
	}
	return s
}

func (v value) tls(into *TLSConfig) {
	lines := mapping(v, tlsFields, into)
	if lines != nil && (lines["cert"] == 0) != (lines["key"] == 0) {
		v.addf("", "cert and key of tls are given together")
	}
}

// setPath reads the path of a file or folder that may lie outside the
// project.
func (v value) setPath(into *string) {
	s, ok := v.str()
	if !ok || !v.checkPath(s) {
		return
	}
	if !filepath.IsAbs(s) {
		s = filepath.Join(v.d.root, filepath.FromSlash(s))
	}
	*into = filepath.Clean(s)
}
