//go:build e2e

package zipper

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// layOut makes files and links of entries in a folder.
func layOut(t *testing.T, entries []Entry) string {
	t.Helper()
	dir := t.TempDir()
	for _, e := range entries {
		path := filepath.Join(dir, e.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch e.Mode.Type() {
		case fs.ModeDir:
			err = os.MkdirAll(path, 0o755)
		case fs.ModeSymlink:
			err = os.Symlink(e.Link, path)
		default:
			if err = os.WriteFile(path, contentOf(t, e), 0o644); err == nil {
				err = os.Chmod(path, e.Mode.Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestOpensOthers opens archives that other programs made of one tree, to
// files and through pipes.
func TestOpensOthers(t *testing.T) {
	entries, err := prepare(append(bigTree(), namesTree()...))
	if err != nil {
		t.Fatal(err)
	}
	dir := layOut(t, entries)
	shell := func(command string) func(t *testing.T, archive string) {
		return func(t *testing.T, archive string) {
			tool(t, "sh", "-c", `set -e; cd "$1"; `+command, "sh", dir, archive)
		}
	}
	python := func(form string) func(t *testing.T, archive string) {
		return func(t *testing.T, archive string) {
			if err := os.WriteFile(archive, tool(t, "python3", "testdata/readers/write.py", dir, form), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name    string
		noLinks bool // whether links are left out, or followed
		noModes bool
		make    func(t *testing.T, archive string)
	}{
		{name: "Info-ZIP zip", make: shell(`zip -qry9 "$2" .`)},
		{name: "Info-ZIP zip to a pipe", noLinks: true, make: shell(`find . -type f | zip -q - -@ | cat >"$2"`)},
		{name: "Info-ZIP zip, zip64", make: shell(`zip -qryfz "$2" .`)},
		{name: "Info-ZIP zip, comment", make: shell(`zip -qry "$2" .; echo hello | zip -qz "$2"`)},
		{name: "7-Zip", make: shell(`7zz a -tzip -snl -bso0 "$2" .`)},
		{name: "libarchive", make: shell(`bsdtar -acf "$2" -- * .[!.]* ...*`)},
		{name: "libarchive, stored", make: shell(`bsdtar --format zip --options zip:compression=store -cf "$2" -- * .[!.]* ...*`)},
		{name: "libarchive, zip64", make: shell(`bsdtar --format zip --options zip:zip64 -cf "$2" -- * .[!.]* ...*`)},
		{name: "Python zipfile", noLinks: true, make: python("file")},
		{name: "Python zipfile, stored", noLinks: true, make: python("stored")},
		{name: "Python zipfile to a pipe", noLinks: true, make: python("pipe")},
		{name: "Python zipfile, zip64", noLinks: true, make: python("zip64")},
		{name: "Java jar", noLinks: true, noModes: true, make: shell(`find . -type f | sed 's/["\\]/\\&/g; s/^/"/; s/$/"/' >"$2.files"; jar cfM "$2" "@$2.files"`)},
		{name: "Go archive/zip", noLinks: true, make: func(t *testing.T, archive string) { writeWithArchiveZip(t, archive, dir) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			archive := filepath.Join(t.TempDir(), "other.zip")
			test.make(t, archive)
			got := readWithOpen(t, archive)
			if test.noModes {
				got = withoutModes(got)
			}
			want := wanted(t, entries, false)
			for _, e := range entries {
				// Programs differ on folders, and some leave out links.
				if e.Mode.IsDir() || test.noLinks && e.Mode.Type() == fs.ModeSymlink {
					delete(want, e.Name)
					delete(got, e.Name)
				}
			}
			compareFound(t, got, want)
		})
	}
}

// writeWithArchiveZip makes an archive as Go programs do, with descriptors.
func writeWithArchiveZip(t *testing.T, archive, dir string) {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		header, err := zip.FileInfoHeader(info)
		if err != nil {
			return err
		}
		header.Name, header.Method = path, zip.Deflate
		target, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		source, err := os.Open(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		defer source.Close()
		_, err = io.Copy(target, source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
