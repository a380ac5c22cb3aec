//go:build e2e

package node

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// yarnSample has what is awkward: packages for other platforms, an alias,
// nested versions, a peer, a scope, commands, a patch of yarn's own, and a
// member of the workspace with files of its own.
var yarnSample = map[string]string{
	"package.json": `{
		"name": "sample", "version": "1.0.0", "private": true, "workspaces": ["packages/*"],
		"dependencies": {
			"sharp": "0.33.5", "esbuild": "0.21.5", "@hapi/topo": "6.0.2", "react": "18.3.1", "react-dom": "18.3.1",
			"lodash-four": "npm:lodash@4.17.20", "debug": "2.6.9", "semver": "7.6.3", "resolve": "1.22.8", "@sample/lib": "1.2.0"
		},
		"optionalDependencies": {"fsevents": "2.3.3"},
		"devDependencies": {"left-pad": "1.3.0"}
	}`,
	"packages/lib/package.json": `{"name": "@sample/lib", "version": "1.2.0", "main": "main.js", "bin": "run.sh", "files": ["main.js", "run.sh"], "dependencies": {"debug": "4.3.4", "semver": "5.7.2"}}`,
	"packages/lib/main.js":      "exports.versions = [require('debug/package.json').version, require('semver/package.json').version]\n",
	"packages/lib/run.sh":       "#!/bin/sh\n",
	"packages/lib/notes.txt":    "not packed\n",
}

// TestYarn1InContainer installs a project for either architecture, twice, and
// requires every package in Lambda's runtime.
func TestYarn1InContainer(t *testing.T) {
	testYarnInContainer(t, func(dir string) {
		runYarn(t, "yarn1", dir, "install", "--ignore-scripts", "--ignore-engines", "--non-interactive", "--no-bin-links")
	})
}

// TestYarn4InContainer does so with yarn 4.
func TestYarn4InContainer(t *testing.T) {
	testYarnInContainer(t, func(dir string) {
		writeFile(t, dir+"/.yarnrc.yml", "enableScripts: false\nenableTelemetry: false\nnpmRegistryServer: "+npmRegistry(t)+"\n")
		writeFile(t, dir+"/yarn.lock", "")
		runYarn(t, "yarn4", dir, "install", "--mode=update-lockfile")
	})
}

func testYarnInContainer(t *testing.T, lock func(dir string)) {
	dir := t.TempDir()
	generated{files: yarnSample}.write(t, dir)
	lock(dir)
	for _, arch := range runtimes.Arches() {
		t.Run(string(arch), func(t *testing.T) {
			target := nodeTarget(t, "nodejs22.x", arch)
			r := pinnedYarnRecipe(t, dir, target)
			first := layerOf(t, r, false)
			second := layerOf(t, r, true)
			sameTree(t, first, second)
			if _, ok := first["nodejs/node_modules/@sample/lib/notes.txt"]; ok {
				t.Error("the member has files that are not packed")
			}
			for name, file := range first {
				if data, err := file.ReadAll(1 << 20); err == nil && bytes.HasPrefix(data, []byte("\x7fELF")) && elfArch(data) != arch {
					t.Errorf("%s is for another architecture", name)
				}
			}
			requireAll(t, r, arch)
		})
	}
}

func elfArch(data []byte) runtimes.Arch {
	if data[18] == 183 {
		return runtimes.ARM64
	}
	return runtimes.X86_64
}

// pinnedYarnRecipe reads a project with all that the testbed and the registry
// say.
func pinnedYarnRecipe(t *testing.T, dir string, target runtimes.Target) runtimes.Recipe {
	t.Helper()
	digest, err := yarnEngine(t).ResolveImage(t.Context(), target.Runtime.Image)
	if err != nil {
		t.Fatal(err)
	}
	target.Pins.Images = map[string]string{target.Runtime.Image: digest}
	target.Pins.Tools = map[string]runtimes.Tool{}
	project := withoutModules{os.DirFS(dir)}
	r := yarnRecipe(t, project, target)
	for _, need := range r.Needs {
		q := runtimes.FileRequest{Ecosystem: "npm", Name: need.Package, Version: need.Version, Indexes: r.Target.Indexes}
		target.Pins.Tools[need.Tool] = runtimes.Tool{Version: need.Version, Files: askRegistry(t, []runtimes.FileRequest{q})[q.Key()]}
	}
	r = yarnRecipe(t, project, target)
	if r.Container == nil {
		t.Fatalf("needs %v", r.Needs)
	}
	return r
}

func yarnEngine(t *testing.T) *buildkit.Engine {
	t.Helper()
	address := os.Getenv("BUILDKIT_HOST")
	if address == "" {
		t.Fatal("BUILDKIT_HOST is not set")
	}
	return &buildkit.Engine{Address: address, CABundle: "/etc/ssl/certs/ca-certificates.crt"}
}

// layerOf installs a recipe and normalises what comes of it.
func layerOf(t *testing.T, r runtimes.Recipe, noCache bool) runtimes.Tree {
	t.Helper()
	e := yarnEngine(t)
	e.NoCache = noCache
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var spool bytes.Buffer
	if err := e.Install(ctx, r, &spool, func(u runtimes.Update) {
		if u.Log != "" {
			t.Logf("%s | %s", u.Item, u.Log)
		}
	}); err != nil {
		var failed *runtimes.InstallError
		if errors.As(err, &failed) {
			t.Log(strings.Join(failed.Lines, "\n"))
		}
		t.Fatal(err)
	}
	tree := runtimes.Tree{}
	for tr := tar.NewReader(&spool); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(h.Name, "./")
		switch h.Typeflag {
		case tar.TypeReg:
			data, err := io.ReadAll(tr)
			if err != nil {
				t.Fatal(err)
			}
			tree[name] = runtimes.NewTreeFile(data, h.Mode&0o111 != 0)
		case tar.TypeSymlink:
			tree[name] = runtimes.TreeFile{Mode: os.ModeSymlink | 0o777, Link: h.Linkname}
		}
	}
	if _, err := (Runtime{}).Normalise(r, tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

func sameTree(t *testing.T, a, b runtimes.Tree) {
	t.Helper()
	if len(a) < 100 || !slices.Equal(a.Paths(), b.Paths()) {
		t.Fatalf("%d and %d files", len(a), len(b))
	}
	for name, file := range a {
		if other := b[name]; other.SHA256 != file.SHA256 || other.Mode != file.Mode || other.Link != file.Link {
			t.Errorf("%s differs", name)
		}
		if file.Link != "" {
			t.Errorf("%s is a link to %s", name, file.Link)
		}
		if base := name[strings.LastIndexByte(name, '/')+1:]; strings.Contains(name, "/.bin/") || strings.HasPrefix(base, ".yarn-") {
			t.Errorf("%s is in the layer", name)
		}
	}
	t.Logf("%d files, equal twice", len(a))
}

// requireAll requires each package of the root in the runtime's image, on the
// architecture itself.
func requireAll(t *testing.T, r runtimes.Recipe, arch runtimes.Arch) {
	t.Helper()
	names := []string{}
	var root manifest
	if err := json.Unmarshal([]byte(yarnSample["package.json"]), &root); err != nil {
		t.Fatal(err)
	}
	names = append(names, sortedKeys(root.Dependencies)...)
	list, _ := json.Marshal(names)
	script := fmt.Sprintf(`
const { createRequire } = require('module');
const need = createRequire('/layer/x.js');
for (const name of %s) {
	need(name);
	console.log('required ' + name);
}
if (need('@sample/lib').versions.join() !== '4.3.4,5.7.2') throw new Error(need('@sample/lib').versions);
need('esbuild').transformSync('let a: number = 1', { loader: 'ts' });
`, list)
	container := *r.Container
	container.Arch = arch
	container.Steps = append(slices.Clone(container.Steps), runtimes.Step{
		Name:   "require all packages",
		Args:   []string{r.Target.Runtime.Interpreter, "/layerbuild/require.js"},
		Env:    stepEnv(),
		Inputs: []runtimes.InlineFile{{Path: "/layerbuild/require.js", Data: []byte(script)}},
	})
	r.Container = &container
	layerOf(t, r, false)
}
