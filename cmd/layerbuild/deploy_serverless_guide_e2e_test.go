//go:build e2e

package main

import (
	"archive/zip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServerlessGuide follows doc/serverless.md, to a package that holds the
// layer.
func TestServerlessGuide(t *testing.T) {
	t.Parallel()
	aws := startCloud(t)
	g := newGuide(t, "serverless.md")
	g.installNPX(aws)
	g.follow()

	index := g.index()
	made := g.template(".")
	layer := made.Resources["WebLambdaLayer"].Properties
	if len(index) != 1 || !strings.HasSuffix(layer.Content.S3Key, "/"+index[0].File) {
		t.Errorf("the archive at %s, of %v", layer.Content.S3Key, index)
	}
	if got := made.Resources["OrdersLambdaFunction"].Properties.Layers; len(got) != 1 {
		t.Errorf("the function's layers: %v", got)
	}
	if names := g.names("web"); !slices.Contains(names, "nodejs/node_modules/ms/index.js") {
		t.Errorf("the layer holds %q", names)
	}
	z, err := zip.OpenReader(filepath.Join(g.dir, ".serverless/shop.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if len(z.File) != 1 || z.File[0].Name != "src/orders.js" {
		t.Errorf("the function's zip has %d files, first %s", len(z.File), z.File[0].Name)
	}

	first := made.versions()
	g.disturb(".serverless")
	g.sh("layerbuild build && npx serverless package")
	if again := g.template(".").versions(); again["web"].Hash != first["web"].Hash || first["web"].Hash == "" {
		t.Errorf("moved, the layer is %v, before: %v", again, first)
	}
}

// installNPX puts an npx into the guide's PATH that runs programs for which aws
// answers. All else that the guide runs has the machine's network.
func (g *guide) installNPX(aws *cloud) {
	g.t.Helper()
	bin := g.t.TempDir()
	script := "#!/bin/sh\n"
	for _, v := range append(aws.env(), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off") {
		script += "export " + v + "\n"
	}
	script += "exec " + filepath.Join(setting(g.t, "LAYERBUILD_TEST_TOOLS"), "node/bin/npx") + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "npx"), []byte(script), 0o777); err != nil {
		g.t.Fatal(err)
	}
	g.env = append(g.env, "PATH="+bin+string(filepath.ListSeparator)+filepath.Join(setting(g.t, "LAYERBUILD_TEST_TOOLS"), "node/bin")+
		string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// TestServerlessInit: what init makes of a service that has its packages from
// serverless-python-requirements is packaged by both frameworks, without that
// plugin.
func TestServerlessInit(t *testing.T) {
	t.Parallel()
	aws := startCloud(t)
	r := newShop(t)
	r.write("requirements.txt", r.read("report/requirements.txt"))
	r.write("serverless.yml", `service: shop
provider: {name: aws, runtime: python3.11} # as it was
plugins:
  - serverless-python-requirements
package: {patterns: ['!**', 'src/**']}
custom:
  pythonRequirements: {dockerizePip: non-linux, slim: true}
functions:
  report: {handler: src/report.handler}
`)
	_, stderr := r.run(0, "init", "--from", "serverless.yml", "--yes", "--force", "--write")
	if strings.Contains(stderr, "by hand") {
		t.Errorf("not all is edited:\n%s", stderr)
	}
	r.run(0, "build", "--engine", "direct")
	for _, framework := range frameworks {
		r.serverless(aws, framework, ".", "package")
		made := r.template(".")
		layer := made.Resources["PythonRequirementsLambdaLayer"].Properties
		if !strings.HasSuffix(layer.Content.S3Key, "/pythonRequirements.zip") || len(made.Resources["ReportLambdaFunction"].Properties.Layers) != 1 {
			t.Errorf("%s: the layer is %+v, the function's are %v", framework, layer, made.Resources["ReportLambdaFunction"].Properties.Layers)
		}
	}
	if names := r.names("pythonRequirements"); !slices.Contains(names, "python/lib/python3.11/site-packages/idna/__init__.py") {
		t.Errorf("the layer holds %q", names)
	}
	if !strings.Contains(r.read("serverless.yml"), "runtime: python3.11} # as it was\n") {
		t.Errorf("more is edited than must be:\n%s", r.read("serverless.yml"))
	}
}
