//go:build e2e

package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const serverlessPlugin = "packaging/serverless"

// packPlugin makes the npm package that would be published.
func packPlugin(t *testing.T) string {
	t.Helper()
	npm := exec.Command(filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "node/bin/npm"), "pack", "--json", "--pack-destination", t.TempDir())
	npm.Dir = serverlessPlugin
	out, err := npm.Output()
	if err != nil {
		t.Fatalf("npm pack: %v\n%s", err, out)
	}
	var packed []struct {
		Filename string
		Files    []struct{ Path string }
	}
	if err := json.Unmarshal(out, &packed); err != nil || len(packed) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	var files []string
	for _, f := range packed[0].Files {
		files = append(files, f.Path)
	}
	if want := []string{"LICENSE", "README.md", "index.js", "package.json"}; !slices.Equal(files, want) {
		t.Errorf("the package holds %q, not %q", files, want)
	}
	return filepath.Join(npm.Args[len(npm.Args)-1], packed[0].Filename)
}

// installPlugin makes the service one that has nothing but the plugin: in its
// layers section there are no archives.
func (r *runner) installPlugin(file string) {
	r.t.Helper()
	npm := exec.Command(filepath.Join(setting(r.t, "LAYERBUILD_TEST_TOOLS"), "node/bin/npm"), "install", "--no-save", "--offline", file)
	npm.Dir = r.dir
	if out, err := npm.CombinedOutput(); err != nil {
		r.t.Fatalf("npm install: %v\n%s", err, out)
	}
	before, after, ok := strings.Cut(shop["serverless.yml"], "layers:\n")
	_, functions, ok2 := strings.Cut(after, "functions:\n")
	if !ok || !ok2 {
		r.t.Fatal("the service has no layers or no functions")
	}
	r.write("serverless.yml", strings.Replace(before, "'!**', 'src/**'", "'!node_modules/**'", 1)+
		"plugins: [serverless-layerbuild]\nfunctions:\n"+functions)
}

// TestServerlessPlugin: the plugin, as npm packs and installs it, builds the
// layers of a service before it is packaged.
func TestServerlessPlugin(t *testing.T) {
	aws := startCloud(t)
	plugin := packPlugin(t)
	for _, framework := range frameworks {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			c := aws.of(t)
			r := newShop(t)
			r.installPlugin(plugin)
			r.serverless(c, framework, ".", "package")
			made := r.template(".")
			for name, want := range map[string][2][]string{
				"Node":   {{"nodejs22.x"}, {"arm64"}},
				"Shared": {{"nodejs22.x", "python3.13"}, {"arm64"}},
				"Python": {{"python3.13"}, {"arm64"}},
				"Custom": {{"provided.al2023"}, {"arm64"}},
			} {
				got := made.Resources[name+"LambdaLayer"].Properties
				if !slices.Equal(got.CompatibleRuntimes, want[0]) || !slices.Equal(got.CompatibleArchitectures, want[1]) ||
					!strings.HasSuffix(got.Content.S3Key, "/"+strings.ToLower(name)+".zip") {
					t.Errorf("%s: %+v", name, got)
				}
			}
			first := made.versions()
			if len(first) != 6 {
				t.Errorf("not six layers: %v", first)
			}
			for _, name := range r.functionFiles() {
				if strings.HasPrefix(name, ".layerbuild/") {
					t.Errorf("the functions' zip holds %s", name)
				}
			}
			r.pluginSettings(c, framework)
		})
	}
}

func (r *runner) functionFiles() []string {
	r.t.Helper()
	z, err := zip.OpenReader(filepath.Join(r.dir, ".serverless/shop.zip"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if !slices.Contains(names, "src/orders.js") {
		r.t.Errorf("the functions' zip holds %q", names)
	}
	return names
}

// pluginSettings: what serverless.yml says of a layer is heeded, and errors
// say what is wrong.
func (r *runner) pluginSettings(c *cloud, framework string) {
	r.t.Helper()
	base := r.read("serverless.yml")
	program, err := exec.LookPath("layerbuild")
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("layerbuild.yaml", strings.Replace(r.read("layerbuild.yaml"), "node: {path: web,",
		"node: {path: web, description: Web, architectures: [arm64, x86_64], slim: [docs], check: {function: 1MB},", 1)+
		"  broken: {path: nowhere, runtime: nodejs22.x}\n")
	if err := os.MkdirAll(filepath.Join(r.dir, "node_modules/layerbuild/bin"), 0o777); err != nil {
		r.t.Fatal(err)
	}
	r.write("node_modules/layerbuild/package.json", `{"name": "layerbuild", "version": "1.0.0", "bin": {"layerbuild": "bin/layerbuild.js"}}`)
	r.write("node_modules/layerbuild/bin/layerbuild.js", `const { spawnSync } = require("node:child_process");
require("node:fs").writeFileSync("by-npm", "");
process.exit(spawnSync("`+program+`", process.argv.slice(2), { stdio: "inherit" }).status);`)

	own := strings.Replace(base, "functions:\n", `layers:
  node: {}
  mine: {path: libs/common}
custom: {layerbuild: {layers: {settings: config}}}
functions:
`, 1)
	own = own[:strings.Index(own, "  orders:")] + "  orders: {handler: src/orders.handler, layers: [!Ref NodeLambdaLayer]}\n"
	r.write("serverless.yml", own)
	r.serverless(c, framework, ".", "package")
	versions := r.template(".").versions()
	if len(versions) != 3 || r.template(".").Resources["NodeLambdaLayer"].Properties.Description != "Web" ||
		!strings.HasSuffix(versions["settings"].S3Key, "/config.zip") || !strings.HasSuffix(versions["mine"].S3Key, "/mine.zip") {
		r.t.Errorf("layers %v", versions)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "by-npm")); err != nil {
		r.t.Error("the npm package was not used")
	}

	for _, test := range []struct{ old, new, want string }{
		{"node: {}", "nodes: {}", `there is no layer "nodes"`},
		{"node: {}", "broken: {}", "nowhere"},
		{"node: {}", "node: {compatibleRuntimes: [python3.13]}", "with compatibleRuntimes and compatibleArchitectures"},
		{"{layers:", "{bin: tools/layerbuild, layers:", "tools/layerbuild was not found. Install it"},
	} {
		r.write("serverless.yml", strings.Replace(own, test.old, test.new, 1))
		if out := r.serverlessFails(c, framework, "package"); !strings.Contains(out, test.want) {
			r.t.Errorf("%s: not said: %s\n%s", test.new, test.want, out)
		}
	}
}
