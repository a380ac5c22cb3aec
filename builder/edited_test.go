package builder_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// pinning is a container engine that has the direct one do the work.
type pinning struct {
	builder.Engine
	resolve func()
}

func (pinning) Accepts(runtimes.Recipe) error { return nil }

func (pinning) Emulates(context.Context, runtimes.Arch) (bool, error) { return false, nil }

func (pinning) Ping(context.Context) (string, error) { return "the test", nil }

func (p pinning) ResolveImage(context.Context, string) (string, error) {
	p.resolve()
	return "sha256:" + strings.Repeat("0", 64), nil
}

func (pinning) Probe(context.Context, runtimes.Probe, io.Writer, runtimes.Progress) error {
	return errors.ErrUnsupported
}

// TestLockEditedWhilePinning: the lock file is read once more when the image
// is known; what it says then must not go under the earlier key.
func TestLockEditedWhilePinning(t *testing.T) {
	index := serve(t)
	if _, err := index.Add(wheelhouse.Wheel{Name: "uv", Version: "0.13.9", Tag: "py3-none-manylinux_2_17_x86_64"}); err != nil {
		t.Fatal(err)
	}
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	b := p.builder()
	b.Containers = pinning{b.Direct, func() {
		p.write("svc/requirements.txt", requirements(index, "core==2.0"))
	}}
	result, err := b.Build(t.Context(), builder.Options{Engine: "buildkit"})
	if err == nil {
		t.Fatalf("built %v, want an error", zipNames(t, result.Layers[0].File))
	}
	if !strings.Contains(err.Error(), "changed during the build") {
		t.Errorf("got %v", err)
	}
}

// editing is a plugin whose lock file is edited just before it is read.
type editing struct {
	python.Runtime
	edit func()
}

func (e editing) Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	e.edit()
	return e.Runtime.Recipe(project, t)
}

// TestLockEditedAfterLookup: what is read again for the build is not what the
// key was made of. Nothing may be stored under that key, and the next build
// is not misled.
func TestLockEditedAfterLookup(t *testing.T) {
	index := serve(t)
	for name, pin := range map[string]string{
		"another version":      "core==2.0",
		"to be compiled":       "fastmath==1.0",
		"the same, other text": "core==1.0",
	} {
		t.Run(name, func(t *testing.T) {
			p := newProject(t, index, map[string]string{
				builder.ConfigName:     strings.Replace(oneLayer, "3.11", "3.13", 1),
				"svc/requirements.txt": requirements(index, "core==1.0"),
			})
			first := p.mustBuild()[0]
			entry := filepath.Join(p.cache, "ac", first.Key[:2], first.Key)
			if err := os.Remove(entry); err != nil {
				t.Fatal(err)
			}
			b := p.builder()
			b.Runtimes = []runtimes.Runtime{editing{edit: func() {
				p.write("svc/requirements.txt", "# edited\n"+requirements(index, pin))
			}}}
			result, err := b.Build(t.Context(), builder.Options{})
			if pin == "core==1.0" {
				if err != nil || result.Layers[0].Key != first.Key {
					t.Errorf("got %v, %v", result, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "changed during the build") {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(entry); err == nil {
				t.Error("an entry was stored")
			}
		})
	}
}

// TestWrongMemo: a remembered key that turns out to be wrong fails one build
// at most.
func TestWrongMemo(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	first := p.mustBuild()[0]
	if err := os.Remove(filepath.Join(p.cache, "ac", first.Key[:2], first.Key)); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		b := p.builder()
		b.Runtimes = []runtimes.Runtime{renaming{}}
		if _, err := b.Build(t.Context(), builder.Options{}); round > 0 && err != nil {
			t.Error(err)
		}
	}
}

// renaming is a plugin of other rules than those that a memo was made with.
type renaming struct{ python.Runtime }

func (r renaming) Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	recipe, err := r.Runtime.Recipe(project, t)
	recipe.Layout = "other"
	return recipe, err
}
