package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
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
	if warnings, err := facts.Judge([]check.Target{al2023}, nil); len(warnings) != 2 || err != nil {
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
	p := check.Gather(wheels(map[string]string{"m-1.0": "Requires-Dist: n>=2\n", "n-2.5": ""}), limit).Python
	if p == nil || p.Unmet != nil || p.Modules != nil || !slices.Equal(p.Folders, []string{"3.13"}) {
		t.Errorf("kept %+v", p)
	}
}
