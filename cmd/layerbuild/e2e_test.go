//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// The tests here run the program against real package registries and the
// testbed's BuildKit; doc/testbed.md says what the variables mean.

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: make e2e sets it", name)
	}
	return value
}

const example = "../../testdata/examples/data-api"

// newSmallRunner makes a project of one layer, svc, with one small package of
// the example.
func newSmallRunner(t *testing.T) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	all, err := os.ReadFile(filepath.Join(example, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	pin := regexp.MustCompile(`(?m)^idna==.*(\n .*)*\n`).Find(all)
	if pin == nil {
		t.Fatal("the example does not lock idna")
	}
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	r.write("layerbuild.yaml", "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64]}\n")
	r.write("requirements.txt", string(pin))
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *runner) write(name, content string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o666); err != nil {
		r.t.Fatal(err)
	}
}

func (r *runner) read(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}

// lacks wants that a file is not there.
func (r *runner) lacks(name string) {
	r.t.Helper()
	if _, err := os.Lstat(filepath.Join(r.dir, name)); err == nil {
		r.t.Errorf("%s is there", name)
	}
}

// engineOf builds and returns the engine that the result names.
func (r *runner) engineOf(args ...string) string {
	r.t.Helper()
	stdout, _ := r.run(0, append([]string{"build", "--json"}, args...)...)
	var result struct {
		Layers []struct{ Engine string }
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Layers) != 1 {
		r.t.Fatalf("%v in %s", err, stdout)
	}
	return result.Layers[0].Engine
}

// TestLockFile: when layerbuild.lock is written, and when it is not.
func TestLockFile(t *testing.T) {
	r := newSmallRunner(t)
	const lock = "layerbuild.lock"
	python, _ := runtimes.Lookup("python3.11")
	image := python.Image

	// Locked, there is nothing to build with in a container.
	for _, env := range []string{"CI=true", "CI="} {
		r.env = []string{env}
		args := []string{"build", "--engine", "buildkit"}
		if env == "CI=" {
			args = append(args, "--locked")
		}
		_, stderr := r.run(2, args...)
		if !strings.Contains(stderr, "layerbuild.lock: lacks the digest of "+image) || !strings.Contains(stderr, "layerbuild: hint: run: layerbuild lock") {
			t.Errorf("%s: %s", env, stderr)
		}
	}
	r.lacks(lock)
	r.lacks(".layerbuild")
	if got := r.engineOf("--locked"); got != "direct" {
		t.Errorf("auto and locked, it is built by %q", got)
	}
	r.lacks(lock)
	direct := r.outputs()

	// The first build in a container writes it, later ones leave it alone.
	if got := r.engineOf("--no-cache"); got != "buildkit" {
		t.Errorf("built by %q", got)
	}
	first := r.read(lock)
	for _, want := range []string{image + ": sha256:", "uv:", "aarch64.whl: sha256:", "x86_64"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in layerbuild.lock:\n%s", want, first)
		}
	}
	before, err := os.Stat(filepath.Join(r.dir, lock))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--engine", "buildkit", "--no-cache"}, {"--locked", "--no-cache"}} {
		if got := r.engineOf(args...); got != "buildkit" {
			t.Errorf("%v: built by %q", args, got)
		}
		if after, err := os.Stat(filepath.Join(r.dir, lock)); err != nil || !os.SameFile(before, after) || !before.ModTime().Equal(after.ModTime()) {
			t.Errorf("%v: layerbuild.lock was written again (%v)", args, err)
		}
	}
	equalFolders(t, r.outputs(), direct)
}

// TestWrongPins: what is not what layerbuild.lock names is not used.
func TestWrongPins(t *testing.T) {
	r := newSmallRunner(t)
	r.run(0, "build", "--engine", "buildkit")
	good, want := r.read("layerbuild.lock"), r.outputs()
	if err := os.RemoveAll(filepath.Join(r.dir, ".layerbuild")); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, pattern string }{
		{"image", `(python:3.11: sha256:)[0-9a-f]{64}`},
		{"tool", `(\.whl: sha256:)[0-9a-f]{64}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r.t = t
			wrong := regexp.MustCompile(test.pattern).ReplaceAllString(good, "${1}"+strings.Repeat("ab", 32))
			r.write("layerbuild.lock", wrong)
			for _, locked := range []string{"--locked=true", "--locked=false"} {
				stdout, stderr := r.run(3, "build", "--engine", "buildkit", "--no-cache", locked)
				if stdout != "" || !strings.Contains(stderr, strings.Repeat("ab", 32)) || !strings.Contains(stderr, "layerbuild: hint: somebody changed") {
					t.Errorf("stdout %q, stderr %s", stdout, stderr)
				}
			}
			if r.read("layerbuild.lock") != wrong {
				t.Error("layerbuild.lock was changed")
			}
			if got := r.outputs(); len(got) > 0 || len(r.temporaries()) > 0 {
				t.Errorf("%d outputs, left behind: %v", len(got), r.temporaries())
			}
		})
	}
	r.t = t
	r.write("layerbuild.lock", good)
	r.run(0, "build", "--engine", "buildkit", "--no-cache", "--locked")
	equalFolders(t, r.outputs(), want)
}

// TestHostileInContainer: no trick of a wheel reaches a layer that a container
// built. uv refuses less than the direct engine does: it leaves out entries
// that lead out of the wheel, writes links as plain files, and unpacks what is
// packed too well. That stays in the container, and the layer is checked.
func TestHostileInContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for name, code := range map[string]int{"traversal": 0, "link": 0, "record": 1} {
		w := hostileWheels[name]()
		w.Name, w.Version = name, "1.0"
		if _, err := index.Add(w); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, index, "core==1.0", name+"==1.0")
			stdout, stderr := r.run(code, "build", "--engine", "buildkit")
			if code == 0 {
				wantPlainLayer(t, filepath.Join(r.dir, ".layerbuild/dist/svc.zip"))
				return
			}
			if stdout != "" || !strings.Contains(stderr, ": "+name+"-1.0-py3-none-any.whl: ") || !strings.Contains(stderr, "layerbuild: hint: ") {
				t.Errorf("stdout %q, stderr %s", stdout, stderr)
			}
			if got := r.outputs(); len(got) > 0 || len(r.temporaries()) > 0 {
				t.Errorf("%d outputs, left behind: %v", len(got), r.temporaries())
			}
		})
	}
}

// wantPlainLayer wants nothing but files below site-packages.
func wantPlainLayer(t *testing.T, file string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		if !f.Mode().IsRegular() || !filepath.IsLocal(f.Name) || !strings.HasPrefix(f.Name, "python/lib/python3.11/site-packages/") || strings.Contains(f.Name, "evil") {
			t.Errorf("%v %s", f.Mode(), f.Name)
		}
	}
}

// TestInterruptContainer: Ctrl-C and a polite kill end the container's step,
// too.
func TestInterruptContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	r := newRunner(t, index, "api==1.0", "core==1.0")
	interrupt(t, index, r, os.Interrupt, "--engine", "buildkit", "--no-cache")
	interrupt(t, index, r, syscall.SIGTERM, "--engine", "buildkit", "--no-cache")
	r.run(0, "build", "--engine", "buildkit")
	wantOutputs(t, r)
	inContainer := r.outputs()
	r.run(0, "build", "--engine", "direct", "--no-cache")
	equalFolders(t, r.outputs(), inContainer)
	if bytes.Contains(inContainer["svc.json"], []byte("127.0.0.1")) {
		t.Error("the manifest holds an address")
	}
}
