package tree_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/tree"
)

func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, h := range headers {
		content := h.Uname // the test's content travels here
		h.Uname = ""
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReadTar(t *testing.T) {
	data := archive(t,
		tar.Header{Name: "./bin/", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "./bin/run", Typeflag: tar.TypeReg, Mode: 0o700, Uname: "#!/bin/sh\n"},
		tar.Header{Name: "/lib/a.py", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "a = 1\n"},
		tar.Header{Name: "lib/b.py", Typeflag: tar.TypeLink, Linkname: "lib/a.py"},
		tar.Header{Name: "lib/c.py", Typeflag: tar.TypeSymlink, Linkname: "a.py"},
	)
	// Bytes after the end marker must not block the engine that writes them.
	got, spool, err := tree.ReadTar(t.Context(), bytes.NewReader(append(data, make([]byte, 1<<20)...)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	if paths := strings.Join(got.Paths(), " "); paths != "bin/run lib/a.py lib/b.py lib/c.py" {
		t.Errorf("paths: %s", paths)
	}
	for name, want := range map[string]struct {
		mode    fs.FileMode
		content string
	}{
		"bin/run":  {0o755, "#!/bin/sh\n"},
		"lib/a.py": {0o644, "a = 1\n"},
		"lib/b.py": {0o644, "a = 1\n"},
	} {
		f := got[name]
		content, err := f.ReadAll(100)
		if err != nil {
			t.Fatal(err)
		}
		if f.Mode != want.mode || string(content) != want.content || f.SHA256 != sha256.Sum256(content) || f.Size != int64(len(content)) {
			t.Errorf("%s: mode %v content %q", name, f.Mode, content)
		}
	}
	if f := got["lib/c.py"]; f.Link != "a.py" || f.Mode != fs.ModeSymlink|0o777 {
		t.Errorf("lib/c.py: %+v", f)
	}
}

func TestReadTarRefuses(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"traversal":        {Name: "a/../../b", Typeflag: tar.TypeReg},
		"the root":         {Name: ".", Typeflag: tar.TypeReg},
		"a backslash":      {Name: `a\b`, Typeflag: tar.TypeReg},
		"a device":         {Name: "dev/null", Typeflag: tar.TypeChar},
		"a dead hard link": {Name: "a", Typeflag: tar.TypeLink, Linkname: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := tree.ReadTar(t.Context(), bytes.NewReader(archive(t, header)), t.TempDir()); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestReadTarCutShort(t *testing.T) {
	data := archive(t, tar.Header{Name: "a", Typeflag: tar.TypeReg, Uname: strings.Repeat("x", 5000)})
	if _, _, err := tree.ReadTar(t.Context(), bytes.NewReader(data[:3000]), t.TempDir()); err == nil {
		t.Error("no error")
	}
}

func FuzzReadTar(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "a", Typeflag: tar.TypeReg, Uname: "x"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, spool, err := tree.ReadTar(t.Context(), bytes.NewReader(data), t.TempDir())
		if err != nil {
			return
		}
		defer spool.Close()
		for name := range got {
			if !fs.ValidPath(name) {
				t.Errorf("bad path %q", name)
			}
		}
	})
}
