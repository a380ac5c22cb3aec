//go:build e2e

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	digest "github.com/opencontainers/go-digest"

	"github.com/layerbuild/layerbuild/runtimes"
)

const nodeExample = "../../testdata/examples/web-api"

// TestNodeExample builds the example of a workspace for real, twice in the
// container and twice without, in different folders: all must give the same
// bytes, and these must work in Lambda's images.
func TestNodeExample(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	var want map[string][]byte
	for _, engine := range []string{"buildkit", "direct", "buildkit", "direct"} {
		r := &runner{t: t, dir: filepath.Join(t.TempDir(), "a project"), data: t.TempDir()}
		if err := os.CopyFS(r.dir, os.DirFS(nodeExample)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
			t.Fatal(err)
		}
		r.run(0, "build", "--engine", engine, "--no-cache")
		got := r.outputs()
		if want == nil {
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
	if len(layers) != 3 {
		t.Fatalf("%d archives, want two for each architecture, and one for both", len(layers))
	}
	for _, l := range layers {
		for _, arch := range l.Architectures {
			code, result := useNodeLayer, "RESULT 0.3 10 png 1 + 1 function"
			if strings.HasPrefix(l.File, "money") {
				code, result = useMoneyLayer, "RESULT 0.3 60000"
			}
			t.Run(l.File+" "+arch, func(t *testing.T) {
				printed := runNodeInImage(t, arch, filepath.Join(dir, l.File), l.SHA256, code)
				if got := regexp.MustCompile(`RESULT .*`).FindString(printed); got != result {
					t.Errorf("got %s, want %s\n%s", got, result, printed)
				}
			})
		}
	}
}

// useNodeLayer is what a function does with the layer: each top-level package
// is required and imported through Lambda's search path, and some of them work.
const useNodeLayer = `
const fs = require("node:fs"), path = require("node:path");
const root = "/opt/nodejs/node_modules";
const names = fs.readdirSync(root).flatMap((n) => n.startsWith("@") ? fs.readdirSync(path.join(root, n)).map((m) => n + "/" + m) : [n]);
const failed = [];
for (const name of names) {
  // What is no module by itself: a program, a library of C, types, styles.
  if (/^(@esbuild|@img)\//.test(name)) continue;
  try { require(name); } catch (e) {
    const m = JSON.parse(fs.readFileSync(path.join(root, name, "package.json")));
    if (!["ERR_REQUIRE_ESM", "ERR_PACKAGE_PATH_NOT_EXPORTED"].includes(e.code) && (m.main || m.exports)) failed.push(name + ": " + e.message);
  }
}
if (failed.length) { console.log(failed.join("\n")); process.exit(1); }
(async () => {
  const money = require("@web-api/money"), sharp = require("sharp"), esbuild = require("esbuild");
  const png = await sharp({ create: { width: 10, height: 10, channels: 3, background: "#fff" } }).png().toBuffer();
  const meta = await sharp(png).metadata();
  const code = esbuild.transformSync("const x: number = 1 + 1", { loader: "ts" }).code.trim();
  console.log("RESULT", money.add("0.1", "0.2"), meta.width, meta.format, code.replace(/^const x = |;$/g, ""), typeof require("@fastify/cors"));
})();
`

const useMoneyLayer = `
const Decimal = require("decimal.js"), ms = require("ms");
console.log("RESULT", new Decimal("0.1").plus("0.2").toString(), ms("1m"));
`

// runNodeInImage unpacks a layer to /opt of the runtime's image, as Lambda does,
// and runs code there, arm64 by qemu, with Lambda's search path.
func runNodeInImage(t *testing.T, arch, file, sha256, use string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(file))))
	defer server.Close()
	layer := llb.HTTP(server.URL+"/"+filepath.Base(file), llb.Filename("layer.zip"), llb.Checksum(digest.NewDigestFromEncoded(digest.SHA256, sha256)))
	code := llb.Scratch().File(llb.Mkfile("/use.js", 0o644, []byte(use)))

	python, _ := runtimes.Lookup("python3.11")
	node, _ := runtimes.Lookup("nodejs22.x")
	platform := map[string]llb.ConstraintsOpt{"x86_64": llb.LinuxAmd64, "arm64": llb.LinuxArm64}[arch]
	unzip := llb.Image(python.Image, llb.LinuxAmd64).Run(llb.Args([]string{python.Interpreter, "-c",
		"import zipfile, os, stat\nzip = zipfile.ZipFile('/zip/layer.zip')\nfor i in zip.infolist():\n" +
			"  p = '/layer/' + i.filename; mode = i.external_attr >> 16; os.makedirs(os.path.dirname(p), exist_ok=True)\n" +
			"  if stat.S_ISLNK(mode): os.symlink(zip.read(i), p)\n" +
			"  else: open(p, 'wb').write(zip.read(i)); os.chmod(p, mode & 0o777)"}))
	unzip.AddMount("/zip", layer, llb.Readonly)
	opt := unzip.AddMount("/layer", llb.Scratch())
	run := llb.Image(node.Image, platform).Run(
		llb.Args([]string{node.Interpreter, "/var/task/use.js"}), llb.IgnoreCache, platform,
		llb.AddEnv("NODE_PATH", "/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"),
		llb.AddEnv("LD_LIBRARY_PATH", "/var/lang/lib:/lib64:/usr/lib64:/opt/lib"),
	)
	run.AddMount("/opt", opt, llb.Readonly)
	run.AddMount("/var/task", code, llb.Readonly)
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
