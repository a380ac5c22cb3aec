//go:build e2e

package main

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// trial is a function that uses a layer in its runtime's image, with the layer
// in /opt and the search path that Lambda has.
type trial struct {
	layer   string // that is tried, by its name; "": each one of the example
	runtime string
	arches  []string // arm64 by qemu
	files   map[string]string
	needs   string // the package.json, in the project, of what is required and imported
	want    string // what it prints after RESULT
}

// unpack does with an archive what Lambda does.
const unpack = `
import os, stat, zipfile
archive = zipfile.ZipFile('/zip/layer.zip')
for entry in archive.infolist():
    name, mode = '/layer/' + entry.filename, entry.external_attr >> 16
    os.makedirs(os.path.dirname(name), exist_ok=True)
    if stat.S_ISLNK(mode):
        os.symlink(archive.read(entry), name)
    else:
        with open(name, 'wb') as file:
            file.write(archive.read(entry))
        os.chmod(name, mode & 0o777)
`

// libraries is Lambda's path of the linker.
const libraries = "/var/lang/lib:/lib64:/usr/lib64:/opt/lib"

// run runs the function with a layer's archive, and gives what it prints.
func (f trial) run(t *testing.T, arch, file, sha256 string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	// The daemon fetches the layer: steps see no folder of this machine.
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	layer := llb.HTTP(server.URL+"/"+filepath.Base(file), llb.Filename("layer.zip"), llb.Checksum(digest.NewDigestFromEncoded(digest.SHA256, sha256)))
	python, _ := runtimes.Lookup("python3.11")
	unzip := llb.Image(python.Image, llb.LinuxAmd64).Run(llb.Args([]string{python.Interpreter, "-c", unpack}))
	unzip.AddMount("/zip", layer, llb.Readonly)
	opt := unzip.AddMount("/layer", llb.Scratch())

	info, _ := runtimes.Lookup(f.runtime)
	platform := map[string]llb.ConstraintsOpt{"x86_64": llb.LinuxAmd64, "arm64": llb.LinuxArm64}[arch]
	var env llb.RunOption
	switch info.Family {
	case "python":
		path := "/opt/python/lib/python" + info.Version + "/site-packages"
		args, env = append([]string{"/var/task/use.py"}, args...), llb.AddEnv("PYTHONPATH", path+":/opt/python")
	case "nodejs":
		args, env = append([]string{"/var/task/use.js"}, args...),
			llb.AddEnv("NODE_PATH", "/opt/nodejs/node"+info.Version+"/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules")
	case "java":
		args, env = append([]string{"-cp", "/var/task:/var/task/lib/*:/opt/java/lib/*", "Use"}, args...), llb.AddEnv("CLASSPATH", "")
	}
	run := llb.Image(info.Image, platform).Run(llb.Args(append([]string{info.Interpreter}, args...)), llb.IgnoreCache, platform,
		llb.AddEnv("LD_LIBRARY_PATH", libraries), env)
	run.AddMount("/opt", opt, llb.Readonly)
	run.AddMount("/var/task", f.task(info), llb.Readonly)
	def, err := run.Root().Marshal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	printed, err := solve(ctx, setting(t, "BUILDKIT_HOST"), def)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return printed
}

// task is the function's own folder; of Java, what javac makes of it.
func (f trial) task(info runtimes.Info) llb.State {
	var action *llb.FileAction
	for _, name := range slices.Sorted(maps.Keys(f.files)) {
		if action == nil {
			action = llb.Mkfile("/"+name, 0o644, []byte(f.files[name]))
		} else {
			action = action.Mkfile("/"+name, 0o644, []byte(f.files[name]))
		}
	}
	code := llb.Scratch().File(action)
	if info.Family != "java" {
		return code
	}
	compile := llb.Image(info.ImageToBuild(runtimes.X86_64), llb.LinuxAmd64).Run(
		llb.Args([]string{"/var/lang/bin/javac", "-d", "/task", "/code/Use.java"}), llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib"))
	compile.AddMount("/code", code, llb.Readonly)
	return compile.AddMount("/task", llb.Scratch())
}

var result = regexp.MustCompile(`RESULT (.*)`)

// try tries an archive, on each architecture that it and the trial are for.
func (f trial) try(t *testing.T, project string, l indexed) {
	t.Helper()
	args := []string{}
	if f.needs != "" {
		args = dependenciesOf(t, filepath.Join(project, f.needs))
	}
	for _, arch := range l.Architectures {
		if !slices.Contains(f.arches, arch) {
			continue
		}
		printed := f.run(t, arch, l.File, l.SHA256, args...)
		got := result.FindStringSubmatch(printed)
		if want := strings.ReplaceAll(f.want, "$ARCH", arch); got == nil || got[1] != want {
			t.Errorf("%s, %s: got %q, want %q\n%s", l.File, arch, got, want, printed)
		}
	}
}

// dependenciesOf are a package.json's.
func dependenciesOf(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m struct{ Dependencies map[string]string }
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(m.Dependencies))
}

// solve runs a definition and returns what its steps print.
func solve(ctx context.Context, address string, def *llb.Definition) (string, error) {
	c, err := client.New(ctx, address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var printed strings.Builder
	status := make(chan *client.SolveStatus)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for s := range status {
			for _, l := range s.Logs {
				printed.Write(l.Data)
			}
		}
	}()
	_, err = c.Solve(ctx, def, client.SolveOpt{}, status)
	<-shown
	return printed.String(), err
}

// pythonTrial imports every module at the top of a layer, of which each package
// must have one. Then code is run, which sets the variable result.
func pythonTrial(code, want string, arches ...string) trial {
	return trial{runtime: "python3.11", arches: arches, files: map[string]string{"use.py": importAll + code + "\nprint('RESULT', len(packages), 'packages', result)\n"}, want: want}
}

const importAll = `
import importlib, importlib.metadata, os, platform
root = '/opt/python/lib/python3.11/site-packages/'
names = set()
for entry in os.listdir(root):
    if os.path.exists(root + entry + '/__init__.py'):
        names.add(entry)
    elif entry.endswith(('.py', '.so')):
        names.add(entry.split('.')[0])
for name in sorted(names):
    module = importlib.import_module(name)
    assert module.__file__.startswith(root), module.__file__
packages = list(importlib.metadata.distributions(path=[root]))
for package in packages:
    assert any(file.parts[0].split('.')[0] in names for file in package.files), package.name
result = {'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
`

// nodeTrial requires and imports what a package.json of the project asks for,
// and requires all else at the top of the layer. Then code is run: the body of
// an asynchronous function.
func nodeTrial(layer, needs, code, want string, arches ...string) trial {
	return trial{layer: layer, runtime: "nodejs22.x", arches: arches, needs: needs, files: map[string]string{"use.js": strings.Replace(requireAll, "CODE", code, 1)}, want: want}
}

const requireAll = `
const fs = require("node:fs"), path = require("node:path"), { registerHooks } = require("node:module");
const root = "/opt/nodejs/node_modules", needs = process.argv.slice(2);

// Lambda's import has the search path of its require.
registerHooks({ resolve(name, context, next) {
  try { return next(name, context); } catch (e) {
    if (!context.conditions.includes("import")) throw e;
    return next(name, { ...context, parentURL: "file:///opt/nodejs/index.mjs" });
  }
} });

async function use() {CODE}

(async () => {
  for (const name of needs) {
    if (!require.resolve(name).startsWith(root + "/")) throw new Error(name + " is " + require.resolve(name));
    require(name);
    await import(name);
  }
  const names = fs.readdirSync(root).filter((n) => !n.startsWith("."))
    .flatMap((n) => n.startsWith("@") ? fs.readdirSync(path.join(root, n)).map((m) => n + "/" + m) : [n]);
  for (const name of names) {
    // What is no module by itself: a program, a library of C, types, styles.
    if (/^(@esbuild|@img)\//.test(name)) continue;
    try { require(name); } catch (e) {
      const m = JSON.parse(fs.readFileSync(path.join(root, name, "package.json")));
      if (e.code !== "ERR_PACKAGE_PATH_NOT_EXPORTED" && (m.main || m.exports)) throw e;
    }
  }
  console.log("RESULT", needs.length, "packages", process.arch === "x64" ? "x86_64" : process.arch, [await use()].flat().join(" "));
})();
`

// runNodeInImage runs code with a layer.
func runNodeInImage(t *testing.T, arch, file, sha256, code string) string {
	t.Helper()
	return trial{runtime: "nodejs22.x", files: map[string]string{"use.js": code}}.run(t, arch, file, sha256)
}

// javaTrial loads a class of every jar, from where Lambda's class path has
// them. Then code is run, statements that set the variable result. It compiles
// without the layer.
func javaTrial(code, want string) trial {
	return trial{runtime: "java21", arches: []string{"x86_64"}, // there is no other image of Java in the testbed
		files: map[string]string{"Use.java": strings.Replace(loadAll, "CODE", code, 1)}, want: want}
}

const loadAll = `
import java.nio.file.*;
import java.util.jar.*;

public class Use {
  public static void main(String[] args) throws Exception {
    int jars = 0, loaded = 0;
    try (DirectoryStream<Path> all = Files.newDirectoryStream(Path.of("/opt/java/lib"), "*.jar")) {
      for (Path p : all) {
        jars++;
        if (load(p)) loaded++;
      }
    }
    try (var all = Files.walk(Path.of("/opt"))) {
      if (all.filter(Files::isRegularFile).count() != jars) throw new Exception("the layer has other files than jars");
    }
    String result = "";
    CODE
    System.out.println("RESULT " + jars + " jars, " + loaded + " loaded" + result);
  }

  // load loads a class of a jar, and tells whether the jar has classes.
  static boolean load(Path p) throws Exception {
    Throwable last = null;
    try (JarFile jar = new JarFile(p.toFile())) {
      // Some classes need what a library does without, and some are in two jars:
      // the first that loads from here will do.
      for (String name : jar.stream().map(JarEntry::getName)
          .filter(n -> n.endsWith(".class") && !n.startsWith("META-INF/") && !n.endsWith("-info.class")).sorted().toList()) {
        try {
          Class<?> c = Class.forName(name.substring(0, name.length() - 6).replace('/', '.'), false, Use.class.getClassLoader());
          String from = c.getProtectionDomain().getCodeSource().getLocation().getPath();
          if (from.equals(p.toString())) return true;
          last = new Exception(c + " comes from " + from);
        } catch (NoClassDefFoundError e) { last = e; }
      }
    }
    if (last != null) throw new Exception(p + ": no class can be loaded", last);
    return false;
  }
}
`
