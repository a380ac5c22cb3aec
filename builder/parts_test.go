package builder_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// compiling is a container engine that knows what a compiler would make of the
// source "old", and notes when it is asked to.
type compiling struct {
	pinning
	emulates bool
	compiled []string
	source   string // of the package
}

const oldWheel = "old-1.0-cp311-cp311-linux_x86_64.whl"

func (c *compiling) Emulates(_ context.Context, arch runtimes.Arch) (bool, error) {
	return c.emulates && arch != "", nil
}

func (c *compiling) Install(_ context.Context, r runtimes.Recipe, w io.Writer, _ runtimes.Progress) error {
	files := map[string]string{"lib/python3.11/site-packages/old.py": c.source, "lib/python3.11/site-packages/old-1.0.dist-info/METADATA": "Name: old\nVersion: 1.0\n",
		"lib/python3.11/site-packages/old-1.0.dist-info/RECORD": "old.py,,\nold-1.0.dist-info/METADATA,,\nold-1.0.dist-info/RECORD,,\n"}
	if r.Container.Arch != "" {
		c.compiled = append(c.compiled, r.Packages[0].Name)
		files = map[string]string{oldWheel: "the wheel", "old.py": c.source}
	} else {
		for _, p := range r.Container.Parts {
			if wheel, err := p.Files[oldWheel].ReadAll(1 << 10); err != nil || string(wheel) != "the wheel" {
				return fmt.Errorf("%s is not at hand: %q, %v", p.Name, wheel, err)
			}
		}
	}
	out := tar.NewWriter(w)
	for name, content := range files {
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := io.WriteString(out, content); err != nil {
			return err
		}
	}
	return out.Close()
}

// newCompiling makes a project of three layers that need old.
func newCompiling(t *testing.T) (locking, *compiling) {
	t.Helper()
	l := newLocking(t, map[string]string{
		builder.ConfigName: "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  one: {path: one}\n" +
			"  two: {path: one, excludeFiles: [\"**/nothing\"]}\n  three: {path: one, excludeFiles: [\"**/none\"]}\n",
	})
	if _, err := l.index.AddSdist(wheelhouse.Sdist{Name: "old", Version: "1.0", Files: map[string]string{
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'own'\nbackend-path = ['.']\n",
	}}); err != nil {
		t.Fatal(err)
	}
	l.write("one/requirements.txt", "old==1.0 --hash=sha256:"+l.index.Files("old")[0].SHA256+"\n")
	return l, &compiling{pinning: pinning{resolve: func() {}}}
}

func (l locking) compile(c *compiling, opts builder.Options, layers ...string) error {
	l.t.Helper()
	l.events = nil
	b := l.builder()
	b.Containers = c
	opts.Layers = layers
	_, err := b.Build(l.t.Context(), opts)
	return err
}

// notes are those that builds have given.
func (l locking) notes() string {
	var all []string
	for _, e := range l.events {
		all = append(all, e.Text)
	}
	return strings.Join(all, "\n")
}

// TestPartMadeOnce: what must be compiled is compiled once for all layers, and
// again where nothing may be taken from the cache.
func TestPartMadeOnce(t *testing.T) {
	l, c := newCompiling(t)
	for _, step := range []struct {
		opts  builder.Options
		layer string
		want  int
	}{
		{builder.Options{}, "one", 1},
		{builder.Options{}, "two", 1},
		{builder.Options{NoCache: true}, "two", 2},
		{builder.Options{}, "three", 2},
	} {
		if err := l.compile(c, step.opts, step.layer); err != nil {
			t.Fatal(err)
		}
		if len(c.compiled) != step.want {
			t.Errorf("%s with %+v: compiled %d times, want %d", step.layer, step.opts, len(c.compiled), step.want)
		}
	}
	layers, err := builder.CachedLayers(t.Context(), l.builder().Cache)
	if err != nil || len(layers) != 3 {
		t.Errorf("the cache has %d layers, %v", len(layers), err)
	}
}

// TestPartWithSecret: what is built with a token in it is not cached, neither by
// itself nor as a layer.
func TestPartWithSecret(t *testing.T) {
	l, c := newCompiling(t)
	c.source = "TOKEN = 'ghp" + "_" + "R7wQ2mZk9TfXc4LpVb" + "8NsYd3JgHa6UeKt1Wo'\n"
	for range 2 {
		err := l.compile(c, builder.Options{}, "one")
		failed, ok := errors.AsType[*check.FindingsError](err)
		if !ok || failed.Rule.ID != check.SecretToken {
			t.Fatalf("%v", err)
		}
		if !strings.Contains(l.notes(), "it is not cached by itself") {
			t.Errorf("notes: %s", l.notes())
		}
	}
	if len(c.compiled) != 2 {
		t.Errorf("compiled %d times: it was cached", len(c.compiled))
	}
	layers, err := builder.CachedLayers(t.Context(), l.builder().Cache)
	if err != nil || len(layers) != 0 {
		t.Errorf("the cache has %d layers, %v", len(layers), err)
	}
}

// TestPartDamaged: a part that the cache has lost, or has otherwise than it was,
// is made again.
func TestPartDamaged(t *testing.T) {
	l, c := newCompiling(t)
	if err := l.compile(c, builder.Options{}, "one"); err != nil {
		t.Fatal(err)
	}
	store := l.builder().Cache
	var part cache.Blob
	for e, err := range store.Entries(t.Context()) {
		if blob, ok := e.Blobs["part"]; ok && err == nil {
			part = blob
		}
	}
	if part.Size == 0 {
		t.Fatal("the cache has no part")
	}
	file := filepath.Join(l.cache, "cas", part.SHA256.String()[:2], part.SHA256.String())
	if err := errors.Join(os.Chmod(file, 0o644), os.WriteFile(file, bytes.Repeat([]byte("x"), int(part.Size)), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := l.compile(c, builder.Options{}, "two"); err != nil {
		t.Fatal(err)
	}
	if len(c.compiled) != 2 {
		t.Errorf("compiled %d times", len(c.compiled))
	}
}

// TestPartEmulated: who must wait for an emulated compiler is told why.
func TestPartEmulated(t *testing.T) {
	l, c := newCompiling(t)
	c.emulates = true
	if err := l.compile(c, builder.Options{}, "one"); err != nil {
		t.Fatal(err)
	}
	if want := "old must be built from source, under emulation of x86_64"; strings.Count(l.notes(), want) != 1 {
		t.Errorf("not said once: %s\n%s", want, l.notes())
	}
}
