package node

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestBun reads the projects of testdata/bun, as TestNPM does those of npm.
func TestBun(t *testing.T) { testProjects(t, "testdata/bun/*.txtar") }

// bunTarget is a target with all that layerbuild.lock holds for a project that
// names a version of bun.
func bunTarget(named string) runtimes.Target {
	info, _ := runtimes.Lookup("nodejs22.x")
	pins := runtimes.Pins{Images: map[string]string{info.Image: "sha256:" + strings.Repeat("1", 64)}, Tools: map[string]runtimes.Tool{}}
	for _, m := range bunManagers(named) {
		pins.Tools[m.tool()] = runtimes.Tool{Version: m.version, Files: []runtimes.File{{Integrity: sha512Of("T")}}}
	}
	return runtimes.Target{Runtime: info, Arch: runtimes.X86_64, Path: ".", Pins: pins}
}

// sha512Of is a hash of that form, made of one letter.
func sha512Of(letter string) string { return "sha512-" + strings.Repeat(letter, 86) + "==" }

// acmeProject is a project with packages of a registry of its own.
func acmeProject(name, dev, host string) fstest.MapFS {
	wants := `"dependencies": {"a": "^1.0.0", "@acme/b": "1.0.0"}, "devDependencies": {"dev": "` + dev + `"}`
	return fstest.MapFS{
		"package.json": {Data: []byte(`{"name": "` + name + `", "packageManager": "bun@1.3.5", ` + wants + `}`)},
		"bun.lock": {Data: []byte(`{"lockfileVersion": 2, "workspaces": {"": {"name": "` + name + `", ` + wants + `}}, "packages": {
			"a": ["a@1.0.0", "", {"dependencies": {"c": "npm:@acme/b@1"}, "os": "linux"}, "` + sha512Of("A") + `"],
			"@acme/b": ["@acme/b@1.0.0", "https://` + host + `/npm/@acme/b/-/b-1.0.0.tgz", {}, "` + sha512Of("B") + `"],
			"c": ["@acme/b@1.1.0", "https://` + host + `/npm/@acme/b/-/b-1.1.0.tgz", {}, "` + sha512Of("C") + `"],
			"dev": ["dev@` + dev + `", "", {}, "` + sha512Of("D") + `"],
		}}`)},
	}
}

// bunInputs reads a project, and tells what its steps are given: what is in the
// key of its layer, and what is not.
func bunInputs(t *testing.T, project fstest.MapFS, target runtimes.Target) (keyed, whereabouts string) {
	t.Helper()
	r, err := Runtime{}.Recipe(project, target)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Managed || r.Container == nil {
		t.Fatalf("needs %v", r.Needs)
	}
	var text, rest bytes.Buffer
	for _, s := range r.Container.Steps {
		for _, f := range s.Inputs {
			if f.Whereabouts {
				rest.Write(f.Data)
			} else {
				text.WriteString(f.Path + "\n" + string(f.Data))
			}
		}
	}
	return text.String(), rest.String()
}

// TestBunKey holds that what is in the key of a layer names no server, no
// development dependency and not the project, and does not change with them.
func TestBunKey(t *testing.T) {
	target := bunTarget("1.3.5")
	first, npmrc := bunInputs(t, acmeProject("one", "1.0.0", "npm.example"), target)
	second, _ := bunInputs(t, acmeProject("two", "2.0.0", "mirror.example"), target)
	if first != second {
		t.Errorf("what is in the key differs:\n%s\n%s", first, second)
	}
	for _, word := range []string{"example", "dev@", `"one"`, `"os": "linux"`} {
		if strings.Contains(first, word) {
			t.Errorf("what is in the key holds %q:\n%s", word, first)
		}
	}
	for _, want := range []string{"@acme:registry=https://npm.example/npm/\n", `"@acme/b@1.0.0": "https://npm.example/npm/@acme/b/-/b-1.0.0.tgz"`} {
		if !strings.Contains(npmrc, want) {
			t.Errorf("%q does not say where packages are: %q", npmrc, want)
		}
	}
	target.Indexes = []string{"registry=https://mirror.example/"}
	if _, npmrc := bunInputs(t, acmeProject("one", "1.0.0", "npm.example"), target); strings.Contains(npmrc, "npm.example") || !strings.Contains(npmrc, `"https://mirror.example/@acme/b/-/b-1.0.0.tgz"`) {
		t.Errorf("the configured registry is not the only one: %q", npmrc)
	}
}

// TestBunNeeds holds that both of bun's programs are asked for, in the version
// that the project names where that will do.
func TestBunNeeds(t *testing.T) {
	for named, want := range map[string]string{"bun@1.3.5": "1.3.5", "bun@1.1.0": bunVersion, "pnpm@9.0.0": bunVersion, "": bunVersion} {
		project := fstest.MapFS{
			"package.json": {Data: []byte(`{"packageManager": "` + named + `", "dependencies": {"a": "1.0.0"}}`)},
			"bun.lock": {Data: []byte(`{"lockfileVersion": 2, "workspaces": {"": {"dependencies": {"a": "1.0.0"}}},
				"packages": {"a": ["a@1.0.0", "", {}, "` + sha512Of("A") + `"]}}`)},
		}
		target := bunTarget("")
		target.Pins = runtimes.Pins{}
		r, err := Runtime{}.Recipe(project, target)
		if err != nil {
			t.Fatal(err)
		}
		var packages []string
		for _, need := range r.Needs {
			if need.Tool != "" {
				packages = append(packages, need.Package+"@"+need.Version)
			}
		}
		got := strings.Join(packages, " ")
		if got != "@oven/bun-linux-aarch64@"+want+" @oven/bun-linux-x64-baseline@"+want {
			t.Errorf("%q: needs %s", named, got)
		}
	}
}

// FuzzBunLock reads arbitrary lock files: whatever they hold, there is a project
// that can be written for bun, below its own folder, or an error that says
// something.
func FuzzBunLock(f *testing.F) {
	files, _ := filepath.Glob("testdata/bun/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var lock, manifest string
		for _, a := range archive.Files {
			switch a.Name {
			case "bun.lock":
				lock = string(a.Data)
			case "package.json":
				manifest = string(a.Data)
			}
		}
		f.Add(lock, manifest)
	}
	if data, err := os.ReadFile("../../testdata/examples/order-events/bun.lock"); err == nil {
		f.Add(string(data), `{"name": "order-events", "devDependencies": {"typescript": "5.6.3"}}`)
	}
	target := bunTarget("")
	target.Exclude = []string{"left"}
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		project := fstest.MapFS{
			"bun.lock": {Data: []byte(lock)}, "package.json": {Data: []byte(manifest)},
			"packages/api/package.json": {Data: []byte(manifest)}, "lib/a/package.json": {Data: []byte(`{"name":"a"}`)},
		}
		for _, path := range []string{".", "packages/api"} {
			target.Path = path
			r, err := Runtime{}.Recipe(project, target)
			if err != nil {
				if err.Error() == "" {
					t.Error("an empty error")
				}
				continue
			}
			if r.Container == nil {
				continue // the project names a bun of its own
			}
			for _, input := range r.Container.Steps[1].Inputs {
				if filepath.Clean(input.Path) != input.Path || !strings.HasPrefix(input.Path, workFolder+"/") {
					t.Errorf("%s is written", input.Path)
				}
				if strings.HasSuffix(input.Path, "/bun.lock") && !json.Valid(input.Data) {
					t.Errorf("what is written is no JSON: %s", input.Data)
				}
			}
		}
	})
}
