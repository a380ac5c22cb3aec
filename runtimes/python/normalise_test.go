package python

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

const (
	site    = "lib/python3.11/site-packages/"
	inLayer = "python/lib/python3.11/site-packages/"
)

// install puts a package's files into a tree in prefix form, with a RECORD.
// A path that ends in "*" is an executable's.
func install(t *testing.T, tree runtimes.Tree, name string, files map[string]string) {
	t.Helper()
	info := name + "-1.0.dist-info/"
	files = maps.Clone(files)
	files[site+info+"METADATA"] = "Name: " + name + "\n"
	var lines []wheel.Entry
	for p, data := range files {
		p, executable := strings.CutSuffix(p, "*")
		tree[p] = runtimes.NewTreeFile([]byte(data), executable)
		sum := sha256.Sum256([]byte(data))
		lines = append(lines, wheel.Entry{
			Path: wheel.Relative(strings.TrimSuffix(site, "/"), p), Algorithm: "sha256", Sum: sum[:], Size: int64(len(data)),
		})
	}
	lines = append(lines, wheel.Entry{Path: info + "RECORD", Size: -1})
	data, err := wheel.FormatRecord(lines)
	if err != nil {
		t.Fatal(err)
	}
	tree[site+info+"RECORD"] = runtimes.NewTreeFile(data, false)
}

func recipe(names ...string) runtimes.Recipe {
	r := runtimes.Recipe{Runtime: "python", Prefix: strings.TrimSuffix(inLayer, "/")}
	for _, name := range names {
		r.Packages = append(r.Packages, runtimes.Package{Name: name, Version: "1.0", File: runtimes.File{Name: name + "-1.0-py3-none-any.whl"}})
	}
	return r
}

// listing shows a tree: a line for each file.
func listing(t *testing.T, tree runtimes.Tree) string {
	t.Helper()
	var b strings.Builder
	for _, p := range tree.Paths() {
		data, err := tree[p].ReadAll(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p, "RECORD") || strings.HasSuffix(p, "METADATA") {
			data = nil
		}
		fmt.Fprintf(&b, "%o %s %q\n", tree[p].Mode, strings.Replace(p, inLayer, "SITE/", 1), data)
	}
	return b.String()
}

// kinds is a package with a file of each kind.
var kinds = map[string]string{
	site + "pkg/__init__.py":                     "init",
	site + "pkg/run.sh*":                         "run",
	site + "pkg/mod.py":                          "mod",
	site + "pkg/mod.pyc":                         "bytecode beside its source",
	site + "pkg/only.pyc":                        "bytecode that is the code",
	site + "pkg/__pycache__/mod.cpython-311.pyc": "bytecode",
	site + "pkg/REQUESTED":                       "the package's own",
	site + "pkg/.lock":                           "the package's own",
	site + "bin/__init__.py":                     "a package called bin",
	site + "include/site/x.py":                   "a package called include",
	site + "pkg-1.0.dist-info/INSTALLER":         "uv",
	site + "pkg-1.0.dist-info/REQUESTED":         "",
	site + "pkg-1.0.dist-info/direct_url.json":   "{}",
	site + "pkg-1.0.dist-info/uv_cache.json":     "{}",
	site + "pkg-1.0.dist-info/uv_build.json":     "{}",
	site + "pkg-1.0.dist-info/RECORD.jws":        "signature",
	site + "pkg-1.0.dist-info/RECORD.p7s":        "signature",
	site + "pkg-1.0.dist-info/entry_points.txt":  "[console_scripts]\ncmd = pkg.cli:App.run\n",
	"include/site/python3.11/pkg/pkg.h":          "header",
	"share/doc.txt":                              "doc",
	"etc/run*":                                   "executable data",
	"bin/cmd*":                                   "#!/var/lang/bin/python3.11\nwritten by uv",
	"bin/cmd-script.py*":                         "#!python\nreplaced",
	"bin/tool*":                                  "#!python -E\ntool",
	"bin/native*":                                "\x7fELF",
}

func TestNormalise(t *testing.T) {
	const packages = `644 SITE/bin/__init__.py "a package called bin"
755 SITE/etc/run "executable data"
644 SITE/include/site/x.py "a package called include"
644 SITE/pkg-1.0.dist-info/METADATA ""
644 SITE/pkg-1.0.dist-info/RECORD ""
644 SITE/pkg-1.0.dist-info/entry_points.txt "[console_scripts]\ncmd = pkg.cli:App.run\n"
644 SITE/pkg/.lock "the package's own"
644 SITE/pkg/REQUESTED "the package's own"
644 SITE/pkg/__init__.py "init"
644 SITE/pkg/mod.py "mod"
644 SITE/pkg/only.pyc "bytecode that is the code"
755 SITE/pkg/run.sh "run"
644 SITE/share/doc.txt "doc"
`
	const command = `#!/opt/python
import os
import sys

root = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, os.path.join(root, "python/lib/python3.11/site-packages"))

from pkg.cli import App

if __name__ == "__main__":
    sys.exit(App.run())
`
	scripts := fmt.Sprintf("755 bin/cmd %q\n755 bin/native \"\\x7fELF\"\n755 bin/tool \"#!/opt/python\\ntool\"\n", command)
	for _, test := range []struct {
		name   string
		change func(*runtimes.Recipe)
		want   string
	}{
		{"no scripts", func(*runtimes.Recipe) {}, packages},
		{"scripts", func(r *runtimes.Recipe) { r.ConsoleScripts, r.Interpreter = true, "/opt/python" }, scripts + packages},
		{"universal", func(r *runtimes.Recipe) { r.Prefix = "python" }, strings.ReplaceAll(packages, "SITE/", "python/")},
		{"excluded", func(r *runtimes.Recipe) { r.ExcludeFiles = []string{"**/pkg/**", "**/share/**"} },
			dropLines(packages, "SITE/pkg/", "SITE/share/")},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := runtimes.Tree{".lock": runtimes.NewTreeFile(nil, false)}
			install(t, tree, "pkg", kinds)
			r := recipe("pkg")
			test.change(&r)
			notes, err := Runtime{}.Normalise(r, tree)
			if err != nil || notes != nil {
				t.Fatal(notes, err)
			}
			if got := listing(t, tree); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			checkRecord(t, r, tree, "pkg")
		})
	}
}

func dropLines(text string, parts ...string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(line, part) }) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// checkRecord holds that RECORD is sorted and lists exactly what is there.
func checkRecord(t *testing.T, r runtimes.Recipe, tree runtimes.Tree, name string) {
	t.Helper()
	own := r.Prefix + "/" + name + "-1.0.dist-info/RECORD"
	data, err := tree[own].ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var lines []wheel.Entry
	for p, f := range tree {
		e := wheel.Entry{Path: wheel.Relative(r.Prefix, p), Algorithm: "sha256", Sum: f.SHA256[:], Size: f.Size}
		if p == own {
			e = wheel.Entry{Path: e.Path, Size: -1}
		}
		lines = append(lines, e)
	}
	slices.SortFunc(lines, func(a, b wheel.Entry) int { return strings.Compare(a.Path, b.Path) })
	want, err := wheel.FormatRecord(lines)
	if err != nil {
		t.Fatal(err)
	}
	if string(data) != string(want) {
		t.Errorf("RECORD is\n%s\nwant\n%s", data, want)
	}
}

func TestNormaliseClash(t *testing.T) {
	const shared = site + "tests/__init__.py"
	for _, test := range []struct {
		name  string
		a, b  map[string]string
		found string // what the engine left in a file, "path=content"
		note  string
		err   string
	}{
		{"same content", map[string]string{shared: "x"}, map[string]string{shared: "x"}, "", "", ""},
		{"other content", map[string]string{shared: "a"}, map[string]string{shared: "b"}, "",
			inLayer + "tests/__init__.py is in a and in b with different content: b wins", ""},
		{"other content of two", map[string]string{shared: "a", site + "tests/z.py": "a"}, map[string]string{shared: "b", site + "tests/z.py": "b"}, "",
			inLayer + "tests/__init__.py and 1 more are in a and in b with different content: b wins", ""},
		{"the wrong one was left", map[string]string{shared: "a"}, map[string]string{shared: "b"}, shared + "=a", "", "b-1.0-py3-none-any.whl: tests/__init__.py does not match"},
		{"neither was left", map[string]string{shared: "a"}, map[string]string{shared: "b"}, shared + "=c", "", "does not match"},
		{"data and module", map[string]string{"tests/__init__.py": "a"}, map[string]string{shared: "b"}, "", "b wins", ""},
		{"data and module, other order", map[string]string{shared: "a"}, map[string]string{"tests/__init__.py": "b"}, "", "b wins", ""},
		{"data and module of one", map[string]string{shared: "a", "tests/__init__.py": "b"}, nil, "", "", "two of its files"},
		{"command", map[string]string{"bin/x*": "a"}, map[string]string{"bin/x*": "b"}, "", "bin/x is in a and in b", ""},
		{"entry points", map[string]string{site + "a-1.0.dist-info/entry_points.txt": "[console_scripts]\nx = a:f"},
			map[string]string{site + "b-1.0.dist-info/entry_points.txt": "[gui_scripts]\nx = b:f"}, "", "bin/x is in a and in b", ""},
		{"file and folder", map[string]string{site + "tests": "a"}, map[string]string{"tests/x": "b"}, "", "", "a folder that is a file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := runtimes.Tree{}
			install(t, tree, "a", test.a)
			if test.b == nil {
				test.b = map[string]string{}
			}
			install(t, tree, "b", test.b)
			if p, data, ok := strings.Cut(test.found, "="); ok {
				tree[p] = runtimes.NewTreeFile([]byte(data), false)
			}
			r := recipe("a", "b")
			r.ConsoleScripts, r.Interpreter = true, "/opt/python"
			notes, err := Runtime{}.Normalise(r, tree)
			if !contains(err, test.err) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if test.err != "" {
				return
			}
			if got := strings.Join(notes, "\n"); !strings.Contains(got, test.note) || (test.note == "") != (got == "") {
				t.Errorf("notes %q, want %q", got, test.note)
			}
			if f, ok := tree[inLayer+"tests/__init__.py"]; ok && f.SHA256 != sha256.Sum256([]byte("b")) && f.SHA256 != sha256.Sum256([]byte("x")) {
				t.Error("b does not win")
			}
		})
	}
}

func TestSome(t *testing.T) {
	list := strings.Split("a b c d e f g", " ")
	for n, want := range map[int]string{1: "a", 6: "a, b, c, d, e, f", 7: "a, b, c, d, e and 2 more"} {
		if got := some(list[:n]); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func contains(err error, text string) bool {
	if err == nil || text == "" {
		return err == nil && text == ""
	}
	return strings.Contains(err.Error(), text)
}

func TestNormaliseErrors(t *testing.T) {
	file := func(data string) runtimes.TreeFile { return runtimes.NewTreeFile([]byte(data), false) }
	const info = site + "pkg-1.0.dist-info/"
	for _, test := range []struct {
		name   string
		change func(runtimes.Tree)
		want   string
	}{
		{"another content", func(t runtimes.Tree) { t[site+"pkg.py"] = file("tampered") }, "pkg.py does not match its hash"},
		{"missing file", func(t runtimes.Tree) { delete(t, site+"pkg.py") }, "pkg.py is in RECORD but was not installed"},
		{"stray file", func(t runtimes.Tree) { t[site+"stray.py"] = file("") }, "stray.py belongs to no package"},
		{"stray file outside", func(t runtimes.Tree) { t["bin/stray"] = file("") }, "bin/stray belongs to no package"},
		{"stray lock", func(t runtimes.Tree) { t[site+".lock"] = file("") }, "belongs to no package"},
		{"link", func(t runtimes.Tree) {
			f := t[site+"pkg.py"]
			f.Mode, f.Link = fs.ModeSymlink|0o777, "/etc/passwd"
			t[site+"pkg.py"] = f
		}, "not a regular file"},
		{"no package", func(t runtimes.Tree) { clear(t) }, "pkg 1.0 was not installed"},
		{"another package", func(t runtimes.Tree) { t[site+"other-1.0.dist-info/RECORD"] = file("") }, "other-1.0.dist-info was installed"},
		{"twice", func(t runtimes.Tree) { t[site+"Pkg-2.0.dist-info/RECORD"] = file("") }, "pkg is there twice"},
		{"another version", func(t runtimes.Tree) {
			t[site+"pkg-1.1.dist-info/RECORD"] = t[info+"RECORD"]
			delete(t, info+"RECORD")
		}, "pkg 1.1 was installed, not 1.0"},
		{"odd folder", func(t runtimes.Tree) { t[site+"odd.dist-info/RECORD"] = file("") }, "no name of a .dist-info"},
		{"broken RECORD", func(t runtimes.Tree) { t[info+"RECORD"] = file("x") }, "RECORD: line 1: 1 fields"},
		{"RECORD that leaves the tree", func(t runtimes.Tree) { t[info+"RECORD"] = file("../../../../etc/passwd,,") }, "outside of the layer"},
		{"absolute path in RECORD", func(t runtimes.Tree) { t[info+"RECORD"] = file("/etc/passwd,,") }, "outside of the layer"},
		{"two hashes", func(t runtimes.Tree) {
			t[info+"RECORD"] = file("pkg.py,,\npkg.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,\n")
		}, "two hashes for pkg.py"},
		{"bad entry point", func(t runtimes.Tree) {
			const name = "pkg-1.0.dist-info/entry_points.txt"
			t[site+name] = file("[console_scripts]\nx = os:system('evil')\n")
			t[info+"RECORD"] = file("pkg.py,,\n" + name + ",,\n")
		}, "entry_points.txt: line 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tree := runtimes.Tree{}
			install(t, tree, "pkg", map[string]string{site + "pkg.py": "x"})
			test.change(tree)
			r := recipe("pkg")
			r.ConsoleScripts, r.Interpreter = true, "/opt/python"
			if _, err := (Runtime{}).Normalise(r, tree); !contains(err, test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// TestNormaliseForms holds that a tree as uv leaves it and one as the direct
// engine writes it give the same layer.
func TestNormaliseForms(t *testing.T) {
	r := recipe("pkg")
	r.ConsoleScripts, r.Interpreter = true, "/opt/python"
	ours := maps.Clone(kinds)
	delete(ours, "bin/cmd*") // uv's own
	for p := range ours {
		if strings.Contains(p, "/INSTALLER") || strings.Contains(p, "dist-info/REQUESTED") || strings.Contains(p, ".json") {
			delete(ours, p)
		}
	}
	theirs := maps.Clone(kinds)
	theirs["bin/tool*"] = "#!/var/lang/bin/python3.11\ntool"
	var got []string
	for _, files := range []map[string]string{ours, theirs} {
		tree := runtimes.Tree{}
		install(t, tree, "pkg", files)
		if _, err := (Runtime{}).Normalise(r, tree); err != nil {
			t.Fatal(err)
		}
		checkRecord(t, r, tree, "pkg")
		got = append(got, listing(t, tree))
	}
	if got[0] != got[1] {
		t.Errorf("ours\n%s\ntheirs\n%s", got[0], got[1])
	}
}

func TestNormaliseLeftInWheel(t *testing.T) {
	// uv lists a script that a command replaces where the wheel had it.
	tree := runtimes.Tree{}
	install(t, tree, "pkg", map[string]string{site + "pkg.py": "x", site + "pkg-1.0.data/scripts/cmd-script.py": "x"})
	delete(tree, site+"pkg-1.0.data/scripts/cmd-script.py")
	r := recipe("pkg")
	if _, err := (Runtime{}).Normalise(r, tree); err != nil {
		t.Fatal(err)
	}
	checkRecord(t, r, tree, "pkg")
}

func TestNormaliseLongHash(t *testing.T) {
	tree := runtimes.Tree{}
	install(t, tree, "pkg", map[string]string{site + "pkg.py": "x"})
	const info = site + "pkg-1.0.dist-info/"
	sha512 := "pkg.py,sha512=pKv-H5-9xHj9M_bPjkFgd1gJ6b0TeJ7l1ygWwwvIoM8VHHfWO7JMVKoTA4D4fgpYXt0ou4WdlB2Js42hB6hp1g,1\n"
	tree[info+"RECORD"] = runtimes.NewTreeFile([]byte(sha512+"pkg-1.0.dist-info/METADATA,,\n"), false)
	var broken *runtimes.PackageError
	if _, err := (Runtime{}).Normalise(recipe("pkg"), tree); !errors.As(err, &broken) || broken.File != "pkg-1.0-py3-none-any.whl" {
		t.Errorf("wrong SHA-512: %v", err)
	}
}
