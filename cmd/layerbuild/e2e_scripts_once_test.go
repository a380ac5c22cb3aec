//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// newAddonRunner makes a project of layers with the addon of [scriptsProject] and
// with packages whose scripts meddle with others, and a remote cache. What must
// run on the layers' architecture goes to a builder of its own: ran tells whether
// something did since it was asked last.
func newAddonRunner(t *testing.T, share string) (r *runner, ran func() bool) {
	t.Helper()
	r = newScriptsRunner(t)
	socket, used := relay(t, strings.TrimPrefix(setting(t, "BUILDKIT_HOST"), "unix://"))
	for name, content := range map[string]string{
		"one/package.json": `{"name": "one", "version": "1.0.0", "dependencies": {"addon": "file:../addon"}}`,
		"two/package.json": `{"name": "two", "version": "2.0.0", "dependencies": {"addon": "file:../addon", "semver": "7.6.3"}}`,
		"odd/package.json": `{"name": "odd", "version": "1.0.0", "dependencies": {"meddler": "file:./meddler", "needy": "file:./needy", "semver": "7.6.3"}}`,

		"odd/meddler/package.json": `{"name": "meddler", "version": "1.0.0", "dependencies": {"semver": "7.6.3"},
			"scripts": {"install": "echo 1 > ../semver/meddled.js"}}`,
		"odd/needy/package.json": `{"name": "needy", "version": "1.0.0",
			"scripts": {"install": "node -p 'require(\"semver\").major(\"3.2.1\")' > major.txt"}}`,

		"layerbuild.yaml": `defaults: {runtime: nodejs22.x, architectures: [x86_64]}
builder: {architectures: {x86_64: "unix://` + socket + `"}}
layers:
  one: {path: one, allowScripts: [addon]}
  two: {path: two, allowScripts: [addon]}
  meddler: {path: odd, allowScripts: [meddler]}
  needy: {path: odd, allowScripts: [needy]}
cache: {remotes: [{url: "file://` + share + `", push: true}]}
`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, content)
	}
	return r, func() bool { return used.Swap(false) }
}

// TestScriptsOnce: what an install script compiles for one layer, it does not
// compile again for another layer, nor on another machine that shares a cache.
func TestScriptsOnce(t *testing.T) {
	const addon = "nodejs/node_modules/addon/build/Release/addon.node"
	share := t.TempDir()
	first, ran := newAddonRunner(t, share)
	second, ranThere := newAddonRunner(t, share)
	first.lockNPM("one")
	first.lockNPM("two")
	first.run(0, "build", "one")
	if !ran() {
		t.Error("nothing was compiled where it belongs")
	}
	if names := first.names("one"); !slices.Contains(names, addon) {
		t.Errorf("the layer holds %q", names)
	}
	first.run(0, "build", "two")
	if ran() {
		t.Error("compiled again for another layer")
	}
	// The other machine has a layer that nobody has built.
	second.write("layerbuild.lock", first.read("layerbuild.lock"))
	second.write("two/package-lock.json", first.read("two/package-lock.json"))
	second.write("layerbuild.yaml", strings.Replace(second.read("layerbuild.yaml"), "path: two", "path: two, excludeFiles: [\"**/semver/README.md\"]", 1))
	second.run(0, "build", "two", "--locked")
	if ranThere() {
		t.Error("compiled again on another machine")
	}
	if names := second.names("two"); !slices.Contains(names, addon) || !slices.Contains(names, "nodejs/node_modules/semver/package.json") {
		t.Errorf("the layer holds %q", names)
	}
	layers := readIndex(t, filepath.Join(second.dir, ".layerbuild/dist/layers.json"))
	printed := runNodeInImage(t, "x86_64", filepath.Join(second.dir, ".layerbuild/dist/two.zip"), layers[0].SHA256, `console.log("RESULT", require("addon"))`)
	if !strings.Contains(printed, "RESULT x86_64") {
		t.Errorf("the addon does not work:\n%s", printed)
	}
}

// TestScriptsNotApart: scripts that write to other packages, or need packages that
// theirs does not name, are run in the layer's own tree.
func TestScriptsNotApart(t *testing.T) {
	r, _ := newAddonRunner(t, t.TempDir())
	r.lockNPM("odd")
	for layer, want := range map[string]struct{ note, file string }{
		"meddler": {"meddler 1.0.0 cannot be made apart from the layer, and is made anew for it: it changes node_modules/semver/meddled.js", "semver/meddled.js"},
		"needy":   {"needy 1.0.0 cannot be made apart from the layer, and is made anew for it: without the layer's other packages it fails", "needy/major.txt"},
	} {
		if _, stderr := r.run(0, "build", layer); !strings.Contains(stderr, want.note) {
			t.Errorf("%s: not said: %s\n%s", layer, want.note, stderr)
		}
		if names := r.names(layer); !slices.Contains(names, "nodejs/node_modules/"+want.file) {
			t.Errorf("%s: the layer holds %q", layer, names)
		}
		first := r.outputs()[layer+".zip"]
		r.run(0, "build", layer, "--no-cache")
		if !slices.Equal(first, r.outputs()[layer+".zip"]) {
			t.Errorf("%s: other bytes at another time", layer)
		}
	}
}
