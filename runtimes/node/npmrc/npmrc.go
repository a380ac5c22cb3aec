// Package npmrc finds out where a person has told npm and yarn to take packages
// from: in the environment and in their configuration files.
//
// The terms:
//
//   - A registry is the address that packages are asked for. The default one
//     takes the place of npm's own, another may serve the packages of a scope.
//   - A login is what a registry's server wants to see: a user and password, or
//     a token. It never stays in an address, and nothing is written anywhere.
//
// It lies beside the Node.js plugin because a plugin sees the project alone,
// never the machine.
package npmrc

import (
	"cmp"
	"encoding/base64"
	"errors"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Machine is where to look.
type Machine struct {
	Environ []string // KEY=VALUE
	Home    string   // the user's folder, "" where there is none
	Prefix  string   // npm's: its global configuration is below, "" where there is none
	Project string   // the folder of the project
	Layers  []string // those of its layers
	Own     string   // address of npm's own registry
}

// ThisMachine is the machine that runs the program. own is the address of npm's
// own registry.
func ThisMachine(project string, layers []string, own string) Machine {
	m := Machine{Environ: os.Environ(), Project: project, Layers: layers, Own: own}
	if home, err := os.UserHomeDir(); err == nil {
		m.Home = home
	}
	m.Prefix = "/usr/local"
	if node, err := exec.LookPath("node"); err == nil {
		if real, err := filepath.EvalSymlinks(node); err == nil {
			m.Prefix = filepath.Dir(filepath.Dir(real))
		}
	}
	return m
}

// Configured is what was found.
type Configured struct {
	// Registries are lines of an .npmrc: the default registry, then those of
	// scopes. It is empty where nobody configured any.
	Registries []string

	// Logins are those of the registries' servers.
	Logins []runtimes.Login

	// Certificates is the file of certificate authorities that npm is told to
	// trust, or "".
	Certificates string
}

// setting is a value as it was found.
type setting struct{ value, from string }

// settings are all that was found, of each key the strongest.
type settings map[string]setting

// add keeps what is not known yet: sources are read the strongest first.
func (s settings) add(key, value, from string) {
	if _, known := s[key]; !known && value != "" {
		s[key] = setting{value, from}
	}
}

// Find reads everything. Its error is a [*runtimes.InputError].
func Find(m Machine) (Configured, error) {
	s := make(settings)
	env := m.environment(s)
	user, global := m.userFile(".npmrc"), filepath.Join(m.Prefix, "etc", "npmrc")
	if name := s["userconfig"].value; name != "" {
		user = name
	}
	if name := s["globalconfig"].value; name != "" {
		global = name
	}
	folders := append([]string{m.Project}, m.Layers...)
	for _, dir := range folders {
		if err := s.npmFile(filepath.Join(dir, ".npmrc"), env); err != nil {
			return Configured{}, err
		}
	}
	for _, file := range []string{user, global} {
		if err := s.npmFile(file, env); err != nil {
			return Configured{}, err
		}
	}
	if m.Home != "" {
		folders = append(folders, m.Home)
	}
	for _, dir := range folders {
		if err := s.yarnFiles(dir, m.Own, env); err != nil {
			return Configured{}, err
		}
	}
	return s.combine()
}

// userFile is a file in the user's folder, or one that is not there.
func (m Machine) userFile(name string) string {
	if m.Home == "" {
		return os.DevNull
	}
	return filepath.Join(m.Home, name)
}

// environment reads the variables of npm and yarn, and returns all variables.
func (m Machine) environment(s settings) map[string]string {
	env := make(map[string]string)
	for _, line := range m.Environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	const prefix = "npm_config_"
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
			continue
		}
		key := name[len(prefix):]
		if !strings.HasPrefix(key, "//") {
			key = strings.ToLower(key)
		}
		s.add(key, env[name], name)
	}
	for _, name := range []string{"YARN_NPM_REGISTRY_SERVER", "YARN_REGISTRY", "yarn_registry"} {
		s.add("registry", env[name], name)
	}
	for variable, login := range map[string]yarnRegistry{
		"YARN_NPM_AUTH_TOKEN": {Token: env["YARN_NPM_AUTH_TOKEN"]},
		"YARN_NPM_AUTH_IDENT": {Ident: env["YARN_NPM_AUTH_IDENT"]},
	} {
		s.yarnLogin(cmp.Or(s["registry"].value, m.Own), login, variable, nil)
	}
	return env
}

// combine takes the registries and logins out of the settings.
func (s settings) combine() (Configured, error) {
	c := Configured{Certificates: s["cafile"].value}
	keys := slices.Sorted(maps.Keys(s))
	if i := slices.Index(keys, "registry"); i > 0 { // the default one first
		keys = slices.Insert(slices.Delete(keys, i, i+1), 0, "registry")
	}
	plain := make(map[string]bool) // hosts that are reached by http
	var logins []runtimes.Login
	for _, key := range keys {
		scope, ok := strings.CutSuffix(key, "registry")
		if !ok || scope != "" && !(strings.HasPrefix(scope, "@") && strings.HasSuffix(scope, ":")) {
			continue
		}
		u, err := url.Parse(s[key].value)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			// The address may hold a password: it is not shown.
			return Configured{}, &runtimes.InputError{File: s[key].from, Problem: key + " is no address of a registry",
				Hint: "it must look like https://packages.example/npm/"}
		}
		scheme, host := runtimes.Server(u)
		if scheme == "http" {
			plain[host] = true
		}
		if password, ok := u.User.Password(); ok {
			logins = append(logins, runtimes.Login{
				Scheme: scheme, Host: host, Path: strings.TrimRight(u.Path, "/") + "/",
				User: u.User.Username(), Password: password, From: s[key].from,
			})
		}
		u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
		c.Registries = append(c.Registries, key+"="+u.String())
	}
	// As in npm, a token is stronger than a password.
	slices.SortStableFunc(keys, func(a, b string) int { return cmp.Compare(loginRank(a), loginRank(b)) })
	for _, key := range keys {
		l, ok := s.login(key)
		if !ok {
			continue
		}
		logins = append(logins, l)
		if plain[l.Host] {
			l.Scheme = "http"
			logins = append(logins, l)
		}
	}
	for _, l := range logins {
		if !slices.ContainsFunc(c.Logins, func(o runtimes.Login) bool {
			return o.Scheme == l.Scheme && o.Host == l.Host && o.Path == l.Path && (o.Lacks == "") == (l.Lacks == "")
		}) {
			c.Logins = append(c.Logins, l)
		}
	}
	return c, nil
}

// loginRank orders keys by how strong their kind of login is.
func loginRank(key string) int {
	switch {
	case strings.HasSuffix(key, ":_authToken"):
		return 0
	case strings.HasSuffix(key, ":_auth"):
		return 1
	}
	return 2
}

// login reads a key such as "//packages.example/npm/:_authToken". What still
// names a variable that is not set is no login, and says so.
func (s settings) login(key string) (runtimes.Login, bool) {
	place, kind, ok := cutLast(key, ":")
	value := s[key].value
	if !ok || !strings.HasPrefix(place, "//") {
		return runtimes.Login{}, false
	}
	u, err := url.Parse("https:" + place)
	if err != nil || u.Host == "" {
		return runtimes.Login{}, false
	}
	l := runtimes.Login{From: s[key].from, Path: strings.TrimRight(u.Path, "/") + "/"}
	l.Scheme, l.Host = runtimes.Server(u)
	if m := variable.FindStringSubmatch(value + s[place+":username"].value); m != nil {
		l.Lacks = m[1]
		return l, kind == "_authToken" || kind == "_auth" || kind == "_password"
	}
	switch kind {
	case "_authToken":
		l.Bearer, l.Password = true, value
		return l, true
	case "_auth":
		raw, err := base64.StdEncoding.DecodeString(value)
		l.User, l.Password, ok = strings.Cut(string(raw), ":")
		return l, err == nil && ok
	case "_password":
		raw, err := base64.StdEncoding.DecodeString(value)
		l.User, l.Password = s[place+":username"].value, string(raw)
		return l, err == nil && l.User != ""
	}
	return runtimes.Login{}, false
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// maxFile bounds a configuration file.
const maxFile = 1 << 20

// read returns a configuration file's content, nil where there is none. A
// file that this user may not read is another user's business.
func read(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err == nil && info.Size() > maxFile {
		return nil, &runtimes.InputError{File: name, Problem: "is too large for a configuration file"}
	}
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrPermission):
		return nil, nil
	}
	return nil, &runtimes.InputError{File: name, Err: err}
}
