//go:build e2e

package python

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// plainBackend is a backend that lies in its project and needs nothing.
const plainBackend = `import os, zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "%[1]s-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as z:
        z.writestr("%[1]s-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: %[1]s\nVersion: 1.0\n")
    return name
`

// buildRun is one run of the driver, on this machine.
type buildRun struct {
	dir   string
	job   buildJob
	where whereabouts
	netrc string
}

func newBuildRun(t *testing.T, source buildSource) *buildRun {
	t.Helper()
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV is not set: it names a uv program")
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &buildRun{
		dir: dir,
		job: buildJob{
			UV: uv, Python: python, Cache: filepath.Join(dir, "cache"), Folder: filepath.Join(dir, "build"),
			Wheels: filepath.Join(dir, "wheels"), Sources: []buildSource{source},
		},
		where: whereabouts{Indexes: []string{}, URLs: map[string]string{}},
	}
}

func (b *buildRun) run(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	at := func(name string, content any) string {
		data, ok := content.([]byte)
		if !ok {
			if data, err = json.Marshal(content); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	script, job := at("build.py", buildScript), at("job.json", b.job)
	switch args[0] {
	case "fetch":
		args = append(args, job, at("where.json", b.where))
	default:
		args = append(args[:1:1], append([]string{job}, args[1:]...)...)
	}
	cmd := exec.CommandContext(t.Context(), b.job.Python, append([]string{"-I", "-B", script}, args...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "UV_NO_PROGRESS=1", "NETRC="+at("netrc", []byte(b.netrc)))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	return string(out), err
}

// sdistOf is a source archive with its own backend, and the source of it.
func sdistOf(t *testing.T, name, builds string) (wheelhouse.File, buildSource) {
	t.Helper()
	f, err := wheelhouse.Sdist{Name: name, Version: "1.0", Files: map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n",
		"own.py":         fmt.Sprintf(plainBackend, builds),
	}}.Build()
	if err != nil {
		t.Fatal(err)
	}
	return f, buildSource{Name: name, Version: "1.0", File: f.Name, SHA256: f.SHA256, Requires: []string{}}
}

// TestFetchSource: archives come from where the lock says, or from the index,
// with the login of their server and no other's.
func TestFetchSource(t *testing.T) {
	f, source := sdistOf(t, "source", "source")
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("another server gets the login")
		}
		w.Write(f.Data)
	}))
	defer store.Close()
	elsewhere := strings.Replace(store.URL, "127.0.0.1", "localhost", 1) + "/" + f.Name
	index := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case user != "me" || password != "secret":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/html/source/":
			fmt.Fprintf(w, `<a href="../../files/x-1.tar.gz#sha256=00">x</a><a href="../../files/%s#sha256=%s">x</a>`, f.Name, f.SHA256)
		case r.URL.Path == "/json/source/":
			w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
			fmt.Fprintf(w, `{"files": [{"url": "/files/%s", "hashes": {"sha256": %q}}]}`, f.Name, f.SHA256)
		case strings.HasPrefix(r.URL.Path, "/files/"):
			http.Redirect(w, r, elsewhere, http.StatusFound)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer index.Close()

	for _, tt := range []struct {
		name    string
		indexes []string
		url     string
		mirror  bool
		login   bool
		want    string // an error, or ""
	}{
		{"the lock's own address", nil, store.URL + "/x", false, false, ""},
		{"an index in HTML", []string{index.URL + "/html/"}, "", false, true, ""},
		{"an index in JSON", []string{"", index.URL + "/json"}, "", false, true, ""},
		{"an index that lacks it", []string{index.URL + "/none", index.URL + "/html"}, "", false, true, ""},
		{"a mirror before the lock's address", []string{index.URL + "/json"}, "http://127.0.0.1:1/x", true, true, ""},
		{"the lock's address is gone", []string{index.URL + "/json"}, "http://127.0.0.1:1/x", false, true, ""},
		{"no login", []string{index.URL + "/json"}, "", false, false, "source-1.0.tar.gz cannot be fetched: 401 Unauthorized"},
		{"nowhere", []string{index.URL + "/none"}, "", false, true, "source-1.0.tar.gz cannot be fetched: no index has it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuildRun(t, source)
			b.where.Indexes, b.where.Mirrored = append(b.where.Indexes, tt.indexes...), tt.mirror
			if tt.url != "" {
				b.where.URLs["source"] = tt.url
			}
			if tt.login {
				b.netrc = "machine 127.0.0.1\nlogin me\npassword secret\n"
			}
			output, err := b.run(t, "fetch")
			if (err != nil) != (tt.want != "") || !strings.Contains(output, tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(output, "secret") {
				t.Error("the password is shown")
			}
			if err == nil {
				if _, err := b.run(t, "build", "source"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestBuildRefuses: what is not what was locked is not built from.
func TestBuildRefuses(t *testing.T) {
	f, source := sdistOf(t, "source", "source")
	mismatch, misnamed := sdistOf(t, "misnamed", "other")
	index, err := wheelhouse.Serve(wheelhouse.Wheel{Name: "backend", Version: "1", Files: map[string]string{"backend.py": ""}})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	backend := index.Files("backend")[0]
	onlySource, err := index.AddSdist(wheelhouse.Sdist{Name: "unbuilt", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/misnamed" {
			w.Write(mismatch.Data)
			return
		}
		w.Write(f.Data)
	}))
	defer server.Close()

	requiring := func(lines ...string) buildSource {
		s := source
		s.Requires = lines
		return s
	}
	another := source
	another.SHA256 = strings.Repeat("0", 64)
	for _, tt := range []struct {
		name   string
		source buildSource
		want   string
	}{
		{"nothing", source, ""},
		{"a requirement with its hash", requiring("backend==1 --hash=sha256:" + backend.SHA256), ""},
		{"another archive", another, "does not match its locked SHA-256 " + another.SHA256},
		{"another requirement", requiring("backend==1 --hash=sha256:" + another.SHA256), "Hash mismatch"},
		{"a requirement without a hash", requiring("backend==1"), "a hash"},
		{"a requirement without a wheel", requiring("unbuilt==1 --hash=sha256:" + onlySource.SHA256), "unbuilt"},
		{"another name", misnamed, "misnamed 1.0 is other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBuildRun(t, tt.source)
			b.where.Indexes = []string{index.SimpleURL()}
			b.where.URLs[tt.source.Name] = server.URL + "/" + tt.source.Name
			output, err := b.run(t, "fetch")
			if err == nil {
				var more string
				more, err = b.run(t, "build", tt.source.Name)
				output += more
			}
			if (err != nil) != (tt.want != "") || !strings.Contains(output, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
