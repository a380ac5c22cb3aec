//go:build e2e

package modules

import (
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java"
)

// TestLocks resolves locks of real modules against the real default repository.
// The locks and the files that are expected of each are written by hand, from
// Gradle's documentation and the modules' metadata: no Gradle that locks can be
// had where layerbuild is developed.
func TestLocks(t *testing.T) {
	files, err := filepath.Glob("testdata/locks/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d locks, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			project, expected := fstest.MapFS{}, map[string]string{}
			for _, f := range archive.Files {
				project[f.Name] = &fstest.MapFile{Data: f.Data}
				expected[f.Name] = strings.TrimSpace(string(f.Data))
			}
			_, name, _ := strings.Cut(string(archive.Comment), "runtime: ")
			got, err := filesOf(t, project, strings.TrimSpace(name))
			if want := expected["error"]; want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Split(expected["want"], "\n"); !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// filesOf lists the jars of the layer that a project comes to, sorted.
func filesOf(t *testing.T, project fstest.MapFS, runtime string) ([]string, error) {
	t.Helper()
	info, ok := runtimes.Lookup(runtime)
	if !ok {
		t.Fatalf("no runtime %q", runtime)
	}
	target := runtimes.Target{Runtime: info, Arch: runtimes.X86_64, Path: ".", Places: []runtimes.Place{{Runtime: info, Arch: runtimes.X86_64}}}
	target.Pins.Requirements = map[string]runtimes.Resolution{}
	r, kept := resolver(t)
	for {
		recipe, err := java.Runtime{}.Recipe(project, target)
		var open *runtimes.Unresolved
		if !errors.As(err, &open) {
			var places []string
			for _, p := range recipe.Packages {
				places = append(places, path.Base(p.Places[0]))
				if _, ok := kept.files[p.File.SHA256]; !ok {
					t.Errorf("%s was not fetched", p.File.Name)
				}
			}
			slices.Sort(places)
			return places, err
		}
		for _, q := range open.Questions {
			if _, again := target.Pins.Requirements[q.Name]; again {
				t.Fatalf("%s is asked again: %s", q.Name, q.Why)
			}
			pinned, err := r.Resolve(t.Context(), q, runtimes.Tool{}, nil, nil)
			if err != nil {
				return nil, err
			}
			target.Pins.Requirements[q.Name] = runtimes.Resolution{Input: q.Digest(), Places: []string{q.Places[0].String()}, Packages: pinned}
		}
	}
}
