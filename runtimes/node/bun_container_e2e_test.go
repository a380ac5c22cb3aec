//go:build e2e

package node

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestBunContainer installs projects twice in a container, with other
// circumstances: the bytes are equal, the machine code is the target's, and each
// package that the project asks for can be required in the runtime's image by
// the search path that Lambda has.
func TestBunContainer(t *testing.T) {
	projects := map[string]func(t *testing.T) (dir, member string){
		"example": func(*testing.T) (string, string) { return "../../testdata/examples/order-events", "functions/events" },
		"made up": patchedByBun,
	}
	for _, name := range slices.Sorted(maps.Keys(projects)) {
		t.Run(name, func(t *testing.T) {
			dir, member := projects[name](t)
			testBunContainer(t, dir, member, runtimes.X86_64)
			if name == "example" {
				testBunContainer(t, dir, member, runtimes.ARM64)
			}
		})
	}
}

func testBunContainer(t *testing.T, dir, member string, arch runtimes.Arch) {
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
	e.NoCache = true // the cache of packages is then empty, too
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

// TestBunWrittenProject has the real bun install what is written for it, and
// holds the set against that of the original: bun finds each package, and
// nothing that its lock file does not hold.
func TestBunWrittenProject(t *testing.T) {
	for _, seed := range []int{0, 1} {
		p := generateBun(seed)
		dir := t.TempDir()
		p.write(t, dir)
		runBun(t, dir, "install", "--lockfile-only", "--ignore-scripts")
		target := nodeTarget(t, "nodejs22.x", runtimes.X86_64)
		target.Path = p.member
		r := pinnedPnpm(t, dir, target)
		written := t.TempDir()
		for _, f := range r.Container.Steps[1].Inputs {
			name, err := filepath.Rel(projectFolder, f.Path)
			if err != nil || !filepath.IsLocal(name) {
				continue
			}
			file := filepath.Join(written, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			// No registry is configured: bun knows where packages are.
			text := regexp.MustCompile(`"`+whereBun+`[^"]*"`).ReplaceAll(f.Data, []byte(`""`))
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		runBun(t, written, "install", "--frozen-lockfile", "--production", "--ignore-scripts", "--backend=copyfile")
		want := bunTree(t, written)
		for _, n := range bunClosureOf(t, dir, target) {
			name := n.name + "@" + n.version
			if !want[name] {
				t.Errorf("%d: %s is not installed", seed, name)
			}
			defer delete(want, name)
		}
		if len(want) == 0 {
			t.Errorf("%d: nothing was installed", seed)
		}
	}
}

// patchedByBun is a project that bun has locked: with a patch, a folder and a
// tarball of its own, an alias, and a package that brings others in its tarball.
func patchedByBun(t *testing.T) (dir, member string) {
	t.Helper()
	dir = t.TempDir()
	p := generated{files: map[string]string{
		"package.json": text(map[string]any{
			"name": "made-up", "version": "1.0.0",
			"dependencies": map[string]string{
				"folder": "file:./folder", "ball": "file:./vendor/ball-2.0.0.tgz", "esbuild": "0.24.0", "is-odd": "3.0.1",
				"five": "npm:semver@5.7.2", "ms": "1.0.0", "debug": "4.3.7", "react-dom": "18.3.1",
			},
			"optionalDependencies": map[string]string{"bundling": "npm:npm@10.8.0"},
			"patchedDependencies":  map[string]string{"is-odd@3.0.1": "patches/is-odd.patch"},
			"devDependencies":      map[string]string{"typescript": "5.6.3"},
		}),
		"patches/is-odd.patch": "diff --git a/index.js b/index.js\n--- a/index.js\n+++ b/index.js\n@@ -1,3 +1,4 @@\n+process.patched = true;\n /*!\n  * is-odd <https://github.com/jonschlinkert/is-odd>\n  *\n",
		"folder/package.json":  text(map[string]any{"name": "folder", "version": "3.0.0", "main": "index.js", "dependencies": map[string]string{"ms": "2.1.2"}}),
		"folder/index.js":      "require('is-odd')\nif (!process.patched) throw new Error('is-odd is not patched')\nmodule.exports = require('ms')('1h')\n",
		"package/package.json": text(map[string]any{"name": "ball", "version": "2.0.0", "main": "index.js", "dependencies": map[string]string{"is-number": "7.0.0"}}),
		"package/index.js":     "module.exports = require('is-number')(1)\n",
	}}
	p.write(t, dir)
	if err := os.Mkdir(filepath.Join(dir, "vendor"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-C", dir, "-czf", filepath.Join(dir, "vendor/ball-2.0.0.tgz"), "package").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runBun(t, dir, "install", "--lockfile-only")
	return dir, "."
}
