//go:build e2e

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// samBucket is that of doc/sam.md.
const samBucket = "https://orders-artifacts.s3.amazonaws.com/"

// installSAM puts SAM into the guide's PATH, for which aws answers. All else
// that the guide runs has the machine's network.
func (g *guide) installSAM(aws *cloud) {
	g.t.Helper()
	g.install(aws, "venv-sam/bin/sam", "SAM_CLI_TELEMETRY=0", "__SAM_CLI_APP_DIR="+g.t.TempDir())
	aws.ask(http.MethodPut, samBucket)
}

// A samLayer is a layer version of the template that SAM translates the
// packaged one to.
type samLayer struct {
	LayerName string `yaml:"LayerName"`
	Content   struct {
		S3Key string `yaml:"S3Key"`
	} `yaml:"Content"`
}

// packageSAM builds the layers and packages the template. It returns the layer
// versions by their logical ids.
func (g *guide) packageSAM() map[string]samLayer {
	g.t.Helper()
	g.sh("layerbuild build")
	built := g.outputs()
	g.sh("sam build && sam package --s3-bucket orders-artifacts --output-template-file packaged.yaml")
	if !reflect.DeepEqual(g.outputs(), built) {
		g.t.Error("sam changes what layerbuild built")
	}
	_, text, found := strings.Cut(g.sh("sam validate --debug --template-file packaged.yaml"), "Translated template is:\n")
	text, _, _ = strings.Cut(text, "\n\n")
	var template struct {
		Resources map[string]struct {
			Type       string   `yaml:"Type"`
			Properties samLayer `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(text), &template); err != nil || !found {
		g.t.Fatalf("SAM translates to %q: %v", text, err)
	}
	layers := map[string]samLayer{}
	for id, r := range template.Resources {
		if r.Type == "AWS::Lambda::LayerVersion" {
			layers[id] = r.Properties
		}
	}
	return layers
}

const samTemplate = `Transform: AWS::Serverless-2016-10-31
Resources:
  Dependencies:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: .layerbuild/dist/dependencies.zip, CompatibleRuntimes: [python3.13]}
  Settings:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: .layerbuild/dist/settings.zip, RetentionPolicy: Delete}
  Orders:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: src, Runtime: python3.13, Handler: app.handler, Layers: [!Ref Dependencies, !Ref Settings]}
`

// TestSAM follows doc/sam.md, and holds what it says of new versions: nothing
// makes one but another pin, and that one. Moto knows SAM's client and no SAM: what
// the page deploys are change sets, or none; the layers are judged as translated.
func TestSAM(t *testing.T) {
	t.Parallel()
	aws := startCloud(t)
	g := newGuide(t, "sam.md")
	g.installSAM(aws)
	g.follow()
	g.write("template.yaml", samTemplate)
	g.write("layerbuild.yaml", `layers:
  dependencies: {path: dependencies, runtime: python3.13, architectures: [arm64]}
  settings: {path: settings, plain: true, runtime: python3.13, architectures: [arm64]}
`)
	put(t, filepath.Join(g.dir, "settings/bin/settings"), "#!/bin/sh\necho 1\n")
	first := g.packageSAM()
	g.uploaded(aws, first)

	g.disturb(".aws-sam", "packaged.yaml")
	if again := g.packageSAM(); !reflect.DeepEqual(again, first) {
		t.Errorf("touched, moved and with empty caches the layers are\n%v\nbefore:\n%v", again, first)
	}

	g.write("dependencies/requirements.txt", "idna==3.8\n")
	other := g.packageSAM()
	g.uploaded(aws, other)
	var gone []string
	for id, l := range first {
		if other[id] != l {
			gone = append(gone, l.LayerName)
		}
	}
	if !slices.Equal(gone, []string{"Dependencies"}) || len(other) != len(first) {
		t.Errorf("with another pin the layers are\n%v\nbefore:\n%v", other, first)
	}
}

// uploaded wants both layers' archives in the bucket.
func (g *guide) uploaded(aws *cloud, layers map[string]samLayer) {
	g.t.Helper()
	got, want := map[string]string{}, map[string]string{}
	for _, l := range layers {
		sum := sha256.Sum256(aws.ask(http.MethodGet, samBucket+l.Content.S3Key))
		got[strings.ToLower(l.LayerName)+".zip"] = hex.EncodeToString(sum[:])
	}
	for _, e := range g.index() {
		want[e.File] = e.SHA256
	}
	if len(want) != 2 || !maps.Equal(got, want) {
		g.t.Errorf("uploaded are %v, built %v", got, want)
	}
}
