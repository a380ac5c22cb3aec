//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestBunExample builds a member of a workspace of bun for both architectures,
// pinning bun itself, and uses the archives in Lambda's images. A development
// package's bump is then a hit, and another hash in the lock an error.
func TestBunExample(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "a project"), data: t.TempDir()}
	if err := os.CopyFS(r.dir, os.DirFS("../../testdata/examples/order-events")); err != nil {
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
	for _, machine := range []string{"aarch64", "x64-baseline"} {
		if !regexp.MustCompile(machine + `-1\.4\.5\.tgz: sha512-`).Match(pins) {
			t.Errorf("bun for %s is not pinned:\n%s", machine, pins)
		}
	}

	bump := func(file, from, to string) {
		t.Helper()
		name := filepath.Join(r.dir, file)
		data, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(data), from) {
			t.Fatalf("%s lacks %s (%v)", file, from, err)
		}
		if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(data), from, to)), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"package.json", "bun.lock"} {
		bump(file, `"typescript": "5.6.3"`, `"typescript": "^5.6.3"`)
	}
	if out, _ := r.run(0, "build", "--locked"); strings.Contains(out, "built") {
		t.Errorf("a development package's bump is built:\n%s", out)
	}
	equalFolders(t, r.outputs(), want)

	lock, err := os.ReadFile(filepath.Join(r.dir, "bun.lock"))
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`"decimal\.js@10\.4\.3".*"(sha512-[^"]+)"`).FindSubmatch(lock)
	if hash == nil {
		t.Fatal("the lock file lacks decimal.js")
	}
	bump("bun.lock", string(hash[1]), "sha512-"+strings.Repeat("A", 86)+"==")
	if _, told := r.run(3, "build", "--no-cache"); !strings.Contains(told, "decimal.js-10.4.3.tgz does not match its locked integrity sha512-AAAA") {
		t.Errorf("the error does not name the package:\n%s", told)
	}

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
				printed := runNodeInImage(t, arch, filepath.Join(dir, l.File), l.SHA256, useBunLayer)
				if got := regexp.MustCompile(`RESULT .*`).FindString(printed); got != "RESULT 10 png 5.7.2 3.50 true <p></p>" {
					t.Errorf("got %s\n%s", got, printed)
				}
			})
		}
	}
}

// useBunLayer is what a function does with the layer: all that the member asks
// for is there, and finds what it needs itself.
const useBunLayer = `
(async () => {
  for (const name of ["@hapi/boom", "debug", "express", "react", "react-dom"]) require(name);
  const sharp = require("sharp"), five = require("five"), prices = require("@order-events/prices"), schema = require("@order-events/schema");
  const { createElement } = require("react"), { renderToStaticMarkup } = require("react-dom/server");
  const png = await sharp({ create: { width: 10, height: 10, channels: 3, background: "#fff" } }).png().toBuffer();
  const meta = await sharp(png).metadata();
  const ok = schema.order.safeParse({ id: "a", total: 1 }).success;
  console.log("RESULT", meta.width, meta.format, five.SEMVER_SPEC_VERSION && require("five/package.json").version, prices.total(["1.25", 2.25]), ok, renderToStaticMarkup(createElement("p")));
})();
`
