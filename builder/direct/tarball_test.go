package direct

import (
	"archive/tar"
	"bytes"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// oddTarball is one that npm installs, with what it makes of it beside
// package.json.
type oddTarball struct {
	name string
	spec tarballSpec
	want map[string]string // path → mode and content
}

// oddTarballs are all that was thought of. The end-to-end test holds npm
// against the same list.
func oddTarballs(t testing.TB) []oddTarball {
	long := strings.Repeat("long-folder/", 15) + "file.js"
	latin := tarMember{name: "package/caf\xe9.js", data: "1"}
	return []oddTarball{
		{"modes", tarOf(`{}`, tarMember{name: "package/a", data: "1", mode: 0o600}, tarMember{name: "package/b", data: "2", mode: 0o744},
			tarMember{name: "package/c", data: "3", mode: 0o755}, tarMember{name: "package/d", data: "4", mode: 0o111}, tarMember{name: "package/e", mode: 0o4755, data: "5"}),
			map[string]string{"a": "644 1", "b": "755 2", "c": "755 3", "d": "755 4", "e": "755 5"}},
		{"links", tarOf(`{}`, tarMember{name: "package/a", data: "1"}, tarMember{name: "package/soft", kind: kindLink, link: "a"},
			tarMember{name: "package/hard", kind: kindHardLink, link: "package/a"}, tarMember{name: "package/out", kind: kindLink, link: "/etc/passwd"}),
			map[string]string{"a": "644 1"}},
		{"first component", tarballSpec{members: []tarMember{{name: "any thing/package.json", data: "{}"}, {name: "other/lib/a", data: "1"}, {name: "./lib/b", data: "2"}, {name: "beside", data: "3"}}},
			map[string]string{"lib/a": "644 1", "lib/b": "644 2"}},
		{"absolute", tarballSpec{members: []tarMember{{name: "package/package.json", data: "{}"}, {name: "/package/a", data: "1"}, {name: "package//b", data: "2"}, {name: "package/./c/./d", data: "3"}, {name: "//x/e", data: "4"}}},
			map[string]string{"package/a": "644 1", "b": "644 2", "c/d": "644 3", "x/e": "644 4"}},
		{"ignore files", tarOf(`{}`, tarMember{name: "package/.gitignore", data: "1"}, tarMember{name: "package/lib/.npmignore", data: "2"},
			tarMember{name: "package/lib/.gitignore", data: "3"}, tarMember{name: "package/x.gitignore", data: "4"},
			tarMember{name: "package/late/.gitignore", data: "5"}, tarMember{name: "package/late/.npmignore", data: "6"}, tarMember{name: "package/.gitignore/a", data: "7"}),
			map[string]string{".npmignore": "644 1", "lib/.npmignore": "644 2", "x.gitignore": "644 4", "late/.npmignore": "644 6", ".gitignore/a": "644 7"}},
		{"twice", tarOf(`{}`, tarMember{name: "package/a", data: "old", mode: 0o755}, tarMember{name: "package/b", data: "between"}, tarMember{name: "other/a", data: "new"},
			tarMember{name: "package/c", data: "old", mode: 0o755}, tarMember{name: "package/c", data: "new", kind: kindContiguous}),
			map[string]string{"a": "755 new", "b": "644 between", "c": "644 new"}},
		{"folders", tarOf(`{}`, tarMember{name: "package/", kind: kindFolder}, tarMember{name: "package/empty/", kind: kindFolder}, tarMember{name: "package/old/"}, tarMember{name: "package/old/a", data: "1"}),
			map[string]string{"old/a": "644 1"}},
		{"case", tarOf(`{}`, tarMember{name: "package/a", data: "1"}, tarMember{name: "package/A", data: "2"}), map[string]string{"a": "644 1", "A": "644 2"}},
		{"long names", tarOf(`{}`, pax('x', "path=package/"+long), tarMember{name: "short", data: "1"},
			tarMember{name: "././@LongLink", kind: 'L', data: "package/gnu/" + long + "\x00"}, tarMember{name: "short", data: "2", edit: gnu},
			tarMember{name: "tail.js", data: "3", edit: func(b []byte) { copy(b[345:], "package/"+strings.TrimSuffix(long[:120], "/")) }}),
			map[string]string{long: "644 1", "gnu/" + long: "644 2", long[:119] + "/tail.js": "644 3"}},
		{"pax", tarOf(`{}`, pax('g', "comment=0123456789abcdef", "path=package/for-all"), pax('x', "mtime=1.5e9", "NODETAR.type=File", "uid=abc", "path=package/b"),
			tarMember{name: "package/a", data: "1"}, pax('x', "size=3", "comment=x\ny"), tarMember{name: "package/sized", data: "abc", edit: func(b []byte) { copy(b[124:], "00000000000\x00") }}, tarMember{name: "package/next", data: "2"}),
			map[string]string{"b": "644 1", "sized": "644 abc", "next": "644 2"}},
		{"odd numbers", tarOf(`{}`,
			tarMember{name: "package/a", data: "1", edit: func(b []byte) { copy(b[100:], "   644 \x00"); copy(b[108:], "abcdefgh-1\x00") }},
			tarMember{name: "package/b", data: "12", edit: func(b []byte) { copy(b[124:], "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02") }},
			tarMember{name: "package/c", data: "3", edit: func(b []byte) { copy(b[108:], "\xff\xff\xff\xff\xff\xff\xff\xfe") }},
			tarMember{name: "package/d", data: "4", edit: func(b []byte) { copy(b[136:], "\x90broken") }},
			tarMember{name: "package/e", data: "5", edit: func(b []byte) { b[156] = 0; copy(b[257:], make([]byte, 8)) }},
			tarMember{name: "package/f", data: "6", edit: func(b []byte) { copy(b[100:], make([]byte, 8)) }}),
			map[string]string{"a": "644 1", "b": "644 12", "c": "644 3", "e": "644 5", "f": "644 6"}},
		{"broken headers", tarOf(`{}`, tarMember{name: "package/linked", data: "1", link: "somewhere"}, tarMember{name: "package/vendor", data: "2", kind: 'V'},
			tarMember{name: "package/unknown", data: "3", kind: 'Z'}, tarMember{data: "nameless"}, tarMember{name: "package/a", data: "4"}),
			map[string]string{"a": "644 4"}},
		{"control characters", tarOf(`{}`, tarMember{name: "package/Icon\r", data: "1"}, tarMember{name: "package/é", data: "2"}, latin),
			map[string]string{"Icon\r": "644 1", "é": "644 2", "caf\ufffd.js": "644 1"}},
		{"plain tar", tarballSpec{members: tarOf(`{}`, tarMember{name: "package/a", data: "1"}).members, plain: true}, map[string]string{"a": "644 1"}},
		{"garbage", tarballSpec{members: tarOf(`{}`, tarMember{name: "package/a", data: "1"}).members, garbage: string(make([]byte, 1000)), after: strings.Repeat("garbage", 300)}, map[string]string{"a": "644 1"}},
		{"no end", tarballSpec{members: tarOf(`{}`, tarMember{name: "package/a", data: "1"}).members, bare: true, after: "trailing"}, map[string]string{"a": "644 1"}},
		{"one zero block", tarballSpec{members: tarOf(`{}`).members, bare: true, after: string(make([]byte, tarBlock)) + string(tarballSpec{members: []tarMember{{name: "package/a", data: "1"}}, plain: true}.build(t))}, map[string]string{"a": "644 1"}},
		{"two parts", tarballSpec{members: tarOf(`{}`, tarMember{name: "package/a", data: "1"}).members, halves: true}, map[string]string{"a": "644 1"}},
		{"bundled", tarOf(`{"bundleDependencies":["b"]}`, tarMember{name: "package/node_modules/b/package.json", data: `{"name":"b","version":"1.0.0"}`}, tarMember{name: "package/node_modules/b/.gitignore", data: "1"}),
			map[string]string{"node_modules/b/package.json": `644 {"name":"b","version":"1.0.0"}`, "node_modules/b/.npmignore": "644 1"}},
	}
}

func gnu(b []byte) { copy(b[257:], "ustar  \x00") }

func TestTarballLayout(t *testing.T) {
	for _, test := range oddTarballs(t) {
		t.Run(test.name, func(t *testing.T) {
			tree, err := unpackedTree(t, test.spec.build(t))
			if err != nil {
				t.Fatal(err)
			}
			delete(tree, "package.json")
			if !maps.Equal(tree, test.want) {
				t.Errorf("got  %q\nwant %q", tree, test.want)
			}
		})
	}
}

// TestTarballGarbage: what follows a gzip file is passed over, though npm takes
// nothing but zeros there.
func TestTarballGarbage(t *testing.T) {
	spec := tarOf(`{}`, tarMember{name: "package/a", data: "1"})
	spec.garbage = "PK\x03\x04 garbage"
	if tree, err := unpackedTree(t, spec.build(t)); err != nil || tree["a"] != "644 1" {
		t.Errorf("got %q, %v", tree, err)
	}
}

// TestTarballCommands: what package.json calls a command is executable, with
// the bytes that it has.
func TestTarballCommands(t *testing.T) {
	for _, test := range []struct{ packageJSON, executable string }{
		{`{"name":"pkg","bin":"./bin/a"}`, "bin/a"},
		{`{"bin":"bin/a"}`, ""}, // a command without a name
		{`{"name":"pkg","bin":{"x":"bin/a","y":"\\lib\\c.js"}}`, "bin/a lib/c.js"},
		{`{"name":"pkg","bin":["bin/a","/bin/b"]}`, "bin/a bin/b"},
		{`{"name":"pkg","bin":{"x":"../../bin/a","y":7}}`, "bin/a"},
		{"\ufeff" + `{"name":"pkg","bin":"bin/a"}`, "bin/a"},
		{`{"name":"pkg","Bin":"bin/a"}`, ""},
		{`{"name":"pkg","bin":null,"directories":{"bin":"./bin"}}`, "bin/a bin/b bin/sub/d"},
		{`{"name":"pkg","bin":"bin/a","directories":{"bin":"lib"}}`, "bin/a"},
		{`{"name":"pkg","directories":"bin"}`, ""},
		{`not JSON`, ""},
	} {
		tree, err := unpackedTree(t, tarOf(test.packageJSON, tarMember{name: "package/bin/a", data: "#!/usr/bin/env node\r\n"}, tarMember{name: "package/bin/b", data: "b"},
			tarMember{name: "package/bin/.hidden", data: "h"}, tarMember{name: "package/bin/sub/d", data: "d"}, tarMember{name: "package/lib/c.js", data: "c"}).build(t))
		if err != nil {
			t.Fatal(err)
		}
		var executable []string
		for _, name := range []string{"bin/.hidden", "bin/a", "bin/b", "bin/sub/d", "lib/c.js", "package.json"} {
			if strings.HasPrefix(tree[name], "755 ") {
				executable = append(executable, name)
			}
		}
		if got := strings.Join(executable, " "); got != test.executable {
			t.Errorf("%s: executable are %q, want %q", test.packageJSON, got, test.executable)
		}
		if _, data, _ := strings.Cut(tree["bin/a"], " "); data != "#!/usr/bin/env node\r\n" {
			t.Errorf("%s: bin/a is %q", test.packageJSON, data)
		}
	}
}

// TestTarballPlaces: each package goes to all of its places; where one lies in
// another, it has that folder to itself.
func TestTarballPlaces(t *testing.T) {
	a := tarOf(`{"name":"a"}`, tarMember{name: "package/node_modules/b/from-a", data: "1"}, tarMember{name: "package/node_modules/c/from-a", data: "2"}, tarMember{name: "package/node_modules/bb", data: "3"}).build(t)
	b := tarOf(`{"name":"b"}`).build(t)
	large := strings.Repeat("large", maxPerFile/5+1)
	c := tarOf(`{"name":"c","bin":"run"}`, tarMember{name: "package/run", data: "old"}, tarMember{name: "package/large", data: large}, tarMember{name: "package/run", data: "new"}).build(t)
	packages := []runtimes.Package{
		npmPackage("a", a, "node_modules/a", "node_modules/c/node_modules/a"),
		npmPackage("b", b, "node_modules/a/node_modules/b"),
		npmPackage("c", c, "node_modules/@x/y/node_modules/c", "node_modules/c"),
	}
	downloads := downloaded(t, a, b, c)
	var first []byte
	for _, jobs := range []int{1, 3} {
		var out bytes.Buffer
		e := Engine{Downloads: downloads, Jobs: jobs}
		if err := e.Install(t.Context(), npmRecipe(packages...), &out, nil); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = out.Bytes()
		}
		if !bytes.Equal(first, out.Bytes()) {
			t.Error("the order of files is not fixed")
		}
	}
	want := map[string]string{
		"node_modules/a/package.json":                         `644 {"name":"a"}`,
		"node_modules/a/node_modules/b/package.json":          `644 {"name":"b"}`,
		"node_modules/a/node_modules/c/from-a":                "644 2",
		"node_modules/a/node_modules/bb":                      "644 3",
		"node_modules/c/node_modules/a/package.json":          `644 {"name":"a"}`,
		"node_modules/c/node_modules/a/node_modules/b/from-a": "644 1",
		"node_modules/c/node_modules/a/node_modules/c/from-a": "644 2",
		"node_modules/c/node_modules/a/node_modules/bb":       "644 3",
		"node_modules/c/package.json":                         `644 {"name":"c","bin":"run"}`,
		"node_modules/c/run":                                  "755 new",
		"node_modules/c/large":                                "644 " + large,
		"node_modules/@x/y/node_modules/c/package.json":       `644 {"name":"c","bin":"run"}`,
		"node_modules/@x/y/node_modules/c/run":                "755 new",
		"node_modules/@x/y/node_modules/c/large":              "644 " + large,
	}
	if got := readTar(t, bytes.NewReader(first)); !reflect.DeepEqual(got, want) {
		for name := range got {
			if got[name] != want[name] {
				t.Errorf("%s is %.40q, want %.40q", name, got[name], want[name])
			}
		}
		t.Errorf("got %d files, want %d", len(got), len(want))
	}
}

// TestHostileTarball: what would leave the package, cannot be in a layer or
// would fill the disk is refused.
func TestHostileTarball(t *testing.T) {
	for _, test := range []struct {
		name    string
		data    []byte
		problem string
	}{
		{"up", tarOf(`{}`, tarMember{name: "package/../../../x", data: "1"}).build(t), "leads out of the package"},
		{"up by a backslash", tarOf(`{}`, tarMember{name: `package/a\..\..\x`, data: "1"}).build(t), "leads out of the package"},
		{"up by pax", tarOf(`{}`, pax('x', "path=package/../x"), tarMember{name: "package/a", data: "1"}).build(t), "leads out of the package"},
		{"backslash", tarOf(`{}`, tarMember{name: `package/a\b`, data: "1"}).build(t), "backslash"},
		{"drive", tarOf(`{}`, tarMember{name: "package/c:/x", data: "1"}).build(t), "drive letter"},
		{"long part", tarOf(`{}`, pax('x', "path=package/"+strings.Repeat("x", 256)), tarMember{name: "package/a", data: "1"}).build(t), "more than 255 bytes"},
		{"long name", tarOf(`{}`, pax('x', "path=package/"+strings.Repeat("x/", 600)+"x"), tarMember{name: "package/a", data: "1"}).build(t), "more than 1024 bytes"},
		{"device", tarOf(`{}`, tarMember{name: "package/a", kind: '3'}).build(t), "neither a file nor a folder"},
		{"pipe", tarOf(`{}`, tarMember{name: "package/a", kind: '6'}).build(t), "neither a file nor a folder"},
		{"file and folder", tarOf(`{}`, tarMember{name: "package/a", data: "1"}, tarMember{name: "package/a/b", data: "2"}).build(t), "a file and a folder"},
		{"file and empty folder", tarOf(`{}`, tarMember{name: "package/a/", kind: kindFolder}, tarMember{name: "package/a", data: "2"}).build(t), "a file and a folder"},
		{"huge", tarOf(`{}`, tarMember{name: "package/a", edit: func(b []byte) { copy(b[124:], "77777777777\x00") }}).build(t), "more than 1073741824 bytes"},
		{"bomb", tarOf(`{}`, tarMember{name: "package/a", data: strings.Repeat("\x00", freeRatio+1)}).build(t), "it unpacks to more than"},
		{"cut tar", tarballSpec{members: []tarMember{{name: "package/a", data: "1", edit: func(b []byte) { copy(b[124:], "00000010000\x00") }}}}.build(t), "in the middle of a file"},
		{"cut gzip", tarOf(`{}`).build(t)[:60], "unexpected EOF"},
		{"broken gzip", append(tarOf(`{}`).build(t)[:40], make([]byte, 100)...), "broken tarball"},
		{"second part broken", tarballSpec{members: tarOf(`{}`).members, bare: true, garbage: "\x1f\x8b\xff\xff"}.build(t), "broken tarball"},
		{"no tar", []byte(strings.Repeat("no tar", 1000)), "neither a tar nor a compressed one"},
		{"empty", nil, "neither a tar nor a compressed one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := unpackedTree(t, test.data)
			var broken *runtimes.PackageError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), test.problem) || broken.File != "pkg-1.0.0.tgz" {
				t.Errorf("got %v, want a PackageError with %q", err, test.problem)
			}
		})
	}
}

// TestTarballBesidePlace: a file in the way of another package's place.
func TestTarballBesidePlace(t *testing.T) {
	a := tarOf(`{}`, tarMember{name: "package/node_modules", data: "a file"}).build(t)
	b := tarOf(`{"name":"b"}`).build(t)
	e := Engine{Downloads: downloaded(t, a, b)}
	err := e.Install(t.Context(), npmRecipe(npmPackage("a", a), npmPackage("b", b, "node_modules/a/node_modules/b")), &bytes.Buffer{}, nil)
	var broken *runtimes.PackageError
	if !errors.As(err, &broken) || broken.File != "a-1.0.0.tgz" {
		t.Errorf("got %v", err)
	}
	for _, bad := range [][]string{{"node_modules/../x"}, {"/node_modules/x"}, {"node_modules/b", "node_modules/b"}} {
		if err := e.Install(t.Context(), npmRecipe(npmPackage("b", b, bad...)), &bytes.Buffer{}, nil); err == nil {
			t.Errorf("places %q are taken", bad)
		}
	}
}

// FuzzTarball: whatever a tarball holds, it is read or refused, and alike
// whether there is room for it in memory or not.
func FuzzTarball(f *testing.F) {
	for _, odd := range oddTarballs(f) {
		odd.spec.plain = true
		f.Add(odd.spec.build(f))
	}
	f.Add(tarOf(`{}`).build(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &tarball{pkg: npmPackage("pkg", data), file: localBytes{bytes.NewReader(data)}}
		tree, err := p.unpack(t.Context(), p.room())
		var broken *runtimes.PackageError
		if err != nil && !errors.As(err, &broken) {
			t.Fatal(err)
		}
		again, err2 := p.unpack(t.Context(), 1)
		if !reflect.DeepEqual(tree.files, again.files) || (err == nil) != (err2 == nil) {
			t.Errorf("got %v, %v, and without room %v, %v", tree.files, err, again.files, err2)
		}
		if err != nil {
			return
		}
		for _, u := range []unpacked{tree, again} {
			var b bytes.Buffer
			if err := p.write(t.Context(), tar.NewWriter(&b), u); err != nil {
				t.Fatal(err)
			}
			readTar(t, &b)
		}
	})
}
