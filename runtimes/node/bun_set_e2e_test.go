//go:build e2e

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSetEqualsBun generates projects, has the real bun lock them, and holds the
// packages that are read from the lock against those that bun installs from it
// for the same platform.
func TestSetEqualsBun(t *testing.T) {
	for seed := range projects(t, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			p := generateBun(seed)
			dir := t.TempDir()
			p.write(t, dir)
			runBun(t, dir, "install", "--lockfile-only", "--ignore-scripts")
			for _, arch := range runtimes.Arches() {
				compareWithBun(t, dir, p, arch)
			}
		})
	}
}

func compareWithBun(t *testing.T, dir string, p bunGenerated, arch runtimes.Arch) {
	t.Helper()
	target := nodeTarget(t, "nodejs22.x", arch)
	target.Path = p.member
	installed := t.TempDir()
	if err := os.CopyFS(installed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	args := []string{"install", "--frozen-lockfile", "--production", "--ignore-scripts", "--linker=hoisted", "--os=linux", "--cpu=" + targetCPU(arch), "--libc=glibc"}
	if p.member != "." {
		args = append(args, "--filter", "made-up")
	}
	runBun(t, installed, args...)
	want := bunTree(t, installed)
	delete(want, "made-up@1.0.0") // the member itself, which bun links
	got := map[string]bool{}
	for _, n := range bunClosureOf(t, dir, target) {
		got[n.name+"@"+n.version] = true
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !want[name] {
			t.Errorf("%s: %s: bun does not install it", arch, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !got[name] {
			t.Errorf("%s: only bun installs %s", arch, name)
		}
	}
	if t.Failed() {
		t.Logf("%s", p.files["package.json"])
	}
	t.Logf("%s, %s: %d packages equal", arch, p.member, len(got))
}

// bunTree lists the packages of a tree that bun installed, the members of a
// workspace included, whose folders are linked.
func bunTree(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found, seen := map[string]bool{}, map[string]bool{}
	var look func(modules string)
	look = func(modules string) {
		entries, err := os.ReadDir(modules)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			folder, err := filepath.EvalSymlinks(filepath.Join(modules, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case strings.HasPrefix(e.Name(), "."), seen[folder]:
				continue
			case strings.HasPrefix(e.Name(), "@"):
				look(folder)
				continue
			}
			seen[folder] = true
			data, err := os.ReadFile(filepath.Join(folder, "package.json"))
			if err != nil {
				t.Fatal(err)
			}
			var m manifest
			if err := json.Unmarshal(data, &m); err != nil {
				t.Fatal(err)
			}
			found[m.Name+"@"+m.Version] = true
			look(filepath.Join(folder, "node_modules"))
		}
	}
	look(filepath.Join(dir, "node_modules"))
	return found
}

// bunClosureOf reads what a project installs, as readBun does.
func bunClosureOf(t *testing.T, dir string, target runtimes.Target) map[string]*npmNode {
	t.Helper()
	project := os.DirFS(dir)
	l, doc, err := readBunLock(project, "bun.lock")
	if err != nil {
		t.Fatal(err)
	}
	check := bunCheck{lock: l, doc: doc}
	l.check = check.project
	c := &npmClosure{lock: l, target: target, exclude: newExcluder(target)}
	if err := c.findRoot(project); err != nil {
		t.Fatal(err)
	}
	placed, err := c.complete()
	if err != nil {
		t.Fatal(err)
	}
	b := &bunInstall{closure: c, project: project, placed: placed}
	if err := b.readFolders(check); err != nil {
		t.Fatal(err)
	}
	return placed
}

// bunGenerated is a project made up by chance.
type bunGenerated struct {
	generated
	member string // that is installed
}

// generateBun makes up a project: one alone, with folders and tarballs of its
// own, or a workspace with catalogs and members that need each other; peers,
// aliases, overrides and packages at several versions.
func generateBun(seed int) bunGenerated {
	r := rand.New(rand.NewPCG(uint64(seed), 20241103))
	p := bunGenerated{member: "."}
	p.files = map[string]string{}
	unused := slices.Clone(pnpmPool)
	r.Shuffle(len(unused), func(i, j int) { unused[i], unused[j] = unused[j], unused[i] })
	some := func(least, most int) map[string]string {
		n := least + r.IntN(most-least+1)
		list := map[string]string{}
		for _, spec := range unused[:n] {
			name, version := splitAlias(spec)
			list[name] = version
		}
		unused = unused[n:]
		return list
	}
	own := map[string]any{
		"name": "made-up", "version": "1.0.0", "private": true, "dependencies": some(4, 8), "devDependencies": some(2, 4),
		"optionalDependencies": map[string]string{"fsevents": "2.3.3", "@rollup/rollup-linux-arm64-gnu": "4.24.2"},
	}
	dependencies := own["dependencies"].(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if r.IntN(3) == 0 {
			dependencies[name] = aliases[name]
		}
	}
	if seed < 2 { // both at once: the facts that everybody has
		dependencies["sharp"], dependencies["esbuild"], dependencies["react-dom"] = "0.33.5", "0.24.0", "18.3.1"
	}
	overrides := map[string]string{"iconv-lite": "0.6.3"}
	if seed%2 == 1 {
		own["overrides"] = overrides
		dependencies["folder"] = "file:./folder"
		p.files["folder/package.json"] = text(map[string]any{"name": "folder", "version": "3.0.0", "dependencies": map[string]string{"lodash": "4.17.20"}})
		p.files["package.json"] = text(own)
		return p
	}
	p.member = "services/api"
	root := map[string]any{"name": "root", "private": true, "overrides": overrides, "devDependencies": some(1, 2), "workspaces": map[string]any{
		"packages": []string{"services/*", "libs/*"}, "catalog": map[string]string{"react": "18.3.1"}, "catalogs": map[string]any{"old": map[string]string{"semver": "6.3.1"}},
	}}
	if seed%4 == 0 {
		root["dependencies"] = map[string]string{"ms": "2.0.0", "semver": "5.7.2"}
	}
	p.files["package.json"] = text(root)
	dependencies["@made-up/one"], dependencies["react"], dependencies["semver"] = "workspace:*", "catalog:", "catalog:old"
	p.files["services/api/package.json"] = text(own)
	p.files["services/other/package.json"] = text(map[string]any{"name": "other", "version": "1.0.0", "dependencies": some(2, 3)})
	p.files["libs/one/package.json"] = text(map[string]any{
		"name": "@made-up/one", "version": "1.1.0", "dependencies": map[string]string{"two": "workspace:^", "debug": "2.6.9"},
		"peerDependencies": map[string]string{"react": "*"}, "devDependencies": some(0, 1),
	})
	p.files["libs/two/package.json"] = text(map[string]any{"name": "two", "version": "2.0.0", "dependencies": some(0, 2)})
	return p
}

func runBun(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(npmPath(t)), "bun"), args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("bun %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
