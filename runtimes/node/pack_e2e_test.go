//go:build e2e

package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestPackEqualsNPM holds what we take of a local package against what
// `npm pack` takes.
func TestPackEqualsNPM(t *testing.T) {
	sources := strings.Fields(`
		index.js lib/a.js lib/b.ts lib/deep/c.js dist/out.js dist/out.js.map test/a.test.js docs/guide.md README.md readme.txt LICENSE License.md CHANGELOG.md
		.eslintrc .github/workflows/ci.yml .npmrc .DS_Store a.orig lib/x.orig build/config.gypi node_modules/dep/index.js node_modules/dep/package.json
		package-lock.json yarn.lock npm-debug.log .swp.txt .x.swp lib/.gitkeep bin/cli.js secret.env notes/todo.txt dist/keep.txt sub/node_modules/x/index.js sub/LICENSE data.json
	`)
	for _, tt := range []struct {
		name, manifest string
		files          map[string]string
	}{
		{"plain", `{}`, nil},
		{"gitignore", `{}`, map[string]string{".gitignore": "dist\n*.env\n/notes/\n# no\n!dist/keep.txt\n", "lib/.gitignore": "deep/\n*.ts\n"}},
		{"npmignore", `{}`, map[string]string{".gitignore": "dist\n", ".npmignore": "test/\nnotes\n*.map\n", "lib/.npmignore": "/b.ts\n", "lib/.gitignore": "a.js\n"}},
		{"anchored", `{"main": "dist/out.js", "bin": {"x": "./bin/cli.js"}}`, map[string]string{".npmignore": "/index.js\ndist\nbin\nlib/deep\n**/todo.txt\n"}},
		{"files", `{"files": ["lib", "dist/*.js", "bin/", "data.json"], "main": "index.js"}`, map[string]string{".npmignore": "lib\n"}},
		{"files with not", `{"files": ["lib/**", "!lib/b.ts", "docs/*"]}`, map[string]string{".gitignore": "docs\n"}},
		{"files below an ignore file", `{"files": ["lib", "./dist"]}`, map[string]string{"lib/.npmignore": "deep\n"}},
		{"no files", `{"files": []}`, nil},
		{"everything", `{"files": ["*"]}`, map[string]string{".gitignore": "dist\n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files := map[string]string{}
			for _, name := range sources {
				files[name] = "1\n"
			}
			for name, text := range tt.files {
				files[name] = text
			}
			var m map[string]any
			if err := json.Unmarshal([]byte(tt.manifest), &m); err != nil {
				t.Fatal(err)
			}
			m["name"], m["version"] = "packed", "1.0.0"
			files["package.json"] = text(m)
			generated{files: files}.write(t, dir)
			out := runNPM(t, dir, "pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=silent")
			var packs []struct{ Files []struct{ Path string } }
			if err := json.Unmarshal([]byte(out), &packs); err != nil {
				var named map[string]struct{ Files []struct{ Path string } }
				if err := json.Unmarshal([]byte(out), &named); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				packs = append(packs, named["packed"])
			}
			var want []string
			for _, f := range packs[0].Files {
				want = append(want, f.Path)
			}
			slices.Sort(want)
			f, err := packAt(os.DirFS(filepath.Dir(dir)), filepath.Base(dir))
			if err != nil {
				t.Fatal(err)
			}
			if got := namesIn(t, f); !slices.Equal(got, want) {
				t.Errorf("got  %v\nnpm: %v", minus(got, want), minus(want, got))
			}
		})
	}
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

// namesIn lists the files of a package's tarball.
func namesIn(t *testing.T, f runtimes.File) []string {
	t.Helper()
	data, err := readLocal(f.Local)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimPrefix(h.Name, "package/"))
	}
}
