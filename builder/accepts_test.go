package builder_test

import (
	"errors"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// choosy is a container engine that cannot be given what a recipe needs.
type choosy struct{ pinning }

var errChoosy = &runtimes.InputError{Problem: "a login cannot be given to a container"}

func (choosy) Accepts(runtimes.Recipe) error { return errChoosy }

// TestEngineRefusesRecipe: where a container cannot be given what a recipe
// needs, the direct engine builds, unless a container was asked for.
func TestEngineRefusesRecipe(t *testing.T) {
	index := serve(t)
	p := newProject(t, index, map[string]string{
		builder.ConfigName:     oneLayer,
		"svc/requirements.txt": requirements(index, "core==1.0"),
	})
	b := p.builder()
	b.Containers = choosy{pinning{b.Direct, func() { t.Error("an image was resolved") }}}
	if _, err := b.Build(t.Context(), builder.Options{Engine: "buildkit"}); !errors.Is(err, errChoosy) {
		t.Errorf("got %v, want %v", err, errChoosy)
	}
	if _, err := b.Build(t.Context(), builder.Options{Engine: "auto"}); err != nil {
		t.Error(err)
	}
}
