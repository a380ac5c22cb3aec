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
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSetEqualsPnpm generates projects, has the real pnpm lock them, and holds
// the packages that are read from the lock, each with its peers, against those
// that the same pnpm installs from the original lock for the same platform.
func TestSetEqualsPnpm(t *testing.T) {
	for seed := range projects(t, 3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := generatePnpm(seed)
			dir := t.TempDir()
			p.write(t, dir)
			p.run(t, dir, "install", "--lockfile-only", "--ignore-scripts")
			for _, arch := range runtimes.Arches() {
				compareWithPnpm(t, dir, p, arch)
			}
		})
	}
}

func compareWithPnpm(t *testing.T, dir string, p pnpmGenerated, arch runtimes.Arch) {
	t.Helper()
	target := nodeTarget(t, "nodejs22.x", arch)
	target.Path = p.member
	c := pnpmClosureOf(t, dir, target)
	got := map[string]bool{}
	for _, n := range c.nodes {
		if n.folder == "" {
			got[n.name+"@"+n.version+peersOf(n.id)] = true
		}
	}
	installed := t.TempDir()
	if err := os.CopyFS(installed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	p.supported(t, installed, arch)
	// With dedupe-peer-dependents, pnpm 8 installs every member, whatever the
	// filter says.
	args := []string{"install", "--frozen-lockfile", "--prod", "--ignore-scripts", "--config.node-linker=isolated", "--config.dedupe-peer-dependents=false"}
	if p.member != "." {
		args = append(args, "--filter", "made-up...")
	}
	p.run(t, installed, args...)
	want := currentPnpmSet(t, installed)
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !want[name] {
			t.Errorf("%s: %s: pnpm does not install it", arch, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !got[name] {
			t.Errorf("%s: only pnpm installs %s", arch, name)
		}
	}
	if t.Failed() {
		t.Logf("%+v", p)
	}
	t.Logf("%s, pnpm %s, %s: %d packages equal", arch, p.pnpm, p.member, len(got))
}

// peersOf is the end of an id, with what the package is installed beside.
func peersOf(id string) string {
	if i := strings.IndexByte(id, '('); i >= 0 {
		return strings.ReplaceAll(id[i:], "(/", "(")
	}
	return ""
}

// currentPnpmSet lists what pnpm has installed, by the lock file that it leaves
// of that. What lies in its store and nothing leads to does not count: pnpm puts
// there what only a package needs that was passed over, where another member of
// the workspace needs it, too.
func currentPnpmSet(t *testing.T, installed string) map[string]bool {
	t.Helper()
	store := filepath.Join(installed, "node_modules/.pnpm")
	data, err := os.ReadFile(filepath.Join(store, "lock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := parsePnpmLock("lock.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Sorted(maps.Keys(l.doc.Snapshots))
	if l.old {
		ids = slices.Sorted(maps.Keys(l.doc.Packages))
	}
	folders := linkedFolders(t, installed, store)
	all := map[string]bool{}
	for _, id := range ids {
		n, err := l.node(id)
		if err != nil {
			t.Fatal(err)
		}
		if n.folder != "" {
			continue
		}
		name := strings.ReplaceAll(n.name, "/", "+") + "@"
		if !slices.ContainsFunc(slices.Sorted(maps.Keys(folders)), func(f string) bool {
			return strings.HasPrefix(f, name) && holdsVersion(t, path.Join(store, f, "node_modules", n.name), n.version)
		}) {
			continue
		}
		all[n.name+"@"+n.version+peersOf(id)] = true
	}
	if len(all) > len(folders) {
		t.Errorf("%d packages in %d folders", len(all), len(folders))
	}
	return all
}

// linkedFolders are those of the store that a link leads to, but for the links
// by which pnpm makes everything visible to everything.
func linkedFolders(t *testing.T, installed, store string) map[string]bool {
	t.Helper()
	folders := map[string]bool{}
	err := filepath.WalkDir(installed, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 || strings.HasPrefix(name, filepath.Join(store, "node_modules")+"/") {
			return err
		}
		target, err := filepath.EvalSymlinks(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if below, ok := strings.CutPrefix(target, store+"/"); ok {
			folder, _, _ := strings.Cut(below, "/")
			folders[folder] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

func holdsVersion(t *testing.T, folder, version string) bool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "package.json"))
	if err != nil {
		return false
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m.Version == version
}

// pnpmClosureOf reads what a project installs, as readPnpm does.
func pnpmClosureOf(t *testing.T, dir string, target runtimes.Target) *pnpmClosure {
	t.Helper()
	project := os.DirFS(dir)
	l, err := readPnpmLock(project, "pnpm-lock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := &pnpmClosure{lock: l, project: project, target: target, exclude: newExcluder(target)}
	if c.settings, err = readPnpmSettings(project, l.dir); err != nil {
		t.Fatal(err)
	}
	if err := c.findRoot(); err != nil {
		t.Fatal(err)
	}
	if err := c.find(); err != nil {
		t.Fatal(err)
	}
	return c
}

// pnpmGenerated is a project made up by chance.
type pnpmGenerated struct {
	generated
	pnpm   string // the version that locks it
	member string // that is installed
	linker string
}

// pnpmVersions are those that lock the projects, all of which the registry's
// package brings.
var pnpmVersions = []string{"9.15.9", "10.34.9", "8.15.9", "10.34.9", "9.15.9"}

// generatePnpm makes up a project: one alone, or a workspace with catalogs,
// members that link each other, peers, aliases and overrides.
func generatePnpm(seed int) pnpmGenerated {
	r := rand.New(rand.NewPCG(uint64(seed), 20241102))
	p := pnpmGenerated{pnpm: pnpmVersions[seed%len(pnpmVersions)], member: ".", linker: "isolated"}
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
		"name": "made-up", "version": "1.0.0", "private": true,
		"dependencies": some(4, 8), "devDependencies": some(1, 3), "optionalDependencies": map[string]string{"fsevents": "2.3.3", "@rollup/rollup-linux-arm64-gnu": "4.24.2"},
	}
	dependencies := own["dependencies"].(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if r.IntN(3) == 0 {
			dependencies[name] = aliases[name]
		}
	}
	if seed == 0 || seed == 1 { // both at once: the facts that everybody has
		dependencies["sharp"], dependencies["esbuild"] = "0.33.5", "0.24.0"
	}
	if seed%5 == 3 {
		p.linker = "hoisted"
		p.files[".npmrc"] = "node-linker=hoisted\n"
	}
	pnpm := map[string]any{"overrides": map[string]string{"ms": "2.1.2"}}
	if seed%2 == 1 {
		own["pnpm"] = pnpm
		p.files["package.json"] = text(own)
		return p
	}
	p.member = "services/api"
	p.files["package.json"] = text(map[string]any{"name": "root", "private": true, "pnpm": pnpm, "devDependencies": some(1, 2)})
	p.files["pnpm-workspace.yaml"] = "packages: ['services/*', 'libs/**']\n"
	dependencies["@made-up/one"] = "workspace:*"
	if p.pnpm[0] != '8' {
		p.files["pnpm-workspace.yaml"] += "catalog:\n  react: 18.3.1\ncatalogs:\n  old:\n    semver: 6.3.1\n"
		dependencies["react"], dependencies["semver"] = "catalog:", "catalog:old"
	} else {
		dependencies["react"] = "18.3.1"
	}
	p.files["services/api/package.json"] = text(own)
	p.files["services/other/package.json"] = text(map[string]any{"name": "other", "version": "1.0.0", "dependencies": some(2, 3)})
	p.files["libs/one/package.json"] = text(map[string]any{
		"name": "@made-up/one", "version": "1.1.0", "dependencies": map[string]string{"two": "workspace:^", "debug": "2.6.9"},
		"peerDependencies": map[string]string{"react": "*"}, "devDependencies": some(0, 1),
	})
	p.files["libs/deep/two/package.json"] = text(map[string]any{"name": "two", "version": "2.0.0", "dependencies": some(0, 2)})
	return p
}

// pnpmPool are packages at fixed versions: pure and native ones, with scopes,
// peers, optional parts for many platforms, bundled parts, and old ones.
var pnpmPool = strings.Fields(`
	@apollo/server@4.11.0 @emotion/react@11.13.3 @napi-rs/canvas@0.1.58 @node-rs/argon2@1.8.3 @swc/core@1.7.40 argon2@0.41.1 axios@1.7.7
	better-sqlite3@11.5.0 chokidar@3.6.0 esbuild@0.24.0 express@4.21.1 fastify@5.0.0 graphql@16.9.0 knex@3.1.0 lightningcss@1.27.0
	lmdb@3.1.3 mongodb@6.10.0 msgpackr@1.11.0 mysql2@3.11.3 npm-run-all@4.1.5 pg@8.13.0 pino@9.5.0 react-dom@18.3.1 request@2.88.2
	rollup@4.24.2 sharp@0.33.5 styled-components@6.1.13 ts-node@10.9.2 typeorm@0.3.20 use-sync-external-store@1.2.2 uuid@11.0.2
	winston@3.15.0 ws@8.18.0 yargs@17.7.2 left-pad@1.3.0 lodash@4.17.21 debug@4.3.7 chokidar@2.1.8 zustand@5.0.0
`)

// supported tells pnpm which platform it installs for.
func (p pnpmGenerated) supported(t *testing.T, dir string, arch runtimes.Arch) {
	t.Helper()
	file := filepath.Join(dir, "package.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	m["pnpm"].(map[string]any)["supportedArchitectures"] = map[string][]string{"os": {targetOS}, "cpu": {targetCPU(arch)}, "libc": {targetLibc}}
	if err := os.WriteFile(file, []byte(text(m)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs the project's pnpm.
func (p pnpmGenerated) run(t *testing.T, dir string, args ...string) {
	t.Helper()
	npm := npmPath(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(filepath.Dir(npm), "node"), append([]string{pnpmTool(t, p.pnpm)}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(npm)+":"+os.Getenv("PATH"), "CI=true")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("pnpm %s %s: %v\n%s", p.pnpm, strings.Join(args, " "), err, out)
	}
}

// pnpmTool brings a version of pnpm, kept between runs.
func pnpmTool(t *testing.T, version string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "layerbuild-testbed", "pnpm-"+version)
	script := filepath.Join(dir, "node_modules/pnpm/bin/pnpm.cjs")
	if _, err := os.Stat(script); err == nil {
		return script
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	runNPM(t, dir, "install", "--no-save", "--prefix", dir, "--ignore-scripts", "pnpm@"+version)
	return script
}
