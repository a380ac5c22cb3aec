//go:build e2e

package main

import (
	"archive/zip"
	"io/fs"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is a Git repository that git itself serves.
type repository struct {
	t      *testing.T
	folder string
	url    string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t: t, folder: t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main", ".")
	server := httptest.NewServer(&cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(r.git("--exec-path")), "git-http-backend"),
		Env: []string{
			"GIT_PROJECT_ROOT=" + r.folder, "GIT_HTTP_EXPORT_ALL=1", "GIT_PROTOCOL=version=2",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		},
	})
	t.Cleanup(server.Close)
	r.url = server.URL + "/.git"
	return r
}

func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b.example"}, args...)...)
	cmd.Dir = r.folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// commit writes files and returns the commit that has them.
func (r *repository) commit(files map[string]string) string {
	r.t.Helper()
	for name, text := range files {
		file := filepath.Join(r.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "--all", "--force")
	r.git("commit", "--quiet", "--message", "a commit")
	return strings.TrimSpace(r.git("rev-parse", "HEAD"))
}

// TestGitSources: a package that uv.lock, or a requirements file, pins by a
// commit is built from that commit, whatever its branch has by now.
func TestGitSources(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	repo := newRepository(t)
	commit := repo.commit(map[string]string{
		".gitignore":            "*.dat\n",
		"py/pyproject.toml":     "[project]\nname = 'forked'\ndynamic = ['version']\nrequires-python = '>=3.9'\ndependencies = ['six==1.17.0']\n[build-system]\nrequires = ['hatchling', 'hatch-vcs']\nbuild-backend = 'hatchling.build'\n[tool.hatch.version]\nsource = 'vcs'\nraw-options = { root = '..' }\n",
		"py/forked/__init__.py": "",
		"py/forked/which.py":    "which = 'locked'\n",
		"py/forked/tables.dat":  "not ignored, since it is committed\n",
	})
	repo.git("tag", "v3.1")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for name, content := range map[string]string{
		"layerbuild.yaml":        "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  locked: {path: locked}\n  lines: {path: lines}\n",
		"locked/pyproject.toml":  "[project]\nname = 'app'\nversion = '0.1'\nrequires-python = '>=3.11'\ndependencies = ['forked']\n[tool.uv.sources]\nforked = { git = '" + repo.url + "', tag = 'v3.1', subdirectory = 'py' }\n",
		"lines/requirements.txt": "forked @ git+" + repo.url + "@" + commit + "#subdirectory=py\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, content)
	}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	uv := exec.Command(setting(t, "LAYERBUILD_TEST_UV"), "lock", "--project", filepath.Join(r.dir, "locked"))
	if out, err := uv.CombinedOutput(); err != nil {
		t.Fatalf("uv lock: %v\n%s", err, out)
	}
	if lock := r.read("locked/uv.lock"); !strings.Contains(lock, commit) {
		t.Fatalf("uv locked another commit than %s:\n%s", commit, lock)
	}
	repo.commit(map[string]string{"py/forked/which.py": "which = 'newer'\n"})

	r.run(0, "build")
	if lock := r.read("layerbuild.lock"); !strings.Contains(lock, "git "+repo.url+" at "+commit+", folder py:") || !strings.Contains(lock, "six==1.17.0") {
		t.Errorf("layerbuild.lock says nothing of the commit, or of what it needs:\n%s", lock)
	}
	const site = "python/lib/python3.11/site-packages/"
	for _, layer := range []string{"locked", "lines"} {
		names := r.names(layer)
		for _, want := range []string{"forked/which.py", "forked/tables.dat", "six.py"} {
			if !slices.Contains(names, site+want) {
				t.Errorf("%s lacks %s: %q", layer, want, names)
			}
		}
		if got := r.content(layer, site+"forked/which.py"); got != "which = 'locked'\n" {
			t.Errorf("%s has %q", layer, got)
		}
	}

	// The commit is in the cache: neither a build nor a rebuild asks for it.
	repo.git("update-ref", "-d", "refs/heads/main")
	before := r.outputs()
	if err := os.Rename(filepath.Join(repo.folder, ".git"), filepath.Join(repo.folder, "gone")); err != nil {
		t.Fatal(err)
	}
	r.run(0, "build", "--locked", "--no-cache")
	equalFolders(t, before, r.outputs())
}

// content is a file of a layer.
func (r *runner) content(layer, name string) string {
	r.t.Helper()
	z, err := zip.OpenReader(filepath.Join(r.dir, ".layerbuild", "dist", layer+".zip"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer z.Close()
	data, err := fs.ReadFile(z, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(data)
}
