//go:build e2e

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSetEqualsYarn1 generates projects, has the real yarn 1 lock them, and
// holds the packages that are read from the lock against the tree that yarn
// installs from it: what node finds there from the project's dependencies on,
// without the packages of other platforms.
func TestSetEqualsYarn1(t *testing.T) {
	for seed := range projects(t, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := yarnProjectOf(t, seed)
			runYarn(t, "yarn1", dir, "install", "--ignore-scripts", "--ignore-engines", "--non-interactive", "--no-bin-links")
			installed := t.TempDir()
			if err := os.CopyFS(installed, withoutModules{os.DirFS(dir)}); err != nil {
				t.Fatal(err)
			}
			runYarn(t, "yarn1", installed, "install", "--production", "--pure-lockfile", "--ignore-scripts", "--ignore-platform",
				"--ignore-engines", "--no-bin-links", "--non-interactive")
			for _, arch := range runtimes.Arches() {
				target := nodeTarget(t, "nodejs22.x", arch)
				sameSet(t, setOf(t, withoutModules{os.DirFS(dir)}, target), foundFrom(t, installed, target))
			}
		})
	}
}

// TestSetEqualsYarn4 does so with yarn 4, which installs for the target by
// itself.
func TestSetEqualsYarn4(t *testing.T) {
	for seed := range projects(t, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dir := yarnProjectOf(t, seed)
			config := "nodeLinker: node-modules\nenableScripts: false\nenableTelemetry: false\nnpmRegistryServer: " + npmRegistry(t) + "\n"
			writeFile(t, filepath.Join(dir, ".yarnrc.yml"), config)
			writeFile(t, filepath.Join(dir, "yarn.lock"), "")
			runYarn(t, "yarn4", dir, "install", "--mode=update-lockfile")
			for _, arch := range runtimes.Arches() {
				target := nodeTarget(t, "nodejs22.x", arch)
				installed := t.TempDir()
				if err := os.CopyFS(installed, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(installed, ".yarnrc.yml"), config+"supportedArchitectures:\n  os: [linux]\n  cpu: ["+targetCPU(arch)+"]\n  libc: [glibc]\n")
				runYarn(t, "yarn4", installed, "workspaces", "focus", "made-up", "--production")
				sameSet(t, setOf(t, os.DirFS(dir), target), packagesBelow(t, installed))
			}
		})
	}
}

func sameSet(t *testing.T, got, want map[string]bool) {
	t.Helper()
	for _, p := range slices.Sorted(maps.Keys(got)) {
		if !want[p] {
			t.Errorf("%s is not what yarn installs", p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if !got[p] {
			t.Errorf("only yarn has %s", p)
		}
	}
	t.Logf("%d packages", len(want))
}

// yarnProjectOf makes up a project in a folder.
func yarnProjectOf(t *testing.T, seed int) string {
	t.Helper()
	p := generate(rand.New(rand.NewPCG(uint64(seed), 20241102)), 3)
	var root map[string]any
	if err := json.Unmarshal([]byte(p.files["package.json"]), &root); err != nil {
		t.Fatal(err)
	}
	root["private"] = true
	if seed%3 == 0 {
		root["resolutions"] = map[string]string{"ms": "2.1.3", "debug/ms": "2.1.2"}
	}
	if seed%2 == 1 && root["workspaces"] == nil {
		root["workspaces"] = []string{"packages/*"}
		p.files["packages/two/package.json"] = text(map[string]any{"name": "two", "version": "2.0.0", "dependencies": map[string]string{"semver": "5.7.2", "debug": "2.6.9"}})
		root["dependencies"].(map[string]any)["two"] = "^2.0.0"
	}
	p.files["package.json"] = text(root)
	dir := t.TempDir()
	p.write(t, dir)
	return dir
}

// setOf reads a project, and asks the registry for what its lock does not say.
func setOf(t *testing.T, project fs.FS, target runtimes.Target) map[string]bool {
	t.Helper()
	r := yarnRecipe(t, project, target)
	set := map[string]bool{}
	for _, p := range r.Packages {
		set[p.Name+"@"+p.Version] = true
	}
	return set
}

func yarnRecipe(t *testing.T, project fs.FS, target runtimes.Target) runtimes.Recipe {
	t.Helper()
	target.Indexes = []string{"registry=" + npmRegistry(t)}
	r, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		target.Files = askRegistry(t, incomplete.Requests)
		r, err = Runtime{}.Recipe(project, target)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// registryAnswers are the registry's, by request.
var registryAnswers sync.Map

// askRegistry answers requests by the client of the direct engine.
func askRegistry(t *testing.T, requests []runtimes.FileRequest) map[string][]runtimes.File {
	t.Helper()
	index := &direct.Index{Client: http.DefaultClient}
	answers := map[string][]runtimes.File{}
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, q := range requests {
		if _, known := registryAnswers.Load(q.Key()); known {
			continue
		}
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			files, err := index.Files(t.Context(), q)
			if err != nil {
				t.Errorf("%s %s: %v", q.Name, q.Version, err)
			}
			registryAnswers.Store(q.Key(), files)
		})
	}
	all.Wait()
	for _, q := range requests {
		files, _ := registryAnswers.Load(q.Key())
		answers[q.Key()], _ = files.([]runtimes.File)
	}
	return answers
}

// npmRegistry is the registry that this machine's npm is set up with.
var npmRegistry = func() func(*testing.T) string {
	var once sync.Once
	var registry string
	return func(t *testing.T) string {
		t.Helper()
		once.Do(func() { registry = strings.TrimSpace(runNPM(t, os.TempDir(), "config", "get", "registry")) })
		return registry
	}
}()

func runYarn(t *testing.T, yarn, dir string, args ...string) string {
	t.Helper()
	tool := filepath.Join(filepath.Dir(npmPath(t)), yarn)
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "CI=") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", yarn, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// withoutModules hides what is installed.
type withoutModules struct{ fs.FS }

func (w withoutModules) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "node_modules" }), err
}

// installedManifest is what counts of an installed package.json.
type installedManifest struct {
	Name                 string            `json:"name"`
	Version              string            `json:"version"`
	Dependencies         map[string]string `json:"dependencies"`
	OptionalDependencies map[string]string `json:"optionalDependencies"`
	OS                   looseList         `json:"os"`
	CPU                  looseList         `json:"cpu"`
	Libc                 looseList         `json:"libc"`
	Bundle               bundleNames       `json:"bundleDependencies"`
	Bundled              bundleNames       `json:"bundledDependencies"`
}

func readInstalled(t *testing.T, dir string) (m installedManifest, ok bool) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return m, false
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return m, true
}

// foundFrom lists the packages that node finds in an installed tree from the
// root's dependencies on, and that are for the target.
func foundFrom(t *testing.T, root string, target runtimes.Target) map[string]bool {
	t.Helper()
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	seen := map[string]bool{root: true}
	for queue := []string{root}; len(queue) > 0; queue = queue[1:] {
		m, _ := readInstalled(t, queue[0])
		needs := maps.Clone(m.Dependencies)
		if needs == nil {
			needs = map[string]string{}
		}
		maps.Copy(needs, m.OptionalDependencies)
		for name := range needs {
			bundled := slices.Contains(append(m.Bundle.Names, m.Bundled.Names...), name)
			at := resolveIn(root, queue[0], name)
			if at == "" {
				if _, optional := m.OptionalDependencies[name]; !optional {
					t.Errorf("%s of %s is not installed", name, queue[0])
				}
				continue
			}
			pkg, _ := readInstalled(t, at)
			if seen[at] || !fitsPlatform(&runtimes.Platform{OS: pkg.OS, CPU: pkg.CPU, Libc: pkg.Libc}, target) {
				continue
			}
			seen[at] = true
			queue = append(queue, at)
			if !bundled {
				found[pkg.Name+"@"+pkg.Version] = true
			}
		}
	}
	return found
}

// resolveIn finds a package as node does, "" where there is none.
func resolveIn(root, from, name string) string {
	for at := from; ; at = filepath.Dir(at) {
		if dir, err := filepath.EvalSymlinks(filepath.Join(at, "node_modules", name)); err == nil {
			return dir
		}
		if at == root {
			return ""
		}
	}
}

// packagesBelow lists the packages of all node_modules of a tree, with the
// workspaces that they link to.
func packagesBelow(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		parent := filepath.Base(filepath.Dir(name))
		if strings.HasPrefix(parent, "@") {
			parent = filepath.Base(filepath.Dir(filepath.Dir(name)))
		}
		if parent == "node_modules" && !strings.HasPrefix(d.Name(), ".") && !strings.HasPrefix(d.Name(), "@") {
			if m, ok := readInstalled(t, name); ok {
				found[m.Name+"@"+m.Version] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
