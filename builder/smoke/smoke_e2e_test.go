//go:build e2e

package smoke

import (
	"archive/tar"
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

var update = flag.Bool("update", false, "write the golden files anew")

// container is a real BuildKit.
type container struct {
	*testing.T
	engine *buildkit.Engine
}

func newContainer(t *testing.T) container {
	address := os.Getenv("BUILDKIT_HOST")
	if address == "" {
		t.Fatal("BUILDKIT_HOST is not set: see doc/testbed.md")
	}
	return container{t, &buildkit.Engine{Address: address}}
}

// pinned is an image with its digest.
func (c container) pinned(ref string) string {
	c.Helper()
	digest, err := c.engine.ResolveImage(c.Context(), ref)
	if err != nil {
		c.Fatal(err)
	}
	return ref + "@" + digest
}

// output is what f writes as a tar.
func (c container) output(f func(context.Context, io.Writer, runtimes.Progress) error) map[string]string {
	c.Helper()
	var out bytes.Buffer
	var log strings.Builder
	err := f(c.Context(), &out, func(u runtimes.Update) {
		if u.Log != "" {
			log.WriteString(u.Log + "\n")
		}
	})
	if err != nil {
		c.Fatalf("%v\n%s", err, &log)
	}
	files := make(map[string]string)
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			c.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			c.Fatal(err)
		}
		files[path.Clean(h.Name)] = string(data)
	}
}

// javac compiles sources for Java 8, with the compiler of Java 21.
func (c container) javac(sources map[string]string) map[string]string {
	c.Helper()
	java, _ := runtimes.Lookup("java21")
	step := runtimes.Step{
		Name: "compile", Env: []string{"LD_LIBRARY_PATH=/var/lang/lib", "PATH=/usr/bin:/bin"},
		Args: []string{"/var/lang/bin/javac", "--release", "8", "-g:none", "-Xlint:-options", "-d", "/out"},
	}
	for name, text := range sources {
		step.Inputs = append(step.Inputs, runtimes.InlineFile{Path: "/src/" + name, Data: []byte(text)})
		step.Args = append(step.Args, "/src/"+name)
	}
	recipe := runtimes.Recipe{Container: &runtimes.Container{
		Image: c.pinned(java.ImageToBuild(runtimes.X86_64)), Arch: runtimes.X86_64, Steps: []runtimes.Step{step}, Output: "/out",
	}}
	return c.output(func(ctx context.Context, w io.Writer, p runtimes.Progress) error {
		return c.engine.Install(ctx, recipe, w, p)
	})
}

// TestWorkerJava: the class that is embedded is what javac makes of its source.
func TestWorkerJava(t *testing.T) {
	source, err := os.ReadFile(javaWorkerName + ".java")
	if err != nil {
		t.Fatal(err)
	}
	got := newContainer(t).javac(map[string]string{javaWorkerName + ".java": string(source)})
	if *update {
		if err := os.WriteFile(javaWorkerName+".class", []byte(got[javaWorkerName+".class"]), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got[javaWorkerName+".class"] != string(javaWorker) || len(got) != 1 {
		t.Errorf("%s.class is not what its source says: run make update", javaWorkerName)
	}
}

// load runs a layer's smoke test, and gives what failed: a line for each.
func (c container) load(runtime string, tree runtimes.Tree, limit time.Duration) []string {
	c.Helper()
	info, _ := runtimes.Lookup(runtime)
	items, _, err := Items(tree, info, nil)
	if err != nil {
		c.Fatal(err)
	}
	probe := newProbe(items, info, limit)
	probe.Image, probe.Arch, probe.Layer, probe.Digest = c.pinned(info.Image), runtimes.X86_64, tree, c.Name()+time.Now().String()
	files := c.output(func(ctx context.Context, w io.Writer, p runtimes.Progress) error {
		return c.engine.Probe(ctx, probe, w, p)
	})
	failures, err := readResults(strings.NewReader(files["results"]), items, limit)
	if err != nil {
		c.Fatalf("%v\n%s", err, files["results"])
	}
	var lines []string
	for _, f := range failures {
		lines = append(lines, f.Name+" (of "+f.Package+"): "+f.Problem)
	}
	return lines
}

func (c container) want(got []string, want ...string) {
	c.Helper()
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		c.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

// TestPython: all that goes wrong in a layer is named, and nothing else.
func TestPython(t *testing.T) {
	c := newContainer(t)
	modules := map[string]string{
		"good":    "import os, sys\nassert os.listdir('/opt'), 'no layer'\nopen('/tmp/x', 'w').close()\n",
		"absent":  "import not_there\n",
		"chained": "try:\n    import not_there\nexcept ImportError as e:\n    raise RuntimeError('read\\n  this') from e\n",
		"crash":   "import ctypes\nctypes.string_at(0)\n",
		"quits":   "import sys\nsys.exit('not today')\n",
		"ends":    "import os\nos._exit(3)\n",
		"hangs":   "while True: pass\n",
		"writes":  "open('/opt/python/x', 'w')\n",
		"online":  "import socket\nsocket.create_connection(('192.0.2.1', 80), 2)\n",
		// What another module leaves behind is not its own failure.
		"abreaks": "import sys\nsys.modules['json'] = None\n",
		// Nor does it help that something was tried before.
		"fickle":  "import sys\nif not hasattr(sys, 'fickle'):\n    sys.fickle = True\n    raise ImportError('once')\n",
		"suffers": "import json\n",
		"thread":  "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n",
	}
	files := map[string]string{}
	const site = "python/lib/python3.11/site-packages/"
	for name, text := range modules {
		files[site+name+".py"] = text
		files[site+name+"-1.dist-info/METADATA"] = "Name: " + name + "\nVersion: 1\n"
		files[site+name+"-1.dist-info/RECORD"] = name + ".py,,\n"
	}
	c.want(c.load("python3.11", treeOf(files), 3*time.Second),
		"absent (of absent 1): ModuleNotFoundError: No module named 'not_there'",
		"chained (of chained 1): RuntimeError: read this (ModuleNotFoundError: No module named 'not_there')",
		"crash (of crash 1): crashes the runtime with SIGSEGV",
		"ends (of ends 1): ends the runtime with exit status 3",
		"fickle (of fickle 1): ImportError: once",
		"hangs (of hangs 1): does not end: given up after 3s",
		"online (of online 1): OSError: [Errno 101] Network is unreachable",
		"quits (of quits 1): SystemExit: not today",
		"writes (of writes 1): OSError: [Errno 30] Read-only file system: '/opt/python/x'")
}

// TestNode: likewise.
func TestNode(t *testing.T) {
	c := newContainer(t)
	files := map[string]string{}
	add := func(name, manifest, text string) {
		files["nodejs/node_modules/"+name+"/package.json"] = manifest
		files["nodejs/node_modules/"+name+"/a.js"] = text
	}
	const cjs, esm = `{"version":"1.0.0","main":"a.js"}`, `{"version":"1.0.0","type":"module","exports":{"import":"./a.js"}}`
	add("good", cjs, `require("needed"); require("fs").readdirSync("/opt/nodejs")`)
	add("needed", cjs, ``)
	add("@s/scoped", cjs, `module.exports = 1`)
	add("esm", esm, `import good from "good"; import { x } from "esm2"; await x`)
	add("esm2", esm, `export const x = Promise.resolve(1)`)
	add("absent", cjs, `require("not-there")`)
	add("esm-absent", esm, `import "not-there"`)
	add("later", cjs, `Promise.reject(new Error("too late"))`)
	add("caused", cjs, `throw new Error("could not", { cause: new TypeError("because") })`)
	add("fickle", cjs, `if (!globalThis.fickle) { globalThis.fickle = true; throw new Error("once") }`)
	add("crash", cjs, `process.abort()`)
	add("ends", cjs, `process.exit(0)`)
	add("hangs", cjs, `for (;;);`)
	add("nomain", `{"version":"1.0.0","main":"gone.js"}`, ``)
	add("writes", cjs, `require("fs").writeFileSync("/opt/x", "")`)
	add("server", cjs, `require("net").createServer().listen(0)`)
	c.want(c.load("nodejs22.x", treeOf(files), 3*time.Second),
		"absent (of absent 1.0.0): Error: Cannot find module 'not-there' Require stack: - /opt/nodejs/node_modules/absent/a.js - /layerbuild/worker.js",
		"caused (of caused 1.0.0): Error: could not (TypeError: because)",
		"crash (of crash 1.0.0): crashes the runtime with SIGABRT",
		"ends (of ends 1.0.0): ends the runtime with exit status 0",
		"esm-absent (of esm-absent 1.0.0): Error: Cannot find package 'not-there' imported from /opt/nodejs/node_modules/esm-absent/a.js",
		"fickle (of fickle 1.0.0): Error: once",
		"hangs (of hangs 1.0.0): does not end: given up after 3s",
		"later (of later 1.0.0): Error: too late",
		"nomain (of nomain 1.0.0): Error: Cannot find module '/opt/nodejs/node_modules/nomain/gone.js'. Please verify that the package.json has a valid \"main\" entry",
		"writes (of writes 1.0.0): Error: EROFS: read-only file system, open '/opt/x'")
}

// TestJava: likewise.
func TestJava(t *testing.T) {
	c := newContainer(t)
	class := func(name, static string) string {
		return "package p." + strings.ToLower(name) + "; public class " + name + " { static { if (true) { " + static + " } } }"
	}
	classes := c.javac(map[string]string{
		"Good.java":     class("Good", ""),
		"Broken.java":   class("Broken", `throw new IllegalStateException("not\n now");`),
		"Quits.java":    class("Quits", "System.exit(5);"),
		"Hangs.java":    class("Hangs", "for (;;);"),
		"Bound.java":    class("Bound", `System.loadLibrary("gone");`),
		"Lazy.java":     class("Lazy", `System.loadLibrary("gone");`),
		"Service.java":  "package p.service; public interface Service {}",
		"Unasked.java":  class("Unasked", "System.exit(6);"),
		"Child.java":    "package p.child; public class Child extends p.service.Service2 {}",
		"Service2.java": "package p.service; public class Service2 {}",
	})
	of := func(name string, more ...string) string {
		folder := "p/" + strings.ToLower(name) + "/"
		files := map[string]string{folder + name + ".class": classes[folder+name+".class"]}
		for i := 0; i < len(more); i += 2 {
			files[more[i]] = more[i+1]
		}
		return jarOf(t, files)
	}
	const service, absent = "META-INF/services/p.service.Service", "META-INF/services/p.absent.Service"
	c.want(c.load("java21", treeOf(map[string]string{
		"java/lib/good.jar":    of("Good", service, "p.good.Good\n"),
		"java/lib/service.jar": of("Service"),
		"java/lib/broken.jar":  of("Broken", service, "p.broken.Broken\n"),
		"java/lib/quits.jar":   of("Quits", service, "p.quits.Quits\n"),
		"java/lib/hangs.jar":   of("Hangs", service, "p.hangs.Hangs\n"),
		"java/lib/bound.jar":   of("Bound", "linux/libother.so", "\x7fELF"),
		"java/lib/lazy.jar":    of("Lazy"), // nothing initialises it
		"java/lib/unasked.jar": of("Unasked", absent, "p.unasked.Unasked\n"),
		"java/lib/child.jar":   of("Child"),
		"java/lib/main.jar":    jarOf(t, map[string]string{"META-INF/MANIFEST.MF": "Main-Class: p.Gone\n\n"}),
	}), 3*time.Second),
		"p.Gone (of main.jar): java.lang.ClassNotFoundException: p.Gone",
		"p.bound.* (of bound.jar): java.lang.UnsatisfiedLinkError: no gone in java.library.path: /var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib:/usr/java/packages/lib:/usr/lib/x86_64-linux-gnu/jni:/lib/x86_64-linux-gnu:/usr/lib...",
		"p.broken.Broken (of broken.jar): java.lang.ExceptionInInitializerError (java.lang.IllegalStateException: not now)",
		"p.child.* (of child.jar): java.lang.NoClassDefFoundError: p/service/Service2 (java.lang.ClassNotFoundException: p.service.Service2)",
		"p.hangs.Hangs (of hangs.jar): does not end: given up after 3s",
		"p.quits.Quits (of quits.jar): ends the runtime with exit status 5")
}
