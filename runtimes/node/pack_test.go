package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPack is about what a tarball holds beside names; those are held against
// npm in TestPackEqualsNPM.
func TestPack(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 10_000)
	project := fstest.MapFS{
		"lib/package.json": {Data: []byte(`{"name": "lib", "version": "1.0.0", "files": ["b.js", "dist"]}`)},
		"lib/b.js":         {Data: []byte(large), Mode: 0o755},
		"lib/dist/a.js":    {Data: []byte("a\n"), Mode: 0o600},
		"lib/other.js":     {Data: []byte("no\n")},
		"lib/link":         {Data: []byte("b.js"), Mode: 0o777 | 1<<27}, // a symbolic link
	}
	f, err := packAt(project, "lib")
	if err != nil {
		t.Fatal(err)
	}
	data, err := readLocal(f.Local)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != f.Size || !strings.HasPrefix(f.Integrity, "sha512-") || f.Local.Path != "lib" {
		t.Errorf("file %+v of %d bytes", f, len(data))
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %d", h.Name, h.Mode, len(content)))
		if h.Name == "package/b.js" && string(content) != large {
			t.Error("a large file is another one")
		}
	}
	want := []string{"package/b.js 755 160000", "package/dist/a.js 644 2", "package/package.json 644 62"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
	project["lib/other.js"].Data = []byte("not packed, so it decides nothing\n")
	if again, err := packAt(project, "lib"); err != nil || again.Integrity != f.Integrity {
		t.Errorf("another tarball, or %v", err)
	}
	project["lib/dist/a.js"].Mode = 0o700
	if other, err := packAt(project, "lib"); err != nil || other.Integrity == f.Integrity {
		t.Errorf("the same tarball, or %v", err)
	}
}

func TestPackBounds(t *testing.T) {
	project := fstest.MapFS{"lib/package.json": {Data: []byte(`{"name": "lib"}`)}}
	for i := range maxPackFiles {
		project[fmt.Sprintf("lib/%d.js", i)] = &fstest.MapFile{Data: []byte("x")}
	}
	if _, err := packAt(project, "lib"); err == nil || !strings.Contains(err.Error(), "holds more than") {
		t.Errorf("many files: %v", err)
	}
	project = fstest.MapFS{
		"lib/package.json": {Data: []byte(`{"name": "lib"}`)}, "lib/.npmignore": {Data: bytes.Repeat([]byte("x\n"), maxIgnoreFile)},
	}
	if _, err := packAt(project, "lib"); err == nil || !strings.Contains(err.Error(), "lib/.npmignore: larger than") {
		t.Errorf("a large ignore file: %v", err)
	}
	project["lib/.npmignore"] = &fstest.MapFile{}
	project["lib/video.mp4"] = &fstest.MapFile{Data: make([]byte, maxPackBytes)}
	if _, err := packAt(project, "lib"); err == nil || !strings.Contains(err.Error(), "the largest that was met is video.mp4") {
		t.Errorf("a large file: %v", err)
	}
}

// FuzzPackRules reads arbitrary ignore files and lists of files: package.json is
// packed whatever they say, and nothing of node_modules or .git is.
func FuzzPackRules(f *testing.F) {
	f.Add("dist\n!dist/a.js\n/x/**\n*.log", "lib")
	f.Add("*\n!**/b\n[a-\n{a,{b,c}}\n!!x\n\\#\n**/**/**/**", "!lib/*.js")
	f.Add("!node_modules\n!.git", "**")
	f.Fuzz(func(t *testing.T, ignore, listed string) {
		for _, files := range []string{"", fmt.Sprintf(`, "files": [%q]`, listed)} {
			project := fstest.MapFS{
				"package.json": {Data: []byte(`{"name": "lib"` + files + `}`)}, ".npmignore": {Data: []byte(ignore)}, "dist/a.js": {}, "dist/.gitignore": {Data: []byte(ignore)},
				"dist/deep/er/b.js": {}, "node_modules/a/index.js": {}, ".git/HEAD": {}, "README.md": {},
			}
			m, err := readManifest(project, ".")
			if err != nil {
				continue // a string that is none in JSON
			}
			w := &packWalker{project: project, job: packJob{folder: ".", manifest: m}}
			if err := w.start(); err != nil {
				t.Fatal(err)
			}
			if err := w.walk(""); err != nil {
				t.Fatal(err)
			}
			found := map[string]bool{}
			for _, file := range w.files {
				found[file.name] = true
			}
			if !found["package.json"] && !strings.HasPrefix(listed, "!") || found["node_modules/a/index.js"] || found[".git/HEAD"] {
				t.Errorf("packed: %v", found)
			}
		}
	})
}
