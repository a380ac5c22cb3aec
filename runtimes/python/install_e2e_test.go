//go:build e2e

package python

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// runInstall runs the driver with the machine's Python and the uv that
// LAYERBUILD_TEST_UV names. It returns the prefix and what was printed.
func runInstall(t *testing.T, indexes []string, packages []runtimes.Package) (prefix, output string, err error) {
	t.Helper()
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV is not set: it names a uv program")
	}
	interpreter, err := exec.Command("python3", "-c", "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])").Output()
	if err != nil {
		t.Fatal(err)
	}
	python, version, _ := strings.Cut(strings.TrimSpace(string(interpreter)), " ")

	dir := t.TempDir()
	prefix = filepath.Join(dir, "layer")
	job := installJob{
		UV: uv, Python: python, PythonVersion: version, Platform: uvPlatform(runtimes.ARM64),
		Prefix: prefix, Cache: filepath.Join(dir, "cache"),
	}
	for _, p := range packages {
		job.Packages = append(job.Packages, installPackage{Name: p.Name, Version: p.Version, SHA256: p.File.SHA256})
	}
	where := whereaboutsOf(runtimes.Recipe{Indexes: indexes, Packages: packages}).Data
	data, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"install.py": installScript, "job.json": data, "whereabouts.json": where} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), python, "-I", "-B", filepath.Join(dir, "install.py"), filepath.Join(dir, "job.json"), filepath.Join(dir, "whereabouts.json"))
	cmd.Env = append(os.Environ(), "UV_NO_PROGRESS=1", "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return prefix, string(out), err
}

// readFiles returns the files below dir, by path, with lib/pythonX.Y in place
// of the machine's own version.
func readFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		parts := strings.Split(rel, "/")
		for i, part := range parts[:len(parts)-1] {
			if strings.HasPrefix(part, "python3.") {
				parts[i] = "pythonX.Y"
			}
		}
		files[strings.Join(parts, "/")] = string(data)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

const sitePackages = "lib/pythonX.Y/site-packages/"

func TestInstallClash(t *testing.T) {
	wheels := clashing(t)
	server := httptest.NewServer(wheelIndex(wheels, nil))
	defer server.Close()
	var packages []runtimes.Package
	for _, w := range wheels {
		packages = append(packages, w.pkg(server.URL))
	}
	for range 3 { // uv alone gives another result from time to time
		prefix, output, err := runInstall(t, []string{server.URL + "/simple"}, packages)
		if err != nil {
			t.Fatal(err)
		}
		files := readFiles(t, prefix)
		for path, want := range map[string]string{
			"tests/__init__.py": "zebra\n",
			"tests/pear.py":     "p = 1\n",
			"apple.py":          "a = 1\n",
			"shared.py":         "same\n",
			"twin.py":           "t = 1\n",
			"zebra.py":          "z = 1\n",
		} {
			if got := files[sitePackages+path]; got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		if want := "tests/__init__.py: owned by apple, pear-tree, zebra"; !strings.Contains(output, want) {
			t.Errorf("the output does not say %q", want)
		}
		if strings.Contains(output, "shared.py: owned") {
			t.Error("equal files were taken for a clash")
		}
	}
}

// TestInstallForm holds uv to the form that Normalise reads.
func TestInstallForm(t *testing.T) {
	w := full(t)
	server := httptest.NewServer(wheelIndex([]testWheel{w}, nil))
	defer server.Close()
	prefix, _, err := runInstall(t, []string{server.URL + "/simple"}, []runtimes.Package{w.pkg(server.URL)})
	if err != nil {
		t.Fatal(err)
	}
	const info = sitePackages + "full-1.0.dist-info/"
	want := []string{
		".lock",
		"bin/full",
		"bin/full-script",
		"include/site/pythonX.Y/full/full.h",
		info + "INSTALLER",
		info + "METADATA",
		info + "RECORD",
		info + "REQUESTED",
		info + "WHEEL",
		info + "entry_points.txt",
		info + "licenses/LICENSE",
		sitePackages + "full/__init__.py",
		sitePackages + "plat.py",
		sitePackages + "pure.py",
		"share/full/x.txt",
	}
	if got := slices.Sorted(maps.Keys(readFiles(t, prefix))); !slices.Equal(got, want) {
		t.Errorf("installed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestInstallFromURL(t *testing.T) {
	listed := makeWheel(t, "listed", map[string]string{"listed.py": "1\n"})
	direct := makeWheel(t, "direct", map[string]string{"direct.py": "2\n"})
	other := makeWheel(t, "other", map[string]string{"other.py": "3\n"})
	squatted := makeWheel(t, "other", map[string]string{"other.py": "evil\n"})

	server := httptest.NewServer(wheelIndex([]testWheel{listed}, []testWheel{direct, other}))
	defer server.Close()
	second := httptest.NewServer(wheelIndex([]testWheel{squatted}, nil))
	defer second.Close()
	indexes := []string{second.URL + "/simple", server.URL + "/simple"}
	prefix, _, err := runInstall(t, indexes, []runtimes.Package{
		direct.pkg(server.URL), listed.pkg(server.URL), other.pkg(server.URL),
	})
	if err != nil {
		t.Fatal(err)
	}
	files := readFiles(t, prefix)
	for path, want := range map[string]string{"direct.py": "2\n", "listed.py": "1\n", "other.py": "3\n"} {
		if got := files[sitePackages+path]; got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

// TestInstallIndexOrder gives two indexes that have a file of the same name.
func TestInstallIndexOrder(t *testing.T) {
	first := makeWheel(t, "other", map[string]string{"other.py": "first\n"})
	second := makeWheel(t, "other", map[string]string{"other.py": "second\n"})
	preferred := httptest.NewServer(wheelIndex([]testWheel{first}, nil))
	defer preferred.Close()
	fallback := httptest.NewServer(wheelIndex([]testWheel{second}, nil))
	defer fallback.Close()
	indexes := []string{preferred.URL + "/simple", fallback.URL + "/simple"}

	want := first.pkg("")
	want.File.URL = "" // only an index can give it
	prefix, _, err := runInstall(t, indexes, []runtimes.Package{want})
	if err != nil {
		t.Fatal(err)
	}
	if got := readFiles(t, prefix)[sitePackages+"other.py"]; got != "first\n" {
		t.Errorf("installed %q", got)
	}
}

func TestInstallRefuses(t *testing.T) {
	w := makeWheel(t, "tampered", map[string]string{"tampered.py": "1\n"})
	server := httptest.NewServer(wheelIndex([]testWheel{w}, nil))
	defer server.Close()
	index := []string{server.URL + "/simple"}

	wrong := w.pkg(server.URL)
	wrong.File.SHA256 = strings.Repeat("a", 64)
	lost := w.pkg("")
	lost.Name, lost.File.URL = "lost", ""
	for _, tt := range []struct {
		name string
		pkg  runtimes.Package
		want string
	}{
		{"wrong hash", wrong, "Hash mismatch for `tampered"},
		{"nowhere", lost, "lost was not found in the package registry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			prefix, output, err := runInstall(t, index, []runtimes.Package{tt.pkg})
			if err == nil {
				t.Error("no error")
			}
			if !strings.Contains(output, tt.want) {
				t.Errorf("the output does not say %q", tt.want)
			}
			for path := range readFiles(t, prefix) {
				if path != ".lock" {
					t.Errorf("installed %s", path)
				}
			}
		})
	}
}

// TestInstallRefused holds that an index that refuses an answer is not passed
// over, and that its refusal is what uv says last.
func TestInstallRefused(t *testing.T) {
	w := full(t)
	files := httptest.NewServer(wheelIndex(nil, []testWheel{w}))
	defer files.Close()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
		index := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		defer index.Close()
		_, output, err := runInstall(t, []string{index.URL + "/simple"}, []runtimes.Package{w.pkg(files.URL)})
		if err == nil || !strings.Contains(output, fmt.Sprint(status, " ", http.StatusText(status))) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
