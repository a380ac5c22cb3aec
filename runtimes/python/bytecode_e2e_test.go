//go:build e2e

package python

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/runtimes"
)

// odd is a wheel whose modules are hard to compile to the same bytes, or at
// all, and which brings bytecode of its own.
func odd(t *testing.T) testWheel {
	t.Helper()
	return makeWheel(t, "odd", map[string]string{
		"odd/__init__.py": `"""Sets, whose order is that of hashes, and names that other modules have, too."""
import os, sys

def known(x):
    return x in {None, ..., 'os', 'sys', 'asyncio', b'z', 1.5, 256, 257, ('a', None)}

def where():
    return known.__code__.co_filename

class Attributes:
    def set(self):
        self.path = self.name = self.zebra = self.apple = self.file = None
        return {'path', 'name', 'zebra', 'apple', 'file', None}
`,
		"odd/latin.py":                          "# -*- coding: latin-1 -*-\nname = '\xe4'\n",
		"odd/template.py":                       "{{ package }} = 1\n",
		"odd/two.py":                            "print 'Python 2'\n",
		"odd/nul.py":                            "x = 1\x00\n",
		"odd/empty.py":                          "",
		"odd/__pycache__/two.cpython-311.pyc":   "brought",
		"odd/__pycache__/empty.cpython-311.pyc": "brought",
		"odd/__pycache__/gone.cpython-313.pyc":  "brought",
	})
}

// bytecodeTarget is a target with bytecode, pinned to what the testbed has.
func bytecodeTarget(t *testing.T, runtime string) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup(runtime)
	if !ok {
		t.Fatalf("%s is unknown", runtime)
	}
	digest, err := engine(t).ResolveImage(t.Context(), info.Image)
	if err != nil {
		t.Fatal(err)
	}
	return runtimes.Target{Runtime: info, Arch: runtimes.X86_64, Bytecode: true, Pins: runtimes.Pins{
		Images: map[string]string{info.Image: digest},
		Tools:  map[string]runtimes.Tool{uvName: uvPin(t)},
	}}
}

// bytecodeRecipe is what [Runtime.Recipe] makes of packages for target.
func bytecodeRecipe(t *testing.T, target runtimes.Target, packages []runtimes.Package, indexes ...string) runtimes.Recipe {
	t.Helper()
	r := runtimes.Recipe{
		Target: target, Runtime: "python", Layout: layout, Prefix: prefixOf(target),
		Packages: packages, Bytecode: true, Indexes: indexes, LockFile: "uv.lock",
	}
	if r.Needs, r.Container = container(target, r); len(r.Needs) > 0 {
		t.Fatalf("needs %v", r.Needs)
	}
	return r
}

// layerOf runs r with nothing cached and returns the layer's files.
func layerOf(t *testing.T, r runtimes.Recipe) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	e := engine(t)
	e.NoCache = true
	var spool bytes.Buffer
	err := e.Install(ctx, r, &spool, func(u runtimes.Update) {
		if strings.Contains(u.Log, "compiled") {
			t.Log(u.Log)
		}
	})
	if failed := (*runtimes.InstallError)(nil); errors.As(err, &failed) {
		t.Log(strings.Join(failed.Lines, "\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	files, temporary, err := tree.ReadTar(ctx, &spool, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer temporary.Close()
	if _, err := (Runtime{}).Normalise(r, files); err != nil {
		t.Fatal(err)
	}
	layer := map[string]string{}
	for p, f := range files {
		data, err := f.ReadAll(1 << 30)
		if err != nil {
			t.Fatal(err)
		}
		layer[p] = string(data)
	}
	return layer
}

// TestBytecodeEqual compiles a layer in different places: all must give the
// same bytes, and Python must take them.
func TestBytecodeEqual(t *testing.T) {
	wheels := []testWheel{odd(t)}
	packages := append(download(t, []string{"any"}, "six==1.17.0", "idna==3.10", "jinja2==3.1.6", "typing_extensions==4.12.2"), wheels[0].pkg(""))
	slices.SortFunc(packages, func(a, b runtimes.Package) int { return strings.Compare(a.Name, b.Name) })
	for _, runtime := range []string{"python3.11", "python3.13"} {
		t.Run(runtime, func(t *testing.T) {
			target := bytecodeTarget(t, runtime)
			build := func(arch runtimes.Arch, indexes ...string) (runtimes.Recipe, map[string]string) {
				server := httptest.NewServer(wheelIndex(wheels, nil))
				defer server.Close()
				for i, index := range indexes {
					indexes[i] = strings.Replace(index, "HERE", server.URL+"/simple", 1)
				}
				r := bytecodeRecipe(t, target, packages, indexes...)
				r.Container.Arch = arch
				return r, layerOf(t, r)
			}
			r, first := build("", "HERE", "")
			t.Setenv("TZ", "Asia/Kolkata")
			t.Setenv("LC_ALL", "de_DE.UTF-8")
			t.Setenv("PYTHONHASHSEED", "7")
			_, second := build("", "", "HERE")
			sameLayer(t, "elsewhere", first, second)
			if runtime == "python3.11" { // the one that has an image of both
				_, third := build(runtimes.ARM64, "HERE", "")
				sameLayer(t, "by arm64's own Python", first, third)
			}
			if !t.Failed() {
				checkUse(t, r, first)
			}
		})
	}
}

func sameLayer(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if len(want) != len(got) {
		t.Errorf("%s: %d files, not %d", what, len(got), len(want))
	}
	for p, data := range want {
		if got[p] != data {
			t.Errorf("%s: %s differs", what, p)
		}
	}
}

// checkUse unpacks the layer to /opt of the runtime's image, and wants Python
// to take its bytecode.
func checkUse(t *testing.T, r runtimes.Recipe, layer map[string]string) {
	t.Helper()
	site, tag := r.Prefix+"/", strings.Replace(r.Target.Runtime.Version, ".", "", 1)
	for _, module := range []string{"odd/__init__", "odd/latin", "odd/empty", "six", "jinja2/environment"} {
		if layer[site+cachedName(module, tag)] == "" {
			t.Errorf("%s has no bytecode", module)
		}
	}
	for _, module := range []string{"odd/template", "odd/two", "odd/nul", "odd/gone"} {
		if _, ok := layer[site+cachedName(module, tag)]; ok {
			t.Errorf("%s has bytecode", module)
		}
	}

	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	for p, data := range layer {
		f, err := w.Create(p)
		if err == nil {
			_, err = f.Write([]byte(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	python := r.Target.Runtime.Interpreter
	env := []string{"LD_LIBRARY_PATH=/var/lang/lib:/opt/lib", "PATH=/var/lang/bin:/usr/bin:/bin", "PYTHONPATH=/opt/" + r.Prefix + ":/opt/python"}
	const use = "import odd, six, typing_extensions; print('RESULT', odd.where(), six.add_metaclass.__code__.co_filename)"
	r.Container = &runtimes.Container{Image: r.Container.Image, Output: "/out", Steps: []runtimes.Step{
		{Name: "unpack", Args: []string{python, "-m", "zipfile", "-e", "/in/layer.zip", "/opt"}, Env: env,
			Inputs: []runtimes.InlineFile{{Path: "/in/layer.zip", Data: archive.Bytes()}}},
		{Name: "import", Args: []string{"/bin/sh", "-c", `exec "$0" -v -c "$1" > /out/log 2>&1`, python, use}, Env: env},
	}}
	log := string(installed(t, engine(t), r)["log"])
	for _, want := range []string{
		"code object from '/opt/" + site + cachedName("odd/__init__", tag) + "'",
		"code object from '/opt/" + site + cachedName("six", tag) + "'",
		"code object from '/opt/" + site + cachedName("typing_extensions", tag) + "'",
		fmt.Sprintf("RESULT /opt/%sodd/__init__.py /opt/%[1]ssix.py", site),
	} {
		if !strings.Contains(log, want) {
			t.Errorf("python -v does not say: %s", want)
		}
	}
	for line := range strings.Lines(log) {
		// Compiled now, or written.
		if strings.Contains(line, "/opt/") && (strings.Contains(line, ".py'") && strings.Contains(line, "code object from") || strings.Contains(line, "wrote")) {
			t.Errorf("python -v says: %s", line)
		}
	}
}

// cachedName is where a module's bytecode lies.
func cachedName(module, tag string) string {
	dir, name := filepath.Split(module)
	return dir + "__pycache__/" + name + ".cpython-" + tag + ".pyc"
}

// TestCompileAlone: a module's bytecode does not depend on what else there is,
// and is what Python's own compileall makes.
func TestCompileAlone(t *testing.T) {
	python := os.Getenv("LAYERBUILD_TEST_PYTHON")
	if python == "" {
		t.Fatal("LAYERBUILD_TEST_PYTHON is not set: it names a Python")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "compile.py")
	if err := os.WriteFile(script, compileScript, 0o644); err != nil {
		t.Fatal(err)
	}
	library, err := exec.Command(python, "-c", "import json; print(json.__path__[0])").Output()
	if err != nil {
		t.Fatal(err)
	}
	fill := func(name string, packages ...string) string {
		site := filepath.Join(dir, name)
		for _, p := range packages {
			from := filepath.Join(filepath.Dir(strings.TrimSpace(string(library))), p)
			if err := os.CopyFS(filepath.Join(site, p), os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
		}
		return site
	}
	run := func(args ...string) {
		cmd := exec.Command(python, append([]string{"-s", "-S", "-B"}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONHASHSEED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	alone, many, theirs := fill("alone", "json"), fill("many", "asyncio", "email", "json"), fill("theirs", "json")
	run(script, "/opt/python", alone)
	run(script, "/opt/python", many)
	if err := os.RemoveAll(filepath.Join(theirs, "json/__pycache__")); err != nil {
		t.Fatal(err)
	}
	run("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", theirs, "-p", "/opt/python", theirs)
	want, err := filepath.Glob(filepath.Join(alone, "json/__pycache__/*.pyc"))
	if err != nil || len(want) < 5 {
		t.Fatal(want, err)
	}
	for _, file := range want {
		for _, other := range []string{many, theirs} {
			sameFile(t, file, filepath.Join(other, "json/__pycache__", filepath.Base(file)))
		}
	}

	// Under a random seed it compiles nothing.
	cmd := exec.Command(python, script, "/opt/python", alone)
	cmd.Env = append(os.Environ(), "PYTHONHASHSEED=random")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "PYTHONHASHSEED must be 0") {
		t.Errorf("with a random seed: %v\n%s", err, out)
	}
}

func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}
