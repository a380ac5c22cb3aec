package tree_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/zipper"
)

// zipFile makes a zip file from names, modes and contents.
func zipFile(t testing.TB, entries ...any) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for ; len(entries) > 0; entries = entries[3:] {
		h := &zip.FileHeader{Name: entries[0].(string), Method: zip.Deflate}
		h.SetMode(entries[1].(fs.FileMode))
		f, err := w.CreateHeader(h)
		if err == nil {
			_, err = f.Write([]byte(entries[2].(string)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestReadZip: modes are kept as they are, which is what ReadTar does not.
func TestReadZip(t *testing.T) {
	data := zipFile(t,
		"python/", fs.ModeDir|0o700, "",
		"python/a.py", fs.FileMode(0o600), "a = 1\n",
		"bin/run", fs.ModeSetuid|0o755, "#!/bin/sh\n",
		"lib/b.so", fs.ModeSymlink|0o777, "b.so.1",
		"dev", fs.ModeDevice|0o644, "")
	z, spool, err := tree.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	if paths := strings.Join(z.Tree.Paths(), " "); paths != "bin/run dev lib/b.so python/a.py" {
		t.Errorf("paths: %s", paths)
	}
	if len(z.Folders) != 1 || z.Folders["python"] != fs.ModeDir|0o700 || z.Zip64 {
		t.Errorf("folders %v, zip64 %v", z.Folders, z.Zip64)
	}
	for name, want := range map[string]struct {
		mode          fs.FileMode
		content, link string
	}{
		"python/a.py": {0o600, "a = 1\n", ""},
		"bin/run":     {fs.ModeSetuid | 0o755, "#!/bin/sh\n", ""},
		"lib/b.so":    {fs.ModeSymlink | 0o777, "", "b.so.1"},
		"dev":         {fs.ModeDevice | 0o644, "", ""},
	} {
		f := z.Tree[name]
		if f.Mode != want.mode || f.Link != want.link || f.Size != int64(len(want.content)) {
			t.Errorf("%s: %+v", name, f)
		}
		if f.Open == nil {
			continue
		}
		content, err := f.ReadAll(100)
		if err != nil || string(content) != want.content || f.SHA256 != sha256.Sum256(content) {
			t.Errorf("%s: content %q, error %v", name, content, err)
		}
	}
}

func TestReadZipRefuses(t *testing.T) {
	for name, data := range map[string][]byte{
		"nothing":            nil,
		"traversal":          zipFile(t, "a/../../b", fs.FileMode(0o644), "x"),
		"a NUL in a link":    zipFile(t, "a", fs.ModeSymlink|0o777, "b\x00c"),
		"more than is there": zipFile(t, "a", fs.FileMode(0o644), "x")[1:],
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := tree.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), t.TempDir()); !errors.Is(err, zipper.ErrRefused) {
				t.Errorf("error %v", err)
			}
		})
	}
}
