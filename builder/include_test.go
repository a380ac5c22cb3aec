package builder_test

import (
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
