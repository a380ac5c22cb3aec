//go:build e2e

package main

import (
	"archive/zip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

const mavenExample = "../../testdata/examples/claims-maven"

func newMavenRunner(t *testing.T) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "project"), data: t.TempDir()}
	if err := os.CopyFS(r.dir, os.DirFS(mavenExample)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	return r
}

var lockedImages = regexp.MustCompile(`(?m)^images:\n(  .*\n)*`)

// TestMavenExample resolves the example by Maven in a container and by the
// machine's own, builds it by either engine, and loads a class of each jar in
// Lambda's image.
func TestMavenExample(t *testing.T) {
	r := newMavenRunner(t)
	_, stderr := r.run(2, "build", "--locked")
	if want := "app/pom.xml -P lambda without software.amazon.awssdk:apache-client: is no lock, and layerbuild.lock does not hold"; !strings.Contains(stderr, want) ||
		!strings.Contains(stderr, "org.apache.commons:commons-csv [1.10,1.12) (app/pom.xml:") {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
	r.lacks("layerbuild.lock")
	r.run(0, "lock")
	lock := r.read("layerbuild.lock")
	for _, line := range []string{
		"commons-csv:1.11.0:", "netty-transport-native-epoll:4.1.115.Final:linux-x86_64:", "netty-transport-native-epoll:4.1.115.Final:linux-aarch_64:",
		"for: [java21 arm64, java21 x86_64]",
	} {
		if !strings.Contains(lock, line) {
			t.Errorf("layerbuild.lock has no %q", line)
		}
	}
	for _, line := range []string{"apache-client", "assertj", "servlet", "claims", "crt-core"} {
		if strings.Contains(strings.ReplaceAll(lock, "app/pom.xml -P lambda without software.amazon.awssdk:apache-client:", ""), line) {
			t.Errorf("layerbuild.lock has %q", line)
		}
	}
	if n := strings.Count(lock, "- sha256:"); n < 60 {
		t.Errorf("only %d jars", n)
	}
	r.run(0, "lock", "--check")

	machine := newMavenRunner(t)
	machine.env = []string{"BUILDKIT_HOST=tcp://127.0.0.1:1"}
	machine.run(0, "lock")
	if got, want := machine.read("layerbuild.lock"), lockedImages.ReplaceAllString(lock, ""); got != want {
		t.Errorf("the machine's Maven gives\n%s\nand the image's\n%s", got, want)
	}

	r.run(0, "build", "--locked", "--engine", "direct", "--no-cache")
	direct := r.outputs()
	r.run(0, "build", "--locked", "--engine", "buildkit", "--no-cache")
	equalFolders(t, r.outputs(), direct)
	layers := readIndex(t, filepath.Join(r.dir, ".layerbuild/dist/layers.json"))
	if len(layers) != 2 || layers[0].SHA256 != layers[1].SHA256 {
		t.Fatalf("the archives are %+v, want one for both architectures", layers)
	}
	loadClasses(t, "java21", filepath.Join(r.dir, ".layerbuild/dist", layers[0].File), layers[0].SHA256)

	// A release whose jar is another one than it was.
	wrong := regexp.MustCompile(`(commons-csv:1.11.0:\n\s+- sha256:)[0-9a-f]{64}`).ReplaceAllString(lock, "${1}"+strings.Repeat("ab", 32))
	r.write("layerbuild.lock", wrong)
	for _, engine := range []string{"direct", "buildkit"} {
		stdout, stderr := r.run(3, "build", "--locked", "--engine", engine)
		if stdout != "" || !strings.Contains(stderr, "commons-csv-1.11.0.jar does not match its locked SHA-256 "+strings.Repeat("ab", 32)) {
			t.Errorf("%s: stdout %q, stderr %s", engine, stdout, stderr)
		}
	}
}

// loader tells of each jar whether one of its classes can be loaded.
const loader = `
public class Load {
  public static void main(String[] args) throws Exception {
    for (String line : new String(Load.class.getResourceAsStream("/classes.txt").readAllBytes()).split("\n")) {
      String[] words = line.split(" ");
      String last = "no classes";
      for (int i = 1; i < words.length; i++) {
        try { Class.forName(words[i], false, Load.class.getClassLoader()); last = "ok"; break; }
        catch (Throwable e) { last = e.toString(); }
      }
      System.out.println("JAR " + words[0] + " " + last);
    }
  }
}
`

// classesOf lists the jars of a layer, each with some of its classes.
func classesOf(t *testing.T, file string) (lines []string) {
	t.Helper()
	layer, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	dir := t.TempDir()
	for _, f := range layer.File {
		if path.Dir(f.Name) != "java/lib" || path.Ext(f.Name) != ".jar" {
			t.Fatalf("the layer has %s", f.Name)
		}
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, path.Base(f.Name))
		out, err := os.Create(copied)
		if err == nil {
			_, err = out.ReadFrom(in)
			out.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		jar, err := zip.OpenReader(copied)
		if err != nil {
			t.Fatal(err)
		}
		line := []string{path.Base(f.Name)}
		for _, entry := range jar.File {
			name, ok := strings.CutSuffix(entry.Name, ".class")
			if ok && len(line) < 40 && !strings.HasPrefix(name, "META-INF/") && !strings.HasSuffix(name, "-info") {
				line = append(line, strings.ReplaceAll(name, "/", "."))
			}
		}
		jar.Close()
		if len(line) > 1 {
			lines = append(lines, strings.Join(line, " "))
		}
	}
	return lines
}

// loadClasses unpacks a layer to /opt of the runtime's image, as Lambda does,
// and loads a class of each of its jars there.
func loadClasses(t *testing.T, name, file, sha256 string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	layer := llb.HTTP(server.URL+"/"+filepath.Base(file), llb.Filename("layer.zip"), llb.Checksum(digest.NewDigestFromEncoded(digest.SHA256, sha256)))
	lines := classesOf(t, file)
	code := llb.Scratch().File(llb.Mkfile("/Load.java", 0o644, []byte(loader)).Mkfile("/classes.txt", 0o644, []byte(strings.Join(lines, "\n"))))

	python, _ := runtimes.Lookup("python3.11")
	unzip := llb.Image(python.Image, llb.LinuxAmd64).Run(llb.Args([]string{python.Interpreter, "-m", "zipfile", "-e", "/zip/layer.zip", "/layer"}))
	unzip.AddMount("/zip", layer, llb.Readonly)
	opt := unzip.AddMount("/layer", llb.Scratch())
	java, _ := runtimes.Lookup(name)
	compile := llb.Image(java.ImageToBuild(runtimes.X86_64), llb.LinuxAmd64).Run(
		llb.Args([]string{"/bin/sh", "-c", "cp /code/classes.txt /out && exec /var/lang/bin/javac --release 17 -d /out /code/Load.java"}))
	compile.AddMount("/code", code, llb.Readonly)
	out := compile.AddMount("/out", llb.Scratch())
	load := llb.Image(java.Image, llb.LinuxAmd64).Run(llb.Args([]string{java.Interpreter, "-cp", "/out:/opt/java/lib/*", "Load"}), llb.IgnoreCache)
	load.AddMount("/opt", opt, llb.Readonly)
	load.AddMount("/out", out, llb.Readonly)
	def, err := load.Root().Marshal(ctx, llb.LinuxAmd64)
	if err != nil {
		t.Fatal(err)
	}
	printed, err := solve(ctx, setting(t, "BUILDKIT_HOST"), def)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	for _, line := range lines {
		jar, _, _ := strings.Cut(line, " ")
		if !slices.Contains(strings.Split(printed, "\n"), fmt.Sprintf("JAR %s ok", jar)) {
			t.Errorf("no class of %s can be loaded\n%s", jar, regexp.MustCompile("JAR "+regexp.QuoteMeta(jar)+" .*").FindString(printed))
		}
	}
	if len(lines) < 60 {
		t.Errorf("only %d jars have classes", len(lines))
	}
}
