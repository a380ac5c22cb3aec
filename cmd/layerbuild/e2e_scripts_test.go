//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// scriptsProject has local packages with install scripts of every kind. The
// project's own must never run.
var scriptsProject = map[string]string{
	"package.json": `{"name": "app", "version": "1.0.0", "private": true, "scripts": {"preinstall": "exit 9", "postinstall": "exit 9"},
		"dependencies": {"addon": "file:./addon", "speaker": "file:./speaker"}}`,
	"addon/package.json": `{"name": "addon", "version": "1.0.0", "main": "index.js"}`,
	"addon/index.js":     `module.exports = require("./build/Release/addon.node")`,
	"addon/binding.gyp":  `{"targets": [{"target_name": "addon", "sources": ["addon.c"]}]}`,
	"addon/addon.c": `#include <node_api.h>
#ifdef __aarch64__
#define ARCH "arm64"
#else
#define ARCH "x86_64"
#endif
NAPI_MODULE_INIT() {
  napi_value arch;
  napi_create_string_utf8(env, ARCH, NAPI_AUTO_LENGTH, &arch);
  return arch;
}
`,
	"speaker/package.json": `{"name": "speaker", "version": "2.0.0", "dependencies": {"semver": "7.6.3"},
		"scripts": {"postinstall": "semver 1.2.3 > said.txt && test ! -e ../.bin && echo $npm_package_name >> said.txt && ln -s said.txt link.txt"}}`,
	"speaker/index.js": `module.exports = require("node:fs").readFileSync(__dirname + "/said.txt", "utf8")`,

	"failing/package.json":      `{"name": "app", "version": "1.0.0", "dependencies": {"loud": "file:./loud"}}`,
	"failing/loud/package.json": `{"name": "loud", "version": "1.0.0", "scripts": {"install": "echo the compiler is missing >&2; exit 3"}}`,
	"silent/package.json":       `{"name": "app", "version": "1.0.0", "dependencies": {"quiet": "file:./quiet"}}`,
	"silent/quiet/package.json": `{"name": "quiet", "version": "1.0.0", "scripts": {"install": "true"}}`,
	"silent/quiet/binding.gyp":  `{}`,
	"engines/package.json":      `{"name": "app", "version": "1.0.0", "dependencies": {"@prisma/engines": "6.2.1"}}`,
	"layerbuild.yaml": `defaults: {runtime: nodejs22.x, architectures: [x86_64]}
layers:
  none: {path: .}
  all: {path: ., allowScripts: [addon, speaker]}
  failing: {path: failing, allowScripts: [loud]}
  silent: {path: silent, allowScripts: [quiet]}
  engines: {path: engines, allowScripts: ["@prisma/engines"]}
`,
}

func newScriptsRunner(t *testing.T) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "a project"), data: t.TempDir()}
	for name, content := range scriptsProject {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, content)
	}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	return r
}

// lockNPM has the real npm lock the project in a folder.
func (r *runner) lockNPM(folder string) {
	r.t.Helper()
	npm := exec.Command(filepath.Join(setting(r.t, "LAYERBUILD_TEST_TOOLS"), "node/bin/npm"), "install", "--package-lock-only", "--ignore-scripts")
	npm.Dir = filepath.Join(r.dir, folder)
	if out, err := npm.CombinedOutput(); err != nil {
		r.t.Fatalf("npm: %v\n%s", err, out)
	}
}

// TestScripts: install scripts are run where they are allowed, with the
// commands and headers that they need, and give the same bytes wherever; nothing
// of them stays but their result.
func TestScripts(t *testing.T) {
	first, second := newScriptsRunner(t), newScriptsRunner(t)
	first.lockNPM(".")
	second.write("package-lock.json", first.read("package-lock.json"))

	_, stderr := first.run(0, "build", "none", "--no-cache")
	if want := "install scripts are not run: those of addon, speaker"; !strings.Contains(stderr, want) || !strings.Contains(stderr, "allowScripts: [addon, speaker]") {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
	if names := first.names("none"); slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "build/") || strings.Contains(name, "said") }) {
		t.Errorf("a script has run: %q", names)
	}
	first.run(0, "build", "all", "--no-cache")
	second.write("layerbuild.lock", first.read("layerbuild.lock"))
	second.run(0, "build", "all", "--no-cache", "--locked")
	if !slices.Equal(first.outputs()["all.zip"], second.outputs()["all.zip"]) {
		t.Error("scripts give other bytes in another folder")
	}
	const root = "nodejs/node_modules/"
	names := first.names("all")
	for _, want := range []string{"addon/build/Release/addon.node", "speaker/said.txt", "speaker/link.txt"} {
		if !slices.Contains(names, root+want) {
			t.Errorf("a script's result is missing, %s: %q", want, names)
		}
	}
	for _, name := range names {
		if strings.Contains(name, ".bin/") || strings.Contains(name, "obj.target") || strings.HasSuffix(name, "Makefile") || strings.HasSuffix(name, ".gypi") {
			t.Errorf("%s is in the layer", name)
		}
	}
	layers := readIndex(t, filepath.Join(first.dir, ".layerbuild/dist/layers.json"))
	i := slices.IndexFunc(layers, func(l indexed) bool { return l.File == "all.zip" })
	printed := runNodeInImage(t, "x86_64", filepath.Join(first.dir, ".layerbuild/dist/all.zip"), layers[i].SHA256,
		`console.log("RESULT", require("addon"), JSON.stringify(require("speaker")))`)
	if want := `RESULT x86_64 "1.2.3\nspeaker\n"`; !strings.Contains(printed, want) {
		t.Errorf("not printed: %s\n%s", want, printed)
	}
	if _, stderr := first.run(2, "build", "all", "--engine", "direct", "--no-cache"); !strings.Contains(stderr, "install scripts are to be run, of addon") {
		t.Errorf("not said:\n%s", stderr)
	}
}

// TestScriptsFail: a script that fails, and one that does not and yet leaves
// nothing, end the build; nothing is written.
func TestScriptsFail(t *testing.T) {
	r := newScriptsRunner(t)
	for layer, want := range map[string][]string{
		"failing": {"the install script of loud 1.0.0 failed", "the compiler is missing"},
		"silent":  {"quiet 1.0.0: its install scripts ended well, and left no compiled addon"},
		"engines": {"@prisma/engines"},
	} {
		r.lockNPM(layer)
		_, stderr := r.run(1, "build", layer, "--no-cache")
		for _, text := range want {
			if !strings.Contains(stderr, text) {
				t.Errorf("%s: not said: %s\n%s", layer, text, stderr)
			}
		}
		r.lacks(".layerbuild/dist/" + layer + ".zip")
	}
}
