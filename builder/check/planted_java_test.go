package check_test

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	java8  = check.Target{Runtime: row("java8.al2"), Arch: runtimes.X86_64}
	java11 = check.Target{Runtime: row("java11"), Arch: runtimes.X86_64}
	java17 = check.Target{Runtime: row("java17"), Arch: runtimes.X86_64}
	java21 = check.Target{Runtime: row("java21"), Arch: runtimes.X86_64}
)

// jarOf makes a jar of entries: name, content, name, content.
func jarOf(entries ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for entry := range slices.Chunk(entries, 2) {
		w, err := z.Create(entry[0])
		if err == nil {
			_, err = io.WriteString(w, entry[1])
		}
		if err != nil {
			panic(err) // a buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// class is the head of a class file for a version of Java.
func class(java int) string {
	return "\xca\xfe\xba\xbe\x00\x00" + string([]byte{0, byte(44 + java)}) + strings.Repeat("x", 10)
}

const multiRelease = "Manifest-Version: 1.0\r\nMulti-Release: true\r\n\r\n"

// jarTree is a tree of jars in java/lib: name, package and content of each.
func jarTree(jars map[string][]byte) runtimes.Tree {
	t := runtimes.Tree{}
	for name, data := range jars {
		t["java/lib/"+name] = file("g:"+strings.TrimSuffix(name, ".jar"), data)
	}
	return t
}

func plantedInJars() []planted {
	x86 := func(needs ...string) string { return string(elfFile(elfImage{machine: elf.EM_X86_64, needs: needs})) }
	arm := string(elfFile(elfImage{machine: elf.EM_AARCH64}))
	const at = "java/lib/a.jar"
	one := func(entries ...string) runtimes.Tree { return jarTree(map[string][]byte{"a.jar": jarOf(entries...)}) }
	good := jarOf("x/A.class", class(8), "x/B.class", class(8))
	broken := bytes.Clone(good)
	copy(broken[bytes.Index(broken, []byte("x/A.class"))+len("x/A.class"):], "\xff\xff\xff\xff\xff\xff")
	own := func(name string, data []byte) runtimes.Tree {
		return runtimes.Tree{at: file("", good), name: file("", data)}
	}
	return []planted{
		{"a page in its place", java21, jarTree(map[string][]byte{"a.jar": []byte("<html>not found</html>")}), check.JarDamaged, at},
		{"cut off", java21, jarTree(map[string][]byte{"a.jar": good[:len(good)/2]}), check.JarDamaged, at},
		{"empty", java21, jarTree(map[string][]byte{"a.jar": nil}), check.JarDamaged, at},
		{"a class that is not deflated", java21, jarTree(map[string][]byte{"a.jar": broken}), check.JarDamaged, at},
		{"in a sub-folder", java21, own("java/lib/x/b.jar", good), check.JavaPlace, "java/lib/x/b.jar"},
		{"above lib", java21, own("java/b.jar", good), check.JavaPlace, "java/b.jar"},
		{"in the folder for C libraries", java21, own("lib/b.jar", good), check.JavaPlace, "lib/b.jar"},
		{"Java 25 on 17", java17, one("x/A.class", class(25)), check.JavaClass, at},
		{"Java 11 on 8", java8, one("x/A.class", class(8), "x/B.class", class(11)), check.JavaClass, at},
		{"Java 21 for 11 on 17", java17, one("META-INF/MANIFEST.MF", multiRelease, "x/A.class", class(8), "META-INF/versions/11/x/A.class", class(21)), check.JavaClass, at},
		{"the same class twice", java21, jarTree(map[string][]byte{"a.jar": good, "b.jar": jarOf("x/A.class", class(8))}), check.JavaTwice, "java/lib/b.jar"},
		{"another class by the same name", java21, jarTree(map[string][]byte{"a.jar": good, "b.jar": jarOf("x/A.class", class(11))}), check.JavaTwice, "java/lib/b.jar"},
		{"natives for arm64 on x86_64", java21, one("linux-aarch64/liba.so", arm), check.JavaNative, at},
		{"natives for PowerPC and Windows", java21, one("linux/liba.so", string(elfFile(elfImage{machine: elf.EM_PPC64})), "win/a.dll", "MZ"), check.JavaNative, at},
		{"natives with musl", java21, one("x/liba.so", x86("libc.musl-x86_64.so.1")), check.JavaNative, at},
		{"GLIBC_2.28 in a jar on Amazon Linux 2", java17, one("linux/liba.so", x86("libc.so.6 GLIBC_2.28")), check.JavaLoads, at},
		{"GLIBCXX_3.4.34 in a jar", java21, one("linux/liba.so", x86("libstdc++.so.6 GLIBCXX_3.4.34")), check.JavaLoads, at},
	}
}

// TestJars: what the checks say of jars.
func TestJars(t *testing.T) {
	x86 := func(needs ...string) string { return string(elfFile(elfImage{machine: elf.EM_X86_64, needs: needs})) }
	arm := string(elfFile(elfImage{machine: elf.EM_AARCH64}))
	both := jarOf("META-INF/MANIFEST.MF", multiRelease, "module-info.class", class(9), "x/package-info.class", class(25),
		"META-INF/versions/9/x/A.class", class(9), "META-INF/versions/21/x/A.class", class(21), "x/readme", "1")
	for name, test := range map[string]struct {
		target check.Target
		jars   map[string][]byte
		want   []string
	}{
		"nothing":                        {java17, map[string][]byte{"a.jar": jarOf("x/A.class", class(8)), "b.jar": jarOf("x/B.class", class(17))}, nil},
		"what many jars have by right":   {java8, map[string][]byte{"a.jar": both, "b.jar": both}, nil},
		"versions that no manifest asks": {java11, map[string][]byte{"a.jar": jarOf("META-INF/versions/9/x/A.class", class(21))}, nil},
		"no class after all":             {java8, map[string][]byte{"a.jar": jarOf("x/A.class", "short", "x/B.class", strings.Repeat("no class", 10))}, nil},
		"twice in one jar":               {java8, map[string][]byte{"a.jar": jarOf("x/A.class", class(8), "x/A.class", class(8))}, nil},
		"newer": {
			java11, map[string][]byte{"a.jar": jarOf("x/A.class", class(11), "x/B.class", class(17), "x/C.class", class(21))},
			[]string{"java-class java/lib/a.jar (of g:a) needs Java 21 (2 classes, such as x.B), and java11 has Java 11"},
		},
		"another class by the same name": {
			java11, map[string][]byte{"a.jar": jarOf("x/A.class", class(8)), "b.jar": jarOf("x/A.class", class(11))},
			[]string{"java-twice java/lib/b.jar (of g:b) has 1 class of a.jar, such as x.A, and not the same ones: which are loaded depends on the order of the class path"},
		},
		"three jars": {
			java11, map[string][]byte{"a.jar": jarOf("A.class", class(8)), "b.jar": jarOf("A.class", class(8)), "c.jar": jarOf("A.class", class(8))},
			[]string{"java-twice java/lib/b.jar (of g:b) has 1 class of a.jar, such as A", "java-twice java/lib/c.jar (of g:c) has 1 class of a.jar, such as A"},
		},
		"natives for both": {
			java21, map[string][]byte{"a.jar": jarOf("linux-x86_64/liba.so", x86(), "linux-aarch64/liba.so", arm, "win/a.dll", "MZ")}, nil,
		},
		"natives in a jar for each platform": {
			java21, map[string][]byte{
				"net-4.1-linux-x86_64.jar": jarOf("liba.so", x86()), "net-4.1-linux-aarch_64.jar": jarOf("liba.so", arm), "net-4.1-osx-x86_64.jar": jarOf("a.dylib", "\xcf\xfa\xed\xfe\x0c\x00"),
			}, nil,
		},
		"natives in an artifact for each platform": {
			java21, map[string][]byte{"native-linux-x86_64-1.2.jar": jarOf("liba.so", x86()), "native-osx-x86_64-1.2.jar": jarOf("a.dylib", "\xcf\xfa\xed\xfe\x0c\x00")}, nil,
		},
		"natives for what only macOS has": {java21, map[string][]byte{"a.jar": jarOf("a.dylib", "\xcf\xfa\xed\xfe\x0c\x00", "b.dll", "MZ")}, nil},
		"natives for others": {
			java21, map[string][]byte{"a.jar": jarOf("linux/liba.so", arm, "win/a.dll", "MZ", "Linux-Musl/liba.so", x86())},
			[]string{"java-native java/lib/a.jar (of g:a) has native libraries for Linux on arm64, Linux with musl, Windows, and none for Lambda on x86_64"},
		},
		"one for older systems, too": {
			java17, map[string][]byte{"a.jar": jarOf("new/liba.so", x86("libc.so.6 GLIBC_2.28"), "old/liba.so", x86("libc.so.6 GLIBC_2.17"))}, nil,
		},
		"too new": {
			java17, map[string][]byte{"a.jar": jarOf("new/liba.so", x86("libc.so.6 GLIBC_2.28"))},
			[]string{"java-loads java/lib/a.jar (of g:a) has new/liba.so, which needs GLIBC_2.28, where java17 ends at GLIBC_2.26"},
		},
		"of another language": {al2, map[string][]byte{"a.jar": jarOf("x/A.class", class(25), "win/a.dll", "MZ")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tree := runtimes.Tree{}
			for name, data := range test.jars {
				tree["java/lib/"+name] = file("g:"+strings.TrimSuffix(name, ".jar"), data)
			}
			warnings, err := check.Gather(tree, limit).Judge([]check.Target{test.target}, nil)
			var got []string
			for _, f := range append(warnings, findings(t, err)...) {
				got = append(got, f.ID+" "+f.String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("found %q\nwant %q", got, test.want)
			}
		})
	}
}

// TestManyPairs bounds what is said of jars that all have the same classes.
func TestManyPairs(t *testing.T) {
	jars := map[string][]byte{}
	for i := range 30 {
		jars[string(rune('a'+i))+".jar"] = jarOf("A.class", class(8))
	}
	warnings, err := check.Gather(jarTree(jars), limit).Judge([]check.Target{java21}, nil)
	if err != nil || len(warnings) != 21 || warnings[20].Problem != "9 more pairs of jars have the same classes" {
		t.Errorf("got %d warnings, %v: %v", len(warnings), err, warnings[len(warnings)-1])
	}
}

// FuzzJars: whatever a jar holds, the checks end.
func FuzzJars(f *testing.F) {
	f.Add(jarOf("META-INF/MANIFEST.MF", multiRelease, "x/A.class", class(8), "META-INF/versions/11/x/A.class", class(11)))
	f.Add(jarOf("x/liba.so", string(elfFile(elfImage{machine: elf.EM_X86_64, needs: []string{"libc.so.6 GLIBC_2.28"}})), "x/b.dll", "MZ"))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree := jarTree(map[string][]byte{"a.jar": data, "b.jar": data})
		warnings, err := check.Gather(tree, limit).Judge([]check.Target{java17}, nil)
		for _, found := range append(warnings, findings(t, err)...) {
			if found.Problem == "" {
				t.Errorf("nothing said: %+v", found)
			}
		}
	})
}
