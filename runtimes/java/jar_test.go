package java

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"debug/elf"
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
func elfLibrary(machine elf.Machine) string {
	data := make([]byte, 64)
	copy(data, elf.ELFMAG)
	data[elf.EI_CLASS], data[elf.EI_DATA] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB)
	data[18] = byte(machine)
	return string(data)
}

var (
	linuxX86 = elfLibrary(elf.EM_X86_64)
	linuxARM = elfLibrary(elf.EM_AARCH64)
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

// dateField is the size of the extra field in which Go writes a date.
const dateField = 9

// TestNoJar holds that a file that is no jar is an error with its name.
func TestNoJar(t *testing.T) {
	good := jarOf(t, entries{{"x/A.class", class(8)}, {"x/liba.so", linuxX86}})
	broken := bytes.Clone(good)
	copy(broken[bytes.Index(broken, []byte("x/liba.so"))+len("x/liba.so")+dateField:], "\xff\xff\xff\xff\xff\xff")
	for name, data := range map[string][]byte{"a page": []byte("<html>not found</html>"), "cut": good[:len(good)/2], "nothing": nil, "not deflated": broken} {
		tree := runtimes.Tree{"java/lib/a.jar": runtimes.NewTreeFile(data, false)}
		_, err := slimJars(jarRecipe("21", runtimes.ARM64, true), tree)
		var p *runtimes.PackageError
		if !errors.As(err, &p) || p.File != "a.jar" {
			t.Errorf("%s: got %v", name, err)
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
