package direct

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// good is a wheel with one file of each kind.
func good() wheelSpec {
	const data = "pkg-1.0.data/"
	return wheelSpec{name: "pkg", version: "1.0", entries: []entry{
		{name: "pkg/", edit: func(h *zip.FileHeader) { h.ExternalAttrs = 0o040755 << 16 }},
		{name: "pkg/__init__.py", data: "x = 1\n"},
		{name: "pkg/run.sh", data: "run", edit: func(h *zip.FileHeader) { h.ExternalAttrs = 0o100744 << 16 }},
		{name: "pkg/dos.sh", data: "run", edit: func(h *zip.FileHeader) {
			h.CreatorVersion, h.ExternalAttrs = 20, 0o100744<<16
		}},
		{name: "pkg/stored.txt", data: "as it is", raw: []byte("as it is"), edit: func(h *zip.FileHeader) { h.Method = zip.Store }},
		{name: "pkg/é.txt", data: "é"},
		{name: "pkg/big.bin", data: strings.Repeat("0123456789abcdef", 100_000)},
		{name: data + "purelib/pure.py", data: "pure"},
		{name: data + "platlib/plat.py", data: "plat"},
		{name: data + "scripts/tool", data: "#!python\n"},
		{name: data + "headers/pkg.h", data: "int x;"},
		{name: data + "data/share/doc.txt", data: "doc"},
	}}
}

func TestInstallWheel(t *testing.T) {
	tree, err := installed(t, good())
	if err != nil {
		t.Fatal(err)
	}
	const site = "lib/python3.11/site-packages/"
	for name, want := range map[string]string{
		site + "pkg/__init__.py":            "644 x = 1\n",
		site + "pkg/run.sh":                 "755 run",
		site + "pkg/dos.sh":                 "755 run",
		site + "pkg/stored.txt":             "644 as it is",
		site + "pkg/é.txt":                  "644 é",
		site + "pkg/big.bin":                "644 " + strings.Repeat("0123456789abcdef", 100_000),
		site + "pure.py":                    "644 pure",
		site + "plat.py":                    "644 plat",
		"bin/tool":                          "755 #!python\n",
		"include/site/python3.11/pkg/pkg.h": "644 int x;",
		"share/doc.txt":                     "644 doc",
		site + "pkg-1.0.dist-info/METADATA": "644 Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n",
	} {
		if tree[name] != want {
			t.Errorf("%s is %.40q, want %.40q", name, tree[name], want)
		}
	}
	if len(tree) != 14 {
		t.Errorf("%d files, want 14", len(tree))
	}
	record := tree[site+"pkg-1.0.dist-info/RECORD"]
	for _, line := range []string{
		"\n../../../bin/tool,sha256=", "\n../../../share/doc.txt,sha256=",
		"\n../../../include/site/python3.11/pkg/pkg.h,sha256=", "\npure.py,sha256=", "\npkg-1.0.dist-info/RECORD,,\n",
	} {
		if !strings.Contains(record, line) {
			t.Errorf("no %q in RECORD:\n%s", line, record)
		}
	}
}

func TestClash(t *testing.T) {
	// In neither order of the recipe does "a" win.
	a := wheelSpec{name: "a", version: "1", entries: []entry{{name: "tests/__init__.py", data: "a"}}}
	b := wheelSpec{name: "b", version: "1", entries: []entry{{name: "tests/__init__.py", data: "b"}}}
	for _, specs := range [][]wheelSpec{{a, b}, {b, a}} {
		tree, err := installed(t, specs...)
		if err != nil {
			t.Fatal(err)
		}
		if got := tree["lib/python3.11/site-packages/tests/__init__.py"]; got != "644 b" {
			t.Errorf("got %q", got)
		}
	}
	b.entries[0].name = "tests"
	var broken *runtimes.PackageError
	if _, err := installed(t, a, b); !errors.As(err, &broken) || !strings.Contains(err.Error(), "file of another package") {
		t.Errorf("file and folder: %v", err)
	}
	// What is hidden is checked all the same.
	b.entries[0].name = "tests/__init__.py"
	a.entries[0].edit = func(h *zip.FileHeader) { h.CRC32++ }
	if _, err := installed(t, a, b); !errors.As(err, &broken) {
		t.Errorf("broken and hidden: %v", err)
	}
}

// with is a wheel with one more entry.
func with(e entry) wheelSpec {
	return wheelSpec{name: "pkg", version: "1.0", entries: []entry{{name: "pkg.py", data: "x"}, e}}
}

func edited(edit func(*zip.FileHeader)) wheelSpec {
	return with(entry{name: "more.py", data: "more content", edit: edit})
}

func records(change func([]wheel.Entry) any) wheelSpec {
	s := with(entry{name: "more.py", data: "more content"})
	s.record = change
	return s
}

func TestHostileWheels(t *testing.T) {
	zeros := strings.Repeat("\x00", 80<<20)
	for _, test := range []struct {
		name    string
		spec    wheelSpec
		problem string
	}{
		{"traversal", with(entry{name: "../evil.py"}), "relative path"},
		{"inner traversal", with(entry{name: "a/../../evil.py"}), "relative path"},
		{"traversal by data", with(entry{name: "pkg-1.0.data/data/../../../evil"}), "relative path"},
		{"absolute", with(entry{name: "/etc/passwd"}), "relative path"},
		{"dot", with(entry{name: "./more.py"}), "relative path"},
		{"empty part", with(entry{name: "a//b.py"}), "relative path"},
		{"backslash", with(entry{name: `..\evil.py`}), "backslash"},
		{"drive letter", with(entry{name: "C:evil.py"}), "drive letter"},
		{"NUL", with(entry{name: "evil\x00.py"}), "control character"},
		{"newline", with(entry{name: "evil\n.py"}), "control character"},
		{"long name", with(entry{name: strings.Repeat("a", 300)}), "255 bytes"},
		{"not UTF-8", with(entry{name: "evil\xff.py"}), "relative path"},
		{"not marked as UTF-8", with(entry{name: "é.py", edit: func(h *zip.FileHeader) { h.Flags = 0; h.NonUTF8 = true }}), "not marked as UTF-8"},
		{"symbolic link", edited(func(h *zip.FileHeader) { h.ExternalAttrs = 0o120777 << 16 }), "symbolic link"},
		{"symbolic link from DOS", edited(func(h *zip.FileHeader) { h.CreatorVersion = 20; h.ExternalAttrs = 0o120777 << 16 }), "symbolic link"},
		{"device", edited(func(h *zip.FileHeader) { h.ExternalAttrs = 0o060644 << 16 }), "neither a file"},
		{"folder as file", edited(func(h *zip.FileHeader) { h.ExternalAttrs = 0o040755 << 16 }), "neither a file"},
		{"encrypted", edited(func(h *zip.FileHeader) { h.Flags |= 1 }), "encrypted"},
		{"odd method", edited(func(h *zip.FileHeader) { h.Method = 12 }), "method 12"},
		{"twice", with(entry{name: "pkg.py", data: "x"}), "twice"},
		{"file and folder", with(entry{name: "pkg.py/x.py"}), "file and a folder"},
		{"file and empty folder", with(entry{name: "pkg.py/", edit: func(h *zip.FileHeader) { h.ExternalAttrs = 0 }}), "file and a folder"},
		{"twice after layout", with(entry{name: "pkg-1.0.data/purelib/pkg.py", data: "y"}), "two of its files"},
		{"unknown data", with(entry{name: "pkg-1.0.data/evil/x"}), "no kind"},
		{"data without kind", with(entry{name: "pkg-1.0.data/x"}), "folder of its kind"},
		{"script in a folder", with(entry{name: "pkg-1.0.data/scripts/a/b"}), "no kind"},
		{"data among packages", with(entry{name: "pkg-1.0.data/data/lib/python3.11/site-packages/x.py"}), "among the packages"},

		{"no METADATA", wheelSpec{name: "pkg", version: "1.0", without: "METADATA"}, "no pkg-1.0.dist-info/METADATA"},
		{"no WHEEL", wheelSpec{name: "pkg", version: "1.0", without: "WHEEL"}, "no pkg-1.0.dist-info/WHEEL"},
		{"no RECORD", wheelSpec{name: "pkg", version: "1.0", without: "RECORD"}, "no pkg-1.0.dist-info/RECORD"},
		{"Wheel-Version 2", wheelSpec{name: "pkg", version: "1.0", wheelFile: "Wheel-Version: 2.0\n"}, "Wheel-Version 2.0"},
		{"no Wheel-Version", wheelSpec{name: "pkg", version: "1.0", wheelFile: "Generator: x\n"}, "no Wheel-Version"},
		{"several dist-info", with(entry{name: "other-2.0.dist-info/METADATA"}), "several .dist-info"},

		{"wrong hash", records(func(l []wheel.Entry) any { l[1].Sum = l[0].Sum; return l }), "does not match its hash"},
		{"not listed", records(func(l []wheel.Entry) any { return l[1:] }), `no hash for "pkg.py"`},
		{"listed without hash", records(func(l []wheel.Entry) any { l[0].Algorithm = ""; return l }), `no hash for "pkg.py"`},
		{"lists what is not there", records(func(l []wheel.Entry) any { l[0].Path = "gone.py"; return l }), "not in the wheel"},
		{"two hashes", records(func(l []wheel.Entry) any {
			return append(l, wheel.Entry{Path: "pkg.py", Algorithm: "sha256", Sum: l[1].Sum})
		}), "two hashes"},
		{"weak hash", records(func([]wheel.Entry) any { return "pkg.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,1\n" }), "weak"},
		{"RECORD is no CSV", records(func([]wheel.Entry) any { return "\"" }), "RECORD"},

		{"zip bomb by ratio", with(entry{name: "zeros", data: zeros}), "no honest archive"},
		{"zip bomb by size", edited(func(h *zip.FileHeader) { h.UncompressedSize64 = 2 << 30 }), "more than 1073741824 bytes"},
		{"sizes that overflow", edited(func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 1 }), "more than 1073741824 bytes"},
		{"longer than declared", edited(func(h *zip.FileHeader) { h.UncompressedSize64 = 4 }), "longer than declared"},
		{"shorter than declared", edited(func(h *zip.FileHeader) { h.UncompressedSize64 = 40 }), "unexpected EOF"},
		{"wrong checksum", edited(func(h *zip.FileHeader) { h.CRC32++ }), "checksum"},
		{"broken deflate", with(entry{name: "more.py", data: "more", raw: []byte{0xff, 0xff, 0xff}}), "broken zip archive"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := installed(t, test.spec)
			var broken *runtimes.PackageError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), test.problem) {
				t.Fatalf("got %v, want a PackageError with %q", err, test.problem)
			}
			if broken.File != "pkg-1.0-py3-none-any.whl" {
				t.Errorf("the file is %q", broken.File)
			}
		})
	}
}

func TestNotAWheelOfThePackage(t *testing.T) {
	whole := with(entry{name: "more.py", data: strings.Repeat("more", 1000)}).build(t)
	central := bytes.LastIndex(whole, []byte("PK\x05\x06"))
	moved := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(moved[central+16:], 7)
	for _, test := range []struct {
		name, problem string
		data          []byte
		pkg           string
		version       string
	}{
		{"empty", "broken zip", nil, "pkg", "1.0"},
		{"no zip", "broken zip", []byte("<html>"), "pkg", "1.0"},
		{"cut", "broken zip", whole[:len(whole)-100], "pkg", "1.0"},
		{"directory elsewhere", "broken zip", moved, "pkg", "1.0"},
		{"other package", "is not that of other 1.0", whole, "other", "1.0"},
		{"other version", "is not that of pkg 1.1", whole, "pkg", "1.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := folder(t.TempDir())
			d.put(t, test.data)
			e := Engine{Downloads: d}
			var b bytes.Buffer
			err := e.Install(t.Context(), recipe(runtimes.Package{Name: test.pkg, Version: test.version,
				File: runtimes.File{Name: "x.whl", SHA256: hexSum(test.data)}}), &b, nil)
			var broken *runtimes.PackageError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v, want a PackageError with %q", err, test.problem)
			}
		})
	}
}

func TestSitePackages(t *testing.T) {
	for prefix, want := range map[string]string{
		"python/lib/python3.13/site-packages": "lib/python3.13/site-packages",
		"python":                              "lib/python3/site-packages",
	} {
		if got := sitePackages(prefix); got != want {
			t.Errorf("sitePackages(%q) = %q, want %q", prefix, got, want)
		}
	}
}

// FuzzWheel gives the engine any bytes as a wheel: it must end without a
// panic, and never write outside of the prefix.
func FuzzWheel(f *testing.F) {
	f.Add(good().build(f))
	f.Add(with(entry{name: "../evil.py"}).build(f))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		d := folder(t.TempDir())
		d.put(t, data)
		e := Engine{Downloads: d}
		var b bytes.Buffer
		err := e.Install(t.Context(), recipe(runtimes.Package{Name: "pkg", Version: "1.0",
			File: runtimes.File{Name: "pkg-1.0-py3-none-any.whl", SHA256: hexSum(data)}}), &b, nil)
		var broken *runtimes.PackageError
		if err != nil && !errors.As(err, &broken) {
			t.Fatalf("not a PackageError: %v", err)
		}
		if err == nil {
			readTar(t, &b)
		}
	})
}
