package builder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

// TestWhatRebuilds states what is part of a key and what is not.
func TestWhatRebuilds(t *testing.T) {
	index := serve(t)
	pins, dev := []string{"api==1.0", "core==1.0", "fastmath==1.0"}, []string{"lint==1.0"}
	const config = "layers:\n  api: {path: svc, runtime: python3.11, architectures: [x86_64], include: {extra: python/extra}}\n"
	replaceConfig := func(from, to string) func(*project) {
		return func(p *project) { p.write(builder.ConfigName, strings.Replace(config, from, to, 1)) }
	}
	lock := func(pins, dev []string) func(*project) {
		return func(p *project) {
			p.write("svc/uv.lock", uvLock(index, pins, dev))
			p.write("svc/pyproject.toml", pyproject(pins, dev))
		}
	}
	for _, test := range []struct {
		name     string
		change   func(*project)
		rebuilds bool
	}{
		{"a comment in the lock file", func(p *project) { p.write("svc/uv.lock", "# by hand\n"+uvLock(index, pins, dev)) }, false},
		{"an unrelated file", func(p *project) { p.write("svc/handler.py", "print()") }, false},
		{"a dev dependency's version", lock(pins, []string{"lint==2.0"}), false},
		{"the folder's place", func(p *project) { p.dir = move(p) }, false},
		{"the layer's description", replaceConfig("include:", "description: other, include:"), false},
		{"the layer's name", replaceConfig("  api:", "  other:"), false},
		{"times and the lock file's mode", touchAll, false},
		{"the same packages in requirements.txt", func(p *project) {
			os.Remove(filepath.Join(p.dir, "svc/uv.lock"))
			p.write("svc/requirements.txt", requirements(index, pins...))
		}, false},
		{"one pinned version", lock([]string{"api==1.1", "core==1.0", "fastmath==1.0"}, dev), true},
		{"the hash of an installed file", func(p *project) {
			sum := index.Files("core")[0].SHA256
			p.write("svc/uv.lock", strings.Replace(uvLock(index, pins, dev), sum, strings.Repeat("a", 64), 1))
		}, true},
		{"the runtime", replaceConfig("python3.11", "python3.12"), true},
		{"the architecture of a native package", replaceConfig("x86_64", "arm64"), true},
		{"an included file's byte", func(p *project) { p.write("extra/data.txt", "b") }, true},
		{"an included file's mode", func(p *project) {
			if err := os.Chmod(filepath.Join(p.dir, "extra/data.txt"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"an included file's place", replaceConfig("python/extra", "python/other"), true},
		{"files left out", replaceConfig("include:", "excludeFiles: ['**/__init__.py'], include:"), true},
		{"console scripts", replaceConfig("include:", "consoleScripts: true, include:"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newProject(t, index, map[string]string{
				builder.ConfigName: config, "extra/data.txt": "a",
				"svc/uv.lock": uvLock(index, pins, dev), "svc/pyproject.toml": pyproject(pins, dev),
			})
			before := p.plan()
			p.mustBuild()
			test.change(p)
			after := p.plan()
			if rebuilds := before.Key != after.Key; rebuilds != test.rebuilds {
				t.Errorf("the key changed: %v, want %v", rebuilds, test.rebuilds)
			}
			// The plan's answer must be the build's, memos and all.
			if after.Hit == test.rebuilds {
				t.Errorf("plan says hit %v", after.Hit)
			}
			if test.name == "the hash of an installed file" {
				return // nobody has such a file, so it cannot be built
			}
			if built := p.mustBuild()[0]; built.Hit == test.rebuilds || built.Key != after.Key {
				t.Errorf("built: hit %v, key %s; plan: key %s", built.Hit, built.Key, after.Key)
			}
		})
	}
}

func (p *project) plan() builder.PlannedTarget {
	p.t.Helper()
	plan, err := p.builder().Plan(p.t.Context(), builder.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return plan.Targets[0]
}

// move moves the project to another folder.
func move(p *project) string {
	p.t.Helper()
	dir := filepath.Join(p.t.TempDir(), "else where")
	if err := os.Rename(p.dir, dir); err != nil {
		p.t.Fatal(err)
	}
	return dir
}

func touchAll(p *project) {
	p.t.Helper()
	file := filepath.Join(p.dir, "svc/uv.lock")
	info, err := os.Stat(file)
	if err != nil {
		p.t.Fatal(err)
	}
	later := info.ModTime().Add(1e12)
	if err := os.Chtimes(file, later, later); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(file, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// TestPureSetHasOneKey: packages without native code share one build between
// architectures.
func TestPureSetHasOneKey(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     "layers:\n  api: {path: svc, runtime: python3.11, architectures: [x86_64, arm64]}\n",
		"svc/requirements.txt": requirements(index, "api==1.0", "core==1.0"),
	})
	layers := p.mustBuild()
	if len(layers) != 2 || layers[0].Key != layers[1].Key || layers[1].SameAs == nil {
		t.Errorf("got %+v, want two archives from one build", layers)
	}
	if layers[0].File == layers[1].File {
		t.Errorf("both lie at %s", layers[0].File)
	}
}
