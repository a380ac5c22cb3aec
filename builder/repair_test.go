package builder_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
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
