package builder

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// ownFields are the fields of a layer that say in what it is built.
var ownFields = []string{"image", "setup", "env", "copy"}

const (
	imagePattern    = `^[A-Za-z0-9][A-Za-z0-9._:/-]*(@sha256:[0-9a-f]{64})?$`
	variablePattern = `^[A-Za-z_][A-Za-z0-9_]*$`
	copyFromPattern = `^/[^?\[\]\\\x00-\x1f\x7f]*[^/?\[\]\\\x00-\x1f\x7f]$`
	copyToPattern   = `^(\./|[^/\\\x00-\x1f\x7f][^\\\x00-\x1f\x7f]*/)$`
)

var (
	imageForm    = regexp.MustCompile(imagePattern)
	variableForm = regexp.MustCompile(variablePattern)

	// secretWords are the parts of a variable's name that holds a secret.
	secretWords = regexp.MustCompile(`(?i)(^|_)(token|password|passwd|secret|secrets|apikey|api_key|access_key|private_key|credentials?)($|_)`)

	// urlLogin is an address with a password before its host.
	urlLogin = regexp.MustCompile(`://[^/\s@:]*:[^/\s@]+@`)
)

const noLoginHint = "whoever reads the layer's key input would have it; logins are named in secrets (doc/config.md#secrets), and Docker's own are used for images"

// image reads a reference to an image.
func (v value) image() string {
	s, ok := v.str()
	if ok && !imageForm.MatchString(s) {
		v.addf("for example registry.example/build/python:3.13, or with @sha256: and its digest", "%q is no reference to an image", short(s))
	}
	return s
}

// setup reads a list of shell commands. One may well run twice.
func (v value) setup() []string {
	all := []string{}
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list of shell commands")
		return all
	}
	for _, n := range v.node.Content {
		line := n.Line
		if n = v.d.follow(n); n == nil {
			return all
		}
		command := value{v.d, "a command of setup", line, n}
		s, ok := command.str()
		if ok && urlLogin.MatchString(s) {
			command.addf(noLoginHint, "a command of setup holds a login")
		}
		all = append(all, s)
	}
	return all
}

// env reads a mapping of variables. Values of those that seem to be secrets are
// not shown.
func (v value) env() []string {
	all := []string{}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of variables to their values")
		return all
	}
	for _, e := range v.d.entries(v.node) {
		variable := value{v.d, "variable " + short(e.name), e.line, e.node}
		switch {
		case !variableForm.MatchString(e.name):
			variable.addf("letters, digits and _ are allowed", "%q is no name of a variable", short(e.name))
		case secretWords.MatchString(e.name):
			variable.addf(noLoginHint, "variable %s seems to hold a secret", e.name)
		case e.node.Kind == yaml.ScalarNode && e.node.ShortTag() == "!!str" && urlLogin.MatchString(e.node.Value):
			variable.addf(noLoginHint, "variable %s holds a login", e.name)
		case !variable.isString():
			variable.wrong("a string")
		case strings.ContainsRune(e.node.Value, 0):
			variable.addf("", "variable %s holds a NUL", e.name)
		default:
			all = append(all, e.name+"="+e.node.Value)
		}
	}
	slices.Sort(all)
	return all
}

// copies reads a mapping of files in the image to folders in the layer.
func (v value) copies() []runtimes.Copy {
	all := []runtimes.Copy{}
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping of files in the image to folders in the layer")
		return all
	}
	for _, e := range v.d.entries(v.node) {
		from := value{v.d, "copy", e.line, e.node}
		to := value{v.d, "the place of " + short(e.name), e.line, e.node}
		switch {
		case !path.IsAbs(e.name) || path.Clean(e.name) != e.name || e.name == "/" || strings.ContainsFunc(e.name, unicode.IsControl):
			from.addf("write the file's whole path, such as /usr/lib64/libpq.so.5", "copy takes absolute paths, not %q", short(e.name))
		case strings.ContainsAny(e.name, `?[]\`):
			from.addf("", "copy knows no pattern but *: %s", short(e.name))
		}
		all = append(all, runtimes.Copy{From: e.name, To: to.layerFolder()})
	}
	slices.SortFunc(all, func(a, b runtimes.Copy) int { return cmp.Compare(a.From, b.From) })
	return all
}

// layerFolder reads a folder in the layer, which ends with a slash.
func (v value) layerFolder() string {
	s, ok := v.str()
	if !ok || !v.checkPath(s) {
		return ""
	}
	if !strings.HasSuffix(s, "/") {
		v.addf("files keep their names; end the folder with a slash: "+short(s)+"/", "%s is not a folder: %s", v.name, short(s))
		return ""
	}
	if clean := path.Clean(s); clean == "." {
		return clean
	}
	return v.layerPath()
}

// checkOwn reports what does not go together with an image of the layer's own.
func (v value) checkOwn(lines map[string]int, l Layer) {
	if l.Plain && len(l.Own.Copy) == 0 {
		for _, name := range ownFields {
			if line := lines[name]; line != 0 {
				v.d.addf(line, "a plain layer holds the files of its folder; with copy also those of an image", "%s means nothing in a plain layer without copy", name)
			}
		}
		return
	}
	line := v.line
	for _, name := range ownFields {
		line = cmp.Or(lines[name], line)
	}
	if l.Universal && !l.Own.Empty() && len(l.Runtimes)*len(l.Architectures) > 1 {
		v.d.addf(cmp.Or(lines["universal"], line), "drop universal: each runtime and architecture then has an archive of its own",
			"%s is universal and is built in an image, which is for one runtime and architecture", v.name)
	}
	if noImage := func(r runtimes.Info) bool { return r.BuildImage == "" }; l.Own.Image == "" && !l.Own.Empty() && slices.ContainsFunc(l.Runtimes, noImage) {
		r := l.Runtimes[slices.IndexFunc(l.Runtimes, noImage)]
		v.d.addf(line, "name one: image: registry.example/build:1", "%s: layerbuild knows no image to build in for %s", v.name, r.Name)
	}
}

func imageSchema() schema { return schema{"type": "string", "pattern": imagePattern} }

func setupSchema() schema { return schema{"type": "array", "items": stringSchema()} }

func variablesSchema() schema {
	return schema{
		"type": "object", "propertyNames": schema{"pattern": variablePattern},
		"additionalProperties": schema{"type": "string"},
	}
}

func copySchema() schema {
	return schema{
		"type": "object", "propertyNames": schema{"pattern": copyFromPattern},
		"additionalProperties": schema{"type": "string", "pattern": copyToPattern},
	}
}
