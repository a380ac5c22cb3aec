package propose

import (
	"fmt"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/layerbuild/layerbuild/builder/yamledit"
	"github.com/layerbuild/layerbuild/runtimes/java"
	"github.com/layerbuild/layerbuild/runtimes/node"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// samProject has folders for the layers and functions of the tests' templates.
func samProject(file, template string) Project {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"layers/deps/requirements.txt":  "idna==3.10\n",
		"layers/own/requirements.txt":   "idna==3.10\n",
		"layers/own/shop/money.py":      "",
		"layers/own/clock.py":           "",
		"layers/loose/package.json":     `{"dependencies": {"ms": "2.1.3"}}`,
		"layers/web/package.json":       `{"dependencies": {"ms": "2.1.3"}}`,
		"layers/web/package-lock.json":  `{"lockfileVersion": 3, "packages": {"": {"dependencies": {"ms": "2.1.3"}}, "node_modules/ms": {"version": "2.1.3"}}}`,
		"layers/settings/bin/settings":  "#!/bin/sh\n",
		"layers/made/Makefile":          "build-Made:\n",
		"services/api/requirements.txt": "idna==3.10\n",
		"services/api/app.py":           "",
		"services/bare/app.py":          "",
		"archives/x.zip":                "PK",
		file:                            template,
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return Project{FS: files, Name: "shop", Languages: []Language{python.Runtime{}, node.Runtime{}, java.Runtime{}}}
}

const samHead = "Transform: AWS::Serverless-2016-10-31\nResources:\n"

// told is all that a proposal says, and the edits.
func told(t *testing.T, p Proposal) string {
	t.Helper()
	var b strings.Builder
	for _, l := range p.Layers {
		fmt.Fprintf(&b, "%s: %s %v %v", l.Name, l.Path, l.Runtimes, l.Arches)
		for _, o := range l.Options {
			fmt.Fprintf(&b, " %s=%v", o.Name, o.Value)
		}
		b.WriteString("\n")
		for _, n := range l.Notes {
			fmt.Fprintf(&b, "  note: %s\n", n)
		}
	}
	for _, l := range p.Left {
		fmt.Fprintf(&b, "left: %s: %s\n", l.Place, l.Why)
	}
	p.Choose(p.Layers)
	for _, n := range append(p.Notes, p.ByHand...) {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, e := range p.Edits {
		for line := range strings.Lines(string(diff.Diff(e.File, e.Old, e.File, e.New))) {
			if strings.HasPrefix(line, "+ ") || strings.HasPrefix(line, "- ") || line[0] == '+' && line[1] == ' ' {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

var samTests = []struct{ name, template, want string }{
	{"packages", `  Deps:
    Type: AWS::Serverless::LayerVersion
    Properties:
      LayerName: deps-layer
      ContentUri: layers/deps/   # what pip installs
      CompatibleRuntimes: [python3.12, python3.13]
    Metadata:
      BuildMethod: python3.13
      BuildArchitecture: arm64   # Graviton
`, `deps-layer: layers/deps [python3.13] [arm64]
  note: CompatibleRuntimes: python3.12: packages are installed for BuildMethod's python3.13 alone, as SAM does it
-      ContentUri: layers/deps/   # what pip installs
+      ContentUri: .layerbuild/dist/deps-layer.zip   # what pip installs
-    Metadata:
-      BuildMethod: python3.13
-      BuildArchitecture: arm64   # Graviton
`},
	{"other metadata", `  Web:
    Type: AWS::Serverless::LayerVersion
    Metadata:
      BuildMethod: nodejs22.x
      cfn-lint: {}
    Properties: {ContentUri: "./layers/web", CompatibleArchitectures: [x86_64, arm64]}
`, `Web: layers/web [nodejs22.x] [x86_64 arm64] universal=true
-      BuildMethod: nodejs22.x
-    Properties: {ContentUri: "./layers/web", CompatibleArchitectures: [x86_64, arm64]}
+    Properties: {ContentUri: ".layerbuild/dist/Web.zip", CompatibleArchitectures: [x86_64, arm64]}
`},
	{"own files", `  Own:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/own}
    Metadata: {BuildMethod: python3.13}
`, `Own: layers/own [python3.13] [x86_64] include=map[layers/own/clock.py:python/clock.py layers/own/shop:python/shop]
-    Properties: {ContentUri: layers/own}
-    Metadata: {BuildMethod: python3.13}
+    Properties: {ContentUri: .layerbuild/dist/Own.zip}
`},
	{"plain", `  Settings:
    Type: AWS::Lambda::LayerVersion
    Properties:
      Content: layers/settings
      CompatibleRuntimes:
        - nodejs22.x
        - python3.13
      CompatibleArchitectures: [arm64]
`, `Settings: layers/settings [nodejs22.x python3.13] [arm64] plain=true
-      Content: layers/settings
+      Content: .layerbuild/dist/Settings.zip
`},
	{"functions say for what", `  Settings:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: !Sub layers/settings}
  Api:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: services/bare, Layers: [!Ref Settings]}
Globals:
  Function: {Runtime: python3.13, Architectures: [arm64]}
`, `Settings: layers/settings [python3.13] [arm64] plain=true
note: template.yaml: Settings.ContentUri: .layerbuild/dist/Settings.zip, and no BuildMethod
`},
	{"functions", `  Api:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: services/api, Layers: ["arn:aws:lambda:eu-west-1:1:layer:x:1"]}
  Worker:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: services/api/, Architectures: [x86_64]}
  Bare:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: services/bare}
  Other:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: layers/web, Runtime: !Ref Runtime}
  Bundled:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: esbuild}
    Properties: {CodeUri: layers/web, Runtime: nodejs22.x}
Globals:
  Function: {Runtime: python3.13, Architectures: [arm64]}
`, `api: services/api [python3.13] [arm64 x86_64]
  note: template.yaml has no resource for it: add one of type AWS::Serverless::LayerVersion, and to Layers of the function; sam build goes on installing requirements.txt into the function while it lies in CodeUri
left: Other in template.yaml: Runtime: !Ref Runtime is known only when it is deployed
left: Bundled in template.yaml: BuildMethod esbuild makes what it runs of layers/web/package-lock.json and its code
`},
	{"what cannot be carried over", `  Made:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/made}
    Metadata: {BuildMethod: makefile}
  Ruby:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/made}
    Metadata: {BuildMethod: ruby3.3}
  Loose:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/loose}
    Metadata: {BuildMethod: nodejs22.x}
  Empty:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/settings}
    Metadata: {BuildMethod: python3.13}
  Sub:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: !Sub "layers/${Stage}"}
  Ref:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: {Ref: Folder}}
  If:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: !If [Prod, a, b]}
  S3:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: {Bucket: b, Key: k}}
  Address:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: s3://b/k}
  Zip:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: archives/x.zip}
  Missing:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/gone}
  Outside:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: ../layers}
  Nothing:
    Type: AWS::Serverless::LayerVersion
  Method:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/deps}
    Metadata: {BuildMethod: !Ref Method}
  Unknown:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/settings, CompatibleRuntimes: [!Ref Runtime]}
`, `left: Made in template.yaml: BuildMethod makefile runs layers/made/Makefile, which cannot be read: what it installs needs a lock file, what it copies plain: true or include
left: Ruby in template.yaml: BuildMethod ruby3.3: layerbuild installs no packages for it
left: Loose in template.yaml: no lock file in layers/loose; ` + "`" + `npm install --package-lock-only` + "`" + ` makes one from package.json
left: Empty in template.yaml: BuildMethod python3.13: no lock file lies in layers/settings; own code alone is a folder without BuildMethod that has it in python/
left: Sub in template.yaml: ContentUri: !Sub layers/${Stage} is known only when it is deployed
left: Ref in template.yaml: ContentUri: Ref Folder is known only when it is deployed
left: If in template.yaml: ContentUri: !If is known only when it is deployed
left: S3 in template.yaml: ContentUri: it lies in S3 already
left: Address in template.yaml: ContentUri: it lies elsewhere already: s3://b/k
left: Zip in template.yaml: ContentUri: archives/x.zip is an archive already, or is to be one
left: Missing in template.yaml: ContentUri: there is no folder layers/gone
left: Outside in template.yaml: ContentUri: ../layers lies outside the folder of layerbuild.yaml
left: Nothing in template.yaml: it has no ContentUri
left: Method in template.yaml: BuildMethod: !Ref Method is known only when it is deployed
left: Unknown in template.yaml: nothing says for which runtime: add CompatibleRuntimes
`},
}

func TestSAM(t *testing.T) {
	for _, test := range samTests {
		t.Run(test.name, func(t *testing.T) {
			p, err := readSAM(samProject("template.yaml", samHead+test.template), "template.yaml")
			if err != nil {
				t.Fatal(err)
			}
			if got := told(t, p); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if len(p.Layers) > 0 {
				if _, err := Render(p); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestSAMInFolder reads a template below the folder of layerbuild.yaml.
func TestSAMInFolder(t *testing.T) {
	p := samProject("infra/stack/template.yml", samHead+"  A:\n    Type: AWS::Serverless::LayerVersion\n    Metadata: {BuildMethod: python3.13}\n    Properties: {ContentUri: ../../layers/deps}\n")
	got, err := readSAM(p, "infra/stack/template.yml")
	if err != nil {
		t.Fatal(err)
	}
	if want := "+    Properties: {ContentUri: ../../.layerbuild/dist/A.zip}\n"; !strings.Contains(told(t, got), want) || got.Layers[0].Path != "layers/deps" {
		t.Errorf("got\n%s", told(t, got))
	}
}

// TestFindSAM: a template of another tool is none of SAM's.
func TestFindSAM(t *testing.T) {
	for template, want := range map[string]string{
		samTests[0].template:             "AWS SAM",
		"  A: {Type: AWS::S3::Bucket}\n": "lock files",
		"  {{ if helm }}\n":              "lock files",
	} {
		source, _, err := samProject("template.yaml", samHead+template).Find("")
		if err != nil || source.Name != want {
			t.Errorf("%q is read as %q, %v: want %q", template, source.Name, err, want)
		}
	}
}

// FuzzSAM reads any template: what is proposed can be written, and the edit is
// of YAML and in the right place.
func FuzzSAM(f *testing.F) {
	for _, test := range samTests {
		f.Add(samHead + test.template)
	}
	f.Add(`{"Resources": {"A": {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "layers/deps"}, "Metadata": {"BuildMethod": "python3.13"}}}}`)
	f.Fuzz(func(t *testing.T, template string) {
		p, err := readSAM(samProject("template.yaml", template), "template.yaml")
		if err != nil || len(p.Layers) == 0 {
			return
		}
		if _, err := Render(p); err != nil {
			t.Fatalf("%v\n%s", err, template)
		}
		p.Choose(p.Layers)
		for _, e := range p.Edits {
			text, err := yamledit.Parse(e.New)
			if err != nil {
				t.Fatalf("%v\n%s", err, e.New)
			}
			for _, l := range p.Layers {
				r := yamledit.Get(yamledit.Get(text.Root(), "Resources"), l.Origin)
				if kind, _ := samStatic(yamledit.Get(r, "Type")); l.Origin != "" {
					uri, _ := samStatic(yamledit.Get(yamledit.Get(r, "Properties"), samContent[kind]))
					if old := path.Join(uri); old != l.Path && old != ".layerbuild/dist/"+l.Name+".zip" && !strings.HasPrefix(old, "!") {
						t.Errorf("%s has %s\n%s", l.Origin, uri, template)
					}
				}
			}
		}
	})
}
