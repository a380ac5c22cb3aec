package indexes

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// machine is one whose files and variables a test made. Paths begin with home,
// project or root.
func machine(t *testing.T, env, files map[string]string) Machine {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	return Machine{
		Getenv:  func(name string) string { return strings.ReplaceAll(env[name], "$DIR", dir) },
		Home:    in("home"),
		Root:    in("root"),
		Project: in("project"),
		Layers:  []string{in("project/services/api")},
	}
}

// logins shows all of each login, which its own form hides.
func logins(all []runtimes.Login) []string {
	var out []string
	for _, l := range all {
		port := ""
		if l.AnyPort {
			port = ":*"
		}
		out = append(out, fmt.Sprintf("%s://%s%s %s %s", l.Scheme, l.Host, port, l.User, l.Password))
	}
	return out
}

const pipConf = "[global]\nindex-url = https://pip.example/simple\n"

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name       string
		env, files map[string]string
		indexes    []string
		logins     []string
		cert       string
	}{
		{name: "nothing"},
		{name: "uv's variables",
			env: map[string]string{
				"UV_DEFAULT_INDEX": "main=https://main.example/simple/", "UV_INDEX_URL": "https://old.example", "PIP_INDEX_URL": "https://pip.example",
				"UV_INDEX": "team=https://team.example/simple https://other.example:8443/a", "PIP_EXTRA_INDEX_URL": "https://team.example/simple/",
			},
			indexes: []string{"https://main.example/simple/", "https://team.example/simple", "https://other.example:8443/a"}},
		{name: "extra ones alone come to the ecosystem's own",
			env:     map[string]string{"PIP_EXTRA_INDEX_URL": "https://a.example https://b.example"},
			indexes: []string{"", "https://a.example", "https://b.example"}},
		{name: "logins in addresses",
			env: map[string]string{
				"PIP_INDEX_URL":       "https://aws:t%40ken@Main.Example:443/simple",
				"PIP_EXTRA_INDEX_URL": "http://you:pw@main.example/simple https://token@solo.example/",
			},
			indexes: []string{"https://Main.Example:443/simple", "http://main.example/simple", "https://solo.example/"},
			logins:  []string{"https://main.example aws t@ken", "http://main.example you pw", "https://solo.example token "}},
		{name: "uv's variables for logins",
			env: map[string]string{
				"UV_INDEX": "my-team.1=https://team.example/simple", "UV_INDEX_MY_TEAM_1_USERNAME": "me", "UV_INDEX_MY_TEAM_1_PASSWORD": "pw",
				"UV_DEFAULT_INDEX": "main=https://me@main.example", "UV_INDEX_MAIN_PASSWORD": "pw2",
			},
			indexes: []string{"https://main.example", "https://team.example/simple"},
			logins:  []string{"https://main.example me pw2", "https://team.example me pw"}},
		{name: "pip's files",
			files: map[string]string{
				"root/etc/pip.conf":         "[global]\nindex-url = https://weakest.example\ncert = /etc/company.pem\nextra-index-url =\n    https://a.example\n    https://b.example\n",
				"home/.pip/pip.conf":        "[global]\nindex_url = https://weaker.example\n",
				"home/.config/pip/pip.conf": "# ours\n[global]\nindex-url = https://global.example/%(x)s#y\n[install]\nindex-url: https://me:p%3Bw@install.example/simple\n[freeze]\ntimeout = 10\n",
			},
			indexes: []string{"https://install.example/simple", "https://a.example", "https://b.example"},
			logins:  []string{"https://install.example me p;w"}, cert: "/etc/company.pem"},
		{name: "PIP_CONFIG_FILE and the virtual environment",
			env: map[string]string{"PIP_CONFIG_FILE": "$DIR/home/named.conf", "VIRTUAL_ENV": "$DIR/venv", "PIP_CERT": "/c.pem"},
			files: map[string]string{
				"home/named.conf":           "[global]\nextra-index-url = https://named.example\ncert = /weaker.pem\n",
				"venv/pip.conf":             "[global]\nindex-url = https://venv.example\nextra-index-url = https://hidden.example\n",
				"home/.config/pip/pip.conf": pipConf,
			},
			indexes: []string{"https://venv.example", "https://named.example"}, cert: "/c.pem"},
		{name: "no files of pip's", env: map[string]string{"PIP_CONFIG_FILE": "/dev/null"},
			files: map[string]string{"home/.config/pip/pip.conf": pipConf}},
		{name: "another folder of configuration", env: map[string]string{"XDG_CONFIG_HOME": "$DIR/conf"},
			files:   map[string]string{"conf/pip/pip.conf": pipConf, "home/.config/pip/pip.conf": "[global]\nindex-url = https://not.example"},
			indexes: []string{"https://pip.example/simple"}},
		{name: "uv's files are stronger than pip's",
			files: map[string]string{
				"project/pyproject.toml": "[project]\nname = 'x'\n[[tool.uv.index]]\nname = 'torch'\nurl = 'https://torch.example/whl'\nexplicit = true\n" +
					"[[tool.uv.index]]\nurl = 'https://team.example/simple'\n",
				"home/.config/uv/uv.toml":   "index-url = 'https://uv.example/simple'\n[[index]]\nurl = 'https://weaker.example'\ndefault = true\n[[index]]\nurl='https://flat.example'\nformat='flat'",
				"root/etc/uv/uv.toml":       "extra-index-url = ['https://sys.example']\n[pip]\nindex-url = 'https://ignored.example'\n",
				"home/.config/pip/pip.conf": pipConf,
			},
			indexes: []string{"https://weaker.example", "https://team.example/simple", "https://sys.example"}},
		{name: "uv.toml hides pyproject.toml",
			files: map[string]string{
				"project/pyproject.toml": "[tool.uv]\nindex-url = 'https://not.example'\n",
				"project/uv.toml":        "index-url = 'https://uv.example'\n",
			},
			indexes: []string{"https://uv.example"}},
		{name: "no files of uv's", env: map[string]string{"UV_NO_CONFIG": "1"},
			files: map[string]string{"project/uv.toml": "index-url = 'https://uv.example'\n"}},
		{name: "a layer's indexes have names and logins, no more",
			env: map[string]string{"UV_INDEX_TEAM_PASSWORD": "pw", "UV_INDEX_TEAM_USERNAME": "me"},
			files: map[string]string{
				"project/services/pyproject.toml":     "[[tool.uv.index]]\nname = 'team'\nurl = 'https://team.example/simple'\n[[tool.uv.index]]\nname='here'\nurl='./wheels'",
				"project/services/api/pyproject.toml": "[project]\nname = 'api'\n",
			},
			logins: []string{"https://team.example me pw"}},
		{name: "netrc",
			env: map[string]string{"NETRC": "$DIR/netrc", "PIP_INDEX_URL": "http://Plain.example:8080/simple", "PIP_EXTRA_INDEX_URL": "https://own:pw@known.example"},
			files: map[string]string{"netrc": "# machine no.example login x password y\nmachine plain.example\n\tlogin me\n\tpassword #a\"b\n" +
				"machine known.example login other password other\nmachine quoted.example login \"a b\" account x password \"c\\\"d\\\\\"\n" +
				"macdef init\nmachine macro.example login a password b\n\nmachine last.example password p login l\ndefault login anybody password anything\n"},
			indexes: []string{"http://Plain.example:8080/simple", "https://known.example"},
			logins: []string{"http://plain.example:8080 me #a\"b", "https://known.example own pw", "https://plain.example:* me #a\"b",
				"https://known.example:* other other", "https://quoted.example:* a b c\"d\\", "https://last.example:* l p"}},
		{name: "the home's netrc", env: map[string]string{"PIP_INDEX_URL": "https://me@two.example"},
			files:   map[string]string{"home/.netrc": "machine two.example login you password a machine two.example login me password b"},
			indexes: []string{"https://two.example"},
			logins:  []string{"https://two.example me b", "https://two.example:* you a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Find(machine(t, test.env, test.files))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.Indexes, test.indexes) {
				t.Errorf("indexes %q, want %q", got.Indexes, test.indexes)
			}
			if l := logins(got.Logins); !slices.Equal(l, test.logins) {
				t.Errorf("logins %q, want %q", l, test.logins)
			}
			if got.Certificates != test.cert {
				t.Errorf("certificates %q, want %q", got.Certificates, test.cert)
			}
		})
	}
}

// TestFindErrors holds that what cannot be read is named, and no password shown.
func TestFindErrors(t *testing.T) {
	for _, test := range []struct {
		env, files map[string]string
		want       string
	}{
		{map[string]string{"PIP_INDEX_URL": "https://me:hush%zz@x.example"}, nil, "PIP_INDEX_URL: the address of a package index cannot be read"},
		{map[string]string{"UV_INDEX": "file:///wheels"}, nil, "UV_INDEX: a package index is reached by https or http only"},
		{nil, map[string]string{"project/uv.toml": "index-url = https://me:hush@x.example"}, "uv.toml: is no TOML that uv can read"},
		{nil, map[string]string{"home/.config/pip/pip.conf": "[global\nindex-url = https://me:hush@x.example"}, "pip.conf: is no configuration that pip can read"},
	} {
		_, err := Find(machine(t, test.env, test.files))
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.HasSuffix(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

// TestLoginHidden holds that no usual way of printing shows a password.
func TestLoginHidden(t *testing.T) {
	l := runtimes.Login{Scheme: "https", Host: "x.example", User: "me", Password: "hush"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, l) + fmt.Sprintf(verb, []runtimes.Login{l}); strings.Contains(got, "hush") || strings.Contains(got, "68757368") {
			t.Errorf("%s shows it: %s", verb, got)
		}
	}
	if data, err := json.Marshal(l); err == nil {
		t.Errorf("it can be written: %s", data)
	}
}

// TestFindGiven holds that a given login wins over all that is found, and is
// for http only where an index is.
func TestFindGiven(t *testing.T) {
	m := machine(t, map[string]string{
		"NETRC": "$DIR/netrc", "PIP_INDEX_URL": "https://own:pw@known.example:8443/simple",
		"PIP_EXTRA_INDEX_URL": "http://plain.example:8080/simple http://port.example/simple",
	}, map[string]string{"netrc": "machine known.example login a password b machine plain.example login a password b machine else.example login a password b"})
	m.Logins = []runtimes.Login{
		{Scheme: "https", Host: "port.example:80", User: "given"},
		{Scheme: "https", Host: "known.example", AnyPort: true, User: "given"},
		{Scheme: "https", Host: "plain.example", AnyPort: true, User: "given"},
	}
	got, err := Find(m)
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"https://known.example:8443/": "given",
		"https://known.example/":      "given",
		"http://known.example/":       "",
		"http://plain.example:8080/":  "given",
		"http://plain.example/":       "",
		"http://port.example/":        "given",
		"https://port.example/":       "",
		"https://else.example/":       "a",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if l, _ := runtimes.FindLogin(got.Logins, u); l.User != want {
			t.Errorf("%s: %q, want %q", address, l.User, want)
		}
	}
}

func TestFindLogin(t *testing.T) {
	all := []runtimes.Login{
		{Scheme: "https", Host: "x.example", User: "exact"},
		{Scheme: "http", Host: "x.example:8080", User: "port"},
		{Scheme: "https", Host: "x.example", AnyPort: true, User: "any"},
	}
	for address, want := range map[string]string{
		"https://x.example/a":         "exact",
		"https://X.EXAMPLE:443/a":     "exact",
		"https://x.example:8443/a":    "any",
		"http://x.example:8080/":      "port",
		"http://x.example/":           "",
		"https://sub.x.example/":      "",
		"https://x.example.evil.test": "",
		"https://x.example@evil.test": "",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := runtimes.FindLogin(all, u); got.User != want {
			t.Errorf("%s: %q, want %q", address, got.User, want)
		}
	}
}
