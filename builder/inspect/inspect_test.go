package inspect

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// treeOf makes a tree of files by path.
func treeOf(files map[string]string) runtimes.Tree {
	t := make(runtimes.Tree)
	for name, content := range files {
		t[name] = runtimes.NewTreeFile([]byte(content), false)
	}
	return t
}

// jarOf makes a jar of entries, each a name and a content.
func jarOf(t testing.TB, entries ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		w, err := z.Create(entries[i])
		if err == nil {
			_, err = io.WriteString(w, entries[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// texts are the packages in short, in order of kind and name.
func texts(inv *Inventory) (all []string) {
	for _, p := range inv.Packages {
		all = append(all, strings.Join([]string{p.Kind, p.Name, p.Version, p.License, strings.Repeat("f", p.Files)}, "|"))
	}
	slices.Sort(all)
	return all
}

func TestTake(t *testing.T) {
	const site = "python/lib/python3.13/site-packages/"
	for _, test := range []struct {
		name  string
		files map[string]string
		known []Known
		want  []string
	}{
		{"nothing", nil, nil, nil},
		{"what RECORD names, and bytecode of it", map[string]string{
			site + "a/__init__.py": "", site + "a/__pycache__/__init__.cpython-313.pyc": "", site + "b.py": "",
			site + "A_x-1.0.dist-info/METADATA": "Name: A.x\nVersion: 1.0\nLicense: MIT\nClassifier: License :: OSI Approved :: BSD License\n\nVersion: 9\n",
			site + "A_x-1.0.dist-info/RECORD":   "a/__init__.py,sha256=x,1\n../../../bin/x,,\n",
		}, nil, []string{"files|" + site + "b.py|||f", "python|a-x|1.0|MIT|ffff"}},
		{"a package within another is part of it", map[string]string{
			"python/s/_vendor/v-2.dist-info/METADATA": "Name: v\n", "python/s/_vendor/v-2.dist-info/RECORD": "v.py,,\n", "python/s/_vendor/v.py": "",
			"python/s-1.dist-info/RECORD": "s/_vendor/v-2.dist-info/METADATA,,\ns/_vendor/v-2.dist-info/RECORD,,\ns/_vendor/v.py,,\n",
		}, nil, []string{"python|s|1||ffff"}},
		{"without RECORD the names of modules say it", map[string]string{
			"python/yaml/x.py": "", "python/_yaml/y.py": "", "python/other/z.py": "",
			"python/PyYAML-6.dist-info/METADATA": "Name: PyYAML\n", "python/PyYAML-6.dist-info/top_level.txt": "_yaml\nyaml\n",
		}, nil, []string{"files|python/other/|||f", "python|pyyaml|6||ffff"}},
		{"without metadata what is known says it", map[string]string{"python/some_thing/x.py": ""},
			[]Known{{Name: "Some.Thing", Version: "3"}}, []string{"python|some-thing|3||f"}},
		{"Node's packages by their folders", map[string]string{
			"nodejs/node_modules/a/package.json":                     `{"version": "1.0.0", "license": {"type": "ISC"}}`,
			"nodejs/node_modules/a/node_modules/@s/b/package.json":   `{"version": 7}`,
			"nodejs/node_modules/c/node_modules/a/package.json":      `{"version": "2.0.0", "licenses": ["MIT", {"type": "X"}]}`,
			"nodejs/node_modules/d/node_modules/a/package.json":      `{"version": "1.0.0"}`,
			"nodejs/node_modules/.package-lock.json":                 "",
			"nodejs/node_modules/.bin/a":                             "",
			"nodejs/node_modules/.pnpm/e@1/node_modules/e/x/y/z.mjs": "",
		}, nil, []string{"files|nodejs/node_modules/|||ff", "nodejs|@s/b|||f", "nodejs|a|1.0.0|ISC|ff", "nodejs|a|2.0.0|MIT OR X|f", "nodejs|e|||f"}},
		{"jars by Maven, manifest and name", map[string]string{
			"java/lib/a-1.jar": jarOf(t, "META-INF/maven/g/a/pom.properties", "version=1\r\ngroupId=g\nartifactId=a\n",
				"META-INF/maven/g/a/pom.xml", "<project xmlns='http://m'><licenses><license><name>EPL 2.0</name></license><license><url>u</url></license></licenses></project>"),
			"java/lib/b-2.0-x.jar": jarOf(t, "META-INF/MANIFEST.MF", "Implementation-Version: 3\r\nBundle-License: \"http://www.apache.org/li\r\n censes/LICENSE-2.0\";link=x\r\n\r\nName: y\r\n"),
			"java/lib/c.jar":       jarOf(t, "META-INF/MANIFEST.MF", "Bundle-Version: 4\n"),
			"java/lib/all-1.jar":   jarOf(t, "META-INF/maven/g/x/pom.properties", "artifactId=x\n", "META-INF/maven/g/y/pom.properties", "artifactId=y\n"),
			"java/lib/d-5.jar":     "no jar",
		}, []Known{{Name: "g:c", Version: "5", File: "c.jar"}},
			[]string{"java|all|1||f", "java|b|2.0-x|Apache-2.0|f", "java|d|5||f", "java|g:a|1|EPL 2.0 OR u|f", "java|g:c|5||f"}},
		{"the rest by folders", map[string]string{"x": "", "bin/y": "", "a/b/c/d": "", "a/b/e": "", "python/f.py": ""}, nil,
			[]string{"files|./|||f", "files|a/b/|||ff", "files|bin/|||f", "files|python/f.py|||f"}},
		{"texts of outside are one line", map[string]string{"nodejs/node_modules/a/package.json": `{"version": "1\n\u001b[31m2", "license": "` + strings.Repeat("x", 200) + `"}`}, nil,
			[]string{"nodejs|a|1 [31m2|" + strings.Repeat("x", maxText-1) + "…|f"}},
	} {
		if got := texts(Take(treeOf(test.files), nil, test.known)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// TestPythonLicense: the most exact statement counts.
func TestPythonLicense(t *testing.T) {
	for _, test := range []struct{ fields, want string }{
		{"License: BSD", "BSD"},
		{"License: UNKNOWN", ""},
		{"License: UNKNOWN|Classifier: License :: OSI Approved", ""},
		{"Classifier: License :: OSI Approved :: MIT License|Classifier: License :: Public Domain|Classifier: Topic :: X", "MIT License, Public Domain"},
		{"License: Copyright 2020 Somebody|Classifier: License :: OSI Approved :: MIT License", "MIT License"},
		{"License: Copyright 2020 Somebody", "Copyright 2020 Somebody"},
		{"License: MIT|License-Expression: MIT OR Apache-2.0", "MIT OR Apache-2.0"},
	} {
		var l pythonLicense
		for field := range strings.SplitSeq(test.fields, "|") {
			name, value, _ := strings.Cut(field, ": ")
			l.add(strings.ToLower(name), value)
		}
		if got := l.String(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.fields, got, test.want)
		}
	}
}

func TestCompare(t *testing.T) {
	at := func(version, content string) map[string]string {
		return map[string]string{
			"nodejs/node_modules/a/package.json": `{"version": "` + version + `"}`,
			"nodejs/node_modules/a/x":            content,
			"nodejs/node_modules/b/package.json": `{"version": "1"}`,
			"own/x":                              "same",
		}
	}
	for _, test := range []struct {
		name          string
		before, after *Inventory
		planned       bool
		want          string
	}{
		{"the same", Take(treeOf(at("1", "x")), nil, nil), Take(treeOf(at("1", "x")), nil, nil), false, ""},
		{"another version", Take(treeOf(at("1", "x")), nil, nil), Take(treeOf(at("2", "xyz")), nil, nil), false, "version nodejs a +2"},
		{"other files", Take(treeOf(at("1", "x")), nil, nil), Take(treeOf(at("1", "y")), nil, nil), false, "content nodejs a +0"},
		{"all gone", Take(treeOf(at("1", "")), nil, nil), Take(nil, nil, nil), false, "removed nodejs a -16, removed nodejs b -16, removed files own/ -4"},
		{"only packages known", Planned(Node, []Known{{Name: "a", Version: "1"}, {Name: "c", Version: "2"}}), Take(treeOf(at("1", "y")), nil, nil), true,
			"added nodejs b +16, removed nodejs c +0"},
	} {
		var got []string
		for _, c := range Compare(test.before, test.after, test.planned) {
			got = append(got, c.What+" "+c.Kind+" "+c.Name+" "+signed(c.Difference()))
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("%s: got %q, want %q", test.name, text, test.want)
		}
	}
}

func signed(n int64) string { return fmt.Sprintf("%+d", n) }

// TestNative: of a package's libraries the newest need counts.
func TestNative(t *testing.T) {
	var p Package
	for _, parts := range [][]int{{2, 17}, {2, 4}, {2, 28}} {
		p.addNative(check.Binary{Machine: "arm64", Needs: []check.SymbolVersion{{Family: "GLIBC", Parts: parts}, {Family: "GLIBCXX", Parts: []int{3, 4, parts[1]}}}}, 1)
	}
	p.addNative(check.Binary{Machine: "arm64", Musl: true}, 1)
	p.addNative(check.Binary{Machine: "Windows"}, 0)
	var got []string
	for _, n := range p.Native {
		got = append(got, fmt.Sprintf("%s %v %d %s %s", n.Platform, n.Musl, n.Files, n.Glibc, n.Libcxx))
	}
	if want := []string{"arm64 false 3 2.28 3.4.28", "arm64 true 1  ", "Windows false 0  "}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzTake: whatever the files that tell of packages hold, each file is counted
// once, and every text is one printable line.
func FuzzTake(f *testing.F) {
	f.Add("Name: a\nVersion: 1\nLicense: MIT\n", "a.py,,\n", `{"version": "1", "license": "MIT"}`, "a\n")
	f.Add("License: \x1b[31m", "\"", `{"licenses": [[{}]]}`, "\xff")
	f.Fuzz(func(t *testing.T, metadata, record, manifest, top string) {
		files := treeOf(map[string]string{
			"python/a.py": "", "python/a-1.dist-info/METADATA": metadata, "python/a-1.dist-info/RECORD": record,
			"python/b/b.py": "", "python/b-1.dist-info/METADATA": metadata, "python/b-1.dist-info/top_level.txt": top,
			"nodejs/node_modules/c/package.json": manifest,
		})
		checkInventory(t, files, Take(files, nil, nil))
	})
}

// FuzzJar: the same of what tells of jars.
func FuzzJar(f *testing.F) {
	f.Add("Bundle-License: x;y=z,\"a\"\r\n b\r\n", "groupId=g\nartifactId=a\nversion=1", "<project><licenses><license><name>x</name></license></licenses></project>")
	f.Add(" ", "=\n#", "<?xml version='1.0' encoding='x'?><a")
	f.Fuzz(func(t *testing.T, manifest, properties, pom string) {
		files := treeOf(map[string]string{"java/lib/a-1.jar": jarOf(t, "META-INF/MANIFEST.MF", manifest,
			"META-INF/maven/g/a/pom.properties", properties, "META-INF/maven/g/a/pom.xml", pom)})
		checkInventory(t, files, Take(files, nil, nil))
	})
}

func checkInventory(t *testing.T, files runtimes.Tree, inv *Inventory) {
	counted, size := 0, int64(0)
	for _, p := range inv.Packages {
		counted, size = counted+p.Files, size+p.Size
		for _, text := range []string{p.Name, p.Version, p.License} {
			if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) || len([]rune(text)) > maxText {
				t.Errorf("%+v: %q", p, text)
			}
		}
	}
	if counted != len(files) || inv.Files != len(files) || size != files.Size() {
		t.Errorf("%d files counted, %d bytes: %+v", counted, size, inv)
	}
}
