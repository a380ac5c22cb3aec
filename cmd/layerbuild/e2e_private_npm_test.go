//go:build e2e

package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/verdaccio"
)

// privateNPM is a project with a layer of each of Node.js's package managers,
// which all need a package that a registry shows to nobody without a login.
type privateNPM struct {
	*private
	registry *verdaccio.Server
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
	p := &privateNPM{newPrivate(t, "greet", registry.URL, verdaccio.User, registry.Password), registry}
	p.secrets = append(p.secrets, registry.Token)

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

func quote(text string) string { return `"` + strings.ReplaceAll(text, `"`, `\"`) + `"` }

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
