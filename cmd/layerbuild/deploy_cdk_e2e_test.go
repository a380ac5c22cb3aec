//go:build e2e

package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A cdkResource is a resource of a synthesized stack.
type cdkResource struct {
	Type       string
	Properties json.RawMessage
}

// A cdkLayer is what a stack says of a layer version.
type cdkLayer struct {
	LayerName, Description, LicenseInfo         string
	CompatibleRuntimes, CompatibleArchitectures []string
	Content                                     struct{ S3Key string }
}

// cdkStack is a stack of doc/cdk.md, by logical ids.
type cdkStack map[string]cdkResource

// synth builds the layers and the stack.
func (g *guide) synth() cdkStack {
	g.t.Helper()
	g.sh("npx cdk synth --quiet")
	return g.assembled()
}

// assembled is the stack as it was synthesized last.
func (g *guide) assembled() cdkStack {
	g.t.Helper()
	var template struct{ Resources cdkStack }
	if err := json.Unmarshal([]byte(g.read("cdk.out/Orders.template.json")), &template); err != nil {
		g.t.Fatal(err)
	}
	return template.Resources
}

// layers returns the layer versions by their logical ids.
func (s cdkStack) layers(t *testing.T) map[string]cdkLayer {
	t.Helper()
	layers := map[string]cdkLayer{}
	for id, r := range s {
		if r.Type == "AWS::Lambda::LayerVersion" {
			var l cdkLayer
			if err := json.Unmarshal(r.Properties, &l); err != nil {
				t.Fatal(err)
			}
			layers[id] = l
		}
	}
	return layers
}

// holdsIndex wants a layer version with the right content for each archive in
// layers.json.
func (g *guide) holdsIndex(s cdkStack) {
	g.t.Helper()
	byName := map[string]cdkLayer{}
	for _, l := range s.layers(g.t) {
		byName[l.LayerName] = l
	}
	index := g.index()
	if len(byName) != len(index) {
		g.t.Errorf("%d layer versions for %d archives", len(byName), len(index))
	}
	for _, e := range index {
		l := byName[strings.ReplaceAll(strings.TrimSuffix(e.File, ".zip"), ".", "-")]
		got := []any{l.Description, l.LicenseInfo, l.CompatibleRuntimes, l.CompatibleArchitectures}
		want := []any{e.Description, e.LicenseInfo, e.CompatibleRuntimes, e.CompatibleArchitectures}
		if !reflect.DeepEqual(got, want) {
			g.t.Errorf("%s: the stack has %v, layers.json %v", e.File, got, want)
		}
		asset := g.read("cdk.out/asset." + l.Content.S3Key)
		if sum := sha256.Sum256([]byte(asset)); hex.EncodeToString(sum[:]) != e.SHA256 {
			g.t.Errorf("%s: the asset is not the archive", e.File)
		}
	}
}

// TestCDK follows doc/cdk.md, and holds what it says of new versions for more
// layers than it shows, synthesized and deployed: nothing makes one but another pin.
func TestCDK(t *testing.T) {
	t.Parallel()
	g := newGuide(t, "cdk.md")
	g.env = append(g.env, "CDK_HOME="+t.TempDir(), "CDK_DISABLE_CLI_TELEMETRY=true")
	g.follow()

	g.write("layerbuild.yaml", `layers:
  orders: {path: functions/orders, runtime: nodejs22.x, architectures: [arm64]}
  both: {path: functions/orders, runtime: nodejs22.x, architectures: [arm64, x86_64]}
  settings:
    path: settings
    plain: true
    description: What all services share.
    licenseInfo: MIT
    runtime: [nodejs22.x, python3.13]
    architectures: [arm64, x86_64]
`)
	put(t, filepath.Join(g.dir, "settings/bin/settings"), "#!/bin/sh\necho 1\n")
	first := g.synth()
	g.holdsIndex(first)

	g.disturb("cdk.out")
	if again := g.synth(); !reflect.DeepEqual(again, first) {
		t.Errorf("touched, moved and with empty caches it is another stack:\n%s\nbefore:\n%s", again, first)
	}

	g.sh("npm install --prefix functions/orders --save-exact ms@2.1.1")
	other := g.synth()
	if len(other) != len(first) {
		t.Errorf("with another pin there are %d resources, and were %d", len(other), len(first))
	}
	before, after := first.layers(t), other.layers(t)
	assets := map[string]bool{}
	for id, r := range first {
		was, layer := before[id]
		if now := after[id]; layer && was.LayerName != "settings" {
			assets[now.Content.S3Key] = true
			if was.Content == now.Content {
				t.Errorf("another pin leaves the content of %s as it was", id)
			}
			was.Content = now.Content
			if !reflect.DeepEqual(now, was) {
				t.Errorf("another pin makes %s %v, more than its content was changed: %v", id, now, was)
			}
		} else if !reflect.DeepEqual(other[id], r) {
			t.Errorf("another pin changes %s:\n%s\nbefore:\n%s", id, other[id], r)
		}
	}
	if len(assets) != 1 {
		t.Errorf("another pin makes the assets %v, not one", assets)
	}
	g.holdsIndex(other)
	g.deploysCDK()
}

// deploysCDK deploys the stack to moto, which the CDK finds at an address of its
// own: behind a proxy it would not speak to it.
func (g *guide) deploysCDK() {
	g.t.Helper()
	cloud := startMoto(g.t, "moto_server")
	g.env = append(g.env, "AWS_ENDPOINT_URL="+cloud, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		// Where moto looks for templates: it takes no other host for S3's.
		"AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION="+strings.Replace(cloud, "127.0.0.1", "localhost", 1))
	// Moto updates no stack that has a parameter of SSM's, nor by a change set.
	g.write("app.js", strings.NewReplacer(
		"{ App, ", "{ App, DefaultStackSynthesizer, ",
		"'Orders')", "'Orders', { synthesizer: new DefaultStackSynthesizer({ generateBootstrapVersionRule: false }) })",
	).Replace(g.read("app.js")))
	deploy := func() string { return g.sh("npx cdk deploy --method direct --require-approval never") }
	aws := filepath.Join(setting(g.t, "LAYERBUILD_TEST_TOOLS"), "bin/aws")
	const unchanged = "Orders (no changes)"

	g.sh("npx cdk bootstrap aws://123456789012/us-east-1")
	deploy()
	g.publishedCDK(aws)
	g.disturb("cdk.out")
	if text := deploy(); !strings.Contains(text, unchanged) {
		g.t.Errorf("touched, moved and with empty caches it is deployed again:\n%s", text)
	}
	g.sh("npm install --prefix functions/orders --save-exact ms@2.1.0")
	if text := deploy(); strings.Contains(text, unchanged) || !strings.Contains(text, "UPDATE_COMPLETE") {
		g.t.Errorf("another pin is not deployed:\n%s", text)
	}
	// Moto, other than CloudFormation, publishes nothing where a stack is updated.
	for _, l := range g.assembled().layers(g.t) {
		g.sh(aws + " s3 cp --quiet s3://cdk-hnb659fds-assets-123456789012-us-east-1/" + l.Content.S3Key + " uploaded.zip && cmp uploaded.zip cdk.out/asset." + l.Content.S3Key)
	}
}

// publishedCDK wants a layer version of each archive, by moto's own names.
func (g *guide) publishedCDK(aws string) {
	g.t.Helper()
	var got, want []string
	for name := range strings.FieldsSeq(g.sh(aws + " lambda list-layers --query 'Layers[].LayerName' --output text")) {
		sum, err := base64.StdEncoding.DecodeString(strings.TrimSpace(
			g.sh(aws + " lambda get-layer-version --version-number 1 --query Content.CodeSha256 --output text --layer-name " + name)))
		if err != nil {
			g.t.Fatal(err)
		}
		got = append(got, hex.EncodeToString(sum))
	}
	for _, e := range g.index() {
		want = append(want, e.SHA256)
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(got, want) {
		g.t.Errorf("published are %v, built %v", got, want)
	}
}
