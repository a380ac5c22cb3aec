//go:build e2e

package zipper

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What a reader found under one name: the content, or a link's target.
type found struct {
	mode uint32 // st_mode; 0 from a reader that does not say
	sha  [sha256.Size]byte
}

// A zipReader returns what another program finds in an archive, by name; a
// folder's name ends in a slash. An extractor also makes folders that are
// parents and no entries.
type zipReader struct {
	name string
	read func(t *testing.T, archive string) map[string]found
	// composes is whether it turns names into Unicode's composed form (NFC).
	composes bool
}

func zipReaders(t *testing.T) []zipReader {
	classes := filepath.Join(t.TempDir(), "classes")
	tool(t, "javac", "-d", classes, "testdata/readers/Readers.java")
	java := func(how string) func(t *testing.T, archive string) map[string]found {
		return func(t *testing.T, archive string) map[string]found {
			return listed(t, tool(t, "java", "-cp", classes, "Readers", how, archive))
		}
	}
	extract := func(args func(archive, dir string) []string) func(t *testing.T, archive string) map[string]found {
		return func(t *testing.T, archive string) map[string]found {
			dir := scratch(t)
			tool(t, args(archive, dir)...)
			return extracted(t, dir)
		}
	}
	return []zipReader{
		{name: "Info-ZIP unzip", read: extract(func(archive, dir string) []string { return []string{"unzip", "-q", archive, "-d", dir} })},
		// Unless told by -snld, it refuses links that have "..", wherever they point.
		{name: "7-Zip", read: extract(func(archive, dir string) []string {
			return []string{"7zz", "x", "-y", "-bso0", "-snld", "-o" + dir, archive}
		})},
		{name: "libarchive", composes: true, read: extract(func(archive, dir string) []string {
			return []string{"bsdtar", "-xpf", archive, "-C", dir}
		})},
		{name: "libarchive from a pipe", composes: true, read: func(t *testing.T, archive string) map[string]found {
			dir := scratch(t)
			tool(t, "sh", "-c", `cat "$1" | bsdtar -xf - -C "$2"`, "sh", archive, dir)
			return withoutModes(extracted(t, dir))
		}},
		{name: "Python zipfile", read: func(t *testing.T, archive string) map[string]found {
			return listed(t, tool(t, "python3", "testdata/readers/read.py", archive))
		}},
		{name: "Java ZipInputStream", read: java("stream")},
		{name: "Java ZipFile", read: java("file")},
		{name: "Go archive/zip", read: readWithArchiveZip},
		{name: "Open", read: readWithOpen},
	}
}

// tool runs a program as on a system with the usual umask and UTF-8 names,
// and returns what it prints. One that is missing is an error.
func tool(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", `umask 022 && exec "$@"`, "sh"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v (make deps installs the tools)\n%s", args, err, stderr.Bytes())
	}
	return stdout.Bytes()
}

// scratch makes a folder to extract to, in memory if there is such a place:
// on a disk, 65,534 files take minutes.
func scratch(t *testing.T) string {
	t.Helper()
	parent := "/dev/shm"
	if _, err := os.Stat(parent); err != nil {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "layerbuild-readers-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// extracted reads what an extractor made in a folder.
func extracted(t *testing.T, dir string) map[string]found {
	t.Helper()
	all := make(map[string]found)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var content []byte
		mode := uint32(info.Mode().Perm())
		switch info.Mode().Type() {
		case fs.ModeDir:
			mode |= 0o040000
			name += "/"
		case fs.ModeSymlink:
			mode |= 0o120000
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			content = []byte(target)
		default:
			mode |= 0o100000
			if content, err = os.ReadFile(path); err != nil {
				return err
			}
		}
		all[name] = found{mode, sha256.Sum256(content)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func withoutModes(all map[string]found) map[string]found {
	for name, f := range all {
		all[name] = found{sha: f.sha}
	}
	return all
}

// listed reads lines of a name and a SHA-256, both hexadecimal, and perhaps an
// octal mode.
func listed(t *testing.T, out []byte) map[string]found {
	t.Helper()
	all := make(map[string]found)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, err := hex.DecodeString(fields[0])
		if err != nil {
			t.Fatal(err)
		}
		var f found
		if _, err := hex.Decode(f.sha[:], []byte(fields[1])); err != nil {
			t.Fatal(err)
		}
		if len(fields) > 2 {
			mode, err := strconv.ParseUint(fields[2], 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			f.mode = uint32(mode)
		}
		if _, ok := all[string(name)]; ok {
			t.Errorf("%q came twice", name)
		}
		all[string(name)] = f
	}
	return all
}

func readWithArchiveZip(t *testing.T, archive string) map[string]found {
	r, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := make(map[string]found)
	for _, f := range r.File {
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(content)
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name] = found{f.ExternalAttrs >> 16, sha256.Sum256(b)}
	}
	return all
}

func readWithOpen(t *testing.T, archive string) map[string]found {
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(f, info.Size(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]found)
	for i := range a.Entries {
		e := &a.Entries[i]
		content, err := readContent(e)
		if err != nil {
			t.Fatal(err)
		}
		mode, err := unixMode(e.Mode)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		all[e.Name] = found{mode, sha256.Sum256(content)}
	}
	return all
}

// A goldenArchive is an archive of Write's and what it is to hold.
type goldenArchive struct {
	name    string
	archive []byte
	entries []Entry
}

// goldenArchives have every feature that an archive of Write's can have.
func goldenArchives(t *testing.T) []goldenArchive {
	small, err := os.ReadFile("testdata/small.zip")
	if err != nil {
		t.Fatal(err)
	}
	all := []goldenArchive{{"small.zip", small, smallTree()}}
	for name, entries := range map[string][]Entry{
		"big":            bigTree(),
		"names":          namesTree(),
		"decomposed":     {file("e\u0301", 0o644, []byte("1"))},
		"spill":          spillTree(),
		"65,534 entries": manyTree(),
	} {
		archive, _ := write(t, entries, Options{})
		all = append(all, goldenArchive{name, archive, entries})
	}
	return all
}

// namesTree has names that a reader might take for something else.
func namesTree() (entries []Entry) {
	for i, name := range []string{
		"a b", " a", "a ", "-dash", "--", "quo'te", `dou"ble`, "dollar$HOME", "star*", "question?", "a;b&c|d", "~", "#x", "%41",
		"...", "a..b", ".hidden", "...d/f", "UPPER", "upper", "\u00e9", "日本語/ファイル", "😀.txt", "a/b/c/d/e/f/g/h/i/j/k",
		"META-INF/MANIFEST.MF", strings.Repeat("n", 255), strings.Repeat("ü", 127), strings.Repeat("deep/", 100) + "f",
	} {
		entries = append(entries, file(name, 0o644, []byte(strconv.Itoa(i))))
	}
	return append(entries, link("link to", "a b"), link("a/link up", "../out"), folder("empty folder/"))
}

// spillTree has entries whose data does not fit in memory.
func spillTree() []Entry {
	return []Entry{
		file("noise", 0o644, noise(1, spillSize+blockSize)),
		file("shrinks", 0o755, append(noise(2, spillSize+blockSize), prose(2, blockSize)...)),
		file("zeros", 0o644, make([]byte, 64<<20)),
	}
}

// manyTree has as many entries as can be without zip64.
func manyTree() (entries []Entry) {
	for i := range maxEntries {
		entries = append(entries, file(fmt.Sprintf("%03d/%d", i/100, i), 0o644, []byte(strconv.Itoa(i))))
	}
	return entries
}

// TestReaders reads archives of Write's with other programs: names and
// contents in all of them, modes and links where the reader tells.
func TestReaders(t *testing.T) {
	readers := zipReaders(t)
	for _, golden := range goldenArchives(t) {
		path := filepath.Join(t.TempDir(), "golden.zip")
		if err := os.WriteFile(path, golden.archive, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, reader := range readers {
			want := wanted(t, golden.entries, reader.composes)
			t.Run(golden.name+"/"+reader.name, func(t *testing.T) {
				compareFound(t, reader.read(t, path), want)
			})
		}
	}
}

// wanted is what entries are to be found as.
func wanted(t *testing.T, entries []Entry, composed bool) map[string]found {
	prepared, err := prepare(entries)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]found)
	for _, e := range prepared {
		mode, err := unixMode(e.Mode)
		if err != nil {
			t.Fatal(err)
		}
		if composed {
			e.Name = strings.ReplaceAll(e.Name, "e\u0301", "\u00e9")
		}
		all[e.Name] = found{mode, sha256.Sum256(contentOf(t, e))}
	}
	return all
}

func compareFound(t *testing.T, got, want map[string]found) {
	t.Helper()
	parents := make(map[string]bool)
	for name := range want {
		for i := range name {
			if name[i] == '/' {
				parents[name[:i+1]] = true
			}
		}
	}
	shown := 0
	for _, name := range slices.Sorted(maps.Keys(want)) {
		g, ok := got[name]
		if w := want[name]; !ok || g.sha != w.sha || g.mode != 0 && g.mode != w.mode {
			t.Errorf("%q: found %v, mode %#o, SHA-256 %.4x…; want mode %#o, SHA-256 %.4x…", name, ok, g.mode, g.sha, w.mode, w.sha)
			if shown++; shown == 20 {
				t.Fatal("and so on")
			}
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && !parents[name] {
			t.Errorf("%q should not be there", name)
		}
	}
}
