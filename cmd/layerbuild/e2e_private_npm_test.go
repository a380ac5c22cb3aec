//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/verdaccio"
)

// privateNPM is a project with a layer of each of Node.js's package managers,
// which all need a package that a registry shows to nobody without a login.
type privateNPM struct {
	*runner
	registry *verdaccio.Server
	secrets  []string // what must be nowhere
	began    time.Time
}

func newPrivateNPM(t *testing.T, managers ...string) *privateNPM {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	tools := setting(t, "LAYERBUILD_TEST_TOOLS")
	registry, err := verdaccio.Start(t.TempDir(), tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Stop)
	p := &privateNPM{registry: registry, began: time.Now(), secrets: []string{
		registry.Token, registry.Password, base64.StdEncoding.EncodeToString([]byte(registry.Password)),
		base64.StdEncoding.EncodeToString([]byte(verdaccio.User + ":" + registry.Password)),
	}}
	p.runner = &runner{t: t}
	p.runner = p.machine(t.TempDir())

	// Another version each time: package managers' caches may have others.
	version := fmt.Sprintf("1.0.%d", p.began.Unix())
	put(t, filepath.Join(p.dir, "greet/package.json"), `{"name": "@acme/greet", "version": "`+version+`", "dependencies": {"ms": "2.1.3"}, "main": "greet.js"}`)
	put(t, filepath.Join(p.dir, "greet/greet.js"), "module.exports = "+quote(p.began.String())+"\n")
	if err := registry.Publish(filepath.Join(p.dir, "greet")); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(registry.URL, "http:")
	scope, login := "@acme:registry="+registry.URL+"/\n", host+"/:_authToken=${ACME_TOKEN}\n"
	home := t.TempDir()
	put(t, filepath.Join(home, ".npmrc"), login)
	var layers strings.Builder
	commands := map[string][]string{
		"npm":   {"npm", "install", "--package-lock-only"},
		"pnpm":  {"pnpm10", "install", "--lockfile-only"},
		"yarn":  {"yarn1", "install", "--ignore-scripts"},
		"berry": {"yarn4", "install", "--mode=update-lockfile"},
		"bun":   {"bun", "install", "--lockfile-only"},
	}
	for _, folder := range managers {
		lock := commands[folder]
		layers.WriteString("  " + folder + ": {path: " + folder + "}\n")
		put(t, filepath.Join(p.dir, folder+"/package.json"), `{"name": "app", "version": "1.0.0", "dependencies": {"@acme/greet": "`+version+`"}}`)
		if folder == "berry" {
			put(t, filepath.Join(p.dir, folder+"/.yarnrc.yml"), "npmScopes:\n  acme:\n    npmRegistryServer: "+registry.URL+"\n    npmAlwaysAuth: true\n    npmAuthToken: \"${ACME_TOKEN-}\"\n"+
				"unsafeHttpWhitelist: [127.0.0.1]\nnpmPreapprovedPackages: [\"@acme/*\"]\nenableGlobalCache: true\nglobalFolder: "+t.TempDir()+"\n")
		} else {
			put(t, filepath.Join(p.dir, folder, ".npmrc"), scope)
		}
		cmd := exec.Command(filepath.Join(tools, "node/bin", lock[0]), lock[1:]...)
		cmd.Dir = filepath.Join(p.dir, folder)
		cmd.Env = append(os.Environ(), "ACME_TOKEN="+registry.Token, "HOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", lock, err, out)
		}
		if err := os.RemoveAll(filepath.Join(p.dir, folder, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(p.dir, ".npmrc"), login)
	put(t, filepath.Join(p.dir, "layerbuild.yaml"), "defaults: {runtime: nodejs22.x, architectures: [x86_64]}\nlayers:\n"+layers.String())
	return p
}

// machine is one with an empty cache, for the project in dir.
func (p *privateNPM) machine(dir string) *runner {
	p.t.Helper()
	r := &runner{t: p.t, dir: dir, data: p.t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		p.t.Fatal(err)
	}
	return r
}

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

// fails has a build fail, with no output written.
func (p *privateNPM) fails(r *runner, wants []string, args ...string) {
	p.t.Helper()
	before := r.outputs()
	stdout, stderr := r.run(1, append([]string{"build"}, args...)...)
	if stdout != "" || len(r.temporaries()) > 0 {
		p.t.Errorf("%q: stdout %q, temporary %v", args, stdout, r.temporaries())
	}
	equalFolders(p.t, r.outputs(), before)
	for _, want := range append(wants, "greet", p.registry.URL) {
		if !strings.Contains(stderr, want) {
			p.t.Errorf("%q: no %q in\n%s", args, want, stderr)
		}
	}
	p.nowhere("the output", []byte(stderr))
}

// builds has a build succeed, and returns its archives.
func (p *privateNPM) builds(r *runner, args ...string) map[string][]byte {
	p.t.Helper()
	stdout, stderr := r.run(0, append([]string{"build", "-v"}, args...)...)
	p.nowhere("the output", []byte(stdout+stderr))
	archives := r.outputs()
	for name, data := range archives {
		p.nowhere(name, data)
	}
	for _, name := range args {
		if archive, ok := archives[name+".zip"]; ok {
			p.nowhere("the content of "+name, unzipped(p.t, archive))
		}
	}
	return archives
}

// unzipped is all that an archive holds.
func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range z.File {
		all.WriteString(f.Name + "\n")
		content, err := f.Open()
		if err == nil {
			_, err = all.ReadFrom(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// nowhere fails where data shows the registry's token or password.
func (p *privateNPM) nowhere(where string, data []byte) {
	p.t.Helper()
	for _, secret := range p.secrets {
		if bytes.Contains(data, []byte(secret)) {
			p.t.Errorf("%s shows the login", where)
		}
	}
}

// searched looks for the login in what a machine keeps, and in what the
// daemon's history and the daemon's files have got since the test began.
func (p *privateNPM) searched(r *runner) {
	p.t.Helper()
	for _, dir := range []string{r.data, r.dir} {
		for name, data := range readFolder(p.t, dir) {
			p.nowhere(filepath.Join(dir, name), data)
		}
	}
	searchDaemon(p.t, p.began, p.secrets)
}

// TestPrivateNPM builds with npm's lock file, in both engines: with the right
// login, and without one and with a wrong one, which are errors that say what to
// do.
func TestPrivateNPM(t *testing.T) {
	p := newPrivateNPM(t, "npm")
	r := p.runner
	none := []string{"wants a user and a password (401 Unauthorized), and none is known for it",
		"hint: give 127.0.0.1", "in .npmrc of the project or ~/.npmrc (//127.0.0.1"}
	unset := []string{"wants a login (401 Unauthorized), and ", ".npmrc has one with the variable ACME_TOKEN, which is not set",
		"hint: set the variable ACME_TOKEN where layerbuild runs"}
	wrong := []string{"refuses the token (401 Unauthorized) that ", ".npmrc has for it", "hint: it may be wrong or expired"}
	archives := map[string][]byte{}
	for _, engine := range []string{"buildkit", "direct"} {
		r := p.machine(r.dir)
		args := []string{"npm", "--engine", engine}
		p.fails(r, unset, args...)
		r.env = []string{"ACME_TOKEN="}
		p.fails(r, none, args...)
		r.env = []string{"ACME_TOKEN=guess"}
		p.fails(r, wrong, args...)

		r.env = []string{"ACME_TOKEN=" + p.registry.Token}
		archives[engine] = p.builds(r, args...)["npm.zip"]
		p.searched(r)

		// Another form of login, of the user's own file.
		home := t.TempDir()
		password := base64.StdEncoding.EncodeToString([]byte(p.registry.Password))
		host := strings.TrimPrefix(p.registry.URL, "http:")
		put(t, filepath.Join(home, ".npmrc"), host+"/:username="+verdaccio.User+"\n"+host+"/:_password="+password+"\n")
		user := p.machine(t.TempDir())
		for name, data := range readFolder(t, r.dir) {
			if name != ".npmrc" && !strings.HasPrefix(name, ".layerbuild") {
				put(t, filepath.Join(user.dir, name), string(data))
			}
		}
		user.env = []string{"HOME=" + home}
		if got := p.builds(user, append(args, "--no-cache")...)["npm.zip"]; !bytes.Equal(got, archives[engine]) {
			t.Errorf("%s: with a password the archive differs", engine)
		}
		p.searched(user)
	}
	if !bytes.Equal(archives["buildkit"], archives["direct"]) {
		t.Error("the engines differ")
	}
}

// TestPrivateManagers builds with the other package managers, in containers.
func TestPrivateManagers(t *testing.T) {
	managers := []string{"pnpm", "yarn", "berry", "bun"}
	p := newPrivateNPM(t, managers...)
	r := p.runner
	r.env = []string{"ACME_TOKEN="}
	p.fails(r, []string{"wants a user and a password (401 Unauthorized), and none is known for it"})
	r.env = []string{"ACME_TOKEN=" + p.registry.Token}
	p.builds(r)

	// What registries said is kept now, so that the containers are what fails.
	r.env = []string{"ACME_TOKEN=guess"}
	_, stderr := r.run(1, "build", "--no-cache")
	for _, name := range managers {
		if !regexp.MustCompile(`(?m)error: ` + name + ` .*install 2 packages.*: fetch @acme/greet 1\.0\.\d+ from ` + regexp.QuoteMeta(p.registry.URL) + `/.*refuses the token \(401 Unauthorized\)`).MatchString(stderr) {
			t.Errorf("not said of %s:\n%s", name, stderr)
		}
	}
	p.searched(r)
}
