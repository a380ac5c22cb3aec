//go:build e2e

package main

import (
	"archive/zip"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

const gradleExample = "../../testdata/examples/orders-gradle"

// TestGradleExample builds the example of Gradle for real, by either engine,
// with nothing in common but the committed files and layerbuild.lock. All must
// give the same bytes, and these must work in Lambda's image.
func TestGradleExample(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	var want map[string][]byte
	var lock string
	for _, env := range []struct{ engine, umask, zone, jobs string }{
		{"direct", "022", "UTC", "1"}, {"buildkit", "022", "UTC", "4"}, {"direct", "077", "Asia/Kolkata", "8"},
	} {
		r := &runner{t: t, dir: filepath.Join(t.TempDir(), env.zone), data: t.TempDir(), env: []string{"TZ=" + env.zone}}
		for _, dir := range []string{filepath.Join(r.data, "tmp"), r.dir} {
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.CopyFS(r.dir, os.DirFS(gradleExample)); err != nil {
			t.Fatal(err)
		}
		if lock != "" {
			r.write("layerbuild.lock", lock)
		}
		cmd, stderr := r.command("build", "--engine", env.engine, "--no-cache", "--jobs", env.jobs)
		cmd.Args = append([]string{"sh", "-c", "umask " + env.umask + `; exec "$@"`, "sh"}, cmd.Args...)
		cmd.Path = "/bin/sh"
		begin := time.Now()
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		t.Logf("%s: %v\n%s", env.engine, time.Since(begin).Round(time.Second), stderr)
		got := r.outputs()
		if lock = r.read("layerbuild.lock"); want == nil {
			want = got
		}
		equalFolders(t, got, want)
	}
	dir := t.TempDir()
	for name, data := range want {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	layers := readIndex(t, filepath.Join(dir, "layers.json"))
	if len(layers) != 2 || layers[0].SHA256 == layers[1].SHA256 {
		t.Fatalf("got %+v, want one archive for each architecture, with its own natives", layers)
	}
	for _, l := range layers {
		if l.Architectures[0] != "x86_64" {
			continue // there is no image of Java for it in the testbed
		}
		loadJars(t, "java21", filepath.Join(dir, l.File), l.SHA256, useJars)
	}
}

// useJars is what a function does with the layer: it loads a class of every
// jar, from where Lambda's class path has them, and native code of two.
const useJars = `
import java.nio.file.*;
import java.util.jar.*;

public class Use {
  public static void main(String[] args) throws Exception {
    int jars = 0, loaded = 0;
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/opt/java/lib"), "*.jar")) {
      for (Path p : all) {
        jars++;
        try (JarFile jar = new JarFile(p.toFile())) {
          // Some classes need what a library does without: the first that loads will do.
          Class<?> c = null;
          for (String name : jar.stream().map(JarEntry::getName)
              .filter(n -> n.endsWith(".class") && !n.startsWith("META-INF/") && !n.endsWith("-info.class")).sorted().toList()) {
            try {
              c = Class.forName(name.substring(0, name.length() - 6).replace('/', '.'), false, Use.class.getClassLoader());
              break;
            } catch (NoClassDefFoundError e) { }
          }
          if (c == null) { System.out.println("EMPTY " + p.getFileName()); continue; }
          String from = c.getProtectionDomain().getCodeSource().getLocation().getPath();
          if (!from.equals(p.toString())) throw new Exception(c + " comes from " + from + " and not " + p);
          loaded++;
        }
      }
    }
    Class.forName("com.mysql.cj.jdbc.Driver");
    Class.forName("okhttp3.OkHttpClient").getDeclaredConstructor().newInstance();
    Class.forName("kotlinx.coroutines.GlobalScope");
    try (var c = java.sql.DriverManager.getConnection("jdbc:sqlite::memory:"); var r = c.createStatement().executeQuery("select 6 * 7")) {
      r.next();
      System.out.println("RESULT " + jars + " jars, " + loaded + " loaded, " + r.getInt(1) + ", epoll "
        + Class.forName("io.netty.channel.epoll.Epoll").getMethod("isAvailable").invoke(null));
    }
  }
}
`

// loadJars unpacks a layer to /opt of the runtime's image, as Lambda does, and
// runs a program there with Lambda's class path. The program's class is Use.
func loadJars(t *testing.T, name, file, sha256, code string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	// The daemon fetches the layer: steps see no folder of this machine.
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	layer := llb.HTTP(server.URL+"/"+filepath.Base(file), llb.Filename("layer.zip"), llb.Checksum(digest.NewDigestFromEncoded(digest.SHA256, sha256)))
	runtime, _ := runtimes.Lookup(name)
	build := llb.Image(runtime.ImageToBuild(runtimes.X86_64), llb.LinuxAmd64)

	unzip := build.Run(llb.Args([]string{"/bin/sh", "-c", "cd /layer && /var/lang/bin/jar xf /zip/layer.zip"}), llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib"))
	unzip.AddMount("/zip", layer, llb.Readonly)
	opt := unzip.AddMount("/layer", llb.Scratch())
	compile := build.Run(llb.Args([]string{"/var/lang/bin/javac", "-d", "/task", "/code/Use.java"}), llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib"))
	compile.AddMount("/code", llb.Scratch().File(llb.Mkfile("/Use.java", 0o644, []byte(code))), llb.Readonly)
	task := compile.AddMount("/task", llb.Scratch())
	use := llb.Image(runtime.Image, llb.LinuxAmd64).Run(
		llb.Args([]string{runtime.Interpreter, "-cp", "/var/task:/var/task/lib/*:/opt/java/lib/*", "Use"}), llb.IgnoreCache, llb.LinuxAmd64,
		llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib:/lib64:/usr/lib64:/opt/lib"),
	)
	use.AddMount("/opt", opt, llb.Readonly)
	use.AddMount("/var/task", task, llb.Readonly)
	def, err := use.Root().Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	printed, err := solve(ctx, setting(t, "BUILDKIT_HOST"), def)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	if !strings.Contains(printed, "RESULT 77 jars, 73 loaded, 42, epoll true") || len(z.File) != 77 {
		t.Errorf("%d files; printed\n%s", len(z.File), printed)
	}
}
