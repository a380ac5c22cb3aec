package check_test

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/runtimes"
)

// plantedInPlaces are layers whose packages no runtime finds.
func plantedInPlaces() []planted {
	one := file("", []byte("x"))
	node := check.Target{Runtime: row("nodejs22.x"), Arch: runtimes.X86_64}
	jvm := check.Target{Runtime: row("java21"), Arch: runtimes.X86_64}
	return []planted{
		{"a folder around python/", al2023, runtimes.Tree{"layer/python/m.py": one}, check.Misplaced, "layer/python"},
		{"the content of python/", al2023, runtimes.Tree{"m.py": one, "m-1.0.dist-info/METADATA": one}, check.Misplaced, "m-1.0.dist-info"},
		{"a virtual environment", al2023, runtimes.Tree{"lib/python3.13/site-packages/m.py": one}, check.Misplaced, "lib/python3.13/site-packages"},
		{"another Python's packages", al2023, runtimes.Tree{"python/lib/python3.12/site-packages/m.py": one}, check.Misplaced, "python/lib/python3.12/site-packages"},
		{"a package at the top", al2023, runtimes.Tree{"m/__init__.py": one, "m/n.py": one}, check.Misplaced, "m"},
		{"site-packages alone", al2023, runtimes.Tree{"python/site-packages/m.py": one, "python/site-packages/m-1.0.dist-info/METADATA": one}, check.Misplaced, "python/site-packages"},
		{"python/ twice", al2023, runtimes.Tree{"python/python/m.py": one, "python/python/m-1.0.dist-info/METADATA": one}, check.Misplaced, "python/python"},
		{"lib without site-packages", al2023, runtimes.Tree{"python/lib/python3.13/m.py": one, "python/lib/python3.13/m-1.0.dist-info/METADATA": one}, check.Misplaced, "python/lib/python3.13"},
		{"node_modules at the top", node, runtimes.Tree{"node_modules/m/index.js": one}, check.Misplaced, "node_modules"},
		{"a folder around nodejs/", node, runtimes.Tree{"out/nodejs/node_modules/m/index.js": one}, check.Misplaced, "out/nodejs/node_modules"},
		{"another Node.js's packages", node, runtimes.Tree{"nodejs/node18/node_modules/m/index.js": one}, check.Misplaced, "nodejs/node18/node_modules"},
		{"a folder around java/", jvm, runtimes.Tree{"build/java/lib/m.jar": one}, check.Misplaced, "build/java/lib"},
	}
}

// A plantedZip is a zip file in which one check finds something.
type plantedZip struct {
	name string
	data []byte
	id   string
	path string
}

// zipFile is a zip file with one sound module and what change adds.
func zipFile(add func(w *zip.Writer)) []byte {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	writeZip(w, &zip.FileHeader{Name: "python/m.py"}, 0o644, "m = 1\n")
	if add != nil {
		add(w)
	}
	if err := w.Close(); err != nil {
		panic(err) // a buffer takes all
	}
	return buf.Bytes()
}

func writeZip(w *zip.Writer, h *zip.FileHeader, mode fs.FileMode, content string) {
	h.SetMode(mode)
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err != nil {
		panic(err)
	}
}

func entry(name string, mode fs.FileMode, content string) []byte {
	return zipFile(func(w *zip.Writer) { writeZip(w, &zip.FileHeader{Name: name}, mode, content) })
}

func plantedZips() []plantedZip {
	damaged := entry("python/n.py", 0o644, "n = 1\n")
	at := bytes.Index(damaged, []byte("n = 1"))
	damaged[at] = 'm'
	encrypted := zipFile(func(w *zip.Writer) {
		f, err := w.CreateRaw(&zip.FileHeader{Name: "python/n.py", Flags: 1, CompressedSize64: 12})
		if err == nil {
			_, err = f.Write(make([]byte, 12))
		}
		if err != nil {
			panic(err)
		}
	})
	return []plantedZip{
		{"no zip", []byte("PK is how it begins"), check.ZipRefused, ""},
		{"cut off", damaged[:len(damaged)-30], check.ZipRefused, ""},
		{"another content", damaged, check.ZipRefused, ""},
		{"something in front", append([]byte("#!/bin/sh\n"), damaged...), check.ZipRefused, ""},
		{"encrypted", encrypted, check.ZipRefused, ""},
		{"a backslash", entry(`python\n.py`, 0o644, "n = 1\n"), check.ZipRefused, ""},
		{"leads out", entry("../n.py", 0o644, "n = 1\n"), check.ZipRefused, ""},
		{"two of one name", entry("python/m.py", 0o644, "m = 2\n"), check.ZipRefused, ""},
		{"0700", entry("python/n/", fs.ModeDir|0o700, ""), check.ZipFolder, "python/n"},
		{"0754", entry("python/n/", fs.ModeDir|0o754, ""), check.ZipFolder, "python/n"},
		{"zip64", zip64File(), check.Zip64, ""},
	}
}

// zip64File has one entry whose sizes are in a zip64 field without need, as
// tools write them that do not know the size when they begin.
func zip64File() []byte {
	return []byte("PK\x03\x04\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x8b\x9e\xd9\xd3\xff\xff\xff\xff\xff\xff\xff\xff\x0b\x00\x14\x00python/m.py" +
		"\x01\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00A" +
		"PK\x01\x02\x2d\x03\x2d\x00\x00\x00\x00\x00\x00\x00\x00\x00\x8b\x9e\xd9\xd3\xff\xff\xff\xff\xff\xff\xff\xff\x0b\x00\x14\x00\x00\x00\x00\x00\x00\x00\x00\x00\xa4\x81\x00\x00\x00\x00python/m.py" +
		"\x01\x00\x10\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
		"PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x4d\x00\x00\x00\x3e\x00\x00\x00\x00\x00")
}

// readZip is what GatherZip gets of a file.
func readZip(t testing.TB, data []byte) check.Zip {
	t.Helper()
	z, spool, err := tree.ReadZip(t.Context(), bytes.NewReader(data), int64(len(data)), t.TempDir())
	if err != nil {
		return check.Zip{Refused: err}
	}
	t.Cleanup(func() { spool.Close() })
	return check.Zip{Tree: z.Tree, Folders: z.Folders, Zip64: z.Zip64}
}

// TestPlantedZips: as TestPlanted, for what only a zip file can have.
func TestPlantedZips(t *testing.T) {
	for _, p := range append(plantedZips(), plantedZip{"sound", zipFile(nil), "", ""}) {
		t.Run(p.id+"/"+p.name, func(t *testing.T) {
			warnings, err := check.GatherZip(readZip(t, p.data), limit).Judge([]check.Target{al2}, nil)
			got := append(warnings, findings(t, err)...)
			switch {
			case p.id == "" && len(got) == 0:
			case len(got) != 1 || got[0].ID != p.id || got[0].Path != p.path:
				t.Errorf("found %q, want one of %s at %q", got, p.id, p.path)
			default:
				t.Log(got[0])
			}
		})
	}
}

// TestOwners: files of a zip file are given to the packages that list them, or
// in whose folder they lie.
func TestOwners(t *testing.T) {
	one := file("", []byte("x"))
	tree := runtimes.Tree{
		"python/m/a.py":                                     one,
		"python/m.libs/b.so":                                one,
		"bin/m":                                             one,
		"python/own.py":                                     one,
		"python/m-1.0.dist-info/METADATA":                   one,
		"python/m-1.0.dist-info/RECORD":                     file("", []byte("m/a.py,sha256=x,1\nm.libs/b.so,,\n../bin/m,,\nm/gone.py,,\nm-1.0.dist-info/METADATA,,\nm-1.0.dist-info/RECORD,,\n")),
		"python/n-1.0.dist-info/RECORD":                     file("", []byte("\"n\nown.py,,\n")),
		"nodejs/node_modules/a/i.js":                        one,
		"nodejs/node_modules/@s/b/lib/i.js":                 one,
		"nodejs/node_modules/a/node_modules/c":              one,
		"nodejs/node_modules/a/node_modules/d/package.json": one,
		"nodejs/node_modules/.package-lock.json":            one,
	}
	check.GatherZip(check.Zip{Tree: tree}, limit)
	for name, want := range map[string]string{
		"python/m/a.py": "m", "python/m.libs/b.so": "m", "bin/m": "m", "python/m-1.0.dist-info/RECORD": "m", "python/own.py": "",
		"nodejs/node_modules/a/i.js": "a", "nodejs/node_modules/@s/b/lib/i.js": "@s/b",
		"nodejs/node_modules/a/node_modules/d/package.json": "d", "nodejs/node_modules/.package-lock.json": "",
	} {
		if got := tree[name].Package; got != want {
			t.Errorf("%s is of %q, want %q", name, got, want)
		}
	}
}
