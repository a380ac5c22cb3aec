package python

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

const gitCommit = "0123456789abcdef0123456789abcdef01234567"

// answerGit gives the files of the commit that a recipe lacks.
func answerGit(t *testing.T, project fs.FS, target *runtimes.Target, files map[string]string) {
	t.Helper()
	_, err := Runtime{}.Recipe(project, *target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) || len(incomplete.Requests) != 1 {
		t.Fatalf("got %v, want a request for a commit", err)
	}
	q := incomplete.Requests[0]
	if q.Ecosystem != "git" || q.Name != "https://git.example/forked.git" || q.Version != gitCommit {
		t.Errorf("asked for %+v", q)
	}
	if target.Files == nil {
		target.Files = map[string][]runtimes.File{}
	}
	target.Files[q.Key()] = []runtimes.File{commitArchive(t, files)}
}

func commitArchive(t *testing.T, files map[string]string) runtimes.File {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range sortedKeys(files) {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b.Bytes())
	return runtimes.File{Name: "forked.zip", SHA256: hex.EncodeToString(sum[:]), Local: &runtimes.LocalFile{
		Path: "forked", Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
	}}
}

// forked is a project in a repository's folder py. What git has is source, even
// where a .gitignore would leave it out.
var forked = map[string]string{
	".gitignore":        "*.json\n",
	"py/pyproject.toml": "[project]\nname = 'Forked'\nversion = '3.1'\ndependencies = ['far==1.0']\n[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n",
	"py/build/x.json":   "{}",
	"js/package.json":   "{}",
}

func TestGitRequirement(t *testing.T) {
	for _, text := range []string{
		"git+https://git.example/forked.git@" + gitCommit + "#subdirectory=py",
		"-e git+https://git.example/forked.git@" + gitCommit + "#egg=forked&subdirectory=py",
		"forked @ git+https://git.example/forked.git@" + gitCommit + "#subdirectory=py",
	} {
		project := textFiles("requirements.txt", text+"\nfar==1.0 A:\n")
		target := target(t, "python3.13", runtimes.ARM64)
		answerGit(t, project, &target, forked)
		q := runtimes.FileRequest{Ecosystem: "pypi", Name: "far", Version: "1.0", Hashes: []string{hashA}}
		target.Files[q.Key()] = []runtimes.File{{Name: "far-1.0-py3-none-any.whl", SHA256: hashA, URL: "https://f.example/far"}}
		target.Pins.Images = map[string]string{
			target.Runtime.Image: "sha256:" + hashA, target.Runtime.ImageToBuild(target.Arch): "sha256:" + hashA,
		}
		target.Pins.Tools = map[string]runtimes.Tool{"uv": {Version: "1", Files: []runtimes.File{{Name: "uv.whl", SHA256: hashA}}}}
		r := recipeWithBuilds(t, project, &target)
		if len(r.Packages) != 2 || r.Packages[1].Name != "forked" || r.Packages[1].Version != "3.1" ||
			r.Packages[1].Build == nil || r.Packages[1].Build.Folder != "git https://git.example/forked.git at "+gitCommit+", folder py" {
			t.Errorf("%s: %+v", text, r.Packages)
		}
		if names := tarNames(t, r.Packages[1].File); !slices.Equal(names, []string{"build/x.json", "pyproject.toml"}) {
			t.Errorf("%s: the source has %q", text, names)
		}
		var envs []string
		for _, step := range r.Container.Parts[0].Recipe.Container.Steps {
			envs = append(envs, step.Env...)
		}
		if !slices.Contains(envs, "SETUPTOOLS_SCM_PRETEND_VERSION=3.1") {
			t.Errorf("%s: no step knows the version", text)
		}
	}
}

func TestGitRefused(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no folder":  {map[string]string{"pyproject.toml": "[project]\nname = 'x'\n"}, "https://git.example/forked.git has no folder py"},
		"no project": {map[string]string{"py/readme": ""}, "is no Python project"},
		"no TOML":    {map[string]string{"py/pyproject.toml": "["}, "py/pyproject.toml:1"},
	} {
		project := textFiles("requirements.txt", "git+https://git.example/forked.git@"+gitCommit+"#subdirectory=py\n")
		target := target(t, "python3.13", runtimes.ARM64)
		answerGit(t, project, &target, test.files)
		_, err := Runtime{}.Recipe(project, target)
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestGitAddress(t *testing.T) {
	for text, want := range map[string]string{
		"https://me:secret@git.example/a/b.git":   "https://git.example/a/b.git",
		"ssh://git:secret@git.example:22/a/b.git": "ssh://git@git.example:22/a/b.git",
		"git@git.example:a/b.git":                 "ssh://git@git.example/a/b.git",
		"https://git.example/a":                   "https://git.example/a",
	} {
		if got := gitAddress(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
