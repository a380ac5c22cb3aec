package java

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// entries are what a test's jar holds, in their order: name and content.
type entries [][2]string

// jarOf makes a jar with dates, extra fields and data descriptors, as tools
// do.
func jarOf(t testing.TB, all entries) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range all {
		h := &zip.FileHeader{Name: e[0], Method: zip.Deflate, Modified: time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC), Comment: "made by a test"}
		if strings.HasSuffix(e[0], "/") || e[1] == "" {
			h.Method = zip.Store
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, e[1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// class is the head of a class file for a version of Java.
func class(java int) string {
	return "\xca\xfe\xba\xbe\x00\x00" + string([]byte{0, byte(44 + java)}) + strings.Repeat("x", 10)
}

// elfLibrary is the head of a library of Linux's format.
func elfLibrary(class, order, system byte, machine uint16) string {
	data := make([]byte, 64)
	copy(data, "\x7fELF")
	data[4], data[5], data[7] = class, order, system
	data[18], data[19] = byte(machine), byte(machine>>8)
	if order == elfBigEndian {
		data[18], data[19] = data[19], data[18]
	}
	return string(data)
}

var (
	linuxX86 = elfLibrary(elf64, 1, 0, elfX86_64)
	linuxARM = elfLibrary(elf64, 1, elfGNU, elfARM64)
)

// jarTree is a tree of jars by their names.
func jarTree(t testing.TB, jars map[string]entries) runtimes.Tree {
	tree := runtimes.Tree{}
	for name, all := range jars {
		tree["java/lib/"+name] = runtimes.NewTreeFile(jarOf(t, all), false)
	}
	return tree
}

func jarRecipe(java string, arch runtimes.Arch, slim bool) runtimes.Recipe {
	info := runtimes.Info{Name: "java" + java, Family: "java", Version: java}
	target := runtimes.Target{Runtime: info, Arch: arch, Places: []runtimes.Place{{Runtime: info, Arch: runtimes.ARM64}, {Runtime: info, Arch: runtimes.X86_64}}}
	if slim {
		target.Slim = []string{"docs", otherPlatforms}
	}
	return runtimes.Recipe{Runtime: "java", Prefix: prefix, Target: target, Slim: slimOf(target)}
}

func TestNativeOf(t *testing.T) {
	for _, test := range []struct {
		name, content string
		want          native
		none          bool
	}{
		{name: "linux/x86_64/liba.so", content: linuxX86, want: native{arch: runtimes.X86_64}},
		{name: "liba.so.1.2", content: linuxARM, want: native{arch: runtimes.ARM64}},
		{name: "Linux-Musl/x86_64/liba.so", content: linuxX86, want: native{other: "Linux with musl"}},
		{name: "Linux-Android/aarch64/liba.so", content: linuxARM, want: native{other: "Android"}},
		{name: "freebsd/x86_64/liba.so", content: linuxX86, want: native{other: "FreeBSD"}},
		{name: "x/liba.so", content: elfLibrary(elf64, 1, 9, elfX86_64), want: native{other: "another Unix"}},
		{name: "x/liba.so", content: elfLibrary(1, 1, 0, elfX86_64), want: native{other: "Linux on another processor"}}, // x32
		{name: "x/liba.so", content: elfLibrary(1, 1, 0, 3), want: native{other: "Linux on another processor"}},
		{name: "ppc64/liba.so", content: elfLibrary(elf64, 2, 0, 21), want: native{other: "Linux on another processor"}},
		{name: "x/a.dll", content: "MZ\x90\x00", want: native{other: "Windows"}},
		{name: "x/A.DLL", content: "MZ\x90\x00", want: native{other: "Windows"}},
		{name: "x/liba.dylib", content: "\xcf\xfa\xed\xfe\x0c\x00", want: native{other: "macOS"}},
		{name: "x/liba.jnilib", content: "\xca\xfe\xba\xbe\x00\x00\x00\x02", want: native{other: "macOS"}},
		{name: "x/liba.so", content: "a text", none: true},
		{name: "x/liba.so", content: "", none: true},
		{name: "x/liba.so", content: "\x7fELF", none: true},
	} {
		z, err := zip.NewReader(bytes.NewReader(jarOf(t, entries{{test.name, test.content}})), int64(len(jarOf(t, entries{{test.name, test.content}}))))
		if err != nil {
			t.Fatal(err)
		}
		got, ok, err := nativeOf(z.File[0])
		if !isNative(z.File[0]) || err != nil || ok == test.none || got != test.want {
			t.Errorf("%s %.8q: got %+v, %v, %v", test.name, test.content, got, ok, err)
		}
	}
	for _, name := range []string{"a.class", "x.so/", "so", "a.sooner", "lib.so.txt/"} {
		if isNative(&zip.File{FileHeader: zip.FileHeader{Name: name}}) {
			t.Errorf("%s is taken for a native library", name)
		}
	}
}

func TestCheckJars(t *testing.T) {
	for name, test := range map[string]struct {
		jars map[string]entries
		java string
		slim bool
		want []string
	}{
		"nothing": {jars: map[string]entries{"a.jar": {{"x/A.class", class(8)}}, "b.jar": {{"x/B.class", class(17)}}}},
		"the same class twice": {
			jars: map[string]entries{"a.jar": {{"x/A.class", class(8)}, {"x/B.class", class(8)}}, "b.jar": {{"x/A.class", class(8)}, {"x/B.class", class(8)}, {"x/C.class", class(8)}}},
			want: []string{"a.jar and b.jar both have 2 classes, such as x.A"},
		},
		"another class by the same name": {
			jars: map[string]entries{"a.jar": {{"x/A.class", class(8)}}, "b.jar": {{"x/A.class", class(11)}}},
			want: []string{"a.jar and b.jar both have 1 class, such as x.A, and not the same ones: which are loaded depends on the order of the class path; exclude one of the two"},
		},
		"three jars": {
			jars: map[string]entries{"a.jar": {{"A.class", class(8)}}, "b.jar": {{"A.class", class(8)}}, "c.jar": {{"A.class", class(8)}}},
			want: []string{"a.jar and b.jar both have 1 class, such as A", "a.jar and c.jar both have 1 class, such as A"},
		},
		"what is in many jars by right": {
			jars: map[string]entries{
				"a.jar": {{"META-INF/MANIFEST.MF", ""}, {"module-info.class", class(9)}, {"x/package-info.class", class(8)}, {"META-INF/versions/9/x/A.class", class(9)}, {"META-INF/versions/9/module-info.class", class(9)}, {"x/readme", "1"}},
				"b.jar": {{"META-INF/MANIFEST.MF", ""}, {"module-info.class", class(9)}, {"x/package-info.class", class(8)}, {"META-INF/versions/9/x/A.class", class(9)}, {"META-INF/versions/9/module-info.class", class(9)}, {"x/readme", "2"}},
			},
		},
		"twice in one jar": {jars: map[string]entries{"a.jar": {{"x/A.class", class(8)}, {"x/A.class", class(8)}}}},
		"newer than the runtime": {
			java: "11", jars: map[string]entries{"a.jar": {{"x/A.class", class(11)}, {"x/B.class", class(17)}, {"x/C.class", class(21)}}},
			want: []string{"a.jar needs Java 21 (2 classes, such as x.B), and java11 has Java 11"},
		},
		"newer where only newer ones look": {
			java: "8", jars: map[string]entries{"a.jar": {{"x/A.class", class(8)}, {"META-INF/versions/21/x/A.class", class(21)}, {"module-info.class", class(9)}}},
		},
		"no class": {java: "8", jars: map[string]entries{"a.jar": {{"x/A.class", "short"}, {"x/B.class", strings.Repeat("no class", 10)}}}},
		"natives for both": {
			jars: map[string]entries{"a.jar": {{"linux-x86_64/liba.so", linuxX86}, {"linux-aarch64/liba.so", linuxARM}, {"win/a.dll", "MZ"}}},
		},
		"natives for one": {
			jars: map[string]entries{"a.jar": {{"linux-x86_64/liba.so", linuxX86}, {"win/a.dll", "MZ"}, {"musl/liba.so", linuxARM}}},
			want: []string{"a.jar has native libraries for Linux on x86_64, Linux with musl, Windows, and none for Lambda on arm64"},
		},
		"natives for the one that is built": {
			jars: map[string]entries{"a.jar": {{"linux-x86_64/liba.so", linuxX86}}}, slim: true,
		},
		"natives for none": {
			jars: map[string]entries{"a.jar": {{"win/a.dll", "MZ"}}},
			want: []string{"a.jar has native libraries for Windows, and none for Lambda on arm64", "a.jar has native libraries for Windows, and none for Lambda on x86_64"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			java := test.java
			if java == "" {
				java = "21"
			}
			got, err := checkJars(jarRecipe(java, runtimes.X86_64, test.slim), jarTree(t, test.jars))
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("got %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestManyPairs(t *testing.T) {
	jars := map[string]entries{}
	for i := range 30 {
		jars[string(rune('a'+i))+".jar"] = entries{{"A.class", class(8)}}
	}
	notes, err := checkJars(jarRecipe("21", runtimes.X86_64, false), jarTree(t, jars))
	if err != nil || len(notes) != maxPairs+1 || notes[maxPairs] != "9 more pairs of jars have the same classes" {
		t.Errorf("got %d notes, %v: %s", len(notes), err, notes[len(notes)-1])
	}
}

// dateField is the size of the extra field in which Go writes a date.
const dateField = 9

// TestNoJar holds that a file that is no jar is an error with its name.
func TestNoJar(t *testing.T) {
	good := jarOf(t, entries{{"x/A.class", class(8)}, {"x/liba.so", linuxX86}})
	broken := bytes.Clone(good)
	copy(broken[bytes.Index(broken, []byte("x/A.class"))+len("x/A.class")+dateField:], "\xff\xff\xff\xff\xff\xff")
	for name, data := range map[string][]byte{"a page": []byte("<html>not found</html>"), "cut": good[:len(good)/2], "nothing": nil, "not deflated": broken} {
		for _, slim := range []bool{false, true} {
			tree := runtimes.Tree{"java/lib/a.jar": runtimes.NewTreeFile(data, false)}
			r := jarRecipe("21", runtimes.ARM64, slim)
			_, err := slimJars(r, tree)
			if err == nil {
				_, err = checkJars(r, tree)
			}
			var p *runtimes.PackageError
			if !errors.As(err, &p) || p.File != "a.jar" {
				t.Errorf("%s, slim %v: got %v", name, slim, err)
			}
		}
	}
}

// names lists a jar's entries, in order.
func names(t testing.TB, f runtimes.TreeFile) []string {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil || int64(len(data)) != f.Size || sha256.Sum256(data) != f.SHA256 {
		t.Fatalf("%d bytes of %d, %v", len(data), f.Size, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range z.File {
		all = append(all, e.Name)
		if e.ModifiedDate != dosDay || e.ModifiedTime != 0 || len(e.Extra) > 0 || e.Comment != "" || e.Flags&^0x800 != 0 {
			t.Errorf("%s: %+v", e.Name, e.FileHeader)
		}
		content, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(content); err != nil { // holds it against its checksum
			t.Errorf("%s: %v", e.Name, err)
		}
	}
	return all
}

func TestSlimJars(t *testing.T) {
	many := entries{
		{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"}, {"native/", ""}, {"native/linux-x86_64/liba.so", linuxX86 + strings.Repeat("x", 5000)},
		{"native/linux-aarch64/liba.so", linuxARM + strings.Repeat("y", 5000)}, {"native/linux-musl/liba.so", linuxX86}, {"native/win/a.dll", "MZ" + strings.Repeat("z", 5000)},
		{"x/A.class", class(8)}, {"native/text.so", "no library"}, {"ä.txt", "ä"},
	}
	build := func() runtimes.Tree {
		return jarTree(t, map[string]entries{"many.jar": many, "plain.jar": {{"x/B.class", class(8)}}, "signed.jar": append(entries{{"META-INF/KEY.SF", "x"}}, many...)})
	}
	for arch, kept := range map[runtimes.Arch]string{runtimes.X86_64: "native/linux-x86_64/liba.so", runtimes.ARM64: "native/linux-aarch64/liba.so"} {
		tree, before := build(), build()
		notes, err := slimJars(jarRecipe("21", arch, true), tree)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"META-INF/MANIFEST.MF", "native/", kept, "x/A.class", "native/text.so", "ä.txt"}
		if got := names(t, tree["java/lib/many.jar"]); !slices.Equal(got, want) {
			t.Errorf("%s: got %v", arch, got)
		}
		for _, same := range []string{"java/lib/plain.jar", "java/lib/signed.jar"} {
			if tree[same].SHA256 != before[same].SHA256 {
				t.Errorf("%s: %s has changed", arch, same)
			}
		}
		if len(notes) != 2 || notes[0] != "signed.jar is signed: its native libraries for other platforms stay" || !strings.Contains(notes[1], "slim: otherPlatforms saves 0.0 MB: native libraries for other platforms, 3 in 1 of the jars") {
			t.Errorf("%s: notes %q", arch, notes)
		}
		// Read twice, it has the same bytes.
		names(t, tree["java/lib/many.jar"])
		other := build()
		if _, err := slimJars(jarRecipe("21", arch, true), other); err != nil || other["java/lib/many.jar"].SHA256 != tree["java/lib/many.jar"].SHA256 {
			t.Errorf("%s: other bytes the second time, %v", arch, err)
		}
	}
	tree := build()
	if notes, err := slimJars(jarRecipe("21", runtimes.X86_64, false), tree); err != nil || notes != nil || tree["java/lib/many.jar"].SHA256 != build()["java/lib/many.jar"].SHA256 {
		t.Errorf("not asked for: %v, %v", notes, err)
	}
}

func FuzzJar(f *testing.F) {
	f.Add(jarOf(f, entries{{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n"}, {"x/A.class", class(8)}, {"x/liba.so", linuxX86}, {"x/b.dll", "MZ"}}))
	f.Add(jarOf(f, entries{{"META-INF/A.SF", ""}, {"x/liba.so", linuxARM}, {"x/", ""}}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := runtimes.Tree{"java/lib/a.jar": runtimes.NewTreeFile(data, false), "java/lib/b.jar": runtimes.NewTreeFile(data, false)}
		r := jarRecipe("17", runtimes.X86_64, true)
		if _, err := slimJars(r, tree); err != nil {
			return
		}
		if _, err := checkJars(r, tree); err != nil {
			return
		}
		// What was written is as large as it says, and slim.
		for _, name := range tree.Paths() {
			file := tree[name]
			read, err := file.ReadAll(1 << 30)
			if err != nil || sha256.Sum256(read) != file.SHA256 {
				t.Errorf("%s: %v", name, err)
			}
		}
		again := runtimes.Tree{"java/lib/a.jar": tree["java/lib/a.jar"]}
		if notes, err := slimJars(r, again); err != nil || len(notes) > 0 && !strings.Contains(notes[0], "signed") {
			t.Errorf("slim again: %v, %v", notes, err)
		}
	})
}
