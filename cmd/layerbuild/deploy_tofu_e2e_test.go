//go:build e2e

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTofu has OpenTofu plan and apply what doc/terraform.md shows. The AWS
// provider cannot be had: a resource of OpenTofu's own stands in for the layer
// version, which the archive's hash replaces as source_code_hash does that.
func TestTofu(t *testing.T) {
	t.Parallel()
	g := newGuide(t, "terraform.md")
	g.env[0] += string(filepath.ListSeparator) + filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "bin") // the PATH
	g.env = append(g.env, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1")
	g.follow()
	shown := g.read("layers.tf")
	locals, _, found := strings.Cut(shown, "resource ")
	if !found || !regexp.MustCompile(`source_code_hash += each.value.sha256Base64`).MatchString(shown) {
		t.Fatalf("the page's layers.tf is another:\n%s", shown)
	}
	g.write("layers.tf", locals+`resource "terraform_data" "layer" {
  for_each         = local.layers
  input            = "${path.module}/.layerbuild/dist/${each.value.file}"
  triggers_replace = each.value.sha256Base64
}
`)
	g.write("layerbuild.yaml", `layers:
  dependencies: {path: dependencies, runtime: python3.13, architectures: [arm64]}
  settings: {path: settings, plain: true, runtime: python3.13, architectures: [arm64]}
`)
	put(t, filepath.Join(g.dir, "settings/settings.json"), "{}\n")
	const plan = "layerbuild build && tofu plan -no-color"
	if said := g.sh("layerbuild build && tofu init -no-color && tofu apply -auto-approve -no-color"); !strings.Contains(said, "2 added, 0 changed, 0 destroyed") {
		t.Errorf("at first:\n%s", said)
	}
	g.disturb()
	if said := g.sh(plan); !strings.Contains(said, "No changes.") {
		t.Errorf("touched, moved and with empty caches:\n%s", said)
	}
	g.write("dependencies/requirements.txt", "idna==3.8\n")
	if said := g.sh(plan); !strings.Contains(said, `terraform_data.layer["dependencies"] must be replaced`) || !strings.Contains(said, "1 to add, 0 to change, 1 to destroy") {
		t.Errorf("with another pin:\n%s", said)
	}
}
