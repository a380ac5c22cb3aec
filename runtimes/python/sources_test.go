package python

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// files makes a project of names and contents.
func files(content map[string]string) fstest.MapFS {
	project := fstest.MapFS{}
	for name, text := range content {
		project[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644, ModTime: time.Now()}
	}
	return project
}

// packed lists what a source tree's tar holds.
func packed(t *testing.T, s *sourceTree) []string { return tarNames(t, s.file()) }

// tarNames lists what a local file holds that is a tar.
func tarNames(t *testing.T, f runtimes.File) []string {
	t.Helper()
	open, err := f.Local.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	var names []string
	for r := tar.NewReader(open); ; {
		h, err := r.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

func TestSource(t *testing.T) {
	project := files(map[string]string{
		".gitignore":                  "*.log\n/secret\nlibs/a/data/*\n!libs/a/data/keep.txt\n# comment\nname\\ \n",
		"libs/.gitignore":             "generated/\n",
		"libs/a/.gitignore":           "/local.py\r\n!important.log\n",
		"libs/a/pyproject.toml":       "[project]\n",
		"libs/a/src/a/__init__.py":    "",
		"libs/a/src/a/build/x.py":     "a package called build",
		"libs/a/src/a/local.py":       "",
		"libs/a/src/a/secret":         "of another folder than the ignored one",
		"libs/a/src/a/.gitignore":     "!*.log\n*.tmp\n",
		"libs/a/src/a/again.log":      "",
		"libs/a/src/a/x.tmp":          "",
		"libs/a/debug.log":            "",
		"libs/a/important.log":        "",
		"libs/a/local.py":             "",
		"libs/a/name ":                "",
		"libs/a/data/drop.txt":        "",
		"libs/a/data/keep.txt":        "",
		"libs/a/generated/x.py":       "",
		"libs/a/generated/.gitignore": "!x.py\n",
		"libs/a/build/lib/a.py":       "",
		"libs/a/dist/a.whl":           "",
		"libs/a/a.egg-info/PKG-INFO":  "",
		"libs/a/.venv/bin/python":     "",
		"libs/a/src/a/__pycache__/x":  "",
		"libs/a/src/a/x.pyc":          "",
		"libs/a/.git/config":          "",
		"libs/b/pyproject.toml":       "another project",
	})
	s, err := readSource(project, "libs/a")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		".gitignore", "data/keep.txt", "important.log", "pyproject.toml",
		"src/a/.gitignore", "src/a/__init__.py", "src/a/again.log", "src/a/build/x.py", "src/a/local.py", "src/a/secret",
	}
	if got := packed(t, s); !slices.Equal(got, want) {
		t.Errorf("packed\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	again := maps.Clone(project)
	again["libs/a/debug.log"] = &fstest.MapFile{Data: []byte("new"), Mode: 0o644}
	again["libs/a/pyproject.toml"] = &fstest.MapFile{Data: []byte("[project]\n"), Mode: 0o600, ModTime: time.Unix(1, 0)}
	if other, err := readSource(again, "libs/a/"); err != nil || other.sha256 != s.sha256 {
		t.Errorf("an ignored file, a time or a mask changes the source: %v", err)
	}
	again["libs/a/pyproject.toml"].Mode = 0o755
	if other, err := readSource(again, "libs/a"); err != nil || other.sha256 == s.sha256 {
		t.Errorf("an executable file is not told from another: %v", err)
	}
}

// TestSourceRefused has the folders that nothing is built from.
func TestSourceRefused(t *testing.T) {
	many := map[string]string{"pyproject.toml": "", "data/large": strings.Repeat("x", 1000)}
	for i := range maxSourceFiles {
		many["f/"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+"/"+strings.Repeat("y", i/200+1)+string(rune('a'+i%26))+strings.Repeat("z", i%200)] = ""
	}
	large := files(map[string]string{"pyproject.toml": ""})
	large["data/model.bin"] = &fstest.MapFile{Data: make([]byte, maxSourceBytes+1), Mode: 0o644}
	link := files(map[string]string{"pyproject.toml": ""})
	link["src/a.py"] = &fstest.MapFile{Data: []byte("../../etc/passwd"), Mode: fs.ModeSymlink | 0o777}
	for _, tt := range []struct {
		name    string
		project fs.FS
		folder  string
		want    string
	}{
		{"absent", files(nil), "lib", "lib: cannot be read: file does not exist"},
		{"no project", files(map[string]string{"lib/a.py": ""}), "lib", "lib: is no Python project: it has neither a pyproject.toml nor a setup.py"},
		{"ignored", files(map[string]string{"vendor/lib/pyproject.toml": "", ".gitignore": "vendor\n"}), "vendor/lib", "vendor/lib: is no Python project: it has neither a pyproject.toml nor a setup.py"},
		{"large", large, ".", ".: holds more than 64 MiB or 20000 files, which is no source; the largest that was met is data/model.bin with 67108865 bytes"},
		{"many", files(many), ".", ".: holds more than 64 MiB or 20000 files, which is no source; the largest that was met is data/large with 1000 bytes"},
		{"link", link, ".", "src/a.py: is neither a file nor a folder, and cannot be built from as it is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readSource(tt.project, tt.folder)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if input := (*runtimes.InputError)(nil); !asInput(err, &input) {
				t.Errorf("%T", err)
			}
		})
	}
}

func asInput(err error, to **runtimes.InputError) bool {
	input, ok := err.(*runtimes.InputError)
	*to = input
	return ok
}

// TestSourceLikeGit holds what is packed against what git itself would track.
func TestSourceLikeGit(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		".gitignore":              "*.o\n!keep.o\n/top\nfoo/\n**/deep/*.txt\na/**/z\nspace\\ \n\\#hash\n[Bb]in\nx?y\n*.d/\n\\!bang\ntrailing   \n",
		"a/.gitignore":            "/only\nsub/inner\n!*.txt\n",
		"pyproject.toml":          "",
		"main.o":                  "",
		"keep.o":                  "",
		"top":                     "",
		"a/top":                   "",
		"a/foo/x":                 "",
		"b/foo":                   "a file, not a folder",
		"a/deep/x.txt":            "",
		"b/deep/x.txt":            "",
		"b/deep/y/x.txt":          "",
		"a/z":                     "",
		"a/b/c/z":                 "",
		"b/z":                     "",
		"space ":                  "",
		"#hash":                   "",
		"b/Bin/x":                 "",
		"b/bin":                   "",
		"b/xay":                   "",
		"b/x/y":                   "",
		"b/conf.d/x":              "",
		"!bang":                   "",
		"trailing":                "",
		"a/only":                  "",
		"a/b/only":                "",
		"a/sub/inner":             "",
		"a/b/sub/inner":           "",
		"a/unicode é/naïve.py":    "",
		"a/with space/and more.o": "",
	} {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) []byte {
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git: %v", err)
		}
		return out
	}
	git("init", "-q")
	var want []string
	for name := range bytes.SplitSeq(git("ls-files", "-z", "--others", "--exclude-standard"), []byte{0}) {
		if len(name) > 0 {
			want = append(want, string(name))
		}
	}
	slices.Sort(want)
	s, err := readSource(os.DirFS(root), ".")
	if err != nil {
		t.Fatal(err)
	}
	if got := packed(t, s); !slices.Equal(got, want) {
		t.Errorf("packed\n%q\ngit would track\n%q", got, want)
	}
}

func FuzzSource(f *testing.F) {
	f.Add("*.log\n/secret\n!a/**/b\n", "a/b/c.log")
	f.Add("a\\ \n[a-\n\\", "x")
	f.Add("/\n//\n!\n**\n", "a/a")
	f.Fuzz(func(t *testing.T, ignore, name string) {
		if !fs.ValidPath(name) || name == "." {
			return
		}
		project := files(map[string]string{"lib/pyproject.toml": "", "lib/" + name: "", "lib/.gitignore": ignore})
		s, err := readSource(project, "lib")
		if err != nil {
			return
		}
		again, err := readSource(project, "lib")
		if err != nil || again.sha256 != s.sha256 {
			t.Fatalf("read twice: %v", err)
		}
	})
}
