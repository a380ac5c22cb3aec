//go:build e2e

package resolver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// uvWheel is the pinned uv as a wheel for this machine.
var uvWheel = sync.OnceValues(func() (wheelhouse.File, error) {
	program, err := os.ReadFile(os.Getenv("LAYERBUILD_TEST_UV"))
	if err != nil {
		return wheelhouse.File{}, err
	}
	version := uvVersion()
	return wheelhouse.Wheel{
		Name: "uv", Version: version, Tag: "py3-none-" + platform,
		Files: map[string]string{programName(version, runtime.GOOS): string(program)},
	}.Build()
})

func uvVersion() string {
	out, _ := exec.Command(os.Getenv("LAYERBUILD_TEST_UV"), "--version").Output()
	fields := strings.Fields(string(out))
	if len(fields) < 2 {
		return ""
	}
	return fields[1]
}

// machine is a resolver with an index of its own, which has uv.
type machine struct {
	*Resolver
	index *wheelhouse.Index
	uv    runtimes.Tool
}

func newMachine(t *testing.T, wheels ...wheelhouse.Wheel) *machine {
	t.Helper()
	uv, err := uvWheel()
	if err != nil {
		t.Fatalf("LAYERBUILD_TEST_UV must name a uv: %v", err)
	}
	index, err := wheelhouse.Serve(wheels...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	index.AddFile("uv", uv)
	m := &machine{index: index, uv: runtimes.Tool{Version: uvVersion(), Files: []runtimes.File{{Name: uv.Name, SHA256: uv.SHA256}}}}
	m.Resolver = &Resolver{
		Engine: &direct.Engine{Downloads: &downloads{}, Client: http.DefaultClient},
		Folder: t.TempDir(),
	}
	return m
}

func (m *machine) question(requirements ...string) runtimes.Question {
	return runtimes.Question{
		Ecosystem: "pypi", Name: "requirements.txt", Places: []runtimes.Place{onLambda("python3.11", runtimes.X86_64)},
		Requirements: requirements, Indexes: []string{m.index.SimpleURL()},
	}
}

// versions resolves and returns the requirements of the answer.
func (m *machine) versions(t *testing.T, q runtimes.Question, earlier []runtimes.Pinned, upgrade ...string) ([]string, []runtimes.Pinned) {
	t.Helper()
	answer, err := m.Resolve(t.Context(), q, m.uv, earlier, upgrade)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range answer {
		texts = append(texts, p.Requirement)
	}
	return texts, answer
}

func equal(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func aWheel(name, version string, requires ...string) wheelhouse.Wheel {
	return wheelhouse.Wheel{Name: name, Version: version, Files: map[string]string{name + ".py": "# " + version}, Requires: requires}
}

func TestKeepsAndUpgrades(t *testing.T) {
	m := newMachine(t, aWheel("app", "1.0", "lib>=1", `extra-tool; sys_platform == "win32"`), aWheel("lib", "1.0"), aWheel("extra-tool", "2.0"))
	q := m.question("app", "Lib")
	first, answer := m.versions(t, q, nil)
	equal(t, first, []string{"app==1.0", "lib==1.0"})
	for _, p := range answer {
		name, _, _ := strings.Cut(p.Requirement, "==")
		if want := []string{m.index.Files(name)[0].SHA256}; !slices.Equal(p.SHA256, want) {
			t.Errorf("%s has the hashes %v, want %v", name, p.SHA256, want)
		}
	}

	late := aWheel("lib", "1.0")
	late.Tag = "cp311-cp311-manylinux_2_17_x86_64" // its version has been locked without it
	for _, w := range []wheelhouse.Wheel{aWheel("app", "1.1", "lib>=1"), aWheel("lib", "1.1"), late} {
		if _, err := m.index.Add(w); err != nil {
			t.Fatal(err)
		}
	}
	again, kept := m.versions(t, q, answer)
	equal(t, again, first)
	if !reflect.DeepEqual(kept, answer) {
		t.Errorf("with its own answer it gives\n%v\nand not\n%v", kept, answer)
	}
	one, _ := m.versions(t, q, answer, "lib")
	equal(t, one, []string{"app==1.0", "lib==1.1"})
	all, newest := m.versions(t, q, answer, "*")
	equal(t, all, []string{"app==1.1", "lib==1.1"})

	other := newMachine(t)
	other.index = m.index
	_, elsewhere := other.versions(t, q, nil)
	if !reflect.DeepEqual(elsewhere, newest) {
		t.Errorf("another machine answers\n%v\nand not\n%v", elsewhere, newest)
	}
}

// marker is a setup.py that would be seen to run.
func marker(t *testing.T) (setup string, ran func() bool) {
	file := filepath.Join(t.TempDir(), "ran")
	return "open(" + "r'" + file + "', 'w').close()\nfrom setuptools import setup\nsetup()\n", func() bool {
		_, err := os.Stat(file)
		return !errors.Is(err, fs.ErrNotExist)
	}
}

func TestSourcesAreReadNotRun(t *testing.T) {
	setup, ran := marker(t)
	m := newMachine(t, aWheel("lib", "1.0"), aWheel("app", "1.0", "old"), aWheel("fast", "1.0"))
	for _, s := range []wheelhouse.Sdist{
		{Name: "old", Version: "0.9", Files: map[string]string{"setup.py": setup}},
		{Name: "old", Version: "1.0", Files: map[string]string{
			"setup.py": setup, "old.egg-info/requires.txt": "lib>=1\n\n[quick]\nfast\n\n[:python_version < \"3\"]\nnever\n",
			"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
			"backend.py":     setup,
		}},
		{Name: "old", Version: "2.0rc1", Files: map[string]string{"setup.py": setup}},
	} {
		if _, err := m.index.AddSdist(s); err != nil {
			t.Fatal(err)
		}
	}
	got, answer := m.versions(t, m.question("app"), nil)
	equal(t, got, []string{"app==1.0", "lib==1.0", "old==1.0"})
	got, _ = m.versions(t, m.question("old[quick]"), nil)
	equal(t, got, []string{"fast==1.0", "lib==1.0", "old==1.0"})
	got, _ = m.versions(t, m.question("old==0.9"), answer)
	equal(t, got, []string{"old==0.9"})

	if _, err := m.index.AddSdist(wheelhouse.Sdist{Name: "old", Version: "1.5", Files: map[string]string{"setup.py": setup}}); err != nil {
		t.Fatal(err)
	}
	got, _ = m.versions(t, m.question("app"), answer)
	equal(t, got, []string{"app==1.0", "lib==1.0", "old==1.0"})
	got, _ = m.versions(t, m.question("app"), answer, "old")
	equal(t, got, []string{"app==1.0", "old==1.5"})
	if ran() {
		t.Error("a package's code was run")
	}
}

func TestBuildRequirements(t *testing.T) {
	setup, ran := marker(t)
	m := newMachine(t, aWheel("setuptools", "70.0"), aWheel("wheel", "1.0"), aWheel("backend", "2.0", "lib"), aWheel("lib", "1.0"), aWheel("lib", "1.1"))
	q := m.question()
	q.Name, q.Build, q.Constraints = "old 1.0", true, []string{"lib<1.1"}
	ask := func(files map[string]string) []string {
		t.Helper()
		built, err := m.index.AddSdist(wheelhouse.Sdist{Name: "old", Version: "1.0", Files: files})
		if err != nil {
			t.Fatal(err)
		}
		q.Sdist = &runtimes.File{Name: built.Name, SHA256: built.SHA256}
		got, _ := m.versions(t, q, nil)
		return got
	}
	equal(t, ask(map[string]string{"setup.py": setup}), []string{"setuptools==70.0", "wheel==1.0"})
	equal(t, ask(map[string]string{
		"setup.py": setup, "backend.py": setup,
		"pyproject.toml": "[build-system]\nrequires = [\"backend\"]\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
	}), []string{"backend==2.0", "lib==1.0"})
	equal(t, ask(map[string]string{
		"backend.py":     setup,
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n",
	}), nil)
	if ran() {
		t.Error("a package's code was run")
	}

	built, err := m.index.AddSdist(wheelhouse.Sdist{Name: "old", Version: "1.0", Files: map[string]string{
		"pyproject.toml": "[build-system]\nrequires = [\"lib @ http://127.0.0.1:1/lib-1.0-py3-none-any.whl\"]\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	q.Sdist = &runtimes.File{Name: built.Name, SHA256: built.SHA256}
	var broken *runtimes.PackageError
	if answer, err := m.Resolve(t.Context(), q, m.uv, nil, nil); !errors.As(err, &broken) {
		t.Errorf("a build that asks for an address: %v, %v", answer, err)
	}

	local := sdistFile(t, map[string]string{"setup.py": setup})
	q.Sdist = &runtimes.File{Name: local.Name, SHA256: local.SHA256, Local: &runtimes.LocalFile{
		Path: "vendor/" + local.Name,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(local.Data)), nil },
	}}
	got, _ := m.versions(t, q, nil)
	equal(t, got, []string{"setuptools==70.0", "wheel==1.0"})
	q.Sdist.SHA256 = strings.Repeat("0", 64)
	var digest *runtimes.DigestError
	if answer, err := m.Resolve(t.Context(), q, m.uv, nil, nil); !errors.As(err, &digest) {
		t.Errorf("another file in the project: %v, %v", answer, err)
	}
}

func TestPrereleases(t *testing.T) {
	m := newMachine(t, aWheel("lib", "1.0"), aWheel("lib", "2.0rc1"))
	q := m.question("lib")
	got, _ := m.versions(t, q, nil)
	equal(t, got, []string{"lib==1.0"})
	q.Prereleases = true
	got, _ = m.versions(t, q, nil)
	equal(t, got, []string{"lib==2.0rc1"})
}

// The first index that has a package answers for it: a newer one of the same
// name elsewhere is not taken.
func TestIndexesInTheirOrder(t *testing.T) {
	m := newMachine(t, aWheel("lib", "1.0"))
	other, err := wheelhouse.Serve(aWheel("lib", "9.0"), aWheel("more", "1.0"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	q := m.question("lib", "more")
	q.Indexes = append(q.Indexes, other.SimpleURL())
	got, _ := m.versions(t, q, nil)
	equal(t, got, []string{"lib==1.0", "more==1.0"})
}

func TestUnsatisfiableWithUV(t *testing.T) {
	m := newMachine(t, aWheel("app", "1.0", "lib<1"), aWheel("lib", "1.0"))
	var input *runtimes.InputError
	for requirement, want := range map[string]string{"app": "lib<1", "absent": "absent was not found", "-r /etc/passwd": "-r"} {
		answer, err := m.Resolve(t.Context(), m.question(requirement), m.uv, nil, nil)
		if !errors.As(err, &input) || input.File != "requirements.txt" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", requirement, answer, err)
		}
	}
}

func TestNoPython(t *testing.T) {
	m := newMachine(t, aWheel("lib", "1.0"))
	t.Setenv("PATH", t.TempDir())
	var input *runtimes.InputError
	if answer, err := m.Resolve(t.Context(), m.question("lib"), m.uv, nil, nil); !errors.As(err, &input) || !strings.Contains(input.Hint, "python3") {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestCancelled(t *testing.T) {
	m := newMachine(t, aWheel("lib", "1.0"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stall := m.index.Stall("lib")
	go func() {
		<-stall.Asked
		cancel()
	}()
	if answer, err := m.Resolve(ctx, m.question("lib"), m.uv, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", answer, err)
	}
	<-stall.Gone // uv is
	if left, err := os.ReadDir(m.Folder); err != nil || slices.ContainsFunc(left, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), workPrefix) }) {
		t.Errorf("left are %v, %v", left, err)
	}
	m.index.Resume("lib")
	got, _ := m.versions(t, m.question("lib"), nil)
	equal(t, got, []string{"lib==1.0"})
}

func TestSeveralAtOnceAfterAKill(t *testing.T) {
	m := newMachine(t, aWheel("lib", "1.0"), aWheel("app", "1.0"))
	// As a killed one leaves it.
	if err := os.MkdirAll(filepath.Join(m.Folder, workPrefix+"1", "requirements.in"), 0o777); err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for _, name := range []string{"lib", "app", "lib"} {
		g.Go(func() {
			answer, err := m.Resolve(t.Context(), m.question(name), m.uv, nil, nil)
			if err != nil || len(answer) != 1 || answer[0].Requirement != name+"==1.0" {
				t.Errorf("%s: %v, %v", name, answer, err)
			}
		})
	}
	g.Wait()
}
