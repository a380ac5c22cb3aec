//go:build e2e

package main

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const shopBucket = "https://shop-artifacts.s3.amazonaws.com/"

// TestCloudFormation follows doc/cloudformation.md. What it leaves on Lambda are
// the archives that were built; another pin is one version more.
func TestCloudFormation(t *testing.T) {
	t.Parallel()
	aws := startCloud(t)
	g := newGuide(t, "cloudformation.md")
	g.install(aws, "venv-aws/bin/aws")
	aws.ask(http.MethodPut, shopBucket)
	// moto lists what CloudFormation has published as a layer of its own.
	g.follow()
	g.published(aws)

	const deploy = "layerbuild build && layerbuild export cloudformation > layers.yaml\n" +
		"aws cloudformation package --template-file layers.yaml --s3-bucket shop-artifacts --output-template-file packaged.yaml\n" +
		"aws cloudformation deploy --template-file packaged.yaml --stack-name shop-layers --no-fail-on-empty-changeset"
	before := g.read("layers.yaml")
	g.disturb("layers.yaml", "packaged.yaml", "before.yaml")
	if said := g.sh(deploy); !strings.Contains(said, "No changes to deploy") || g.read("layers.yaml") != before {
		t.Errorf("touched, moved and with empty caches:\n%s", said)
	}

	g.write("dependencies/requirements.txt", "idna==3.9\n")
	g.sh(deploy)
	g.published(aws)
	g.sh("layerbuild export cli | sh && layerbuild export cli | sh")
	g.published(aws)
}

// TestExportCLI has the script publish a layer for each architecture, one of them
// too large for a request, whose texts would mean something to a shell.
func TestExportCLI(t *testing.T) {
	t.Parallel()
	aws := startCloud(t)
	g := newGuide(t, "cloudformation.md")
	g.install(aws, "venv-aws/bin/aws")
	aws.ask(http.MethodPut, shopBucket)
	g.write("layerbuild.yaml", `layers:
  settings: {path: settings, plain: true, runtime: [python3.13, nodejs22.x], architectures: [x86_64, arm64], description: "it's $HOME; \"x\""}
  large: {path: large, plain: true, runtime: python3.13, architectures: [arm64], licenseInfo: MIT}
`)
	put(t, filepath.Join(g.dir, "settings/settings.json"), "{}\n")
	noise, rng := make([]byte, 51_000_000), rand.NewChaCha8([32]byte{1})
	if _, err := rng.Read(noise); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(g.dir, "large/noise"), string(noise))
	g.sh("layerbuild build")
	if stdout, stderr := g.run(exitInput, "export", "cli"); stdout != "" || !strings.Contains(stderr, "--bucket NAME") {
		t.Errorf("without a bucket: %s%s", stdout, stderr)
	}
	first := g.sh("layerbuild export cli --bucket shop-artifacts --prefix layers/ | sh")
	g.published(aws)
	if again := g.sh("layerbuild export cli --bucket shop-artifacts --prefix layers/ | sh"); again != first || !strings.HasSuffix(strings.TrimSpace(again), ":1") {
		t.Errorf("at first\n%s\nthen\n%s", first, again)
	}
	if text := g.sh("aws lambda get-layer-version --layer-name settings --version-number 1 --query Description --output text"); text != "it's $HOME; \"x\"\n" {
		t.Errorf("the description is %q", text)
	}
}

// published wants the newest versions on Lambda to be the archives that were
// built, by Lambda's own hash of them.
func (g *guide) published(aws *cloud) {
	g.t.Helper()
	var got, want []string
	for _, l := range aws.layers() {
		got = append(got, l.LatestMatchingVersion.Content.CodeSha256)
	}
	for _, e := range g.index() {
		sum, err := hex.DecodeString(e.SHA256)
		if err != nil {
			g.t.Fatal(err)
		}
		want = append(want, base64.StdEncoding.EncodeToString(sum))
	}
	for _, sum := range want {
		if !slices.Contains(got, sum) {
			g.t.Errorf("on Lambda are %v, without %s", got, sum)
		}
	}
}
