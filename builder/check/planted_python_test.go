package check_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pyc"
)

// site is where the packages of al2023 lie.
const site = "python/lib/python3.13/site-packages/"

// wheels is a tree of packages by the fields of their metadata, each with its
// name and version.
func wheels(packages map[string]string) runtimes.Tree {
	t := runtimes.Tree{site + "code.py": file("", []byte("x = 1\n"))}
	for id, fields := range packages {
		name, version, _ := strings.Cut(id, "-")
		text := "Metadata-Version: 2.4\nName: " + name + "\nVersion: " + version + "\n" + fields + "\nRequires-Dist: nothing-of-the-description\n"
		t[site+id+".dist-info/METADATA"] = file(name, []byte(text))
	}
	return t
}

// plantedInPython are packages that their runtime's Python does not load.
func plantedInPython() []planted {
	arm := check.Target{Runtime: row("python3.13"), Arch: runtimes.ARM64}
	module := func(name string) runtimes.Tree { return runtimes.Tree{site + "m/" + name: file("m", []byte("x"))} }
	one := func(fields string) runtimes.Tree { return wheels(map[string]string{"m-1.0": fields}) }
	two := func(fields string) runtimes.Tree { return wheels(map[string]string{"m-1.0": fields, "n-2.5": ""}) }
	metadata := site + "m-1.0.dist-info/METADATA"
	return []planted{
		{"cp312 on 3.13", al2023, module("_m.cpython-312-x86_64-linux-gnu.so"), check.PythonModule, site + "m/_m.cpython-312-x86_64-linux-gnu.so"},
		{"x86_64 on arm64", arm, module("_m.cpython-313-x86_64-linux-gnu.so"), check.PythonModule, site + "m/_m.cpython-313-x86_64-linux-gnu.so"},
		{"free-threaded", al2023, module("_m.cpython-313t-x86_64-linux-gnu.so"), check.PythonModule, site + "m/_m.cpython-313t-x86_64-linux-gnu.so"},
		{"musl", al2023, module("_m.cpython-313-x86_64-linux-musl.so"), check.PythonModule, site + "m/_m.cpython-313-x86_64-linux-musl.so"},
		{"macOS", al2023, module("_m.cpython-313-darwin.so"), check.PythonModule, site + "m/_m.cpython-313-darwin.so"},
		{"Windows", al2023, module("_m.cp313-win_amd64.pyd"), check.PythonModule, site + "m/_m.cp313-win_amd64.pyd"},
		{"PyPy", al2023, module("_m.pypy311-pp73-x86_64-linux-gnu.so"), check.PythonModule, site + "m/_m.pypy311-pp73-x86_64-linux-gnu.so"},
		{"Python 3.14 or newer", al2023, one("Requires-Python: >=3.14\n"), check.PythonRequires, metadata},
		{"Python 4", al2023, one("Requires-Python: ~=4.0\n"), check.PythonRequires, metadata},
		{"before Python 3.13", al2023, one("Requires-Python: >=3.8,<3.13\n"), check.PythonCapped, metadata},
		{"Python 2", al2023, one("Requires-Python: >=2.7,<3\n"), check.PythonRequires, metadata},
		{"not there", al2023, one("Requires-Dist: n\n"), check.PythonMissing, metadata},
		{"not there for this Python", al2023, one("Requires-Dist: n>=2; python_version >= '3.13'\n"), check.PythonMissing, metadata},
		{"in the runtime", al2023, one("Requires-Dist: boto3 (>=1.26)\n"), check.PythonMissing, metadata},
		{"too old", al2023, two("Requires-Dist: n>=3,<4\n"), check.PythonConflict, metadata},
		{"too new", al2023, two("Requires-Dist: N[extra]~=1.0; sys_platform == 'linux'\n"), check.PythonConflict, metadata},
		{"another version in the folder that comes first", al2023, func() runtimes.Tree {
			t := two("Requires-Dist: n>=3\n")
			t["python/n-3.0.dist-info/METADATA"] = file("n", []byte("Name: n\nVersion: 3.0\n"))
			return t
		}(), check.PythonConflict, metadata},
	}
}

// The magic numbers of Python 3.12 and 3.13.
const number312, number313 = 3531, 3571

// bytecode is a compiled module: eight bytes follow its magic number and flags.
func bytecode(number uint16, flags uint32, sum uint64) runtimes.TreeFile {
	data := binary.LittleEndian.AppendUint32(nil, uint32(number)|'\r'<<16|'\n'<<24)
	data = binary.LittleEndian.AppendUint32(data, flags)
	return file("m", binary.LittleEndian.AppendUint64(data, sum))
}

// hash313 is Python 3.13's hash of a source.
func hash313(source string) uint64 {
	return pyc.SourceHash(number313|'\r'<<16|'\n'<<24, []byte(source))
}

// sizeOf is what bytecode says of the source that it was compiled from, without
// the time.
func sizeOf(source string) uint64 { return uint64(len(source)) << 32 }

// plantedInBytecode are modules whose bytecode is not used, or should not be.
func plantedInBytecode() []planted {
	const source, at = "x = 1\n", site + "m/__pycache__/a.cpython-313.pyc"
	in := func(name string, f runtimes.TreeFile) runtimes.Tree {
		return runtimes.Tree{site + "m/a.py": file("m", []byte(source)), site + "m/" + name: f}
	}
	here := func(f runtimes.TreeFile) runtimes.Tree { return in("__pycache__/a.cpython-313.pyc", f) }
	return []planted{
		{"of Python 3.12", al2023, in("__pycache__/a.cpython-312.pyc", bytecode(number312, 0, sizeOf(source))), check.PythonBytecode, site + "m/__pycache__/a.cpython-312.pyc"},
		{"without its source", al2023, in("__pycache__/b.cpython-313.pyc", bytecode(number313, 0, 0)), check.PythonBytecode, site + "m/__pycache__/b.cpython-313.pyc"},
		{"optimised, without its source", al2023, in("__pycache__/b.cpython-313.opt-2.pyc", bytecode(number313, 0, 0)), check.PythonBytecode, site + "m/__pycache__/b.cpython-313.opt-2.pyc"},
		{"of a shorter source", al2023, here(bytecode(number313, 0, sizeOf(source)-1<<32)), check.PythonStale, at},
		{"of another source, checked", al2023, here(bytecode(number313, 3, hash313("x = 2\n"))), check.PythonStale, at},
		{"of a pre-release", al2023, here(bytecode(number313-5, 0, sizeOf(source))), check.PythonStale, at},
		{"cut off", al2023, here(file("m", []byte("\xf3\r\r\n"))), check.PythonStale, at},
		{"of another source, unchecked", al2023, here(bytecode(number313, 1, hash313("x = 2\n"))), check.PythonCode, at},
		{"alone, of Python 3.12", al2023, in("b.pyc", bytecode(number312, 0, 0)), check.PythonCode, site + "m/b.pyc"},
	}
}

// plantedInStarts are commands and .pth files that do not do what they should.
func plantedInStarts() []planted {
	with := func(name, text string) runtimes.Tree {
		f := runtimes.NewTreeFile([]byte(text), strings.Contains(name, "bin/"))
		f.Package = "m"
		return runtimes.Tree{site + "m/__init__.py": file("m", nil), site + "lib/n.py": file("m", nil), name: f}
	}
	return []planted{
		{"setuptools", al2023, with(site+"__editable__.m-1.0.pth", "import __editable___m_1_0_finder; __editable___m_1_0_finder.install()"), check.PythonEditable, site + "__editable__.m-1.0.pth"},
		{"a path of the machine", al2023, with(site+"_m.pth", "/home/me/project/src\n"), check.PythonEditable, site + "_m.pth"},
		{"a path that leaves the layer", al2023, with("python/m.pth", "# m\n\n../../src\n"), check.PythonEditable, "python/m.pth"},
		{"code", al2023, with(site+"m.pth", "import m.patch; m.patch.apply()\n"), check.PythonPth, site + "m.pth"},
		{"a folder", al2023, with(site+"m.pth", "lib\n"), check.PythonPth, site + "m.pth"},
		{"a folder by its place in /opt", al2023, with(site+"m.pth", "/opt/"+site+"lib\n"), check.PythonPth, site + "m.pth"},
		{"a virtual environment", al2023, with("bin/m", "#!/home/me/.venv/bin/python3\n"), check.PythonScript, "bin/m"},
		{"another Python", al2023, with("python/bin/m", "#!/var/lang/bin/python3.12\n"), check.PythonScript, "python/bin/m"},
		{"another Python by PATH", al2023, with("bin/m", "#!/usr/bin/env -S python3.12 -I\n"), check.PythonScript, "bin/m"},
		{"a wheel's own form", al2023, with("python/bin/m", "#!python\n"), check.PythonScript, "python/bin/m"},
		{"Windows's line ending", al2023, with("bin/m", "#!/bin/sh\r\n"), check.PythonScript, "bin/m"},
		{"Perl", al2023, with("bin/m", "#!/usr/bin/perl -w"), check.PythonScript, "bin/m"},
	}
}

// TestPythonSound: what looks like a defect of Python's packages and is none.
func TestPythonSound(t *testing.T) {
	of := func(names ...string) runtimes.Tree {
		tree := runtimes.Tree{}
		for _, name := range names {
			tree[site+name] = file("m", []byte("x"))
		}
		return tree
	}
	both := al2023
	both.Runtime = row("python3.12")
	for name, test := range map[string]struct {
		tree    runtimes.Tree
		targets []check.Target
	}{
		"this Python's module": {of("m/_m.cpython-313-x86_64-linux-gnu.so"), nil},
		"any Python's module":  {of("m/_m.abi3.so", "m/_n.so", "m/libx.so.1.2"), nil},
		"one for each Python":  {of("m/_m.cpython-312-x86_64-linux-gnu.so", "m/_m.cpython-313-x86_64-linux-gnu.so"), []check.Target{al2023}},
		"a folder for each":    {of("m/cp312/_m.cpython-312-x86_64-linux-gnu.so", "m/cp313/_m.cpython-313-x86_64-linux-gnu.so"), nil},
		"for Windows, too":     {of("m/_m.so", "m/_m.cp313-win_amd64.pyd"), nil},
		"two runtimes": {runtimes.Tree{
			site + "m/_m.cpython-313-x86_64-linux-gnu.so":                              file("m", nil),
			"python/lib/python3.12/site-packages/m/_m.cpython-312-x86_64-linux-gnu.so": file("m", nil),
			site + "m-1.0.dist-info/METADATA":                                          file("m", []byte("Name: m\nVersion: 1.0\nRequires-Python: >=3.13\n")),
			"python/lib/python3.12/site-packages/m-0.9.dist-info/METADATA":             file("m", []byte("Name: m\nVersion: 0.9\nRequires-Python: <3.13\n")),
			"python/n-1.0.dist-info/METADATA":                                          file("n", []byte("Name: n\nVersion: 1.0\nRequires-Dist: m\n")),
			"python/lib/python3.12/site-packages/o-1.0.dist-info/METADATA":             file("o", []byte("Name: o\nVersion: 1.0\nRequires-Dist: n\nRequires-Dist: m<1\n")),
		}, []check.Target{al2023, both}},
		"patch releases":     {wheels(map[string]string{"m-1.0": "Requires-Python: >=3.8, !=3.13.0, !=3.13.1\n"}), nil},
		"nonsense":           {wheels(map[string]string{"m-1.0": "Requires-Python: yes\nRequires-Dist: ???\n"}), nil},
		"for another system": {wheels(map[string]string{"m-1.0": "Requires-Dist: n; sys_platform == 'win32'\nRequires-Dist: o; python_version < '3.11'\n"}), nil},
		"an extra":           {wheels(map[string]string{"m-1.0": "Provides-Extra: x\nRequires-Dist: n; extra == 'x'\nRequires-Dist: m[y]; extra == 'x'\n"}), nil},
		"another spelling":   {wheels(map[string]string{"m-1.0": "Requires-Dist: A.B_c>=1\n", "a_b_C-1.5": ""}), nil},
		"a pre-release":      {wheels(map[string]string{"m-1.0": "Requires-Dist: n>=1\n", "n-2.0rc1": ""}), nil},
		"metadata that was removed": {func() runtimes.Tree {
			tree := wheels(map[string]string{"m-1.0": "Requires-Dist: My-Lib\nRequires-Dist: o>=1\n"})
			tree[site+"my_lib/__init__.py"] = file("", nil)
			tree[site+"o-1.0.dist-info/RECORD"] = file("o", nil)
			return tree
		}(), nil},
		"bytecode": {runtimes.Tree{
			site + "m/a.py":                                   file("m", []byte("x = 1\n")),
			site + "m/b.py":                                   file("m", nil),
			site + "m/c.py":                                   file("m", []byte("x = 2\n")),
			site + "m/__pycache__/a.cpython-313.pyc":          bytecode(number313, 0, sizeOf("x = 1\n")),
			site + "m/__pycache__/a.cpython-312.pyc":          bytecode(number312, 0, sizeOf("x = 1\n")),
			site + "m/__pycache__/b.cpython-313.pyc":          bytecode(number313, 1, hash313("")),
			site + "m/__pycache__/c.cpython-313.opt-1.pyc":    bytecode(number313, 3, hash313("x = 2\n")),
			site + "m/c.pyc":                                  bytecode(number312, 0, 0),
			site + "m/alone.pyc":                              bytecode(number313, 0, 0),
			site + "m/tests/old.pyc":                          bytecode(number312, 0, 0),
			"python/lib/python3.12/site-packages/m/alone.pyc": bytecode(number312, 0, 0),
		}, []check.Target{al2023, both}},
		".pth files": {runtimes.Tree{
			site + "m/__init__.py":              file("m", nil),
			site + "distutils-precedence.pth":   file("setuptools", []byte("import os; __import__('_distutils_hack').do_override()\n")),
			site + "google_x-1.0-py3-nspkg.pth": file("google-x", []byte("import sys, types, os;has_mfs = True\n")),
			site + "m.pth":                      file("m", []byte("# nothing\n\nnot-there\n")),
			site + "m/data/inner.pth":           file("m", []byte("/home/me\n")),
			site + "torch.d/model-weights.pth":  file("m", []byte("PK\x03\x04")),
		}, nil},
		"commands": {func() runtimes.Tree {
			tree := runtimes.Tree{site + "m/__init__.py": file("m", nil)}
			for i, line := range []string{"#!/var/lang/bin/python3.13", "#!/var/lang/bin/python3", "#!/usr/bin/env python3", "#!/usr/bin/env -S A=1 python3.13 -I", "#!/bin/sh", "#! /bin/bash -e", "#!/opt/bin/tool", "no script"} {
				tree[fmt.Sprintf("bin/%d", i)] = runtimes.NewTreeFile([]byte(line+"\n"), true)
			}
			tree["bin/data"] = file("", []byte("#!/home/me/python\n")) // not executable
			tree["bin/sub/x"] = runtimes.NewTreeFile([]byte("#!/home/me/python\n"), true)
			return tree
		}(), nil},
		"packages within a package": {of("setuptools/__init__.py", "setuptools/_vendor/packaging-24.2.dist-info/METADATA", "setuptools/_vendor/packaging/__init__.py"), nil},
		"setuptools's own metadata": {func() runtimes.Tree {
			tree := wheels(map[string]string{"m-1.0": "Requires-Dist: n>=1\n"})
			tree[site+"n-1.0-py3.13.egg-info/PKG-INFO"] = file("n", []byte("Name: n\nVersion: 1.0\n"))
			return tree
		}(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if test.targets == nil {
				test.targets = []check.Target{al2023}
			}
			if warnings, err := check.Gather(test.tree, limit).Judge(test.targets, nil); err != nil || warnings != nil {
				t.Errorf("found %q and %v", warnings, err)
			}
		})
	}
}

// TestPythonElsewhere: what the configuration excludes is no finding, whatever
// its name's spelling.
func TestPythonElsewhere(t *testing.T) {
	facts := check.Gather(wheels(map[string]string{"m-1.0": "Requires-Dist: s3transfer\nRequires-Dist: My.Lib\n"}), limit)
	warnings, err := facts.Judge([]check.Target{al2023}, nil)
	const want = "requires s3transfer (the runtime has one, in a version that Lambda changes) and my-lib, and the layer has no such package"
	if len(warnings) != 1 || warnings[0].Problem != want || err != nil {
		t.Errorf("nothing excluded: %q, %v", warnings, err)
	}
	target := al2023
	target.Elsewhere = []string{"s3transfer", "my_lib"}
	if warnings, err := facts.Judge([]check.Target{target}, nil); warnings != nil || err != nil {
		t.Errorf("both excluded: %q, %v", warnings, err)
	}
}

// TestPythonFactsSmall: what meets its requirements leaves nothing to be kept.
func TestPythonFactsSmall(t *testing.T) {
	p := check.Gather(wheels(map[string]string{"m-1.0": "Requires-Dist: n>=2\nRequires-Dist: o; extra == 'x' and os_name == 'posix'\n", "n-2.5": ""}), limit).Python
	if p == nil || p.Unmet != nil || p.Modules != nil || !slices.Equal(p.Folders, []string{"3.13"}) {
		t.Errorf("kept %+v", p)
	}
}
