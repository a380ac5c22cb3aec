//go:build e2e

package main

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// ownBackend is a build backend that lies in its project, and asks for six
// while it builds.
const ownBackend = `import os, zipfile

def get_requires_for_build_wheel(settings=None):
    return ["six>=1.16"]

def build_wheel(folder, settings=None, metadata=None):
    import six
    name = "dynamic-1.0-py3-none-any.whl"
    info = "dynamic-1.0.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as z:
        z.writestr("dynamic.py", "built_with = %r\n" % six.__name__)
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: dynamic\nVersion: 1.0\n")
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(info + "RECORD", "dynamic.py,,\n%sMETADATA,,\n%sWHEEL,,\n%sRECORD,,\n" % (info, info, info))
    return name
`

// newSourcesRunner makes a project of layers that are built from source.
func newSourcesRunner(t *testing.T) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for name, content := range map[string]string{
		"layerbuild.yaml": "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n" +
			"  lines: {path: lines}\n  space: {path: space}\n  dynamic: {path: dynamic, project: true}\n",

		"lines/requirements.txt":        "-e ./lib\ndocopt==0.6.2\nmarkupsafe==3.0.2\n--no-binary markupsafe\n",
		"lines/lib/pyproject.toml":      "[project]\nname = 'my-lib'\nversion = '1.2'\ndependencies = ['six==1.17.0']\n[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n",
		"lines/lib/my_lib/__init__.py":  "x = 1\n",
		"lines/lib/my_lib/drop.log":     "not tracked\n",
		"lines/lib/.gitignore":          "*.log\n",
		"space/pyproject.toml":          "[project]\nname = 'app'\nversion = '0.1'\nrequires-python = '>=3.11'\ndependencies = ['member']\n[tool.uv.workspace]\nmembers = ['member']\n[tool.uv.sources]\nmember = { workspace = true }\n",
		"space/member/pyproject.toml":   "[project]\nname = 'member'\nversion = '3'\nrequires-python = '>=3.11'\ndependencies = ['six==1.17.0']\n[build-system]\nrequires = ['setuptools']\n",
		"space/member/member/mod.py":    "y = 2\n",
		"space/member/member/data.json": "{}\n",
		"dynamic/pyproject.toml":        "[project]\nname = 'dynamic'\nversion = '1.0'\n[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['backend']\n",
		"dynamic/backend/own.py":        ownBackend,
		"dynamic/requirements.txt":      "-e .\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, content)
	}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	uv := exec.Command(setting(t, "LAYERBUILD_TEST_UV"), "lock", "--project", filepath.Join(r.dir, "space"))
	if out, err := uv.CombinedOutput(); err != nil {
		t.Fatalf("uv lock: %v\n%s", err, out)
	}
	return r
}

// TestSources: local projects, archives and what --no-binary names are built in
// a container, twice with equal bytes, and in two folders.
func TestSources(t *testing.T) {
	first, second := newSourcesRunner(t), newSourcesRunner(t)
	first.run(0, "build", "lines", "space")
	lock := first.read("layerbuild.lock")
	for _, want := range []string{"  docopt 0.6.2:", "  lines/lib:", "  markupsafe 3.0.2:", "  space/member:", "sam/build-python3.11:latest-x86_64"} {
		if !strings.Contains(lock, want) {
			t.Errorf("layerbuild.lock lacks %q:\n%s", want, lock)
		}
	}
	second.write("layerbuild.lock", lock)
	first.run(0, "build", "lines", "space", "--locked", "--no-cache")
	second.run(0, "build", "lines", "space", "--locked", "--no-cache")
	equalFolders(t, first.outputs(), second.outputs())

	const site = "python/lib/python3.11/site-packages/"
	lines, space := first.names("lines"), first.names("space")
	for _, want := range []string{"docopt.py", "markupsafe/_speedups.cpython-311-x86_64-linux-gnu.so", "my_lib/__init__.py", "my_lib-1.2.dist-info/METADATA", "six.py"} {
		if !slices.Contains(lines, site+want) {
			t.Errorf("lines lacks %s: %q", want, lines)
		}
	}
	for _, want := range []string{"member/mod.py", "member-3.dist-info/METADATA", "six.py"} {
		if !slices.Contains(space, site+want) {
			t.Errorf("space lacks %s: %q", want, space)
		}
	}
	for _, name := range slices.Concat(lines, space) {
		if strings.Contains(name, "drop.log") || strings.Contains(name, "direct_url") || strings.Contains(name, "app-0.1") {
			t.Errorf("%s is in a layer", name)
		}
	}

	// Another file that git ignores changes nothing, another source does.
	first.write("lines/lib/my_lib/more.log", "x")
	if stdout, _ := first.run(0, "build", "lines", "--locked"); !strings.Contains(stdout, "unchanged") && !strings.Contains(stdout, "hit") {
		t.Errorf("an ignored file builds again:\n%s", stdout)
	}
	first.write("lines/lib/my_lib/__init__.py", "x = 2\n")
	first.run(0, "build", "lines", "--locked")
	if slices.Equal(first.outputs()["lines.zip"], second.outputs()["lines.zip"]) {
		t.Error("another source gives the same layer")
	}
}

// TestSourcesDynamic: what only a build tells that it needs must be configured.
func TestSourcesDynamic(t *testing.T) {
	r := newSourcesRunner(t)
	_, stderr := r.run(1, "build", "dynamic")
	for _, want := range []string{
		"dynamic 1.0 asks for six>=1.16 while it is built, and layerbuild.lock does not have it",
		`buildRequires: {dynamic: ["six>=1.16"]}`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("not said: %s\n%s", want, stderr)
		}
	}
	r.write("layerbuild.yaml", strings.Replace(r.read("layerbuild.yaml"), "project: true", `project: true, buildRequires: {dynamic: ["six>=1.16"]}`, 1))
	_, stderr = r.run(2, "build", "dynamic", "--locked")
	if !strings.Contains(stderr, "layerbuild lock") {
		t.Errorf("not said:\n%s", stderr)
	}
	r.run(0, "build", "dynamic")
	if names := r.names("dynamic"); !slices.Contains(names, "python/lib/python3.11/site-packages/dynamic.py") {
		t.Errorf("the layer holds %q", names)
	}
}

// TestSourcesModule: what a build imports and does not ask for must be
// configured, too.
func TestSourcesModule(t *testing.T) {
	r := newSourcesRunner(t)
	r.write("dynamic/backend/own.py", strings.Replace(ownBackend, `["six>=1.16"]`, "[]", 1))
	_, stderr := r.run(1, "build", "dynamic")
	if want := "for example: buildRequires: {dynamic: [six]}"; !strings.Contains(stderr, want) {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
}

// names lists what a layer's archive holds.
func (r *runner) names(layer string) []string {
	r.t.Helper()
	z, err := zip.OpenReader(filepath.Join(r.dir, ".layerbuild/dist", layer+".zip"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

// TestLocalWheel: a wheel of the project is installed by either engine, with
// equal bytes.
func TestLocalWheel(t *testing.T) {
	r := newSourcesRunner(t)
	w, err := wheelhouse.Wheel{Name: "vendored", Version: "1.0", Files: map[string]string{"vendored.py": "v = 1\n"}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	r.write("lines/"+w.Name, string(w.Data))
	r.write("lines/requirements.txt", "./"+w.Name+"\n")
	r.run(0, "build", "lines", "--engine", "direct", "--no-cache")
	direct := r.outputs()
	if names := r.names("lines"); !slices.Contains(names, "python/lib/python3.11/site-packages/vendored.py") {
		t.Errorf("the layer holds %q", names)
	}
	r.run(0, "build", "lines", "--engine", "buildkit", "--no-cache")
	if !slices.Equal(direct["lines.zip"], r.outputs()["lines.zip"]) {
		t.Error("the engines differ")
	}
	r.write("lines/"+w.Name, string(w.Data[:len(w.Data)/2]))
	if _, stderr := r.run(1, "build", "lines", "--engine", "direct"); !strings.Contains(stderr, "broken zip") {
		t.Errorf("not said:\n%s", stderr)
	}
}
