package npmrc

import (
	"bytes"
	"encoding/base64"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// yarnrc is what counts of a .yarnrc.yml.
type yarnrc struct {
	yarnRegistry `yaml:",inline"`
	Scopes       map[string]yarnRegistry `yaml:"npmScopes"`
	Registries   map[string]yarnRegistry `yaml:"npmRegistries"`
}

// yarnRegistry is a registry in it, with its login.
type yarnRegistry struct {
	Server string `yaml:"npmRegistryServer"`
	Token  string `yaml:"npmAuthToken"`
	Ident  string `yaml:"npmAuthIdent"` // "user:password", or that in base64
}

// yarnFiles reads a folder's .yarnrc.yml and .yarnrc, the files of the newer
// yarn and of the old one. own is the address of npm's own registry.
func (s settings) yarnFiles(dir, own string, env map[string]string) error {
	name := filepath.Join(dir, ".yarnrc.yml")
	data, err := read(name)
	if err != nil {
		return err
	}
	var file yarnrc
	if err := yaml.Unmarshal(data, &file); err != nil {
		return &runtimes.InputError{File: name, Problem: "cannot be read", Hint: "check it with `yarn config`"}
	}
	server := expandYarn(file.Server, env)
	s.add("registry", server, name)
	if server == "" {
		if server = s["registry"].value; server == "" {
			server = own
		}
	}
	for _, scope := range slices.Sorted(maps.Keys(file.Scopes)) {
		r := file.Scopes[scope]
		at := expandYarn(r.Server, env)
		if s.add("@"+scope+":registry", at, name); at == "" {
			at = server
		}
		s.yarnLogin(at, r, name, env)
	}
	for _, at := range slices.Sorted(maps.Keys(file.Registries)) {
		s.yarnLogin(at, file.Registries[at], name, env)
	}
	s.yarnLogin(server, file.yarnRegistry, name, env)

	name = filepath.Join(dir, ".yarnrc")
	if data, err = read(name); err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		key, value, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		if key = strings.Trim(key, `"`); ok && (key == "registry" || strings.HasPrefix(key, "@") && strings.HasSuffix(key, ":registry")) {
			s.add(key, strings.Trim(strings.TrimSpace(value), `"'`), name)
		}
	}
	return nil
}

// yarnLogin adds the login of the registry at an address, in npm's words.
func (s settings) yarnLogin(at string, r yarnRegistry, from string, env map[string]string) {
	_, place, ok := strings.Cut(at, "//")
	if !ok {
		return
	}
	key := "//" + strings.TrimRight(place, "/") + "/:"
	s.add(key+"_authToken", expandYarn(r.Token, env), from)
	ident := expandYarn(r.Ident, env)
	if strings.Contains(ident, ":") && !variable.MatchString(ident) {
		ident = base64.StdEncoding.EncodeToString([]byte(ident))
	}
	s.add(key+"_auth", ident, from)
}

var yarnVariable = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)(?:(:)?-([^}]*))?\}`)

// expandYarn puts in the values of "${VAR}", "${VAR-default}" and
// "${VAR:-default}", whose colon makes an empty value none.
func expandYarn(text string, env map[string]string) string {
	return yarnVariable.ReplaceAllStringFunc(text, func(match string) string {
		parts := yarnVariable.FindStringSubmatch(match)
		value, ok := env[parts[1]]
		switch {
		case ok && (value != "" || parts[2] == ""):
			return value
		case strings.Contains(match, "-"):
			return parts[3]
		}
		return match
	})
}
