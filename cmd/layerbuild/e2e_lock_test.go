//go:build e2e

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// open are ten packages without a version, and one that is published as source
// only.
var open = []string{"requests", "boto3", "pydantic", "cryptography", "numpy", "PyYAML", "jinja2", "click", "attrs", "httpx", "docopt==0.6.2"}

// TestLock: what versions are left open is decided once, in layerbuild.lock,
// whatever the indexes offer later: packages, build backends, uv.
func TestLock(t *testing.T) {
	first := newLockRunner(t)
	_, stderr := first.run(2, "build", "--locked")
	if !strings.Contains(stderr, "11 requirements are not locked") || !strings.Contains(stderr, "hint: run: layerbuild lock") {
		t.Errorf("not said:\n%s", stderr)
	}
	first.run(2, "lock", "--check")
	first.lacks("layerbuild.lock")
	stdout, _ := first.run(0, "lock")
	for _, want := range []string{"added requests ", "added urllib3 ", "added uv ", "build of docopt 0.6.2", "added setuptools "} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lock does not say %q:\n%s", want, stdout)
		}
	}
	lock := first.read("layerbuild.lock")
	first.run(0, "lock", "--check")
	first.run(0, "build", "--locked", "--engine", "buildkit", "--no-cache")
	want := first.outputs()

	// A year later, on another machine.
	newer, err := wheelhouse.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer newer.Close()
	for _, name := range append([]string{"setuptools", "wheel", "uv", "urllib3", "pydantic-core"}, open[:10]...) {
		name = strings.ToLower(name)
		w := wheelhouse.Wheel{Name: name, Version: "9999.0", Files: map[string]string{strings.ReplaceAll(name, "-", "_") + ".py": "raise SystemExit('the newer one')\n"}}
		if _, err := newer.Add(w); err != nil {
			t.Fatal(err)
		}
	}
	later := newLockRunner(t)
	later.env = append(later.env, "PIP_EXTRA_INDEX_URL="+newer.SimpleURL(), "TZ=Asia/Kolkata")
	later.write("layerbuild.lock", lock)
	later.run(0, "lock", "--check")
	if stdout, _ := later.run(0, "lock"); !strings.Contains(stdout, "is up to date") || later.read("layerbuild.lock") != lock {
		t.Errorf("the lock moved:\n%s", stdout)
	}
	later.run(0, "build", "--locked", "--engine", "buildkit", "--no-cache")
	equalFolders(t, later.outputs(), want)
	if newer.Requests() == 0 {
		t.Error("the newer index was never asked")
	}

	// Only who asks for newer ones gets them.
	var result struct {
		Changes []struct{ Name, To string }
	}
	stdout, _ = later.run(0, "lock", "--upgrade", "click", "--json")
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Changes) != 1 || result.Changes[0].Name != "click" || result.Changes[0].To != "9999.0" {
		t.Errorf("upgraded %+v, want click alone (%v)\n%s", result.Changes, err, stdout)
	}
	later.run(2, "lock", "--upgrade", "no-such-package")
}

func newLockRunner(t *testing.T) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	r.write("layerbuild.yaml", "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64]}\n")
	r.write("requirements.txt", strings.Join(open, "\n")+"\n")
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	return r
}
