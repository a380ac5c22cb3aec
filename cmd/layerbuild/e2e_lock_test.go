//go:build e2e

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
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
	moved := httptest.NewServer(later{newer.SimpleURL()})
	defer moved.Close()
	there := newLockRunner(t)
	there.env = append(there.env, "PIP_INDEX_URL="+moved.URL+"/simple", "TZ=Asia/Kolkata")
	there.write("layerbuild.lock", lock)
	there.run(0, "lock", "--check")
	if stdout, _ := there.run(0, "lock"); !strings.Contains(stdout, "is up to date") || there.read("layerbuild.lock") != lock {
		t.Errorf("the lock moved:\n%s", stdout)
	}
	there.run(0, "build", "--locked", "--engine", "buildkit", "--no-cache")
	equalFolders(t, there.outputs(), want)
	if newer.Requests() == 0 {
		t.Error("the newer index was never asked")
	}

	// Only who asks for newer ones gets them.
	var result struct {
		Changes []struct{ Name, To string }
	}
	stdout, _ = there.run(0, "lock", "--upgrade", "click", "--json")
	if err := json.Unmarshal([]byte(stdout), &result); err != nil || len(result.Changes) != 1 || result.Changes[0].Name != "click" || result.Changes[0].To != "9999.0" {
		t.Errorf("upgraded %+v, want click alone (%v)\n%s", result.Changes, err, stdout)
	}
	there.run(2, "lock", "--upgrade", "no-such-package")
}

// later is the ecosystem's own index as it will be: with what another index has
// in addition.
type later struct{ newer string }

func (l later) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page := map[string]any{"meta": map[string]any{"api-version": "1.1"}, "name": path.Base(r.URL.Path)}
	var files []any
	for _, index := range []string{direct.DefaultIndex(), l.newer} {
		base, err := url.JoinPath(index, path.Base(r.URL.Path), "/")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		got, err := pageOf(r.Context(), base)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		files = append(files, got...)
	}
	if len(files) == 0 {
		http.NotFound(w, r)
		return
	}
	page["files"] = files
	w.Header().Set("Content-Type", jsonPage)
	_ = json.NewEncoder(w).Encode(page)
}

const jsonPage = "application/vnd.pypi.simple.v1+json"

// pageOf lists the files of an index's page, with whole addresses.
func pageOf(ctx context.Context, base string) ([]any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", jsonPage)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	var page struct {
		Files []map[string]any `json:"files"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&page); err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	var files []any
	for _, f := range page.Files {
		address, err := answer.Request.URL.Parse(fmt.Sprint(f["url"]))
		if err != nil {
			return nil, err
		}
		files = append(files, map[string]any{"filename": f["filename"], "url": address.String(), "hashes": f["hashes"], "requires-python": f["requires-python"]})
	}
	return files, nil
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
