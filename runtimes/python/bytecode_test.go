package python

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pyc"
)

// Python 3.11's magic number, and with the carriage return and the line feed
// that follow it.
const magic311 = 0x0a0d0da7

// bytecodeOf is a file that looks as what Python 3.11 makes of a module.
func bytecodeOf(source string) runtimes.TreeFile {
	data := binary.LittleEndian.AppendUint32(nil, magic311)
	data = binary.LittleEndian.AppendUint32(data, pyc.ByHash)
	data = binary.LittleEndian.AppendUint64(data, pyc.SourceHash(magic311, []byte(source)))
	return runtimes.NewTreeFile(append(data, "code of "+source...), true)
}

// compiledTree is what two packages look like when the container has compiled
// them. They share a module of one content.
func compiledTree(t *testing.T) runtimes.Tree {
	t.Helper()
	tree := runtimes.Tree{}
	install(t, tree, "pkg", map[string]string{
		site + "mod.py":          "mod",
		site + "pkg/__init__.py": "init",
		site + "pkg/template.py": "{{ not Python }}",
		site + "pkg/tests/t.py":  "test",
		site + "pkg/only.pyc":    "bytecode that is the code",
		site + "pkg/old.py":      "old",
		site + "pkg/old.pyc":     "bytecode beside its source",
		// The compiler removes the first and leaves the second, which is none of
		// Python's own.
		site + "pkg/__pycache__/gone.cpython-311.pyc": "of a build",
		site + "pkg/__pycache__/jit.nbi":              "a cache",
		site + "shared/__init__.py":                   "shared",
		"share/doc.py":                                "data",
	})
	delete(tree, site+"pkg/__pycache__/gone.cpython-311.pyc")
	install(t, tree, "two", map[string]string{site + "shared/__init__.py": "shared"})
	for at, source := range map[string]string{
		"__pycache__/mod.cpython-311.pyc":             "mod",
		"pkg/__pycache__/__init__.cpython-311.pyc":    "init",
		"pkg/__pycache__/old.cpython-311.pyc":         "old",
		"pkg/tests/__pycache__/t.cpython-311.pyc":     "test",
		"shared/__pycache__/__init__.cpython-311.pyc": "shared",
	} {
		tree[site+at] = bytecodeOf(source)
	}
	return tree
}

func TestNormaliseBytecode(t *testing.T) {
	kept := func(tree runtimes.Tree) string {
		var lines []string
		for _, p := range tree.Paths() {
			if inCache(p) {
				lines = append(lines, fmt.Sprintf("%o %s %s", tree[p].Mode, tree[p].Package, strings.Replace(p, inLayer, "SITE/", 1)))
			}
		}
		return strings.Join(lines, "\n")
	}
	const all = `644 pkg SITE/__pycache__/mod.cpython-311.pyc
644 pkg SITE/pkg/__pycache__/__init__.cpython-311.pyc
644 pkg SITE/pkg/__pycache__/old.cpython-311.pyc
644 pkg SITE/pkg/tests/__pycache__/t.cpython-311.pyc
644 two SITE/shared/__pycache__/__init__.cpython-311.pyc`
	for _, test := range []struct {
		name    string
		prefix  string
		exclude []string
		want    string
	}{
		{"all", "", nil, all},
		{"universal", "python", nil, strings.ReplaceAll(all, "SITE/", "python/")},
		{"without tests", "", []string{"**/tests/**"}, strings.TrimSuffix(dropLines(all, "tests"), "\n")},
		{"without sources of tests", "", []string{"**/tests/*.py"}, strings.TrimSuffix(dropLines(all, "tests"), "\n")},
		{"without bytecode", "", []string{"**/*.pyc"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := compiledTree(t)
			r := recipe("pkg", "two")
			r.Bytecode, r.ExcludeFiles = true, test.exclude
			if test.prefix != "" {
				r.Prefix = test.prefix
			}
			notes, err := Runtime{}.Normalise(r, tree)
			if err != nil || notes != nil {
				t.Fatal(notes, err)
			}
			if got := kept(tree); got != test.want {
				t.Errorf("kept\n%s\nwant\n%s", got, test.want)
			}
			if _, ok := tree[r.Prefix+"/pkg/old.pyc"]; ok {
				t.Error("the package's own bytecode is kept")
			}
			if _, ok := tree[r.Prefix+"/pkg/only.pyc"]; ok != (test.exclude == nil || test.want != "") {
				t.Error("bytecode without a source is kept:", ok)
			}
		})
	}
}

// TestBytecodeRecord: RECORD lists bytecode without its hash, for each owner of
// the module.
func TestBytecodeRecord(t *testing.T) {
	tree := compiledTree(t)
	r := recipe("pkg", "two")
	r.Bytecode = true
	if _, err := (Runtime{}).Normalise(r, tree); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"pkg": {
			"__pycache__/mod.cpython-311.pyc,,", "pkg/__pycache__/__init__.cpython-311.pyc,,", "pkg/__pycache__/old.cpython-311.pyc,,",
			"pkg/tests/__pycache__/t.cpython-311.pyc,,", "shared/__pycache__/__init__.cpython-311.pyc,,",
		},
		"two": {"shared/__pycache__/__init__.cpython-311.pyc,,"},
	} {
		data, err := tree[inLayer+name+"-1.0.dist-info/RECORD"].ReadAll(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(string(data)) {
			if strings.Contains(line, "__pycache__") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestNormaliseBytecodeErrors(t *testing.T) {
	const at = site + "__pycache__/mod.cpython-311.pyc"
	changed := func(offset int, to byte) func(runtimes.Tree) {
		return func(tree runtimes.Tree) {
			data, _ := bytecodeOf("mod").ReadAll(1 << 20)
			data[offset] = to
			tree[at] = runtimes.NewTreeFile(data, false)
		}
	}
	for _, test := range []struct {
		name   string
		change func(runtimes.Tree)
		want   string
	}{
		{"by time", changed(4, 0), "compiled with flags 0b0, not 0b1"},
		{"checked", changed(4, 3), "compiled with flags 0b11, not 0b1"},
		{"no magic number", changed(2, 0), "not a compiled module"},
		{"cut short", func(tree runtimes.Tree) { tree[at] = runtimes.NewTreeFile(make([]byte, pyc.HeadSize), false) }, "not a compiled module"},
		{"of another source", func(tree runtimes.Tree) { tree[at] = bytecodeOf("other") }, "mod.cpython-311.pyc: compiled from another source"},
		{"a link", func(tree runtimes.Tree) {
			tree[at] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: "/etc/passwd"}
		}, "not a regular file"},
		{"without a source", func(tree runtimes.Tree) {
			tree[site+"__pycache__/none.cpython-311.pyc"] = bytecodeOf("none")
		}, "none.cpython-311.pyc belongs to no package"},
		{"for another Python", func(tree runtimes.Tree) {
			tree[site+"__pycache__/mod.cpython-312.pyc"] = bytecodeOf("mod")
		}, "mod.cpython-312.pyc belongs to no package"},
		{"optimised", func(tree runtimes.Tree) {
			tree[site+"__pycache__/mod.cpython-311.opt-1.pyc"] = bytecodeOf("mod")
		}, "mod.cpython-311.opt-1.pyc belongs to no package"},
		{"elsewhere", func(tree runtimes.Tree) { tree["share/__pycache__/doc.cpython-311.pyc"] = bytecodeOf("data") }, "belongs to no package"},
		{"a lost module", func(tree runtimes.Tree) { delete(tree, site+"mod.py") }, "mod.py is in RECORD but was not installed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := compiledTree(t)
			test.change(tree)
			r := recipe("pkg", "two")
			r.Bytecode = true
			if _, err := (Runtime{}).Normalise(r, tree); !contains(err, test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	// Without the option, what is compiled belongs to nobody.
	if _, err := (Runtime{}).Normalise(recipe("pkg", "two"), compiledTree(t)); !contains(err, "gone.cpython-311.pyc is in RECORD but was not installed") {
		t.Errorf("without bytecode: %v", err)
	}
}
