//go:build e2e

package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/runtimes"
)

// pnpmWatchdog ends a test that hangs.
const pnpmWatchdog = 10 * time.Minute

func pnpmEngine(t *testing.T) *buildkit.Engine {
	t.Helper()
	address := os.Getenv("BUILDKIT_HOST")
	if address == "" {
		t.Fatal("BUILDKIT_HOST is not set")
	}
	return &buildkit.Engine{Address: address, CABundle: "/etc/ssl/certs/ca-certificates.crt"}
}

// TestPnpmContainer installs projects twice in a container, with other
// circumstances: the bytes are equal, the machine code is the target's, and
// each package that the project asks for can be required in the runtime's image
// by the search path that Lambda has.
func TestPnpmContainer(t *testing.T) {
	projects := map[string]func(t *testing.T) (dir, member string){
		"example": func(*testing.T) (string, string) { return "../../testdata/examples/image-api", "services/images" },
		"old lock": func(t *testing.T) (string, string) {
			return lockedBy(t, "8.15.9", "isolated")
		},
		"hoisted": func(t *testing.T) (string, string) {
			return lockedBy(t, "9.15.9", "hoisted")
		},
	}
	for _, name := range slices.Sorted(maps.Keys(projects)) {
		t.Run(name, func(t *testing.T) {
			dir, member := projects[name](t)
			for _, arch := range runtimes.Arches() {
				t.Run(string(arch), func(t *testing.T) { testPnpmContainer(t, dir, member, arch) })
			}
		})
	}
}

func testPnpmContainer(t *testing.T, dir, member string, arch runtimes.Arch) {
	target := nodeTarget(t, "nodejs22.x", arch)
	target.Path = member
	r := pinnedPnpm(t, dir, target)
	if r.Container == nil {
		t.Fatalf("needs %v", r.Needs)
	}
	first, again := r, r
	again.Container = withSteps(r.Container, func(s runtimes.Step) runtimes.Step {
		s.Env = append(slices.Clone(s.Env), "TZ=Asia/Tokyo", "LANG=de_DE.UTF-8")
		s.Args = append([]string{"/bin/sh", "-c", `umask 077 && exec "$@"`, "sh"}, s.Args...)
		return s
	})
	if arch == runtimes.X86_64 {
		first.Container = withRequire(r, directsOf(t, dir, member))
	}
	e := pnpmEngine(t)
	want := pnpmTree(t, e, first)
	e.NoCache = true // the store of packages is then empty, too
	got := pnpmTree(t, e, again)
	if len(want) < 50 {
		t.Fatalf("only %d files", len(want))
	}
	for _, name := range slices.Sorted(maps.Keys(merged(want, got))) {
		if want[name] != got[name] {
			t.Errorf("%s: %s, and the second time %s", name, want[name], got[name])
		}
	}
	t.Logf("%d files equal", len(got))
}

// withSteps is a container whose steps are changed.
func withSteps(c *runtimes.Container, change func(runtimes.Step) runtimes.Step) *runtimes.Container {
	changed := *c
	changed.Steps = nil
	for _, s := range c.Steps {
		changed.Steps = append(changed.Steps, change(s))
	}
	return &changed
}

// withRequire is r's container with one more step, which requires packages in
// the runtime's image as a function does that has the layer.
func withRequire(r runtimes.Recipe, names []string) *runtimes.Container {
	script := `
const { symlinkSync } = require("node:fs");
const { createRequire } = require("node:module");
symlinkSync("/layer", "/opt/nodejs");
const own = createRequire("/var/task/index.js");
for (const name of process.argv.slice(1)) {
  own(name);
  console.log("required " + name);
}`
	c := *r.Container
	c.Steps = append(slices.Clone(c.Steps), runtimes.Step{
		Name: "require",
		Args: append([]string{r.Target.Runtime.Interpreter, "-e", script}, names...),
		Env:  stepEnv("NODE_PATH=/opt/nodejs/node22/node_modules:/opt/nodejs/node_modules"),
	})
	return &c
}

// directsOf are the packages that a project asks for, but for those that have
// no place on the target.
func directsOf(t *testing.T, dir, member string) []string {
	t.Helper()
	m, err := readManifest(os.DirFS(dir), member)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(m.Dependencies))
}

// pnpmTree installs r and gives the layer's tree: what each file holds.
func pnpmTree(t *testing.T, e *buildkit.Engine, r runtimes.Recipe) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), pnpmWatchdog)
	defer cancel()
	var spool bytes.Buffer
	err := e.Install(ctx, r, &spool, func(u runtimes.Update) {
		if strings.HasPrefix(u.Log, "required") {
			t.Log(u.Log)
		}
	})
	if err != nil {
		var failed *runtimes.InstallError
		if errors.As(err, &failed) {
			t.Log(strings.Join(failed.Lines, "\n"))
		}
		t.Fatal(err)
	}
	files, contents, err := tree.ReadTar(ctx, &spool, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer contents.Close()
	if _, err := (Runtime{}).Normalise(r, files); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, f := range files {
		if f.Mode&fs.ModeSymlink != 0 {
			if strings.HasPrefix(f.Link, "/") {
				t.Errorf("%s is a link to %s", name, f.Link)
			}
			all[name] = "→ " + f.Link
			continue
		}
		body, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = fmt.Sprintf("%v %x", f.Mode, sha256.Sum256(data))
		if strings.Contains(string(data), "/layerbuild/") {
			t.Errorf("%s names a folder of the container", name)
		}
		if arch := machineOf(data); arch != "" && arch != r.Target.Arch && strings.HasSuffix(name, ".node") {
			t.Errorf("%s is for %s", name, arch)
		}
	}
	return all
}

// machineOf is the architecture of an ELF file, "" for what is none.
func machineOf(data []byte) runtimes.Arch {
	if len(data) > 20 && string(data[:4]) == "\x7fELF" {
		return map[byte]runtimes.Arch{62: runtimes.X86_64, 183: runtimes.ARM64}[data[18]]
	}
	return ""
}

// pinnedPnpm reads a project with all that layerbuild.lock would hold for it.
func pinnedPnpm(t *testing.T, dir string, target runtimes.Target) runtimes.Recipe {
	t.Helper()
	digest, err := pnpmEngine(t).ResolveImage(t.Context(), target.Runtime.Image)
	if err != nil {
		t.Fatal(err)
	}
	target.Pins.Images = map[string]string{target.Runtime.Image: digest}
	target.Pins.Tools = map[string]runtimes.Tool{}
	r, err := answeredPnpm(os.DirFS(dir), target)
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range r.Needs {
		q := runtimes.FileRequest{Ecosystem: "npm", Name: need.Package, Version: need.Version}
		files := askRegistry(t, []runtimes.FileRequest{q})[q.Key()]
		target.Pins.Tools[need.Tool] = runtimes.Tool{Version: need.Version, Files: files}
	}
	if r, err = answeredPnpm(os.DirFS(dir), target); err != nil {
		t.Fatal(err)
	}
	return r
}

// answeredPnpm reads a project; the registry has nothing to add.
func answeredPnpm(project fs.FS, target runtimes.Target) (runtimes.Recipe, error) {
	r, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		target.Files = map[string][]runtimes.File{}
		for _, q := range incomplete.Requests {
			target.Files[q.Key()] = []runtimes.File{{Integrity: q.Hashes[0]}}
		}
		r, err = Runtime{}.Recipe(project, target)
	}
	return r, err
}

// lockedBy is a project that a version of pnpm has locked.
func lockedBy(t *testing.T, version, linker string) (dir, member string) {
	t.Helper()
	p := pnpmGenerated{pnpm: version}
	p.files = map[string]string{
		".npmrc": "node-linker=" + linker + "\n",
		"package.json": text(map[string]any{
			"name": "made-up", "version": "1.0.0", "packageManager": "pnpm@" + version,
			"dependencies":    map[string]string{"sharp": "0.33.5", "express": "4.21.1", "react-dom": "18.3.1", "react": "18.3.1", "ms": "1.0.0", "five": "npm:semver@5.7.2"},
			"devDependencies": map[string]string{"typescript": "5.6.3"},
		}),
	}
	dir = t.TempDir()
	p.write(t, dir)
	p.run(t, dir, "install", "--lockfile-only")
	return dir, "."
}
