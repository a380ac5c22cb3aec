package smoke

import (
	"archive/zip"
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// treeOf is a layer of text files.
func treeOf(files map[string]string) runtimes.Tree {
	tree := make(runtimes.Tree)
	for name, text := range files {
		tree[name] = runtimes.NewTreeFile([]byte(text), false)
	}
	return tree
}

// jarOf is a jar of files.
func jarOf(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestItems: what is loaded of packages of each kind, as the worker is told and
// with the package that it is of.
func TestItems(t *testing.T) {
	const site = "python/lib/python3.11/site-packages/"
	record := func(name string, files ...string) map[string]string {
		return map[string]string{
			site + name + "-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1\n\nText: more\n",
			site + name + "-1.dist-info/RECORD":   strings.Join(files, ",,\n") + ",,\n",
		}
	}
	with := func(files map[string]string, more ...string) map[string]string {
		for i := 0; i < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return files
	}
	pkg := func(name, manifest string, files ...string) map[string]string {
		all := map[string]string{"nodejs/node_modules/" + name + "/package.json": manifest}
		for _, f := range files {
			all["nodejs/node_modules/"+name+"/"+f] = ""
		}
		return all
	}
	jar := func(files map[string]string) map[string]string {
		return map[string]string{"java/lib/a.jar": jarOf(t, files)}
	}
	tests := []struct {
		name, runtime string
		files         map[string]string
		skip          []string
		want          []string
	}{
		{"package, module, extension modules", "python3.11",
			record("a", "a/__init__.py", "a/b.py", "six.py", "_c.cpython-311-x86_64-linux-gnu.so", "_d.abi3.so", "e.so"), nil,
			[]string{"import _c of a 1", "import _d of a 1", "import a of a 1", "import e of a 1", "import six of a 1"}},
		{"no modules", "python3.11",
			record("a", "a/__init__.py", "../../bin/a.py", "a-1.dist-info/x.py", "a.libs/b.so", "tests/__init__.py", "test_a.py", "conftest.py", "a/py.typed", "9f__mypyc.so", "x__mypyc.so", "share/doc/a.txt", "__main__.py"), nil,
			[]string{"import a of a 1"}},
		{"namespaces", "python3.11",
			record("a", "google/api/__init__.py", "google/api/x/__init__.py", "google/cloud/storage/__init__.py", "google/lone.py"), nil,
			[]string{"import google.api of a 1", "import google.cloud.storage of a 1", "import google.lone of a 1"}},
		{"top_level.txt: what was left out, and not what is a namespace", "python3.11",
			with(record("a", "a/__init__.py", "ns/b/__init__.py"), site+"a-1.dist-info/top_level.txt", "_a\na\nns\ntests\n"), nil,
			[]string{"import _a of a 1", "import a of a 1", "import ns.b of a 1"}},
		{"below python/", "python3.11",
			map[string]string{"python/a-1.dist-info/METADATA": "Name: a\n", "python/a-1.dist-info/RECORD": "a.py,,\n"}, nil,
			[]string{"import a of a"}},
		{"skipped", "python3.11", record("a", "a.py", "b/x/__init__.py", "b/y/__init__.py", "c.py"), []string{"a", "b.*"},
			[]string{"import c of a 1"}},

		{"main", "nodejs22.x", pkg("a", `{"version":"1.0.0","main":"lib/a"}`), nil, []string{"load a of a 1.0.0"}},
		{"index.js", "nodejs22.x", pkg("@s/a", `{"version":"1.0.0"}`, "index.js"), nil, []string{"load @s/a of @s/a 1.0.0"}},
		{"exports a file, conditions and paths", "nodejs22.x", with(
			pkg("a", `{"exports":"./a.js"}`),
			"nodejs/node_modules/b/package.json", `{"exports":{"types":"./b.d.ts","import":"./b.mjs"}}`,
			"nodejs/node_modules/c/package.json", `{"exports":{".":[{"node":{"require":"./c.cjs"}}],"./d":"./d.js"}}`), nil,
			[]string{"load a of a", "load b of b", "load c of c"}},
		{"nothing to load", "nodejs22.x", with(
			pkg("types", `{"main":"","types":"index.d.ts"}`),
			"nodejs/node_modules/lib/package.json", `{"exports":{"./lib":"./lib/index.js","./package":"./package.json"}}`,
			"nodejs/node_modules/browser/package.json", `{"exports":{".":{"browser":"./b.js"}}}`,
			"nodejs/node_modules/style/package.json", `{"main":"style.css"}`,
			"nodejs/node_modules/dts/package.json", `{"main":"index.d.ts"}`,
			"nodejs/node_modules/odd/package.json", `{"main":`), nil, nil},
		{"a program is not run", "nodejs22.x", with(
			pkg("a", `{"main":"./cli","bin":{"a":"cli.js"}}`), "nodejs/node_modules/b/package.json", `{"main":"b.js","bin":"b.js"}`), nil, nil},
		{"packages of packages are loaded by these, and .bin is none", "nodejs22.x", with(
			pkg("a", `{"main":"a.js"}`), "nodejs/node_modules/a/node_modules/b/package.json", `{"main":"b.js"}`,
			"nodejs/node_modules/.bin/x", ""), nil, []string{"load a of a"}},
		{"the version's own folder", "nodejs22.x", map[string]string{"nodejs/node22/node_modules/a/package.json": `{"main":"a.js"}`}, nil,
			[]string{"load a of a"}},
		{"skipped scope", "nodejs22.x", with(pkg("@s/a", `{"main":"a.js"}`), "nodejs/node_modules/b/package.json", `{"main":"b.js"}`), []string{"@s/*"},
			[]string{"load b of b"}},

		{"topmost packages", "java21", jar(map[string]string{
			"org/a/B.class": "", "org/a/A.class": "", "org/a/in/C.class": "", "org/b/c/D.class": "", "module-info.class": "", "org/a/package-info.class": "",
			"META-INF/versions/11/org/a/A.class": "", "META-INF/x/Y.class": ""}), nil,
			[]string{"any org.a.A org.a.B of a.jar", "any org.b.c.D of a.jar"}},
		{"main class and providers", "java21", jar(map[string]string{
			"org/a/A.class": "", "org/a/P.class": "", "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nMain-Class: org.a.A\r\n\r\n",
			"META-INF/services/java.sql.Driver": "# drivers\norg.a.P # ours\norg.elsewhere.Q\n"}), nil,
			[]string{"any org.a.A org.a.P of a.jar", "load org.a.A of a.jar", "provider org.a.P java.sql.Driver of a.jar"}},
		{"native libraries", "java21", jar(map[string]string{"org/a/A.class": "", "org/a/linux/libA.so": ""}), nil,
			[]string{"any org.a.A of a.jar", "native org.a.A of a.jar"}},
		{"skipped package", "java21", jar(map[string]string{"org/a/A.class": "", "org/b/B.class": ""}), []string{"org.a.*"},
			[]string{"any org.b.B of a.jar"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			info, _ := runtimes.Lookup(test.runtime)
			items, unused, err := Items(treeOf(test.files), info, test.skip)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, item := range items {
				got = append(got, item.line+" of "+item.Package)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) || len(unused) > 0 {
				t.Errorf("got\n%s\nwant\n%s\nunused: %v", strings.Join(got, "\n"), strings.Join(test.want, "\n"), unused)
			}
		})
	}
}

// TestUnused: what skip names and no package has is said.
func TestUnused(t *testing.T) {
	info, _ := runtimes.Lookup("nodejs22.x")
	_, unused, err := Items(treeOf(map[string]string{"nodejs/node_modules/a/index.js": "", "nodejs/node_modules/a/package.json": "{}"}), info, []string{"a", "b", "c*"})
	if err != nil || !slices.Equal(unused, []string{"b", "c*"}) {
		t.Errorf("got %v, %v", unused, err)
	}
}

func TestMatches(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a.*", "a.b.c", true},
		{"a.*", "a", false},
		{"*", "anything", true},
		{"@s/*", "@s/a", true},
		{"a*c*e", "abcde", true},
		{"a*c*e", "ace", true},
		{"a*c*e", "aec", false},
		{"ab*b", "ab", false},
	} {
		if got := matches(test.pattern, test.name); got != test.want {
			t.Errorf("%s, %s: got %t", test.pattern, test.name, got)
		}
	}
}

// TestReadResults: what the workers write of items, and what that means.
func TestReadResults(t *testing.T) {
	items := []Item{{Name: "a", Package: "p"}, {Name: "b", Package: "q"}}
	for _, test := range []struct{ name, text, want string }{
		{"passed", "start 0\nok 0\nstart 1\nok 1\nexit 0\n", ""},
		{"failed twice", "start 0\nfail 0 X\nstart 1\nok 1\nalone 0\nfail 0 X: no Y\nexit 0\n", "a: X: no Y"},
		{"failed only beside another", "start 0\nok 0\nstart 1\nfail 1 X\nalone 1\nok 1\nexit 0\n", ""},
		{"crashed", "start 0\nexit 139\nstart 1\nok 1\nalone 0\nexit 139\nexit 0\n", "a: crashes the runtime with SIGSEGV"},
		{"crashed with another signal", "start 0\nexit 163\nstart 1\nok 1\nalone 0\nexit 163\nexit 0\n", "a: crashes the runtime with signal 35"},
		{"did not end", "start 0\nok 0\nstart 1\nexit 142\nalone 1\nexit 142\nexit 0\n", "b: does not end: given up after 3s"},
		{"ended the process", "start 0\nok 0\nstart 1\nexit 0\nalone 1\nexit 0\nexit 0\n", "b: ends the runtime with exit status 0"},
		{"both", "start 0\nfail 0 X\nstart 1\nexit 134\nalone 0\nfail 0 X\nexit 0\nalone 1\nexit 134\nexit 0\n", "a: X; b: crashes the runtime with SIGABRT"},
		{"lost", "start 0\nok 0\nexit 1\n", "the smoke test ended before b was loaded (exit status 1)"},
		{"nothing", "exit 127\n", "the smoke test ended before a was loaded (exit status 127)"},
		{"garbage", "start 7\n", `the smoke test wrote "start 7"`},
	} {
		failures, err := readResults(strings.NewReader(test.text), items, 3*time.Second)
		var got []string
		for _, f := range failures {
			got = append(got, f.Name+": "+f.Problem)
		}
		if err != nil {
			got = []string{err.Error()}
		}
		if strings.Join(got, "; ") != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
