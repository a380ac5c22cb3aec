package check_test

import (
	"io/fs"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// with is a file of that mode, which may be of any kind.
func with(mode fs.FileMode) runtimes.TreeFile {
	f := file("", []byte("x"))
	f.Mode = mode
	return f
}

func plantedInArchives() []planted {
	one := file("", []byte("x"))
	many := runtimes.Tree{}
	for i := range check.MaxEntries + 1 {
		many[string(rune('a'+i%26))+"/"+string(rune('a'+i/26%26))+"/"+string(rune(0x4e00+i/676))] = one
	}
	beside := al2
	beside.Beside = 90_000_000
	full := beside
	full.Beside = limit
	return []planted{
		{"no files", al2, runtimes.Tree{}, check.Empty, ""},
		{"65,535 files", al2, many, check.Entries, ""},
		{"262,144,001 bytes", al2, runtimes.Tree{"a": sized(limit), "b": one}, check.Size, ""},
		{"too large already without the function", beside, runtimes.Tree{"a": sized(limit), "b": one}, check.Size, ""},
		{"one byte more than the function leaves", beside, runtimes.Tree{"a": sized(limit - 90_000_000), "b": one}, check.Function, ""},
		{"no room at all", full, runtimes.Tree{"a": one}, check.Function, ""},
		{"a file and a folder", al2, runtimes.Tree{"a": one, "a/b": one}, check.Collision, "a"},
		{"absolute", al2, runtimes.Tree{"a": one, "b": link("/opt/a")}, check.Link, "b"},
		{"escaping", al2, runtimes.Tree{"a": one, "lib/b": link("../../etc/passwd")}, check.Link, "lib/b"},
		{"broken", al2, runtimes.Tree{"a": one, "b": link("c")}, check.Link, "b"},
		{"circular", al2, runtimes.Tree{"a": one, "b": link("b")}, check.Link, "b"},
	}
}

func plantedInNames() []planted {
	one := file("", []byte("x"))
	in := func(names ...string) runtimes.Tree {
		t := runtimes.Tree{}
		for _, name := range names {
			t[name] = one
		}
		return t
	}
	deep := strings.Repeat("folder/", 600)
	long := "python/" + strings.Repeat("x", 256)
	return []planted{
		{"Latin-1", al2, in("python/caf\xe9.py"), check.Name, "python/caf\xe9.py"},
		{"a NUL character", al2, in("python/a\x00.py"), check.Name, "python/a\x00.py"},
		{"a backslash", al2, in(`python\a.py`), check.Name, `python\a.py`},
		{"leaves the layer", al2, in("python/../../a"), check.Name, "python/../../a"},
		{"absolute", al2, in("/python/a"), check.Name, "/python/a"},
		{"an empty element", al2, in("python//a"), check.Name, "python//a"},
		{"256 bytes between slashes", al2, in(long), check.Name, long},
		{"4,201 bytes in all", al2, in(deep + "x"), check.Name, deep + "x"},
		{"a line break", al2, in("python/a\n.py"), check.NameOdd, "python/a\n.py"},
		{"macOS's folder icon", al2, in("python/Icon\r"), check.NameOdd, "python/Icon\r"},
		{"case", al2, in("README", "readme"), check.NameFold, "readme"},
		{"case of a folder", al2, in("Lib/a", "lib/a"), check.NameFold, "lib/a"},
		{"a file and a folder", al2, in("Lib", "lib/a"), check.NameFold, "Lib"},
		{"case beyond ASCII", al2, in("Ä", "ä"), check.NameFold, "ä"},
		{"the Kelvin sign", al2, in("k", "\u212a"), check.NameFold, "\u212a"},
		{"Unicode form", al2, in("caf\u00e9", "cafe\u0301"), check.NameFold, "caf\u00e9"},
	}
}

func plantedInModes() []planted {
	in := func(mode fs.FileMode) runtimes.Tree { return runtimes.Tree{"bin/a": with(mode)} }
	return []planted{
		{"0600", al2, in(0o600), check.ModeRead, "bin/a"},
		{"0640", al2, in(0o640), check.ModeRead, "bin/a"},
		{"0004", al2, in(0o004), check.ModeRead, "bin/a"},
		{"0744", al2, in(0o744), check.ModeRun, "bin/a"},
		{"set user id", al2, in(fs.ModeSetuid | 0o755), check.ModeSetID, "bin/a"},
		{"set group id", al2, in(fs.ModeSetgid | 0o755), check.ModeSetID, "bin/a"},
		{"a block device", al2, in(fs.ModeDevice | 0o644), check.ModeDevice, "bin/a"},
		{"a character device", al2, in(fs.ModeDevice | fs.ModeCharDevice | 0o600), check.ModeDevice, "bin/a"},
		{"a named pipe", al2, in(fs.ModeNamedPipe | 0o644), check.ModeDevice, "bin/a"},
		{"a socket", al2, in(fs.ModeSocket | 0o755), check.ModeDevice, "bin/a"},
	}
}
