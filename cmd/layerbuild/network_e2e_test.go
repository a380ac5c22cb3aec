//go:build e2e

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// A company's network, as real as loopback allows: a private package index
// (pypiserver) that demands a password and is reached only through a proxy
// that ends TLS with the company's own authority. Nothing else can be reached:
// not the hosts that the lock files name either.

const (
	companyHost = "packages.company.example"
	companyUser = "ci"
)

// company is that network, with a project in it.
type company struct {
	program  string
	proxy    *tlsProxy
	password string
	project  string // its folder, with layerbuild.yaml
	server   *exec.Cmd
}

func newCompany(t *testing.T) *company {
	t.Helper()
	dir := t.TempDir()
	c := &company{
		program: filepath.Join(dir, "layerbuild"),
		// As hard as a netrc and an address can be.
		password: "hush;:@#&%/+" + rand.Text(),
		project:  filepath.Join(dir, "project with spaces"),
	}
	if out, err := exec.Command("go", "build", "-o", c.program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wheels := filepath.Join(dir, "wheels")
	demo := c.wheel(t, wheels, "demo")
	other := c.wheel(t, wheels, "other")
	python := filepath.Join(dir, "venv", "bin", "python")
	for _, args := range [][]string{
		{"python3", "-m", "venv", filepath.Join(dir, "venv")},
		{python, "-m", "pip", "install", "-q", "pypiserver==2.4.2", "passlib==1.7.4"},
		{python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--platform", "manylinux2014_x86_64", "-d", wheels, "uv==0.13.9"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	c.proxy = newTLSProxy(t, companyHost, c.serve(t, dir, wheels))

	for name, text := range map[string]string{
		"layerbuild.yaml":    "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  api: {path: api}\n  jobs: {path: jobs}\n",
		"api/pyproject.toml": "[project]\nname = 'app'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = ['demo']\n",
		"api/uv.lock": fmt.Sprintf(`version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "app"
version = "1"
source = { virtual = "." }
dependencies = [
    { name = "demo" },
]

[package.metadata]
requires-dist = [{ name = "demo" }]

[[package]]
name = "demo"
version = "1.0"
source = { registry = "https://public.example/simple" }
wheels = [
    { url = "https://files.public.example/%s", hash = "sha256:%s", size = %d },
]
`, demo.Name, demo.SHA256, len(demo.Data)),
		"jobs/requirements.txt": "other==1.0 --hash=sha256:" + other.SHA256 + "\n",
	} {
		c.write(t, filepath.Join(c.project, name), text)
	}
	return c
}

func (c *company) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *company) wheel(t *testing.T, folder, name string) wheelhouse.File {
	t.Helper()
	f, err := wheelhouse.Wheel{Name: name, Version: "1.0", Files: map[string]string{name + ".py": "x = 1\n"}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, filepath.Join(folder, f.Name), string(f.Data))
	return f
}

// serve starts pypiserver and returns its address.
func (c *company) serve(t *testing.T, dir, wheels string) string {
	t.Helper()
	sum := sha1.Sum([]byte(c.password))
	htpasswd := filepath.Join(dir, "htpasswd")
	c.write(t, htpasswd, companyUser+":{SHA}"+base64.StdEncoding.EncodeToString(sum[:])+"\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	l.Close()
	c.server = exec.Command(filepath.Join(dir, "venv", "bin", "pypi-server"), "run", "-i", "127.0.0.1", "-p", port,
		"-P", htpasswd, "-a", "update,list,download", "--hash-algo", "sha256", "--disable-fallback", wheels)
	if err := c.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.stop)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/simple/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("the index does not ask for a password: %s", resp.Status)
			}
			return address
		}
		select {
		case <-ctx.Done():
			t.Fatal("pypiserver does not answer")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *company) stop() {
	_ = c.server.Process.Kill() // it may be gone already
	_ = c.server.Wait()
}

// user is somebody with a home folder and a machine's variables.
type user struct {
	home string
	env  []string
}

func (c *company) user(t *testing.T, env ...string) user {
	t.Helper()
	home := t.TempDir()
	return user{home, append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "BUILDKIT_HOST=" + os.Getenv("BUILDKIT_HOST"),
		"LAYERBUILD_CACHE_DIR=" + filepath.Join(home, "cache"), "HTTPS_PROXY=" + c.proxy.address(), "COLUMNS=" + oneLine,
	}, env...)}
}

// build runs layerbuild with the given arguments.
func (c *company) build(t *testing.T, u user, args ...string) (output string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, append([]string{"build", "-v"}, args...)...)
	cmd.Dir, cmd.Env = c.project, u.env
	out, err := cmd.CombinedOutput()
	t.Logf("layerbuild %q: %v\n%s", args, err, out)
	c.secretIsNowhere(t, "the output", out)
	return string(out), err
}

// secretIsNowhere fails where data shows the password in any of its forms.
func (c *company) secretIsNowhere(t *testing.T, where string, data []byte) {
	t.Helper()
	for _, form := range []string{
		c.password, url.QueryEscape(c.password), url.PathEscape(c.password), url.UserPassword("", c.password).String(),
		base64.StdEncoding.EncodeToString([]byte(companyUser + ":" + c.password)),
		c.password[len(c.password)-26:], // its random part
		strings.TrimPrefix(c.proxy.login, "corp:"), base64.StdEncoding.EncodeToString([]byte(c.proxy.login)),
	} {
		if bytes.Contains(data, []byte(form)) {
			t.Errorf("%s shows the password as %q", where, form)
		}
	}
}

// searched looks for the password in every file below a folder but those
// named.
func (c *company) searched(t *testing.T, dir string, except ...string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || slices.Contains(except, path) {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		c.secretIsNowhere(t, path, data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files below %s were searched", n, dir)
}

func (c *company) layers(t *testing.T, output string) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"api.zip", "jobs.zip"} {
		data, err := os.ReadFile(filepath.Join(output, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return string(all)
}

// secretSources are the ways by which layerbuild.yaml takes the password, which
// also lies in a file outside the project. The command counts its runs.
func (c *company) secretSources(t *testing.T) map[string]string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	c.write(t, token, c.password+"\n")
	configs := make(map[string]string)
	for name, source := range map[string]string{
		"env":     "{env: COMPANY_TOKEN}",
		"file":    fmt.Sprintf("{file: %q}", token),
		"command": fmt.Sprintf("{command: [sh, -c, 'echo >> ran; cat \"$0\"', %q]}", token),
	} {
		configs[name] = filepath.Join(c.project, name+".yaml")
		c.write(t, configs[name], fmt.Sprintf("defaults: {runtime: python3.11, architectures: [x86_64]}\n"+
			"layers: {api: {path: api}, jobs: {path: jobs}, open: {path: open}}\n"+
			"secrets: {%s: {user: %s, password: %s}}\n", companyHost, companyUser, source))
	}
	c.write(t, filepath.Join(c.project, "open", "requirements.txt"), "demo\nother\n")
	return configs
}

// buildWithSecrets builds with an engine and the password from each source,
// with a layer that is resolved first; pip and .netrc have a wrong one. It
// returns the configuration that takes the password from COMPANY_TOKEN.
func (c *company) buildWithSecrets(t *testing.T, engine, index, ca, want string) (config string) {
	t.Helper()
	configs := c.secretSources(t)
	lock, ran := filepath.Join(c.project, "layerbuild.lock"), filepath.Join(c.project, "ran")
	pins, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	for source, config := range configs {
		t.Run("secret from "+source, func(t *testing.T) {
			u := c.user(t, ca, "PIP_INDEX_URL="+strings.Replace(index, "//", "//ci:guess@", 1))
			c.write(t, filepath.Join(u.home, ".netrc"), "machine "+companyHost+" login "+companyUser+" password guess\n")
			if source == "env" {
				u.env = append(u.env, "COMPANY_TOKEN="+c.password)
			}
			output := filepath.Join(t.TempDir(), "out")
			args := []string{"--config", config, "--engine", engine, "--output", output}
			if _, err := c.build(t, u, append(args, "--no-cache")...); err != nil {
				t.Fatal(err)
			}
			if c.layers(t, output) != want {
				t.Error("the layers differ from those with pip's login")
			}
			if now, err := os.ReadFile(lock); err != nil || bytes.Equal(now, pins) {
				t.Errorf("nothing was resolved: %v", err)
			}
			c.searched(t, u.home)
			c.searched(t, output)
			c.searched(t, c.project)
			if out, err := c.build(t, u, args...); err != nil || strings.Count(out, "hit") < 3 {
				t.Errorf("not from the cache: %v", err)
			}
			if source == "command" {
				if runs, err := os.ReadFile(ran); err != nil || len(runs) != 1 {
					t.Errorf("the command ran %d times, %v", len(runs), err)
				}
				if err := os.Remove(ran); err != nil {
					t.Error(err)
				}
			}
			c.write(t, lock, string(pins)) // with what the container needs alone
		})
	}
	return configs["env"]
}

func TestPrivateIndexBehindProxy(t *testing.T) {
	if os.Getenv("BUILDKIT_HOST") == "" {
		t.Fatal("BUILDKIT_HOST is not set")
	}
	c := newCompany(t)
	const index = "https://" + companyHost + "/simple/"
	inAddress := func(password string) string {
		return (&url.URL{Scheme: "https", Host: companyHost, Path: "/simple/", User: url.UserPassword(companyUser, password)}).String()
	}
	pipConf := func(u user, address string) string {
		name := filepath.Join(u.home, ".config", "pip", "pip.conf")
		c.write(t, name, "[global]\nindex-url = "+address+"\n")
		return name
	}
	ca := "AWS_CA_BUNDLE=" + c.proxy.ca
	layers := map[string]string{} // what each engine made
	for _, engine := range []string{"buildkit", "direct"} {
		t.Run(engine, func(t *testing.T) {
			u := c.user(t, ca)
			var secret string
			if engine == "buildkit" {
				secret = pipConf(u, inAddress(c.password))
			} else {
				secret = filepath.Join(u.home, ".netrc")
				c.write(t, secret, "machine "+companyHost+" login "+companyUser+" password "+c.password+"\n")
				u.env = append(u.env, "UV_DEFAULT_INDEX="+index)
			}
			output := filepath.Join(t.TempDir(), "out")
			if _, err := c.build(t, u, "--engine", engine, "--output", output, "--no-cache"); err != nil {
				t.Fatal(err)
			}
			layers[engine] = c.layers(t, output)
			asked, logins := c.proxy.seen()
			if len(asked) != 1 || asked[0] != companyHost || len(logins) != 1 || logins[0] != companyHost {
				t.Errorf("the proxy was asked for %q and saw logins for %q", asked, logins)
			}
			c.searched(t, u.home, secret)
			c.searched(t, output)
			c.searched(t, c.project)
			withSecret := c.buildWithSecrets(t, engine, index, ca, layers[engine])

			for _, bad := range []struct {
				name   string
				user   func(t *testing.T) user
				want   []string
				config string
			}{
				{name: "wrong password", user: func(t *testing.T) user {
					u := c.user(t, ca)
					pipConf(u, inAddress("guess"))
					return u
				}, want: []string{companyHost + " refuses the user or password (403 Forbidden) that /", "pip/pip.conf has for it", "hint: the password may be wrong or expired"}},
				{name: "wrong secret", config: withSecret, user: func(t *testing.T) user {
					return c.user(t, ca, "PIP_INDEX_URL="+index, "COMPANY_TOKEN=guess")
				}, want: []string{companyHost + " refuses the user or password (403 Forbidden) that secrets in env.yaml (COMPANY_TOKEN) has for it"}},
				{name: "no secret", config: withSecret, user: func(t *testing.T) user {
					return c.user(t, ca, "PIP_INDEX_URL="+index)
				}, want: []string{"env.yaml:3: the password for " + companyHost + ": COMPANY_TOKEN is not set", "hint: set the variable COMPANY_TOKEN"}},
				{name: "no password", user: func(t *testing.T) user {
					return c.user(t, ca, "PIP_INDEX_URL="+index)
				}, want: []string{companyHost + " wants a user and a password (401 Unauthorized), and none is known for it", "hint: give " + companyHost + " a login"}},
				{name: "no authority", user: func(t *testing.T) user {
					return c.user(t, "PIP_INDEX_URL="+inAddress(c.password))
				}, want: []string{"certificate signed by unknown authority", "hint: behind a TLS proxy, name its certificates with caBundle"}},
				{name: "no password for the proxy", user: func(t *testing.T) user {
					return c.user(t, ca, "PIP_INDEX_URL="+inAddress(c.password), "HTTPS_PROXY="+c.proxy.URL)
				}, want: []string{"the proxy", "wants a user and a password (407 Proxy Authentication Required), and none is known for it", "hint: the variable HTTPS_PROXY takes them"}},
			} {
				t.Run(bad.name, func(t *testing.T) {
					// The uv.lock's layer needs no index but for the wheel itself, so
					// the container is what fails; nothing of its daemon's is used.
					args := []string{"api", "--engine", engine, "--output", filepath.Join(t.TempDir(), "out")}
					if engine == "buildkit" {
						args = append(args, "--no-cache")
					}
					if bad.config != "" {
						args = append(args, "--config", bad.config)
					}
					out, err := c.build(t, bad.user(t), args...)
					if err == nil {
						t.Error("it was built")
					}
					for _, want := range bad.want {
						if !strings.Contains(out, want) {
							t.Errorf("the output does not say %q", want)
						}
					}
				})
			}
			c.proxy.seen()

			if engine == "direct" {
				// The network is cut: the downloads are there.
				c.proxy.stop()
				c.stop()
				offline := filepath.Join(t.TempDir(), "out")
				if _, err := c.build(t, u, "--engine", engine, "--output", offline, "--no-cache"); err != nil {
					t.Error(err)
				} else if c.layers(t, offline) != layers[engine] {
					t.Error("what was built offline differs")
				}
			}
		})
	}
	if layers["direct"] != layers["buildkit"] {
		t.Error("the engines differ")
	}
}
