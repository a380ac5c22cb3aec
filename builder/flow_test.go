package builder_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestOpenRequirements: a requirements file that does not list what its
// packages require is no lock.
func TestOpenRequirements(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "api==1.0"),
	})
	_, err := p.build(builder.Options{})
	var input *runtimes.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "core, which api requires") {
		t.Fatalf("got %v, want an input error that names core", err)
	}
	if !strings.HasPrefix(input.Hint, "add core to svc/requirements.txt, or lock the whole set") {
		t.Errorf("the hint is %s", input.Hint)
	}
	if left, _ := os.ReadDir(filepath.Join(p.dir, ".layerbuild/dist")); len(left) > 0 {
		t.Errorf("a failed build left %v", left)
	}
	p.write(builder.ConfigName, strings.Replace(oneLayer, "arch", "exclude: [Core], arch", 1))
	if layers := p.mustBuild(); layers[0].Packages != 1 {
		t.Errorf("got %d packages, want 1", layers[0].Packages)
	}
}

// TestUniversal: one archive for several runtimes and architectures, or an
// error that names the package that forbids it.
func TestUniversal(t *testing.T) {
	index := serve(t)
	const config = "layers:\n  api: {path: svc, runtime: [python3.11, python3.12], architectures: [x86_64, arm64], universal: true}\n"
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     config,
		"svc/requirements.txt": requirements(index, "api==1.0", "core==1.0"),
	})
	layers := p.mustBuild()
	if len(layers) != 1 || filepath.Base(layers[0].File) != "api.zip" {
		t.Fatalf("got %+v, want one archive api.zip", layers)
	}
	if names := zipNames(t, layers[0].File); !slices.Contains(names, "python/api/__init__.py") {
		t.Errorf("the archive holds %v", names)
	}
	p.write("svc/requirements.txt", requirements(index, "fastmath==1.0"))
	p.write(builder.ConfigName, strings.Replace(config, ", python3.12", "", 1))
	_, err := p.build(builder.Options{})
	var input *runtimes.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "fastmath") || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("got %v, want an input error that names fastmath and arm64", err)
	}
}

// TestDamagedCache: whatever happens to the cache's files, an output is right.
func TestDamagedCache(t *testing.T) {
	index := serve(t)
	for name, damage := range map[string]func(t *testing.T, file string){
		"cut short": func(t *testing.T, file string) {
			if err := os.Truncate(file, 10); err != nil {
				t.Fatal(err)
			}
		},
		"overwritten": func(t *testing.T, file string) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"removed": func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProject(t, index, map[string]string{
				builder.ConfigName:     oneLayer,
				"svc/requirements.txt": requirements(index, "api==1.0", "core==1.0"),
			})
			first := p.mustBuild()[0]
			want, err := os.ReadFile(first.File)
			if err != nil {
				t.Fatal(err)
			}
			// Every file of the cache, one at a time.
			for _, file := range cacheFiles(t, p.cache) {
				if _, err := os.Stat(file); err != nil {
					continue // an earlier round's repair replaced it
				}
				damage(t, file)
				if err := os.RemoveAll(filepath.Join(p.dir, ".layerbuild")); err != nil {
					t.Fatal(err)
				}
				built := p.mustBuild()[0]
				got, err := os.ReadFile(built.File)
				if err != nil {
					t.Fatal(err)
				}
				if string(got) != string(want) || built.SHA256 != first.SHA256 {
					t.Fatalf("after damage to %s the archive differs", file)
				}
			}
		})
	}
}

func cacheFiles(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	for _, space := range []string{"ac", "cas"} {
		found, err := filepath.Glob(filepath.Join(dir, space, "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 5 {
		t.Fatalf("the cache holds only %v", files)
	}
	return files
}

// TestEditedOutput: an output that somebody changed is delivered anew, and the
// edit does not reach the cache.
func TestEditedOutput(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "api==1.0", "core==1.0"),
	})
	built := p.mustBuild()[0]
	want, err := os.ReadFile(built.File)
	if err != nil {
		t.Fatal(err)
	}
	if again := p.mustBuild()[0]; !again.Hit || again.Delivered {
		t.Errorf("second build: hit %v, delivered %v; want a hit that leaves the output alone", again.Hit, again.Delivered)
	}
	for _, file := range []string{built.File, built.Manifest} {
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("edited"), 0o644); err != nil {
			t.Fatal(err)
		}
		p.mustBuild()
		if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
			t.Errorf("%s was not restored (%v)", file, err)
		}
	}
	if got, _ := os.ReadFile(built.File); string(got) != string(want) {
		t.Error("the archive differs after all")
	}
}

// TestSomeFail: one layer's broken wheel does not keep the others from being
// built, and nothing of it is left.
func TestSomeFail(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:      "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  bad: {path: bad}\n  good: {path: good}\n",
		"good/requirements.txt": requirements(index, "core==1.0"),
		"bad/requirements.txt":  requirements(index, "core==2.0"),
	})
	file := index.Files("core")[1]
	file.Data = append([]byte("tampered"), file.Data...)
	index.AddFile("core", file)
	_, err := p.build(builder.Options{})
	var digest *runtimes.DigestError
	if !errors.As(err, &digest) {
		t.Fatalf("got %v, want a digest error", err)
	}
	dist := filepath.Join(p.dir, ".layerbuild/dist")
	if _, err := os.Stat(filepath.Join(dist, "good.zip")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"bad.zip", "bad.json"} {
		if _, err := os.Stat(filepath.Join(dist, name)); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

// TestSameKeyJudgedApart: layers of one key share the build, but each is judged by
// what its own configuration allows, whichever comes first.
func TestSameKeyJudgedApart(t *testing.T) {
	const allow = ", check: {allow: [{id: link, reason: made by setup}]}"
	for _, lenient := range []string{"a", "b"} {
		config := "defaults: {plain: true, runtime: python3.11, architectures: [x86_64]}\nlayers:\n"
		for _, name := range []string{"a", "b"} {
			config += "  " + name + ": {path: files"
			if name == lenient {
				config += allow
			}
			config += "}\n"
		}
		p := newProject(t, serve(t), map[string]string{builder.ConfigName: config, "files/python/x.py": "x = 1\n"})
		if err := os.Symlink("nowhere", filepath.Join(p.dir, "files/python/link")); err != nil {
			t.Fatal(err)
		}
		_, err := p.build(builder.Options{})
		var findings *check.FindingsError
		if !errors.As(err, &findings) {
			t.Fatalf("%s allows it: got %v, want the other's findings", lenient, err)
		}
		for _, name := range []string{"a", "b"} {
			_, err := os.Stat(filepath.Join(p.dir, ".layerbuild/dist", name+".zip"))
			if built := err == nil; built != (name == lenient) {
				t.Errorf("%s allows it: %s was delivered: %v", lenient, name, built)
			}
		}
	}
}

// TestStaleOutputs: an archive that the configuration no longer has must not
// lie about to be deployed; what somebody else put there stays.
func TestStaleOutputs(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	old := p.mustBuild()[0]
	p.write(".layerbuild/dist/other.zip", "not ours")
	p.write(builder.ConfigName, strings.Replace(oneLayer, "[x86_64]", "[x86_64, arm64]", 1))
	p.mustBuild()
	entries, err := os.ReadDir(filepath.Dir(old.File))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"api-python3.11-arm64.json", "api-python3.11-arm64.zip", "api-python3.11-x86_64.json",
		"api-python3.11-x86_64.zip", "layers.json", "other.zip"}
	if !slices.Equal(names, want) {
		t.Errorf("the output folder holds %v, want %v", names, want)
	}

	p.write(builder.ConfigName, oneLayer)
	p.write(".layerbuild/dist/api-python3.11-arm64.zip", "edited by hand")
	p.mustBuild()
	if data, err := os.ReadFile(filepath.Join(filepath.Dir(old.File), "api-python3.11-arm64.zip")); err != nil || string(data) != "edited by hand" {
		t.Errorf("a file that was edited is %q (%v)", data, err)
	}
}

// TestOneCauseOnce: what stops every layer is said once.
func TestOneCauseOnce(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:   "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  a: {path: a}\n  b: {path: b}\n",
		"a/requirements.txt": requirements(index, "core==1.0"),
		"b/requirements.txt": requirements(index, "core==2.0"),
	})
	_, err := p.build(builder.Options{Engine: "buildkit"})
	var unreachable *runtimes.UnreachableError
	if !errors.As(err, &unreachable) || err.Error() != unreachable.Error() {
		t.Errorf("got %v, want one UnreachableError", err)
	}
}
