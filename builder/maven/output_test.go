package maven

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
)

const sum = "462874b44ee782fbefec64078cda6eb8e7bf9f0e0af71a928ef4c1f2d564f7ee"

// list is what maven-dependency-plugin 3.8.1 writes, on Java 8 without what is
// after "--".
const list = `
The following files have been resolved:
   org.slf4j:slf4j-api:jar:2.0.7:compile:/r/org/slf4j/slf4j-api/2.0.7/slf4j-api-2.0.7.jar -- module org.slf4j
   org.slf4j:slf4j-nop:jar:2.0.7:runtime:/r/org/slf4j/slf4j-nop/2.0.7/slf4j-nop-2.0.7.jar (optional)
   io.netty:epoll:jar:linux-x86_64:4.1.Final:compile:/r/io/netty/epoll/4.1.Final/epoll-4.1.Final-linux-x86_64.jar -- module io.netty.x [auto]
   x:lib:jar:1.0-SNAPSHOT:compile:/r/x/lib/1.0-SNAPSHOT/lib-1.0-20240101.120000-3.jar (optional)  -- module lib
   x:t:test-jar:tests:1:compile:/r/x/t/1/t-1-tests.jar
   x:dist:tar.gz:bin:1:compile:/r/x/dist/1/dist-1-bin.tar.gz
   x:only:pom:1:compile:/r/x/only/1/only-1.pom
`

func sumsOf(t *testing.T, list string) map[string]string {
	t.Helper()
	all, err := parseList([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, l := range all {
		text.WriteString(sum + "  " + l.file + "\n")
	}
	return parseSums([]byte(text.String()), "/r")
}

func TestRead(t *testing.T) {
	files, err := run{}.read(output{list: []byte(list), repository: "/r", sums: sumsOf(t, list)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.coordinate.String())
	}
	want := "org.slf4j:slf4j-api:2.0.7 org.slf4j:slf4j-nop:2.0.7 io.netty:epoll:4.1.Final:linux-x86_64 x:lib:1.0-20240101.120000-3 x:t:1:tests x:dist:1:bin@tar.gz"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, " "), want)
	}
	if files, err := (run{}).read(output{list: []byte("\nThe following files have been resolved:\n   none\n"), repository: "/r"}); err != nil || len(files) != 0 {
		t.Errorf("none: %v, %v", files, err)
	}
}

func TestReadErrors(t *testing.T) {
	for text, want := range map[string]string{
		"   t:common:jar:1:compile:/p/common/target/classes\n   t:base:jar:1:compile\n": "app/pom.xml: needs at run time what no repository has: t:base, t:common, modules of the project that are not built",
		"   something else\n":                                            `a line of Maven's list cannot be read: "   something else"`,
		"   a:b:jar:1:compile:/r/a/b/1/c-1.jar\n":                        "not a file of a:b as Maven names them: a/b/1/c-1.jar",
		"   a:b:jar:1:compile:/r/a/b/1/b-2.jar\n":                        "not a file of a:b as Maven names them: a/b/1/b-2.jar",
		"   a:b:jar:1-SNAPSHOT:compile:/r/a/b/1-SNAPSHOT/b-1-2024.jar\n": "not a file of a:b as Maven names them: a/b/1-SNAPSHOT/b-1-2024.jar",
		"   a:b:jar:1:compile:/r/a/b/1/b-1.jar\n":                        "the hash of a/b/1/b-1.jar is not known",
	} {
		_, err := run{job: java.Job{Module: "app/pom.xml"}}.read(output{list: []byte(text), repository: "/r"})
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte(list))
	f.Add([]byte("   a:b:jar:1:compile\n   none\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := output{list: data, repository: "/r", sums: map[string]string{}}
		all, err := parseList(data)
		if err != nil {
			return
		}
		for _, l := range all {
			if in, ok := strings.CutPrefix(l.file, "/r/"); ok {
				out.sums[in] = sum
			}
		}
		files, _ := run{}.read(out)
		for _, f := range files {
			if f.coordinate.Group == "" || f.coordinate.Version == "" || f.sha256 != sum {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func TestVariants(t *testing.T) {
	var q runtimes.Question
	for _, name := range []string{"java17", "java21"} {
		info, _ := runtimes.Lookup(name)
		for _, arch := range runtimes.Arches() {
			q.Places = append(q.Places, runtimes.Place{Runtime: info, Arch: arch})
		}
	}
	for text, want := range map[string]int{
		"<project/>": 1,
		"<classifier>${os.detected.classifier}</classifier>": 2,
		"<activation><jdk>17</jdk></activation>":             2,
		"<os><arch>aarch64</arch></os><jdk>1</jdk>":          4,
	} {
		q.Inputs = []runtimes.InlineFile{{Path: "pom.xml", Data: []byte(text)}}
		n := 0
		for _, v := range variantsOf(q) {
			n += len(v.places)
		}
		if got := len(variantsOf(q)); got != want || n != len(q.Places) {
			t.Errorf("%s: %d runs for %d places, want %d", text, got, n, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	info, _ := runtimes.Lookup("java21")
	q := runtimes.Question{Places: []runtimes.Place{{Runtime: info, Arch: runtimes.ARM64}, {Runtime: info, Arch: runtimes.X86_64}}}
	files, err := run{}.read(output{list: []byte(list), repository: "/r", sums: sumsOf(t, list)})
	if err != nil {
		t.Fatal(err)
	}
	places := map[file][]string{files[0]: {"java21 x86_64", "java21 arm64"}, files[2]: {"java21 x86_64"}}
	got, err := answer(q, places, nil, nil)
	if err != nil || len(got) != 2 || got[0].Requirement != "io.netty:epoll:4.1.Final:linux-x86_64 ; java21 x86_64" || got[1].Requirement != "org.slf4j:slf4j-api:2.0.7" {
		t.Errorf("%+v, %v", got, err)
	}
	moved := []runtimes.Pinned{{Requirement: "org.slf4j:slf4j-api:2.0.7", SHA256: []string{strings.Repeat("0", 64)}}}
	var digest *runtimes.DigestError
	if _, err := answer(q, places, moved, nil); !errors.As(err, &digest) || digest.Got != sum {
		t.Errorf("a release with another hash: %v", err)
	}
	if _, err := answer(q, places, moved, []string{"org.slf4j:slf4j-api"}); err != nil {
		t.Errorf("the same, upgraded: %v", err)
	}
}

// What a killed process left is cleared; what another one works with is not.
func TestClear(t *testing.T) {
	r := &Resolver{Folder: t.TempDir()}
	for _, name := range []string{workPrefix + "old", workPrefix + "new", "other"} {
		if err := os.MkdirAll(filepath.Join(r.Folder, name, "repository"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for _, name := range []string{workPrefix + "old", "other"} {
		if err := os.Chtimes(filepath.Join(r.Folder, name), now, now.Add(-2*maxRun)); err != nil {
			t.Fatal(err)
		}
	}
	r.clear(now.Add(-maxRun))
	left, err := os.ReadDir(r.Folder)
	if err != nil || len(left) != 2 || left[0].Name() != "other" || left[1].Name() != workPrefix+"new" {
		t.Errorf("left: %v, %v", left, err)
	}
}
