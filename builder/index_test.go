package builder_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/builder"
)

// TestIndexTellsWhatLiesThere: layers.json describes the archives beside it
// even where another layer of the run failed.
func TestIndexTellsWhatLiesThere(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:      "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n  bad: {path: bad}\n  good: {path: good}\n",
		"good/requirements.txt": requirements(index, "core==1.0"),
		"bad/requirements.txt":  requirements(index, "lint==1.0"),
	})
	first := p.mustBuild()
	file := index.Files("lint")[1]
	file.Data = append([]byte("tampered"), file.Data...)
	index.AddFile("lint", file)
	p.write("good/requirements.txt", requirements(index, "core==2.0"))
	p.write("bad/requirements.txt", requirements(index, "lint==2.0"))
	if _, err := p.build(builder.Options{}); err == nil {
		t.Fatal("a tampered wheel was built")
	}
	var listed struct {
		Layers []struct{ File, SHA256 string }
	}
	dist := filepath.Dir(first[0].File)
	data, err := os.ReadFile(filepath.Join(dist, "layers.json"))
	if err == nil {
		err = json.Unmarshal(data, &listed)
	}
	if err != nil || len(listed.Layers) != 2 {
		t.Fatalf("got %s (%v), want both layers", data, err)
	}
	for _, l := range listed.Layers {
		data, err := os.ReadFile(filepath.Join(dist, l.File))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != l.SHA256 {
			t.Errorf("%s is %s, layers.json says %s", l.File, got, l.SHA256)
		}
	}
}

// TestIndexOfManyProcesses: builds of several layers at a time, each with a
// cache handle of its own as processes have, lose nothing of layers.json.
func TestIndexOfManyProcesses(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{"svc/requirements.txt": requirements(index, "core==1.0")})
	config, names := "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n", []string{}
	for i := range 8 {
		names = append(names, fmt.Sprintf("l%d", i))
		config += fmt.Sprintf("  l%d: {path: svc}\n", i)
	}
	p.write(builder.ConfigName, config)
	p.mustBuild()
	for range 3 {
		if err := os.RemoveAll(filepath.Join(p.dir, ".layerbuild")); err != nil {
			t.Fatal(err)
		}
		var g errgroup.Group
		for _, name := range names {
			b := p.builder()
			g.Go(func() error {
				_, err := b.Build(t.Context(), builder.Options{Layers: []string{name}})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(p.dir, ".layerbuild/dist/layers.json"))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(data), "\"name\""); n != len(names) {
			t.Fatalf("layers.json has %d of %d layers", n, len(names))
		}
	}
}

// TestOutputOfSeveral: a run removes no archive of another configuration, nor,
// without one, of the command before.
func TestOutputOfSeveral(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		"one.yaml":             "output: dist\nlayers:\n  one: {path: svc, runtime: python3.11, architectures: [x86_64]}\n",
		"two.yaml":             "output: dist\nlayers:\n  two: {path: svc, runtime: python3.11, architectures: [x86_64]}\n",
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
		"b/requirements.txt":   requirements(index, "core==1.0"),
	})
	dist := filepath.Join(p.dir, "dist")
	t.Chdir(p.dir)
	b := p.builder()
	for _, config := range []string{"one.yaml", "two.yaml", "svc", "b", "one.yaml"} {
		var err error
		if strings.HasSuffix(config, ".yaml") {
			b.Config, err = builder.LoadConfig(config)
		} else {
			b.Config, err = builder.SingleLayer(config, []string{"python3.11"}, []string{"arm64"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Build(t.Context(), builder.Options{Output: dist}); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dist, "layers.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one.zip", "two.zip", "svc.zip", "b.zip"} {
		if _, err := os.Stat(filepath.Join(dist, name)); err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(data), `"`+name+`"`) {
			t.Errorf("layers.json lacks %s", name)
		}
	}
}
