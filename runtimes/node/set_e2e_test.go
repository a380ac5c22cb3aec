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
	"strconv"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSetEqualsNPM generates projects, has the real npm lock them in each of
// its versions, and holds the packages that are read from the lock, and their
// places, against the tree that `npm ci` makes of it for the same platform.
//
// LAYERBUILD_SOAK_PROJECTS names how many projects there are.
func TestSetEqualsNPM(t *testing.T) {
	for seed := range projects(t, 3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := generate(rand.New(rand.NewPCG(uint64(seed), 20241101)), []int{3, 1, 2, 3, 3}[seed%5])
			dir := t.TempDir()
			p.write(t, dir)
			runNPM(t, dir, "install", "--package-lock-only", "--before="+before, "--ignore-scripts", "--lockfile-version="+fmt.Sprint(p.version))
			for _, arch := range runtimes.Arches() {
				compareWithNPM(t, dir, p, arch)
			}
		})
	}
}

// projects is how many generated projects a test compares: few, or as many as
// LAYERBUILD_SOAK_PROJECTS says.
func projects(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("LAYERBUILD_SOAK_PROJECTS")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("LAYERBUILD_SOAK_PROJECTS: %v", err)
	}
	return n
}

// before is when resolution is cut off.
const before = "2025-06-01"

func compareWithNPM(t *testing.T, dir string, p generated, arch runtimes.Arch) {
	t.Helper()
	target := nodeTarget(t, "nodejs20.x", arch)
	r, err := recipeOf(t, os.DirFS(dir), target)
	copied := t.TempDir()
	if e := os.CopyFS(copied, os.DirFS(dir)); e != nil {
		t.Fatal(e)
	}
	if p.version == 1 {
		// npm cannot always install from such a lock that it wrote itself: it
		// misses packages of other platforms. The same project in a newer one.
		if err := os.Remove(filepath.Join(copied, "package-lock.json")); err != nil {
			t.Fatal(err)
		}
		runNPM(t, copied, "install", "--package-lock-only", "--before="+before, "--ignore-scripts")
	}
	runNPM(t, copied, "ci", "--omit=dev", "--ignore-scripts", "--no-bin-links", "--os=linux", "--cpu="+targetCPU(arch), "--libc=glibc")
	want := treeOf(t, copied)
	var missing *runtimes.InputError
	if errors.As(err, &missing) && strings.Contains(err.Error(), "nothing to install") && len(want) == 0 {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, pkg := range r.Packages {
		for _, place := range pkg.Places {
			got[place] = pkg.Name + "@" + pkg.Version
		}
	}
	var lock struct {
		Packages map[string]struct{ Dev, Optional bool }
	}
	data, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	for _, place := range slices.Sorted(maps.Keys(got)) {
		// An optional peer that only development asks for by itself is installed,
		// and npm marks the binaries that it needs as development's: it is then of
		// no use. Here they are installed with it.
		if mark := lock.Packages[place]; want[place] == "" && mark.Dev && mark.Optional {
			continue
		}
		if want[place] != got[place] {
			t.Errorf("%s: %s: %s, npm has %q", arch, place, got[place], want[place])
		}
	}
	for _, place := range slices.Sorted(maps.Keys(want)) {
		// The lock file that this npm writes says nothing of libc, so that it
		// installs what is for musl, too.
		if strings.Contains(place, "-musl") || strings.Contains(place, "-linuxmusl") {
			continue
		}
		if got[place] == "" {
			t.Errorf("%s: %s: only npm has %s", arch, place, want[place])
		}
	}
	if t.Failed() {
		t.Logf("%s:\n%s", dir, p.files["package.json"])
	}
	t.Logf("%s, lock of version %d: %d places equal", arch, p.version, len(got))
}

// treeOf lists the packages of an installed tree, by place, but for those which
// the tarball of another one brought.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	var hidden npmDocument
	if data, err := os.ReadFile(filepath.Join(dir, "node_modules/.package-lock.json")); err == nil {
		if err := json.Unmarshal(data, &hidden); err != nil {
			t.Fatal(err)
		}
	}
	links := map[string]string{} // folders of members → where they are linked
	look := func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		place, _ := filepath.Rel(dir, name)
		at := place
		for folder, link := range links {
			if below, ok := strings.CutPrefix(place, folder+"/"); ok {
				at = link + "/" + below
			}
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := filepath.EvalSymlinks(name)
			if err != nil {
				return err
			}
			folder, _ := filepath.Rel(dir, target)
			links[folder] = place
		}
		if packageFolder(place+"/x") != place || strings.HasSuffix(place, "node_modules") || strings.Contains(place, "/.") || !validName(filepath.Base(place)) {
			return nil
		}
		if strings.HasPrefix(filepath.Base(place), "@") {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(name, "package.json"))
		if err != nil {
			return nil // a folder in a bundle, or of a scope
		}
		if e := hidden.Packages[place]; e.InBundle && e.Resolved == "" {
			return nil
		}
		var m manifest
		if err := json.Unmarshal(data, &m); err != nil {
			return err
		}
		found[at] = m.Name + "@" + m.Version
		return nil
	}
	if err := filepath.WalkDir(filepath.Join(dir, "node_modules"), look); err != nil {
		t.Fatal(err)
	}
	for folder := range links { // what a member has below its own folder
		if err := filepath.WalkDir(filepath.Join(dir, folder, "node_modules"), look); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// npmPath is the npm of the testbed, or else the machine's.
func npmPath(t *testing.T) string {
	t.Helper()
	tools := os.Getenv("LAYERBUILD_TEST_TOOLS")
	if tools == "" {
		tools = filepath.Join(os.Getenv("HOME"), ".cache/layerbuild-testbed/tools")
	}
	if npm := filepath.Join(tools, "node/bin/npm"); exec.Command(npm, "--version").Run() == nil {
		return npm
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatal("there is no npm: LAYERBUILD_TEST_TOOLS must name the folder of the testbed's tools")
	}
	return npm
}

func runNPM(t *testing.T, dir string, args ...string) string {
	t.Helper()
	npm := npmPath(t)
	cmd := exec.CommandContext(t.Context(), npm, append(args, "--no-audit", "--no-fund", "--no-update-notifier")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(npm)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("npm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// recipeOf reads a project, and asks the registry for what its lock does not say.
func recipeOf(t *testing.T, project fs.FS, target runtimes.Target) (runtimes.Recipe, error) {
	t.Helper()
	r, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		target.Files = askRegistry(t, incomplete.Requests)
		r, err = Runtime{}.Recipe(project, target)
	}
	return r, err
}

func nodeTarget(t *testing.T, name string, arch runtimes.Arch) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup(name)
	if !ok {
		t.Fatalf("%s is unknown", name)
	}
	return runtimes.Target{Runtime: info, Arch: arch, Path: "."}
}

// generated is a project made up by chance.
type generated struct {
	version int // of its lock file
	files   map[string]string
}

func (p generated) write(t *testing.T, dir string) {
	t.Helper()
	for name, text := range p.files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pool are packages at fixed versions, all of them released long before the
// date at which resolution is cut off: pure and native ones, with scopes, peers,
// optional parts for many platforms, bundled parts, and old ones.
var pool = strings.Fields(`
	@apollo/server@4.11.0 @aws-sdk/client-sts@3.679.0 @img/sharp-linux-arm64@0.33.5? @napi-rs/canvas@0.1.58 @node-rs/argon2@1.8.3 @prisma/client@5.21.1
	@swc/core@1.7.40 argon2@0.41.1 axios@1.7.7 bcrypt@5.1.1 better-sqlite3@11.5.0 bufferutil@4.0.8 chokidar@3.6.0
	esbuild@0.24.0 express@4.21.1 fastify@5.0.0 fsevents@2.3.3? graphql@16.9.0 knex@3.1.0 lightningcss@1.27.0
	lmdb@3.1.3 mongodb@5.9.2 msgpackr@1.11.0 mysql2@3.11.3 npm-run-all@4.1.5 pg@8.13.0 pino@9.5.0 puppeteer-core@23.6.0
	react-dom@18.3.1 request@2.88.2 rollup@4.24.2 sharp@0.33.5 sqlite3@5.1.7
	ts-node@10.9.2 typeorm@0.3.20 utf-8-validate@6.0.5 uuid@11.0.2 webpack@5.95.0 winston@3.15.0 ws@8.18.0 yargs@17.7.2
	mocha-junit-reporter@2.2.1 left-pad@1.3.0 lodash@4.17.21 semver@7.6.3 debug@4.3.7 node-pre-gyp@0.17.0
`)

// aliases are dependencies under other names.
var aliases = map[string]string{
	"lodash-four": "npm:lodash@4.17.20", "string-width-cjs": "npm:string-width@4.2.3", "@own/debug": "npm:debug@3.2.7", "ms": "1.0.0",
}

// generate makes up a project: dependencies of every kind, aliases, and members
// of a workspace that need each other and other versions of the same packages.
func generate(r *rand.Rand, version int) generated {
	p := generated{version: version, files: map[string]string{}}
	unused := slices.Clone(pool)
	r.Shuffle(len(unused), func(i, j int) { unused[i], unused[j] = unused[j], unused[i] })
	some := func(least, most int) map[string]string {
		n := least + r.IntN(most-least+1)
		list := map[string]string{}
		for _, spec := range unused[:n] {
			if name, version := splitAlias(strings.TrimSuffix(spec, "?")); !strings.HasSuffix(spec, "?") {
				list[name] = version
			}
		}
		unused = unused[n:]
		return list
	}
	root := map[string]any{
		"name": "made-up", "version": "1.0.0", "dependencies": some(3, 7), "devDependencies": some(1, 3), "optionalDependencies": some(0, 2),
	}
	dependencies := root["dependencies"].(map[string]string)
	optional := root["optionalDependencies"].(map[string]string)
	for _, spec := range pool {
		if name, version := splitAlias(strings.TrimSuffix(spec, "?")); strings.HasSuffix(spec, "?") && r.IntN(3) == 0 {
			optional[name] = version
		}
	}
	for _, name := range slices.Sorted(maps.Keys(aliases)) {
		if r.IntN(4) == 0 {
			dependencies[name] = aliases[name]
		}
	}
	if p.version > 1 && r.IntN(2) == 0 {
		root["workspaces"] = []string{"packages/*"}
		p.files["packages/one/package.json"] = text(map[string]any{
			"name": "@made-up/one", "version": "1.1.0",
			"dependencies": map[string]string{"two": "*", "debug": "2.6.9", "ms": "2.1.2"}, "devDependencies": some(0, 1),
		})
		p.files["packages/two/package.json"] = text(map[string]any{"name": "two", "version": "2.0.0", "dependencies": some(0, 2)})
	}
	p.files["package.json"] = text(root)
	return p
}

func text(v any) string {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(data)
}
