package npmrc

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// machine is one whose files and variables a test made. Paths begin with home,
// prefix or project.
func machine(t *testing.T, env []string, files map[string]string) Machine {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "$DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	m := Machine{Own: "https://own.example/", Home: in("home"), Prefix: in("prefix"), Project: in("project"), Layers: []string{in("project/services/api")}}
	for _, line := range env {
		m.Environ = append(m.Environ, strings.ReplaceAll(line, "$DIR", dir))
	}
	return m
}

// logins shows all of each login, which its own form hides.
func logins(all []runtimes.Login) []string {
	var out []string
	for _, l := range all {
		kind := l.User
		switch {
		case l.Lacks != "":
			kind = "lacks"
			l.Password = l.Lacks
		case l.Bearer:
			kind = "bearer"
		}
		path := l.Path
		if path == "/" || path == "/npm/" { // as in most tests
			path = ""
		}
		out = append(out, fmt.Sprintf("%s://%s%s %s %s", l.Scheme, l.Host, path, kind, l.Password))
	}
	return out
}

func TestFind(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString
	for _, test := range []struct {
		name       string
		env        []string
		files      map[string]string
		registries []string
		logins     []string
		cert       string // below the test's folder
	}{
		{name: "nothing"},
		{name: "two tokens of one server",
			files: map[string]string{
				"home/.npmrc": "//one.example/team/a/:_authToken=a\n//one.example/team/b:_authToken=b\n//one.example/:_authToken=all\n",
			},
			logins: []string{"https://one.example bearer all", "https://one.example/team/a/ bearer a", "https://one.example/team/b/ bearer b"}},
		{name: "every file, the strongest first",
			files: map[string]string{
				"project/.npmrc":              "registry = https://project.example/npm/\n",
				"project/services/api/.npmrc": "registry=https://layer.example/\n@api:registry=https://api.example\n",
				"home/.npmrc":                 "registry=https://user.example\n@team:registry=\"https://team.example/\"\n",
				"prefix/etc/npmrc":            "@team:registry=https://weaker.example\ncafile=ca.pem\n",
			},
			registries: []string{"registry=https://project.example/npm/", "@api:registry=https://api.example", "@team:registry=https://team.example/"},
			cert:       "prefix/etc/ca.pem"},
		{name: "variables",
			env: []string{"NPM_CONFIG_REGISTRY=https://env.example", "npm_config_@Team:registry=https://scope.example", "npm_config_cafile=$DIR/x.pem",
				"npm_config_//env.example/:_authToken=T", "NPM_CONFIG_LOGLEVEL=silent"},
			files:      map[string]string{"project/.npmrc": "registry=https://weaker.example"},
			registries: []string{"registry=https://env.example", "@team:registry=https://scope.example"},
			logins:     []string{"https://env.example bearer T"}, cert: "x.pem"},
		{name: "other files",
			env: []string{"NPM_CONFIG_USERCONFIG=$DIR/other.npmrc", "npm_config_globalconfig=$DIR/global"},
			files: map[string]string{"other.npmrc": "registry=https://other.example", "home/.npmrc": "registry=https://not.example\n@x:registry=https://not.example",
				"global": "@g:registry=https://g.example"},
			registries: []string{"registry=https://other.example", "@g:registry=https://g.example"}},
		{name: "logins",
			env: []string{"TOKEN=t0ken", "MAYBE="},
			files: map[string]string{"project/.npmrc": "//a.example/npm/:_authToken=${TOKEN}\n//b.example:8443/:_auth=" + encoded([]byte("me:p:w")) + "\n" +
				"//c.example/:username=you\n//c.example/:_password=" + encoded([]byte("pw")) + "\n//d.example/:_authToken=${UNSET}\n//e.example/:_auth=%%\n" +
				"registry=http://a.example/npm\n@x:registry=https://user:pass@F.example:443/x?y#z\n_authToken=nobody's\n"},
			registries: []string{"registry=http://a.example/npm", "@x:registry=https://F.example:443/x"},
			logins: []string{"https://f.example/x/ user pass", "https://a.example bearer t0ken", "http://a.example bearer t0ken",
				"https://d.example lacks UNSET", "https://b.example:8443 me p:w", "https://c.example you pw"}},
		{name: "syntax",
			env: []string{"HOST=h.example"},
			files: map[string]string{"project/.npmrc": "\ufeff; comment\n# comment\n\nregistry=https://old.example\nregistry = 'https://${HOST}${NOTHING?}/' \n" +
				"@a:registry=https://a.example ; why\r\n@b:registry=https://b.example/x\\#y\nloose\n[section]\n@c:registry=https://c.example\n"},
			registries: []string{"registry=https://h.example/", "@a:registry=https://a.example", "@b:registry=https://b.example/x"}},
		{name: "yarn",
			files: map[string]string{
				"project/.yarnrc.yml": "npmRegistryServer: \"https://berry.example\"\nnpmScopes:\n  team:\n    npmRegistryServer: https://team.example\n    npmAuthIdent: me:${PW-pw}\n  rest: {npmAuthToken: other}\n" +
					"npmAuthToken: \"${TOKEN:-secret}\"\nnpmRegistries: {//files.example/x/: {npmAuthToken: \"${UNSET}\"}}\n",
				"project/.yarnrc": "# yarn lockfile v1\nregistry \"https://weaker.example\"\n\"@old:registry\" \"https://old.example\"\n",
			},
			registries: []string{"registry=https://berry.example", "@old:registry=https://old.example", "@team:registry=https://team.example"},
			logins:     []string{"https://berry.example bearer other", "https://files.example/x/ lacks UNSET", "https://team.example me pw"}},
		{name: "yarn's token", env: []string{"YARN_NPM_AUTH_TOKEN=t", "YARN_NPM_AUTH_IDENT=me:pw"}, logins: []string{"https://own.example bearer t"}},
		{name: "npm before yarn", env: []string{"YARN_NPM_REGISTRY_SERVER=https://yarn.example", "npm_config_registry=https://npm.example"},
			registries: []string{"registry=https://npm.example"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := machine(t, test.env, test.files)
			c, err := Find(m)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Registries, test.registries) {
				t.Errorf("registries %q\nwant       %q", c.Registries, test.registries)
			}
			if got := logins(c.Logins); !slices.Equal(got, test.logins) {
				t.Errorf("logins %q\nwant   %q", got, test.logins)
			}
			want := test.cert
			if want != "" {
				want = filepath.Join(filepath.Dir(m.Home), test.cert)
			}
			if c.Certificates != want {
				t.Errorf("certificates %q, want %q", c.Certificates, want)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	for _, text := range []string{"registry=ftp://me:secret@x.example", "registry=https://me:secret@x.example:port/", "@x:registry=secret"} {
		_, err := Find(machine(t, nil, map[string]string{"project/.npmrc": text}))
		var input *runtimes.InputError
		if !errors.As(err, &input) || input.Hint == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", text, err)
		}
	}
	if _, err := Find(machine(t, nil, map[string]string{"project/.yarnrc.yml": "npmRegistryServer: [secret"})); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf(".yarnrc.yml: got %v", err)
	}
	if _, err := Find(Machine{}); err != nil {
		t.Errorf("nowhere: %v", err)
	}
}

// TestTokensStay: no form of a login shows the token.
func TestTokensStay(t *testing.T) {
	c, err := Find(machine(t, nil, map[string]string{"project/.npmrc": "//a.example/:_authToken=s3cret\n"}))
	if err != nil || len(c.Logins) != 1 {
		t.Fatal(c, err)
	}
	if text := fmt.Sprintf("%v %+v %s %q", c.Logins[0], c.Logins[0], c.Logins[0], c.Registries); strings.Contains(text, "s3cret") {
		t.Error(text)
	}
}

// FuzzNpmrc: whatever is in the files, they are read or refused.
func FuzzNpmrc(f *testing.F) {
	f.Add([]byte("registry=https://${X}\n//a/:_auth=YTpi\n"), []byte("npmScopes: {a: {npmRegistryServer: x}}"))
	f.Fuzz(func(t *testing.T, npm, yarn []byte) {
		c, err := Find(machine(t, []string{"X=x.example"}, map[string]string{"project/.npmrc": string(npm), "project/.yarnrc.yml": string(yarn)}))
		var input *runtimes.InputError
		if err != nil && !errors.As(err, &input) {
			t.Fatal(err)
		}
		for _, line := range c.Registries {
			if _, address, ok := strings.Cut(line, "registry="); !ok || !strings.HasPrefix(address, "http") || strings.ContainsAny(line, "\r\n") {
				t.Errorf("%q is no line of an .npmrc", line)
			}
		}
	})
}
