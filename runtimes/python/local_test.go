package python

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// recipeWithBuilds is the recipe of t with an answer to each question of what a
// build needs; t keeps the answers.
func recipeWithBuilds(t *testing.T, files fs.FS, target *runtimes.Target) runtimes.Recipe {
	t.Helper()
	r, err := Runtime{}.Recipe(files, *target)
	var open *runtimes.Unresolved
	if errors.As(err, &open) {
		answerBuilds(t, target, open.Questions)
		r, err = Runtime{}.Recipe(files, *target)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func answerBuilds(t *testing.T, target *runtimes.Target, questions []runtimes.Question) {
	t.Helper()
	if target.Pins.Builds == nil {
		target.Pins.Builds = map[string]runtimes.Resolution{}
	}
	for _, q := range questions {
		if !q.Build {
			t.Fatalf("%s: %s", q.Name, q.Why)
		}
		var places []string
		for _, p := range q.Places {
			places = append(places, p.String())
		}
		target.Pins.Builds[q.Name] = runtimes.Resolution{Input: q.Digest(), Places: places, Packages: []runtimes.Pinned{
			{Requirement: "backend==1", SHA256: []string{strings.Repeat("b", 64), strings.Repeat("c", 64)}},
		}}
	}
}

// TestRequirementsLocal has the lines that name something in the project.
func TestRequirementsLocal(t *testing.T) {
	const wheelFile = "wheels/ext-2.0-py3-none-any.whl"
	project := files(map[string]string{
		"app/requirements.txt": "-e .\n-e ./libs/one[web]\n./libs/two # plain\nthree @ file:libs/three\nfile:./wheels/ext-2.0-py3-none-any.whl#sha256=" +
			hexOf("the wheel") + "\nvendor/old-1.0.tar.gz\n-e libs/windows ; sys_platform == 'win32'\nsix==1.17.0 --hash=sha256:" + strings.Repeat("1", 64) + "\n",
		"app/pyproject.toml":           "[project]\nname = 'app'\ndependencies = ['six', 'One']\n",
		"app/libs/one/pyproject.toml":  "[project]\nname = 'One'\nversion = '1.2.0'\ndependencies = ['two', 'six>=1.16']\n[project.optional-dependencies]\nweb = ['six<2']\n[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n",
		"app/libs/two/pyproject.toml":  "[project]\nname = 'two'\ndynamic = ['version']\n",
		"app/libs/three/setup.py":      "",
		"app/" + wheelFile:             "the wheel",
		"app/vendor/old-1.0.tar.gz":    "the archive",
		"app/libs/one/one/__init__.py": "",
	})
	target := target(t, "python3.12", runtimes.X86_64)
	target.Path = "app"
	target.BuildRequires = map[string][]string{"OLD": {"cython<3"}, "Six": {"cffi"}, "nosuch": {"cffi"}}
	_, err := Runtime{}.Recipe(project, target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) {
		t.Fatal(err)
	}
	six := strings.Repeat("1", 64)
	target.Files = answers(incomplete.Requests, map[string]runtimes.File{six: {Name: "six-1.17.0-py3-none-any.whl", URL: "https://files.example/six", SHA256: six}})

	_, err = Runtime{}.Recipe(project, target)
	var open *runtimes.Unresolved
	if !errors.As(err, &open) {
		t.Fatal(err)
	}
	var asked []string
	for _, q := range open.Questions {
		asked = append(asked, q.Name+": "+strings.Join(q.Requirements, ", "))
	}
	want := []string{
		"old 1.0: cython<3", "app/libs/one: hatchling",
		"app/libs/three: setuptools>=40.8.0, wheel", "app/libs/two: setuptools>=40.8.0, wheel",
	}
	if !slices.Equal(asked, want) {
		t.Errorf("asked %q\nwant  %q", asked, want)
	}
	r := recipeWithBuilds(t, project, &target)
	var got []string
	for _, p := range r.Packages {
		text := p.Name + " " + p.Version + " " + p.File.Name
		if p.Build != nil {
			text += " (built)"
		}
		if p.File.Local != nil {
			text += " in " + p.File.Local.Path
		}
		got = append(got, text)
	}
	want = []string{
		"ext 2.0 ext-2.0-py3-none-any.whl in app/wheels/ext-2.0-py3-none-any.whl",
		"old 1.0 old-1.0.tar.gz (built) in app/vendor/old-1.0.tar.gz",
		"one 1.2.0 app/libs/one (built) in app/libs/one",
		"six 1.17.0 six-1.17.0-py3-none-any.whl",
		"three 0+local app/libs/three (built) in app/libs/three",
		"two 0+local app/libs/two (built) in app/libs/two",
	}
	if !slices.Equal(got, want) {
		t.Errorf("installs\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if notes := strings.Join(r.Notes, "\n"); len(r.Notes) != 3 || !strings.Contains(notes, "-e . (app/requirements.txt:1) is the project itself, which is left out") ||
		!strings.HasSuffix(notes, "buildRequires names Six, which is not built from source here\nbuildRequires names nosuch, which is not built from source here") {
		t.Errorf("notes %q", r.Notes)
	}

	target.Project = true
	r = recipeWithBuilds(t, project, &target)
	if r.Packages[0].Name != "app" || r.Packages[0].Build.Folder != "app" {
		t.Errorf("the project itself: %+v", r.Packages[0])
	}
}

// TestBuildsAsked tells when the answer to what a build needs holds.
func TestBuildsAsked(t *testing.T) {
	project := files(map[string]string{
		"uv.lock":        "version = 1\n[[package]]\nname = 'app'\nsource = { editable = '.' }\ndependencies = [{ name = 'lib' }]\n[package.metadata]\nrequires-dist = [{ name = 'lib', directory = 'lib' }]\n[[package]]\nname = 'lib'\nversion = '1'\nsource = { directory = 'lib' }\n",
		"pyproject.toml": "[project]\nname = 'app'\ndependencies = ['lib']\n",
	})
	lib := func(toml string) { project["lib/pyproject.toml"] = &fstest.MapFile{Data: []byte(toml), Mode: 0o644} }
	lib("[project]\nname = 'lib'\n[build-system]\nrequires = ['hatchling']\n")
	target := target(t, "python3.12", runtimes.X86_64)
	target.BuildPlaces = []runtimes.Place{{Runtime: target.Runtime, Arch: target.Arch}}
	recipeWithBuilds(t, project, &target)

	for _, tt := range []struct {
		name   string
		change func(*runtimes.Target)
		want   string // why it is asked again, or ""
	}{
		{"nothing", func(*runtimes.Target) {}, ""},
		{"another file", func(*runtimes.Target) {
			project["lib/lib.py"] = &fstest.MapFile{Data: []byte("x = 1\n"), Mode: 0o644}
		}, ""},
		{"the user's addition", func(t *runtimes.Target) { t.BuildRequires = map[string][]string{"lib": {"cython"}} }, "what building it needs has changed since it was resolved"},
		{"another place", func(t *runtimes.Target) {
			t.BuildPlaces = append(slices.Clone(t.BuildPlaces), runtimes.Place{Runtime: t.Runtime, Arch: runtimes.ARM64})
		}, "what building it needs is resolved for python3.12 x86_64, and not for python3.12 arm64"},
		{"another backend", func(*runtimes.Target) { lib("[project]\nname = 'lib'\n[build-system]\nrequires = ['flit']\n") }, "what building it needs has changed since it was resolved"},
		{"no backend", func(*runtimes.Target) {
			lib("[project]\nname = 'lib'\n[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n")
		}, ""},
		{"broken", func(*runtimes.Target) { lib("[build-system]\n") }, "lib/pyproject.toml: what its build needs cannot be told: [build-system] has no requires"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target := target
			tt.change(&target)
			_, err := Runtime{}.Recipe(project, target)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestUVLockLocal has the sources of a uv.lock that lie in the project.
func TestUVLockLocal(t *testing.T) {
	lock := `version = 1
[[package]]
name = "app"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "lib" }, { name = "group" }, { name = "ext" }, { name = "old" }, { name = "far" }]

[package.metadata]
requires-dist = [{ name = "lib", editable = "libs/lib" }, { name = "group", virtual = "libs/group" }, { name = "ext", path = "x" }, { name = "old", path = "x" }, { name = "far", url = "https://files.example/x" }]

[[package]]
name = "lib"
version = "1.0"
source = { editable = "libs/lib" }

[[package]]
name = "group"
source = { virtual = "libs/group" }
dependencies = [{ name = "lib" }]

[[package]]
name = "ext"
version = "2.0"
source = { path = "wheels/ext-2.0-py3-none-any.whl" }
wheels = [{ filename = "ext-2.0-py3-none-any.whl", hash = "sha256:` + hexOf("the wheel") + `" }]

[[package]]
name = "old"
version = "1.0"
source = { path = "vendor/old-1.0.tar.gz" }
sdist = { hash = "sha256:` + hexOf("the archive") + `" }

[[package]]
name = "far"
version = "3.0"
source = { url = "https://files.example/far-3.0.tar.gz" }
sdist = { hash = "sha256:` + strings.Repeat("f", 64) + `" }
`
	project := files(map[string]string{
		"uv.lock":                         lock,
		"pyproject.toml":                  "[project]\nname = 'app'\nversion = '0.1'\ndependencies = ['lib', 'group', 'ext', 'old', 'far']\n[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'\n",
		"libs/lib/pyproject.toml":         "[project]\nname = 'lib'\nversion = '1.1'\n",
		"wheels/ext-2.0-py3-none-any.whl": "the wheel",
		"vendor/old-1.0.tar.gz":           "the archive",
	})
	target := target(t, "python3.12", runtimes.X86_64)
	names := func(r runtimes.Recipe) string {
		var names []string
		for _, p := range r.Packages {
			names = append(names, p.Name+"="+p.Version)
		}
		return strings.Join(names, " ")
	}
	r := recipeWithBuilds(t, project, &target)
	if got, want := names(r), "ext=2.0 far=3.0 lib=1.1 old=1.0"; got != want {
		t.Errorf("installs %s, want %s", got, want)
	}
	if got := r.Packages[1].File.URL; got != "https://files.example/far-3.0.tar.gz" {
		t.Errorf("far comes from %s", got)
	}
	target.Project = true
	if got, want := names(recipeWithBuilds(t, project, &target)), "app=0.1 ext=2.0 far=3.0 lib=1.1 old=1.0"; got != want {
		t.Errorf("with the project itself %s, want %s", got, want)
	}

	for _, tt := range []struct{ name, old, new, want string }{
		{"another wheel", hexOf("the wheel"), hexOf("another"), "uv.lock:22: wheels/ext-2.0-py3-none-any.whl is not the file that was locked"},
		{"outside", `source = { editable = "libs/lib"`, `source = { editable = "../lib"`, "uv.lock:12: editable folder ../lib, where lib is, is outside of the project"},
		{"absolute", `path = "vendor`, `path = "/vendor`, "uv.lock:28: path /vendor/old-1.0.tar.gz, where old is, is outside of the project"},
		{"no package", `source = { editable = "." }`, `source = { virtual = "." }`, "uv.lock: project: true asks for the project itself, which is no package"},
		{"gone", `source = { editable = "libs/lib"`, `source = { editable = "libs/gone"`, "libs/gone: cannot be read: file does not exist"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Runtime{}.Recipe(edit(t, project, "uv.lock", tt.old, tt.new), target)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// TestBuildContainer has the parts that are built, and what of them is keyed.
func TestBuildContainer(t *testing.T) {
	target := containerTarget(t)
	target.Runtime.BuildImage = "registry.example/sam/build-python3.11:latest"
	r := containerRecipe()
	tree, err := readSource(files(map[string]string{"lib/pyproject.toml": "[project]\n"}), "lib")
	if err != nil {
		t.Fatal(err)
	}
	r.Packages = append(r.Packages,
		runtimes.Package{Name: "docopt", Version: "0.6.2", Missing: "published as source only",
			File:  runtimes.File{Name: "docopt-0.6.2.tar.gz", URL: "https://files.example/docopt", SHA256: strings.Repeat("e", 64)},
			Build: &runtimes.Build{Requires: []runtimes.Pinned{{Requirement: "setuptools==80", SHA256: []string{strings.Repeat("1", 64), strings.Repeat("2", 64)}}}}},
		runtimes.Package{Name: "my-lib", Version: localVersion, File: tree.file(), Build: &runtimes.Build{Folder: "lib"}})

	image := "registry.example/sam/build-python3.11:latest-arm64"
	if needs, _ := container(target, r); !slices.Equal(needs, []runtimes.Need{{Image: image}}) {
		t.Fatalf("needs %v", needs)
	}
	target.Pins.Images[image] = "sha256:" + strings.Repeat("2", 64)
	_, c := container(target, r)
	if c.Arch != "" || len(c.Parts) != 2 {
		t.Fatalf("the steps run on %q, with %d parts", c.Arch, len(c.Parts))
	}
	var steps []runtimes.Step
	for _, part := range c.Parts {
		if part.Recipe.Container.Arch != runtimes.ARM64 {
			t.Errorf("%s is built on %q", part.Name, part.Recipe.Container.Arch)
		}
		steps = append(steps, part.Recipe.Container.Steps...)
	}
	for _, s := range append(steps, c.Steps...) {
		if strings.HasPrefix(s.Name, "build ") && (len(s.Netrc) > 0 || len(s.Inputs) > 0) {
			t.Errorf("%s runs a package's code, and has logins or inputs", s.Name)
		}
		for _, in := range s.Inputs {
			if !in.Whereabouts && strings.Contains(string(in.Data), ".example") {
				t.Errorf("%s: %s says where to fetch from, and is keyed", s.Name, in.Path)
			}
		}
		if strings.Contains(strings.Join(append(s.Args, s.Env...), " "), ".example") {
			t.Errorf("%s: its command says where to fetch from", s.Name)
		}
	}
	golden(t, "container_build.json", c)
	golden(t, "container_built.json", c.Parts[0].Recipe.Container)

	// Another layer that needs the package has the same part, whatever else it holds.
	r.Packages = r.Packages[2:3]
	if _, other := container(target, r); !reflect.DeepEqual(keyed(other.Parts[0]), keyed(c.Parts[0])) {
		t.Errorf("the part is another in another layer: %+v", other.Parts[0])
	}
}

// keyed are a part's steps without what is in no key.
func keyed(part runtimes.Part) []runtimes.Step {
	steps := slices.Clone(part.Recipe.Container.Steps)
	for i := range steps {
		steps[i].Inputs = slices.DeleteFunc(slices.Clone(steps[i].Inputs), func(in runtimes.InlineFile) bool { return in.Whereabouts })
	}
	return steps
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
