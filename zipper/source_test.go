package zipper

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// tree makes a folder with all that an archive can hold: a name that ends in a
// slash is a folder, a content that begins with -> a link, and an upper-case
// base name makes a file executable.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path, content := filepath.Join(dir, name), files[name]
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		var err error
		target, isLink := strings.CutPrefix(content, "->")
		switch {
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o777)
		case isLink:
			err = os.Symlink(target, path)
		case filepath.Base(name) == "RUN":
			err = os.WriteFile(path, []byte(content), 0o777)
		default:
			err = os.WriteFile(path, []byte(content), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// listing shows an archive's entries with kinds, modes and contents.
func listing(t *testing.T, entries []Entry) []string {
	t.Helper()
	_, info := write(t, entries, Options{})
	byName := make(map[string]Entry)
	for _, e := range entries {
		byName[e.Name] = e
	}
	var lines []string
	for _, e := range info.Entries {
		content := ""
		if !e.Mode.IsDir() {
			content = " " + string(contentOf(t, byName[e.Name]))
		}
		lines = append(lines, e.Mode.String()+" "+e.Name+content)
	}
	return lines
}

var sourceFiles = map[string]string{
	"b/RUN":         "#!/bin/sh",
	"b/data":        "some",
	"a.txt":         "text",
	"empty/":        "",
	"deep/empty/":   "",
	"link":          "->b/data",
	"dead":          "->../nowhere",
	"folder-link":   "->b",
	"cache/x.pyc":   "x",
	"cache/y/z.pyc": "z",
	"Grüße":         "ä",
}

func TestFolder(t *testing.T) {
	dir := folderOf(t, sourceFiles)
	entries, err := Folder(t.Context(), os.DirFS(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rw-r--r-- Grüße ä", "-rw-r--r-- a.txt text", "-rwxr-xr-x b/RUN #!/bin/sh", "-rw-r--r-- b/data some",
		"-rw-r--r-- cache/x.pyc x", "-rw-r--r-- cache/y/z.pyc z", "Lrwxrwxrwx dead ../nowhere", "drwxr-xr-x deep/empty/",
		"drwxr-xr-x empty/", "Lrwxrwxrwx folder-link b", "Lrwxrwxrwx link b/data",
	}
	if got := listing(t, entries); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFolderLeaves: what is left out leaves no trace, and a folder that is
// left out is not read.
func TestFolderLeaves(t *testing.T) {
	dir := folderOf(t, sourceFiles)
	entries, err := Folder(t.Context(), os.DirFS(dir), func(name string, d fs.DirEntry) bool {
		if strings.HasPrefix(name, "b/") {
			t.Errorf("asked for %s, whose folder is left out", name)
		}
		return strings.HasSuffix(name, ".pyc") || name == "b" && d.IsDir() || name == "empty"
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"-rw-r--r-- Grüße ä", "-rw-r--r-- a.txt text", "Lrwxrwxrwx dead ../nowhere", "drwxr-xr-x deep/empty/",
		"Lrwxrwxrwx folder-link b", "Lrwxrwxrwx link b/data",
	}
	if got := listing(t, entries); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFolderOrder: the same files give the same bytes, however they came to
// lie there.
func TestFolderOrder(t *testing.T) {
	var archives [][]byte
	for i, mode := range []fs.FileMode{0o700, 0o755} {
		dir := folderOf(t, sourceFiles)
		if err := os.Chmod(filepath.Join(dir, "b/RUN"), mode); err != nil {
			t.Fatal(err)
		}
		entries, err := Folder(t.Context(), os.DirFS(dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			slices.Reverse(entries)
		}
		b, _ := write(t, entries, Options{Workers: i + 1})
		archives = append(archives, b)
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two copies of a folder give different archives")
	}
}

func TestFolderRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		fsys fs.FS
		want string
	}{
		"a socket": {t.Context(), withSocket(t), `entry "sub/sock": a socket`},
		"a device": {t.Context(), fstest.MapFS{"null": {Mode: fs.ModeDevice | fs.ModeCharDevice}}, `entry "null": a device`},
		"a pipe":   {t.Context(), fstest.MapFS{"p": {Mode: fs.ModeNamedPipe}}, `entry "p": a named pipe`},
		"a link where none can be read": {
			t.Context(), struct{ fs.FS }{fstest.MapFS{"l": {Mode: fs.ModeSymlink, Data: []byte("x")}}}, `entry "l": `,
		},
		"a backslash": {t.Context(), fstest.MapFS{`a\b`: {}}, `entry "a\\b": the name has a NUL byte or a backslash`},
		"no folder":   {t.Context(), os.DirFS(filepath.Join(t.TempDir(), "nowhere")), "no such file"},
		"cancelled":   {cancelled, fstest.MapFS{"a": {}}, "context canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Folder(c.ctx, c.fsys, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func withSocket(t *testing.T) fs.FS {
	t.Helper()
	dir, err := os.MkdirTemp("", "z") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "sub/sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return os.DirFS(dir)
}

// TestFolderChanges: a file that is another when it is archived is an error
// that names it.
func TestFolderChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"gone":    os.Remove,
		"shorter": func(path string) error { return os.Truncate(path, 1) },
		"longer":  func(path string) error { return os.WriteFile(path, []byte("more text"), 0o666) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := folderOf(t, sourceFiles)
			entries, err := Folder(t.Context(), os.DirFS(dir), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := change(filepath.Join(dir, "a.txt")); err != nil {
				t.Fatal(err)
			}
			if _, err := Write(t.Context(), io.Discard, entries, Options{}); err == nil || !strings.Contains(err.Error(), `entry "a.txt"`) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// tarOf makes a tar stream; what a regular file holds travels in Uname.
func tarOf(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		content := h.Uname
		h.Uname, h.Size = "", int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadTar(t *testing.T) {
	data := tarOf(t,
		tar.Header{Name: "./", Typeflag: tar.TypeDir},
		tar.Header{Name: "./b/", Typeflag: tar.TypeDir, Mode: 0o700},
		tar.Header{Name: "./b/RUN", Typeflag: tar.TypeReg, Mode: 0o4700, Uname: "#!/bin/sh"},
		tar.Header{Name: "/a.txt", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "old"},
		tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "./a.txt"},
		tar.Header{Name: "a.txt", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "text"},
		tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "b/data"},
		tar.Header{Name: "deep/empty/", Typeflag: tar.TypeDir},
		tar.Header{Name: "deep/", Typeflag: tar.TypeDir},
	)
	got, err := ReadTar(t.Context(), bytes.NewReader(append(data, make([]byte, 1<<20)...)), TarOptions{TempDir: t.TempDir(), Hash: true})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	want := []string{
		"-rw-r--r-- a.txt text", "-rwxr-xr-x b/RUN #!/bin/sh", "drwxr-xr-x deep/empty/", "-rw-r--r-- hard old", "Lrwxrwxrwx link b/data",
	}
	if got := listing(t, got.Entries); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for name, content := range map[string]string{"a.txt": "text", "hard": "old", "b/RUN": "#!/bin/sh"} {
		if got.SHA256[name] != sha256.Sum256([]byte(content)) {
			t.Errorf("the hash of %s is another's", name)
		}
	}
}

func TestReadTarRefuses(t *testing.T) {
	file := tar.Header{Name: "file", Typeflag: tar.TypeReg, Uname: "0123456789"}
	for name, c := range map[string]struct {
		data []byte
		opts TarOptions
		want string
	}{
		"a name that leaves": {tarOf(t, tar.Header{Name: "a/../../b", Typeflag: tar.TypeReg}), TarOptions{}, `entry "a/../../b": `},
		"a backslash":        {tarOf(t, tar.Header{Name: `a\b`, Typeflag: tar.TypeReg}), TarOptions{}, `entry "a\\b": `},
		"a device":           {tarOf(t, tar.Header{Name: "dev/null", Typeflag: tar.TypeChar}), TarOptions{}, `entry "dev/null": `},
		"a dead hard link":   {tarOf(t, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}), TarOptions{}, `entry "a": `},
		"a link to a folder": {
			tarOf(t, tar.Header{Name: "b/", Typeflag: tar.TypeDir}, tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}),
			TarOptions{}, `entry "a": `,
		},
		"many bytes":   {tarOf(t, file), TarOptions{MaxBytes: 9}, `entry "file": more than 9 bytes`},
		"many entries": {tarOf(t, file, tar.Header{Name: "b/", Typeflag: tar.TypeDir}), TarOptions{MaxEntries: 1}, `entry "b/": more than 1`},
		"a cut":        {tarOf(t, file)[:517], TarOptions{}, `entry "file": unexpected EOF`},
		"no tar":       {bytes.Repeat([]byte("x"), 2000), TarOptions{}, "read tar: "},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadTar(t.Context(), bytes.NewReader(c.data), c.opts); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadTar(cancelled, bytes.NewReader(tarOf(t, file)), TarOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func FuzzReadTar(f *testing.F) {
	f.Add(tarOf(f, tar.Header{Name: "a", Typeflag: tar.TypeReg, Uname: "x"}, tar.Header{Name: "b", Typeflag: tar.TypeLink, Linkname: "a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ReadTar(t.Context(), bytes.NewReader(data), TarOptions{TempDir: t.TempDir(), MaxBytes: 1 << 20, MaxEntries: 1000})
		if err != nil {
			return
		}
		defer got.Close()
		if _, err := prepare(got.Entries); err == nil {
			write(t, got.Entries, Options{})
		}
	})
}
