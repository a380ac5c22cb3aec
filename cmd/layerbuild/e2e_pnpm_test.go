//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const pnpmExample = "../../testdata/examples/image-api"

// TestPnpmExample builds a member of a workspace of pnpm for both
// architectures, pinning pnpm itself, and uses the archives in Lambda's images.
// A development package's bump is then a hit.
func TestPnpmExample(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "a project"), data: t.TempDir()}
	if err := os.CopyFS(r.dir, os.DirFS(pnpmExample)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.run(0, "build")
	want := r.outputs()
	pins, err := os.ReadFile(filepath.Join(r.dir, "layerbuild.lock"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`pnpm@10\.34\.9:\n    version: 10\.34\.9\n    files:\n      pnpm-10\.34\.9\.tgz: sha512-`).Match(pins) {
		t.Errorf("pnpm is not pinned:\n%s", pins)
	}

	for name, from := range map[string]string{"services/images/package.json": `"@types/node": "22.9.0"`, "pnpm-lock.yaml": "specifier: 22.9.0"} {
		file := filepath.Join(r.dir, name)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), from) {
			t.Fatalf("%s lacks %s", name, from)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(data), from, strings.Replace(from, "22.9.0", "^22.9.0", 1))), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if out, _ := r.run(0, "build", "--locked"); strings.Contains(out, "built") {
		t.Errorf("a development package's bump is built:\n%s", out)
	}
	equalFolders(t, r.outputs(), want)

	dir := t.TempDir()
	for name, data := range want {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	layers := readIndex(t, filepath.Join(dir, "layers.json"))
	if len(layers) != 2 {
		t.Fatalf("%d archives, want one for each architecture", len(layers))
	}
	for _, l := range layers {
		for _, arch := range l.Architectures {
			t.Run(arch, func(t *testing.T) {
				printed := runNodeInImage(t, arch, filepath.Join(dir, l.File), l.SHA256, usePnpmLayer)
				if got := regexp.MustCompile(`RESULT .*`).FindString(printed); got != "RESULT 10 png 1 + 1 function 5 <p></p>" {
					t.Errorf("got %s\n%s", got, printed)
				}
			})
		}
	}
}

// usePnpmLayer is what a function does with the layer: all that the member asks
// for is there, and finds what it needs itself.
const usePnpmLayer = `
(async () => {
  for (const name of ["@node-rs/argon2", "fastify", "react", "react-dom"]) require(name);
  const sharp = require("sharp"), esbuild = require("esbuild"), log = require("@example/log"), width = require("width");
  const { createElement } = require("react"), { renderToStaticMarkup } = require("react-dom/server");
  const png = await sharp({ create: { width: 10, height: 10, channels: 3, background: "#fff" } }).png().toBuffer();
  const meta = await sharp(png).metadata();
  const code = esbuild.transformSync("const x: number = 1 + 1", { loader: "ts" }).code.trim();
  console.log("RESULT", meta.width, meta.format, code.replace(/^const x = |;$/g, ""), typeof log("x").info, width("width"), renderToStaticMarkup(createElement("p")));
})();
`
