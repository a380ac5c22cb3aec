package builder_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// TestSharedArchiveLost: two targets share an archive, the first's output is
// in place, and the cache has lost the archive when the second needs it.
func TestSharedArchiveLost(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     strings.Replace(oneLayer, "x86_64", "x86_64, arm64", 1),
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	layers := p.mustBuild()
	if layers[0].Key != layers[1].Key {
		t.Fatal("the targets of a pure set do not share a key")
	}
	want, err := os.ReadFile(layers[1].File)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{layers[1].File, filepath.Join(p.cache, "cas", layers[0].SHA256[:2], layers[0].SHA256)} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	p.mustBuild()
	if got, err := os.ReadFile(layers[1].File); err != nil || string(got) != string(want) {
		t.Errorf("the second output was not restored (%v)", err)
	}
}

// TestEntriesCannotBeKept: blobs go into the cache, entries do not.
func TestEntriesCannotBeKept(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	if err := os.WriteFile(filepath.Join(p.cache, "ac"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	built := p.mustBuild()[0]
	if names := zipNames(t, built.File); len(names) == 0 {
		t.Error("the archive is empty")
	}
	warned := false
	for _, e := range p.events {
		warned = warned || e.Kind == builder.Warned && strings.Contains(e.Text, "cannot keep this layer")
	}
	if !warned {
		t.Errorf("no warning among %v", p.events)
	}
}

// TestOtherBytesForAKey: an archive that differs under its key, which must not
// happen, does not leave the old one beside the new one's manifest.
func TestOtherBytesForAKey(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	p.mustBuild()
	b := p.builder()
	b.Runtimes = []runtimes.Runtime{adding{}}
	result, err := b.Build(t.Context(), builder.Options{NoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(result.Layers[0].File)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != result.Layers[0].SHA256 {
		t.Errorf("the output is %s, its manifest says %s", got, result.Layers[0].SHA256)
	}
}

// adding is a plugin of other rules, with no other key.
type adding struct{ python.Runtime }

func (a adding) Normalise(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	notes, err := a.Runtime.Normalise(r, t)
	t["python/more"] = runtimes.NewTreeFile([]byte("more"), false)
	return notes, err
}
