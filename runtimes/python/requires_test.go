package python

import (
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestRequires: what the lock files with edges say leads from the project to
// every package of the set.
func TestRequires(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"uv":          project(t, "app"),
		"poetry":      lockProject(t, "poetry"),
		"poetry 1":    lockProject(t, "poetry1"),
		"pdm":         lockProject(t, "pdm"),
		"pdm, static": lockProject(t, "pdm_static"),
	} {
		t.Run(name, func(t *testing.T) {
			r, _, err := completeFromName(t, files, target(t, "python3.13", runtimes.ARM64))
			if err != nil {
				t.Fatal(err)
			}
			reached := map[string]bool{"": true}
			for again := true; again; {
				again = false
				for _, q := range r.Requires {
					if reached[q.By] && !reached[q.Name] {
						reached[q.Name], again = true, true
					}
				}
			}
			for _, p := range r.Packages {
				if !reached[p.Name] {
					t.Errorf("nothing says what needs %s", p.Name)
				}
			}
		})
	}
}
