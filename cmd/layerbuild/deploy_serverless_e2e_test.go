//go:build e2e

package main

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The frameworks that package a service, each as its own users install it.
var frameworks = []string{"osls", "serverless"}

// shop is a service with a layer of each kind that the framework's guide
// shows. The lock files are written by whoever uses it.
var shop = map[string]string{
	"layerbuild.yaml": `engine: direct
defaults: {architectures: [arm64]}
layers:
  node: {path: web, runtime: nodejs22.x}
  python: {path: report, runtime: python3.13}
  shared: {path: libs/shared, plain: true, runtime: [nodejs22.x, python3.13]}
  config: {path: config, plain: true, runtime: [nodejs22.x, python3.13]}
  custom: {path: runtime, runtime: provided.al2023}
  common: {path: libs/common, plain: true, runtime: python3.13}
`,
	"serverless.yml": `service: shop
provider:
  name: aws
  runtime: nodejs22.x
  architecture: arm64
  deploymentMethod: direct          # moto does not show the outputs of change sets
package:
  patterns: ['!**', 'src/**']
layers:
  node:
    package: {artifact: .layerbuild/dist/node.zip}
    description: What the web functions import
    compatibleRuntimes: [nodejs22.x]
    compatibleArchitectures: [arm64]
  python:
    package: {artifact: .layerbuild/dist/python.zip}
    name: shop-${sls:stage}-report
    licenseInfo: MIT
  shared: {package: {artifact: .layerbuild/dist/shared.zip}}
  config: {package: {artifact: .layerbuild/dist/config.zip}}
  custom: {package: {artifact: .layerbuild/dist/custom.zip}}
  common:
    package: {artifact: .layerbuild/dist/common.zip}
    retain: true                    # other services refer to its versions
functions:
  orders: {handler: src/orders.handler, layers: [!Ref NodeLambdaLayer, !Ref SharedLambdaLayer, !Ref ConfigLambdaLayer]}
  carts: {handler: src/carts.handler, layers: [!Ref NodeLambdaLayer]}
  report: {handler: src/report.handler, runtime: python3.13, layers: [!Ref PythonLambdaLayer, !Ref ConfigLambdaLayer]}
  legacy: {handler: src/legacy.sh, runtime: provided.al2023, layers: [!Ref CustomLambdaLayer]}
`,
	"src/orders.js": "exports.handler = async () => require('semver').inc('1.2.3', 'minor')\n",
	"src/carts.js":  "exports.handler = async () => []\n",
	"src/report.py": "import idna\ndef handler(event, context): return idna.encode('x')\n",
	"src/legacy.sh": "handler() { echo ok; }\n",

	"web/package.json": `{"name": "web", "version": "1.0.0", "private": true, "dependencies": {"semver": "7.6.3"}}`,
	"libs/shared/nodejs/node_modules/money/index.js": "exports.round = Math.round\n",
	"libs/shared/python/money.py":                    "def rounded(x): return round(x)\n",
	"config/settings.json":                           `{"currency": "EUR"}`,
	"config/bin/migrate":                             "#!/bin/sh\necho migrated\n",
	"runtime/bootstrap":                              "#!/bin/sh\nwhile :; do sleep 1; done\n",
	"libs/common/python/common/__init__.py":          "version = 1\n",

	"consumer/src/main.py": "import common\n",
	"consumer/serverless.yml": `service: consumer
provider: {name: aws, runtime: python3.13, architecture: arm64}
package: {patterns: ['!**', 'src/**']}
functions:
  main: {handler: src/main.handler, layers: ['${env:COMMON_LAYER}']}
`,
}

// newShop writes the service and has it locked.
func newShop(t *testing.T) *runner {
	t.Helper()
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "shop"), data: t.TempDir()}
	for name, content := range shop {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(r.dir, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		r.write(name, content)
	}
	for _, name := range []string{"config/bin/migrate", "runtime/bootstrap"} {
		if err := os.Chmod(filepath.Join(r.dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	all, err := os.ReadFile(filepath.Join(example, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, "report"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.write("report/requirements.txt", string(regexp.MustCompile(`(?m)^idna==.*(\n .*)*\n`).Find(all)))
	r.lockNPM("web")
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	return r
}

// frameworkCommand is a framework, to be run in a folder of the project.
func (r *runner) frameworkCommand(c *cloud, framework, folder string, args ...string) *exec.Cmd {
	r.t.Helper()
	tools := setting(r.t, "LAYERBUILD_TEST_TOOLS")
	cmd := exec.Command(filepath.Join(tools, "npm-"+framework, "node_modules/.bin/serverless"), append(args, "--verbose")...)
	cmd.Dir = filepath.Join(r.dir, folder)
	// Their home is where they keep notes on whom to notify of what.
	cmd.Env = append(os.Environ(), "CI=", noRaceSleep, "HOME="+filepath.Join(r.data, "tmp"),
		"PATH="+filepath.Join(tools, "node/bin")+":"+os.Getenv("PATH"), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off",
		"LAYERBUILD_CACHE_DIR="+filepath.Join(r.data, "cache"))
	cmd.Env = append(append(cmd.Env, c.env()...), r.env...)
	return cmd
}

// serverless runs a framework to its good end.
func (r *runner) serverless(c *cloud, framework, folder string, args ...string) string {
	r.t.Helper()
	out, err := r.frameworkCommand(c, framework, folder, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s %v: %v\n%s", framework, args, err, out)
	}
	return string(out)
}

// serverlessFails wants a framework to fail.
func (r *runner) serverlessFails(c *cloud, framework string, args ...string) string {
	r.t.Helper()
	out, err := r.frameworkCommand(c, framework, ".", args...).CombinedOutput()
	if err == nil {
		r.t.Fatalf("%s %v does not fail:\n%s", framework, args, out)
	}
	return string(out)
}

// A template is what a framework asks CloudFormation for.
type template struct {
	Resources map[string]struct {
		Type       string
		Properties struct {
			LayerName               string
			Description             string
			CompatibleRuntimes      []string
			CompatibleArchitectures []string
			Content                 struct{ S3Key string }
			Layers                  []any
		}
	}
	Outputs map[string]struct{ Value any }
}

func (r *runner) template(folder string) template {
	r.t.Helper()
	var made template
	if err := json.Unmarshal([]byte(r.read(filepath.Join(folder, ".serverless/cloudformation-template-update-stack.json"))), &made); err != nil {
		r.t.Fatal(err)
	}
	return made
}

// A version is what decides whether a layer gets a new one: the hash that the
// framework compares with that of the stack, and, where these are equal, the
// S3 key out of the stack, which leaves CloudFormation nothing to do.
type version struct{ Hash, S3Key string }

func (t template) versions() map[string]version {
	versions := make(map[string]version)
	for id, output := range t.Outputs {
		if name, ok := strings.CutSuffix(id, "LambdaLayerHash"); ok {
			hash, _ := output.Value.(string)
			key, _ := t.Outputs[name+"LambdaLayerS3Key"].Value.(string)
			versions[strings.ToLower(name)] = version{hash, key}
		}
	}
	return versions
}

// changed lists the layers that have another version, by hash and by S3 key.
func changed(t *testing.T, before, after map[string]version) []string {
	t.Helper()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		hash, key := before[name].Hash != after[name].Hash, before[name].S3Key != after[name].S3Key
		if hash != key {
			t.Errorf("%s: the hash and the place of its zip do not change together: %v, then %v", name, before[name], after[name])
		}
		if hash {
			names = append(names, name)
		}
	}
	return names
}

// touchAll gives every file and folder of the project another time.
func (r *runner) touchAll() {
	r.t.Helper()
	later := time.Now().Add(time.Hour)
	err := filepath.WalkDir(r.dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, later, later)
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// TestServerless: a service whose layers are our archives is deployed; after
// that, only a layer whose content changed gets a new version, by what the
// framework itself compares.
func TestServerless(t *testing.T) {
	aws := startCloud(t)
	for _, framework := range frameworks {
		t.Run(framework, func(t *testing.T) {
			t.Parallel()
			c := aws.of(t)
			r := newShop(t)
			r.run(0, "build")
			r.serverless(c, framework, ".", "deploy", "--stage", framework)
			first := r.template(".").versions()
			want := []string{"common", "config", "custom", "node", "python", "shared"}
			if got := slices.Sorted(maps.Keys(first)); !slices.Equal(got, want) {
				t.Fatalf("layers %q, not %q", got, want)
			}
			for _, l := range readIndex(t, filepath.Join(r.dir, ".layerbuild/dist/layers.json")) {
				id := "shop-" + framework + "-" + strings.ToUpper(l.Name[:1]) + l.Name[1:] + "LambdaLayer"
				if got := c.layer(id).LatestMatchingVersion.Content.CodeSha256; got != l.SHA256Base64 {
					t.Errorf("%s: Lambda has %s, built was %s", l.Name, got, l.SHA256Base64)
				}
			}
			r.sharedByARN(c, framework)

			// All over again, elsewhere and with nothing kept.
			r.touchAll()
			for _, dir := range []string{filepath.Join(r.dir, ".layerbuild"), filepath.Join(r.dir, ".serverless"), filepath.Join(r.data, "cache")} {
				if err := os.RemoveAll(dir); err != nil {
					t.Fatal(err)
				}
			}
			moved := filepath.Join(filepath.Dir(r.dir), "moved here")
			if err := os.Rename(r.dir, moved); err != nil {
				t.Fatal(err)
			}
			r.dir = moved
			r.run(0, "build")
			r.serverless(c, framework, ".", "package", "--stage", framework)
			if got := changed(t, first, r.template(".").versions()); len(got) > 0 {
				t.Errorf("with equal content, new versions of %q", got)
			}

			r.write("web/package.json", strings.Replace(shop["web/package.json"], "7.6.3", "7.6.2", 1))
			r.lockNPM("web")
			r.run(0, "build")
			r.serverless(c, framework, ".", "package", "--stage", framework)
			if got := changed(t, first, r.template(".").versions()); !slices.Equal(got, []string{"node"}) {
				t.Errorf("with another pin of node, new versions of %q", got)
			}
		})
	}
}

// sharedByARN has a second service use a version of a layer of the first.
func (r *runner) sharedByARN(c *cloud, framework string) {
	r.t.Helper()
	arn := c.layer("shop-" + framework + "-CommonLambdaLayer").LatestMatchingVersion.LayerVersionArn
	r.env = []string{"COMMON_LAYER=" + arn}
	r.serverless(c, framework, "consumer", "package")
	r.env = nil
	if got := r.template("consumer").Resources["MainLambdaFunction"].Properties.Layers; len(got) != 1 || got[0] != any(arn) {
		r.t.Errorf("the other service's function has the layers %v, not %s", got, arn)
	}
}
