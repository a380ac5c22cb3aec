//go:build e2e

package resolver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// downloads is a direct.Downloads in memory.
type downloads struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (d *downloads) Open(_ context.Context, sum string) (direct.ReadAtCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, ok := d.files[sum]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return inMemory{bytes.NewReader(data)}, nil
}

func (d *downloads) Save(_ context.Context, sum string, fetch func(io.Writer) error) (direct.ReadAtCloser, error) {
	var b bytes.Buffer
	if err := fetch(&b); err != nil {
		return nil, err
	}
	got := sha256.Sum256(b.Bytes())
	if hex.EncodeToString(got[:]) != sum {
		return nil, &runtimes.DigestError{Want: sum, Got: hex.EncodeToString(got[:])}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = make(map[string][]byte)
	}
	d.files[sum] = b.Bytes()
	return inMemory{bytes.NewReader(b.Bytes())}, nil
}

// uvWheel is the pinned uv as a wheel for this machine.
var uvWheel = sync.OnceValues(func() (wheelhouse.File, error) {
	program, err := os.ReadFile(os.Getenv("LAYERBUILD_TEST_UV"))
	if err != nil {
		return wheelhouse.File{}, err
	}
	platform := map[string]string{"amd64": "manylinux_2_17_x86_64.manylinux2014_x86_64", "arm64": "manylinux_2_17_aarch64"}[runtime.GOARCH]
	version := uvVersion()
	return wheelhouse.Wheel{
		Name: "uv", Version: version, Tag: "py3-none-" + platform,
		Files: map[string]string{"uv-" + version + ".data/scripts/uv": string(program)},
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

	for _, w := range []wheelhouse.Wheel{aWheel("app", "1.1", "lib>=1"), aWheel("lib", "1.1")} {
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

func onLambda(name string, arch runtimes.Arch) runtimes.Place {
	info, _ := runtimes.Lookup(name)
	return runtimes.Place{Runtime: info, Arch: arch}
}
