package node

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

// recipeFrom reads one of the projects of testdata/npm, changed by edit.
func recipeFrom(t *testing.T, name string, edit func(fstest.MapFS, *runtimes.Target)) runtimes.Recipe {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/npm/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	project := fstest.MapFS{}
	for _, f := range archive.Files {
		project[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	target, _ := targetOf(t, string(archive.Comment))
	target.Pins.Images = map[string]string{target.Runtime.Image: "sha256:" + strings.Repeat("0", 64)}
	if edit != nil {
		edit(project, &target)
	}
	r, err := Runtime{}.Recipe(project, target)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lockOf is the lock file that a recipe's npm gets, and its .npmrc.
func lockOf(t *testing.T, r runtimes.Recipe) (entries map[string]writtenEntry, npmrc string, files []string) {
	t.Helper()
	if r.Container == nil || len(r.Container.Steps) != 1 {
		t.Fatalf("container: %+v", r.Container)
	}
	for _, in := range r.Container.Steps[0].Inputs {
		files = append(files, in.Path)
		switch in.Path {
		case projectFolder + "/package-lock.json":
			var lock struct{ Packages map[string]writtenEntry }
			if err := json.Unmarshal(in.Data, &lock); err != nil {
				t.Fatal(err)
			}
			entries = lock.Packages
		case npmrcFile:
			if npmrc = string(in.Data); !in.Whereabouts {
				t.Error(".npmrc would be in keys")
			}
		}
	}
	return entries, npmrc, files
}

func TestNPMSteps(t *testing.T) {
	r := recipeFrom(t, "closure", nil)
	entries, npmrc, _ := lockOf(t, r)
	if got, want := slices.Sorted(maps.Keys(entries)), strings.Fields("node_modules/a node_modules/a/node_modules/c node_modules/b node_modules/b/node_modules/c"); !slices.Equal(got, append([]string{""}, want...)) {
		t.Errorf("places %q", got)
	}
	a := entries["node_modules/a"]
	if a.Resolved != "https://registry.example/a/-/a-1.2.0.tgz" || !strings.HasPrefix(a.Integrity, "sha512-BBB") || a.Dependencies["c"] != "1.0.0" || entries[""].Dependencies["b"] != "1.0.1" {
		t.Errorf("a: %+v", a)
	}
	if npmrc != "" {
		t.Errorf(".npmrc: %q", npmrc)
	}
	step := r.Container.Steps[0]
	for _, arg := range []string{"ci", "--ignore-scripts", "--no-bin-links", "--omit=dev", "--os=linux", "--cpu=x64", "--libc=glibc"} {
		if !slices.Contains(step.Args, arg) {
			t.Errorf("no %s in %q", arg, step.Args)
		}
	}
	if !slices.Contains(step.CABundle, "NODE_EXTRA_CA_CERTS") || !slices.Contains(step.Env, "npm_config_userconfig="+npmrcFile) || len(step.Caches) != 1 {
		t.Errorf("step %+v", step)
	}
	if !strings.HasPrefix(r.Container.Image, r.Target.Runtime.Image+"@sha256:") || r.Container.Arch != "" || r.Runs() {
		t.Errorf("container %+v", r.Container)
	}
}

// TestNPMStepsMirror: a registry that is configured wins over the addresses of
// the lock file, but not over those that package.json asks for.
func TestNPMStepsMirror(t *testing.T) {
	mirror := func(_ fstest.MapFS, target *runtimes.Target) {
		target.Indexes = []string{"registry=https://mirror.example/npm/", "@x:registry=https://x.example/"}
	}
	entries, npmrc, _ := lockOf(t, recipeFrom(t, "closure", mirror))
	if a := entries["node_modules/a"]; a.Resolved != "" || a.Integrity == "" {
		t.Errorf("a: %+v", a)
	}
	if want := "registry=https://mirror.example/npm/\n@x:registry=https://x.example/\n"; npmrc != want {
		t.Errorf(".npmrc: %q", npmrc)
	}
	entries, _, _ = lockOf(t, recipeFrom(t, "closure", func(_ fstest.MapFS, target *runtimes.Target) {
		target.Indexes = []string{"@x:registry=https://x.example/"}
	}))
	if a := entries["node_modules/a"]; a.Resolved == "" {
		t.Errorf("another scope's registry is asked for a: %+v", a)
	}
	entries, _, _ = lockOf(t, recipeFrom(t, "url", mirror))
	if a := entries["node_modules/a"]; a.Resolved != "https://files.example/a.tgz" {
		t.Errorf("a: %+v", a)
	}
}

// TestNPMStepsLocal: local packages travel with the step, bundled ones with
// their tarball, and aliases keep their names.
func TestNPMStepsLocal(t *testing.T) {
	entries, _, files := lockOf(t, recipeFrom(t, "member", nil))
	if lib := entries["node_modules/@mono/lib"]; lib.Resolved != "file:local/0/lib-1.0.0.tgz" || !slices.Contains(files, projectFolder+"/local/0/lib-1.0.0.tgz") {
		t.Errorf("lib: %+v, %q", lib, files)
	}
	entries, _, _ = lockOf(t, recipeFrom(t, "bundled", nil))
	if in := entries["node_modules/big/node_modules/in"]; !in.InBundle || !slices.Equal(entries["node_modules/big"].Bundle, []string{"in"}) {
		t.Errorf("in: %+v", in)
	}
	entries, _, _ = lockOf(t, recipeFrom(t, "alias", nil))
	if old := entries["node_modules/old"]; old.Name != "lodash" || entries[""].Dependencies["old"] != "npm:lodash@4.17.21" || entries[""].Dependencies["lodash"] != "4.17.21" {
		t.Errorf("old: %+v, %v", old, entries[""].Dependencies)
	}
}

// TestNPMKey: what the target does not install is not in the recipe, so it is
// in no key either.
func TestNPMKey(t *testing.T) {
	packages := func(r runtimes.Recipe) string {
		var lines []string
		for _, p := range r.Packages {
			lines = append(lines, p.Name, p.Version, p.File.Name, p.File.Digest(), strings.Join(p.Places, " "))
		}
		return strings.Join(lines, "\n")
	}
	replace := func(old, with string) func(fstest.MapFS, *runtimes.Target) {
		return func(project fstest.MapFS, _ *runtimes.Target) {
			for _, name := range []string{"package.json", "package-lock.json"} {
				text := strings.ReplaceAll(string(project[name].Data), old, with)
				if name == "package-lock.json" && text == string(project[name].Data) {
					t.Fatalf("no %s in %s", old, name)
				}
				project[name].Data = []byte(text)
			}
		}
	}
	want := packages(recipeFrom(t, "closure", nil))
	for _, same := range [][2]string{
		{`"version": "3.0.0", "dev"`, `"version": "3.9.0", "dev"`}, {`"dev": "*"`, `"dev": "^3.0.0"`}, {`"lockfileVersion": 3`, `"lockfileVersion": 2`},
		{"https://registry.example", "https://other.example"}, {`"name": "app"`, `"name": "renamed"`},
	} {
		if got := packages(recipeFrom(t, "closure", replace(same[0], same[1]))); got != want {
			t.Errorf("%s: another key:\n%s", same[1], got)
		}
	}
	for _, other := range [][2]string{{`"version": "1.0.1"`, `"version": "1.0.2"`}, {"sha512-BBBB", "sha512-XBBB"}, {"node_modules/a/node_modules/c", "node_modules/a/node_modules/d"}} {
		edit := replace(other[0], other[1])
		if strings.HasSuffix(other[1], "/d") {
			edit = func(project fstest.MapFS, target *runtimes.Target) {
				replace(other[0], other[1])(project, target)
				replace(`"integrity": "sha512-`+strings.Repeat("B", 86)+`==", "dependencies": {"c"`, `"integrity": "sha512-`+strings.Repeat("B", 86)+`==", "dependencies": {"d"`)(project, target)
			}
		}
		if got := packages(recipeFrom(t, "closure", edit)); got == want {
			t.Errorf("%s: the same key", other[1])
		}
	}
}
