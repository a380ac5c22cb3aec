package builder_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
)

// TestIncludeAroundOutput: what was built is no part of what is built next.
func TestIncludeAroundOutput(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     strings.Replace(oneLayer, "path:", "include: {.: python/app}, path:", 1),
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	first := p.mustBuild()[0]
	if again := p.mustBuild()[0]; !again.Hit || again.Key != first.Key {
		t.Errorf("the second build made %v", zipNames(t, again.File))
	}
}

// TestIncludeLinkedFolder: the folder that an include names may be a link.
func TestIncludeLinkedFolder(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     strings.Replace(oneLayer, "path:", "include: {common: python/common}, path:", 1),
		"svc/requirements.txt": requirements(index, "core==1.0"),
		"libs/common/a.py":     "a = 1\n",
	})
	if err := os.Symlink("libs/common", filepath.Join(p.dir, "common")); err != nil {
		t.Fatal(err)
	}
	if names := zipNames(t, p.mustBuild()[0].File); !slices.Contains(names, "python/common/a.py") {
		t.Errorf("the archive holds %v", names)
	}
}
