package python

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// recipeWithBuilds is the recipe of t with an answer to each question of what a
// build needs; t keeps the answers.
func recipeWithBuilds(t *testing.T, files fs.FS, target *runtimes.Target) runtimes.Recipe {
	t.Helper()
	r, err := Runtime{}.Recipe(files, *target)
	var open *runtimes.Unresolved
	if errors.As(err, &open) {
		answerBuilds(t, target, open.Questions)
		r, err = Runtime{}.Recipe(files, *target)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func answerBuilds(t *testing.T, target *runtimes.Target, questions []runtimes.Question) {
	t.Helper()
	if target.Pins.Builds == nil {
		target.Pins.Builds = map[string]runtimes.Resolution{}
	}
	for _, q := range questions {
		if !q.Build {
			t.Fatalf("%s: %s", q.Name, q.Why)
		}
		var places []string
		for _, p := range q.Places {
			places = append(places, p.String())
		}
		target.Pins.Builds[q.Name] = runtimes.Resolution{Input: q.Digest(), Places: places, Packages: []runtimes.Pinned{
			{Requirement: "backend==1", SHA256: []string{strings.Repeat("b", 64), strings.Repeat("c", 64)}},
		}}
	}
}
