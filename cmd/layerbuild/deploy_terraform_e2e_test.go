//go:build e2e

package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// The arguments of the resources that doc/terraform.md uses, as the provider's
// documentation has them. Each of a layer version's but skip_destroy makes a new
// version when it changes.
var terraformSchemas = map[string]hcldec.ObjectSpec{
	"aws_lambda_layer_version": {
		"layer_name":               required("layer_name"),
		"compatible_architectures": &hcldec.AttrSpec{Name: "compatible_architectures", Type: cty.Set(cty.String)},
		"compatible_runtimes":      &hcldec.AttrSpec{Name: "compatible_runtimes", Type: cty.Set(cty.String)},
		"description":              optional("description"),
		"filename":                 optional("filename"),
		"license_info":             optional("license_info"),
		"s3_bucket":                optional("s3_bucket"),
		"s3_key":                   optional("s3_key"),
		"s3_object_version":        optional("s3_object_version"),
		"skip_destroy":             &hcldec.AttrSpec{Name: "skip_destroy", Type: cty.Bool},
		"source_code_hash":         optional("source_code_hash"),
	},
	"aws_s3_object": {
		"bucket":      required("bucket"),
		"key":         required("key"),
		"source":      optional("source"),
		"source_hash": optional("source_hash"),
	},
}

func required(name string) *hcldec.AttrSpec {
	return &hcldec.AttrSpec{Name: name, Type: cty.String, Required: true}
}

func optional(name string) *hcldec.AttrSpec {
	return &hcldec.AttrSpec{Name: name, Type: cty.String}
}

// terraformFile has the blocks of a .tf file that are evaluated.
var terraformFile = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "output", LabelNames: []string{"name"}},
}}

// A terraformLayer is an instance of aws_lambda_layer_version.
type terraformLayer struct {
	Name          string   `json:"layer_name"`
	Description   string   `json:"description"`
	License       string   `json:"license_info"`
	Runtimes      []string `json:"compatible_runtimes"`
	Architectures []string `json:"compatible_architectures"`
	File          string   `json:"filename"`
	Bucket        string   `json:"s3_bucket"`
	Key           string   `json:"s3_key"`
	Hash          string   `json:"source_code_hash"`
	Keep          bool     `json:"skip_destroy"`
}

// terraform evaluates a file of the guide, block after block, as Terraform does
// with path.module being the file's folder. It returns the layer versions by the
// keys of their for_each.
func (g *guide) terraform(name string) map[string]terraformLayer {
	g.t.Helper()
	module := filepath.Dir(name)
	file, diags := hclparse.NewParser().ParseHCLFile(filepath.Join(g.dir, name))
	g.valid(diags)
	content, diags := file.Body.Content(terraformFile)
	g.valid(diags)
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"path": cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(module)})},
		Functions: map[string]function.Function{
			"file":       g.fileFunction(),
			"jsondecode": stdlib.JSONDecodeFunc,
			"replace":    stdlib.ReplaceFunc,
			"trimsuffix": stdlib.TrimSuffixFunc,
			"try":        tryfunc.TryFunc,
		},
	}
	vars, layers := map[string]cty.Value{}, map[string]terraformLayer{}
	for _, b := range content.Blocks {
		switch b.Type {
		case "variable":
			vars[b.Labels[0]] = g.attribute(b.Body, "default", ctx)
			ctx.Variables["var"] = cty.ObjectVal(vars)
		case "locals":
			ctx.Variables["local"] = cty.ObjectVal(g.attributes(b.Body, ctx))
		case "resource":
			instances := g.instances(b, ctx)
			ctx.Variables[b.Labels[0]] = cty.ObjectVal(map[string]cty.Value{b.Labels[1]: planned(instances)})
			if b.Labels[0] == "aws_lambda_layer_version" {
				for key, v := range instances {
					layers[key] = g.layer(v)
				}
			}
		case "output":
			g.attributes(b.Body, ctx) // to see that it can be computed
		}
	}
	return layers
}

func (g *guide) valid(diags hcl.Diagnostics) {
	g.t.Helper()
	if diags.HasErrors() {
		g.t.Fatalf("%s: %v", g.file, diags.Errs())
	}
}

// attributes evaluates all of a block's arguments.
func (g *guide) attributes(body hcl.Body, ctx *hcl.EvalContext) map[string]cty.Value {
	g.t.Helper()
	attrs, diags := body.JustAttributes()
	g.valid(diags)
	values := map[string]cty.Value{}
	for name, a := range attrs {
		v, diags := a.Expr.Value(ctx)
		g.valid(diags)
		values[name] = v
	}
	return values
}

// attribute evaluates one of a block's arguments, which it must have.
func (g *guide) attribute(body hcl.Body, name string, ctx *hcl.EvalContext) cty.Value {
	g.t.Helper()
	content, _, diags := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: name, Required: true}}})
	g.valid(diags)
	v, diags := content.Attributes[name].Expr.Value(ctx)
	g.valid(diags)
	return v
}

// instances evaluates a resource for each key of its for_each. An argument that
// the provider does not have, or has with another type, is an error.
func (g *guide) instances(b *hcl.Block, ctx *hcl.EvalContext) map[string]cty.Value {
	g.t.Helper()
	spec, ok := terraformSchemas[b.Labels[0]]
	if !ok {
		g.t.Fatalf("%s: nothing is known of %s", g.file, b.Labels[0])
	}
	_, rest, diags := b.Body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}}})
	g.valid(diags)
	instances := map[string]cty.Value{}
	for key, value := range g.attribute(b.Body, "for_each", ctx).AsValueMap() {
		each := ctx.NewChild()
		each.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": value})}
		v, diags := hcldec.Decode(rest, spec, each)
		g.valid(diags)
		instances[key] = v
	}
	return instances
}

// planned is what other blocks see of a resource before it is applied: its
// arguments, and an ARN that is not known yet.
func planned(instances map[string]cty.Value) cty.Value {
	seen := map[string]cty.Value{}
	for key, v := range instances {
		attrs := v.AsValueMap()
		attrs["arn"] = cty.UnknownVal(cty.String)
		seen[key] = cty.ObjectVal(attrs)
	}
	return cty.ObjectVal(seen)
}

// layer is what an instance says of a layer version.
func (g *guide) layer(v cty.Value) terraformLayer {
	g.t.Helper()
	data, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
	if err != nil {
		g.t.Fatal(err)
	}
	var l terraformLayer
	if err := json.Unmarshal(data, &l); err != nil {
		g.t.Fatal(err)
	}
	return l
}

// fileFunction is Terraform's file, which takes relative paths from the folder
// that Terraform runs in.
func (g *guide) fileFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			data, err := os.ReadFile(filepath.Join(g.dir, args[0].AsString()))
			return cty.StringVal(string(data)), err
		},
	})
}

// TestTerraform follows doc/terraform.md, and holds what it says of new versions
// for more layers than it shows: nothing makes one but another pin, and that one.
func TestTerraform(t *testing.T) {
	t.Parallel()
	g := newGuide(t, "terraform.md")
	g.follow()
	g.terraformHolds("layers.tf")

	g.write("layerbuild.yaml", `layers:
  dependencies: {path: dependencies, runtime: python3.13, architectures: [arm64]}
  settings:
    path: settings
    plain: true
    description: What all services share.
    licenseInfo: MIT
    runtime: [nodejs22.x, python3.13]
    architectures: [arm64, x86_64]
`)
	put(t, filepath.Join(g.dir, "settings/bin/settings"), "#!/bin/sh\necho 1\n")
	g.sh("layerbuild build")
	first := g.terraformHolds("layers.tf")
	large := g.terraformHolds("large/layers.tf")

	g.disturb("before.json")
	g.sh("layerbuild build")
	if again := g.terraformHolds("layers.tf"); !reflect.DeepEqual(again, first) {
		t.Errorf("touched, moved and with empty caches the layers are\n%v\nbefore:\n%v", again, first)
	}
	if again := g.terraformHolds("large/layers.tf"); !reflect.DeepEqual(again, large) {
		t.Errorf("touched, moved and with empty caches the layers in S3 are\n%v\nbefore:\n%v", again, large)
	}

	g.write("dependencies/requirements.txt", "idna==3.8\n")
	g.sh("layerbuild build")
	other := g.terraformHolds("layers.tf")
	want, is := first["dependencies"], other["dependencies"]
	if is.Hash == want.Hash {
		t.Error("another pin leaves the layer as it was")
	}
	is.Hash = want.Hash
	other["dependencies"] = is
	if !reflect.DeepEqual(other, first) {
		t.Errorf("another pin changes more than one hash:\n%v\nbefore:\n%v", other, first)
	}
}

// terraformHolds wants a layer version of each archive that was built, by the
// hash of the file that it names. It returns them.
func (g *guide) terraformHolds(name string) map[string]terraformLayer {
	g.t.Helper()
	layers, index := g.terraform(name), g.index()
	if len(layers) != len(index) {
		g.t.Errorf("%s: %d layer versions for %d archives", name, len(layers), len(index))
	}
	for _, e := range index {
		sum, err := hex.DecodeString(e.SHA256)
		if err != nil {
			g.t.Fatal(err)
		}
		id := strings.TrimSuffix(e.File, ".zip")
		want := terraformLayer{
			Name: strings.ReplaceAll(id, ".", "-"), Runtimes: e.CompatibleRuntimes, Architectures: e.CompatibleArchitectures,
			Hash: base64.StdEncoding.EncodeToString(sum), Keep: true,
		}
		if name == "layers.tf" {
			want.Description, want.License, want.File = e.Description, e.LicenseInfo, "./.layerbuild/dist/"+e.File
		} else {
			want.Bucket, want.Key = "shop-artifacts", "layers/"+id+"-"+e.SHA256+".zip"
		}
		if got := layers[id]; !reflect.DeepEqual(got, want) {
			g.t.Errorf("%s: %s is\n%+v\nwant\n%+v", name, id, got, want)
		}
	}
	return layers
}
