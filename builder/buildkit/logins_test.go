package buildkit

import (
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/pb"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmRecipe asks a private registry for a package of a scope, and npm's own for
// the rest.
func npmRecipe() runtimes.Recipe {
	npmrc := runtimes.InlineFile{Path: "/layerbuild/npmrc", Data: []byte("@acme:registry=https://a.example/npm/\n"), Whereabouts: true, Logins: runtimes.Npmrc}
	yarnrc := runtimes.InlineFile{Path: "/tmp/.yarnrc.yml", Data: []byte("npmScopes:\n  acme:\n    npmRegistryServer: https://a.example/npm/\n"),
		Whereabouts: true, Logins: runtimes.YarnrcYML}
	return runtimes.Recipe{
		Runtime: "nodejs", Indexes: []string{"@acme:registry=https://a.example/npm/"},
		Packages: []runtimes.Package{
			{Name: "@acme/greet", Version: "1.0.0"},
			{Name: "ms", Version: "2.1.3", File: runtimes.File{URL: "https://files.example/ms/-/ms-2.1.3.tgz"}},
		},
		Container: &runtimes.Container{Image: "i@sha256:" + strings.Repeat("0", 64), Output: "/layer", Steps: []runtimes.Step{
			{Name: "install", Args: []string{"npm"}, Inputs: []runtimes.InlineFile{npmrc, yarnrc, {Path: "/x", Data: []byte("x")}},
				Caches: []runtimes.CacheMount{{ID: "npm", Path: "/cache", KeepsLogins: true}}},
			{Name: "run scripts", Args: []string{"node"}},
		}},
	}
}

func TestLoginFiles(t *testing.T) {
	token := runtimes.Login{Scheme: "https", Host: "a.example", Bearer: true, Password: "t0ken"}
	for _, test := range []struct {
		name          string
		logins        []runtimes.Login
		npmrc, yarnrc string
		err           string
	}{
		{name: "none", logins: []runtimes.Login{{Scheme: "https", Host: "other.example", Bearer: true, Password: "x"}, {Scheme: "http", Host: "a.example", User: "u", Password: "x"}}},
		{name: "a token", logins: []runtimes.Login{token},
			npmrc:  "@acme:registry=https://a.example/npm/\n//a.example/npm/:_authToken=t0ken\n//a.example/:_authToken=t0ken\n",
			yarnrc: "npmRegistries:\n    //a.example:\n        npmAlwaysAuth: true\n        npmAuthToken: t0ken\n    //a.example/npm:\n        npmAlwaysAuth: true\n        npmAuthToken: t0ken\nnpmScopes:\n    acme:\n        npmRegistryServer: https://a.example/npm/\n"},
		{name: "a password of npm's own registry and of a tarball's server",
			logins: []runtimes.Login{{Scheme: "https", Host: "npm.example", User: "me", Password: "p w;#${X}"}, {Scheme: "https", Host: "files.example", User: "you", Password: "pw"}},
			npmrc: "@acme:registry=https://a.example/npm/\n//npm.example/:username=me\n//npm.example/:_password=cCB3OyMke1h9\n" +
				"//files.example/:username=you\n//files.example/:_password=cHc=\n",
			yarnrc: "npmRegistries:\n    //files.example:\n        npmAlwaysAuth: true\n        npmAuthIdent: eW91OnB3\n    //npm.example:\n        npmAlwaysAuth: true\n        npmAuthIdent: bWU6cCB3OyMke1h9\nnpmScopes:\n    acme:\n        npmRegistryServer: https://a.example/npm/\n"},
		{name: "a token that is read as a variable", logins: []runtimes.Login{{Scheme: "https", Host: "a.example", Bearer: true, Password: "${HOME}", From: ".npmrc"}},
			err: "the user or token that .npmrc has for a.example cannot be given to a container"},
		{name: "a variable that is not set", logins: []runtimes.Login{{Scheme: "https", Host: "a.example", Lacks: "TOKEN"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, r := &Engine{NPM: "https://npm.example/", Logins: test.logins}, npmRecipe()
			files, err := e.loginFiles(r, test.logins)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) || e.Accepts(r) == nil {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := string(files["/layerbuild/npmrc"]); got != test.npmrc {
				t.Errorf("npmrc\n%s\nwant\n%s", got, test.npmrc)
			}
			if got := string(files["/tmp/.yarnrc.yml"]); got != test.yarnrc {
				t.Errorf(".yarnrc.yml\n%s\nwant\n%s", got, test.yarnrc)
			}
		})
	}
}

// TestLoginsAreSecrets: what is sent to the daemon has no login, and the step that
// runs packages' code is not given any.
func TestLoginsAreSecrets(t *testing.T) {
	r := npmRecipe()
	o := options()
	o.loginFiles = map[string]bool{"/layerbuild/npmrc": true, "/tmp/.yarnrc.yml": true}
	g, err := newGraph(t.Context(), r.Container, o)
	if err != nil {
		t.Fatal(err)
	}
	secrets := 0
	for _, data := range g.definition.Def {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		file := op.GetFile()
		for _, a := range file.GetActions() {
			if m := a.GetMkfile(); m != nil && m.Path != "/x" {
				t.Errorf("%s is in the graph", m.Path)
			}
		}
		exec := op.GetExec()
		for _, m := range exec.GetMounts() {
			if m.SecretOpt == nil {
				if m.Dest == "/cache" && m.CacheOpt != nil {
					t.Error("npm's cache outlives a step with logins")
				}
				continue
			}
			secrets++
			if exec.Meta.Args[0] != "npm" || m.SecretOpt.ID != "layerbuild-logins"+strings.ReplaceAll(m.Dest, "/", "-") || m.SecretOpt.Mode != 0o400 {
				t.Errorf("%q has the secret %v at %s", exec.Meta.Args, m.SecretOpt, m.Dest)
			}
		}
	}
	if secrets != 2 {
		t.Errorf("%d secrets", secrets)
	}
}

// TestRefusedLogin reads what npm 10, pnpm 10, yarn 1.22 and 4.18, and bun 1.4
// printed, in which ports may look like answers.
func TestRefusedLogin(t *testing.T) {
	logins := []runtimes.Login{{Scheme: "https", Host: "a.example:4403", Bearer: true, Password: "t", From: ".npmrc"}}
	const refused = "a.example:4403 refuses the token (401 Unauthorized) that .npmrc has for it"
	const tarball = "https://a.example:4403/npm/@acme/greet/-/greet-1.0.0.tgz"
	for _, test := range []struct{ name, lines, want string }{
		{"npm", "npm error code E401\nnpm error Unable to authenticate\nnpm http fetch GET 401 " + tarball + " 17ms (cache skip)", "fetch @acme/greet 1.0.0 from " + tarball + ": " + refused},
		{"npm, of a package's page", "npm http fetch GET 401 https://a.example:4403/npm/@acme%2fgreet 17ms", "fetch @acme/greet 1.0.0 from https://a.example:4403/npm/@acme%2fgreet: " + refused},
		{"pnpm", " ERR_PNPM_FETCH_401  GET " + tarball + ": Unauthorized - 401", "fetch @acme/greet 1.0.0 from " + tarball + ": " + refused},
		{"yarn 1", `error Error: ` + tarball + `: Request failed "401 Unauthorized"`, "fetch @acme/greet 1.0.0 from " + tarball + ": " + refused},
		{"yarn 4", "➤ YN0041: │ @acme/greet@npm:1.0.0: Invalid authentication (as an unknown user)", "fetch @acme/greet 1.0.0 from https://a.example:4403/npm/: " + refused},
		{"yarn 4, forbidden", "➤ YN0035: │ @acme/greet@npm:1.0.0: The remote server failed to provide the requested resource\n➤ YN0035: │   Response Code: 403 (Forbidden)\n➤ YN0035: │   Request URL: " + tarball,
			"fetch @acme/greet 1.0.0 from " + tarball + ": " + strings.Replace(refused, "401 Unauthorized", "403 Forbidden", 1)},
		{"bun", "error: GET " + tarball + " - 401", "fetch @acme/greet 1.0.0 from " + tarball + ": " + refused},
		{"something else", "npm error code E404\nnpm http fetch GET 404 " + tarball, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := npmRecipe()
			r.Indexes = []string{"@acme:registry=https://a.example:4403/npm/"}
			lines := strings.Split(test.lines, "\n")
			got := ""
			if err := refusedLogin(networkCause(lines, logins), lines, r, logins); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
	if got := redact("//a.example/:_authToken=npm_[hidden]"); got != "//a.example/:_authToken=***" {
		t.Errorf("redacted: %s", got)
	}
}
