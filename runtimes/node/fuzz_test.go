package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

// FuzzPackageLock reads arbitrary lock files: whatever they hold, there is a
// set whose places lie in node_modules, each with one owner, or an error that
// says something.
func FuzzPackageLock(f *testing.F) {
	files, _ := filepath.Glob("testdata/npm/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var lock, manifest string
		for _, a := range archive.Files {
			switch a.Name {
			case "package-lock.json":
				lock = string(a.Data)
			case "package.json":
				manifest = string(a.Data)
			}
		}
		f.Add(lock, manifest)
	}
	if data, err := os.ReadFile("../../testdata/examples/web-api/package-lock.json"); err == nil {
		f.Add(string(data), `{"dependencies": {"sharp": "*"}}`)
	}
	info, _ := runtimes.Lookup("nodejs22.x")
	f.Fuzz(func(t *testing.T, lock, manifest string) {
		project := fstest.MapFS{
			"package-lock.json": {Data: []byte(lock)}, "package.json": {Data: []byte(manifest)},
			"packages/a/package.json": {Data: []byte(manifest)}, "lib/a/package.json": {Data: []byte(`{"name":"a"}`)},
		}
		for _, path := range []string{".", "packages/a"} {
			r, err := Runtime{}.Recipe(project, runtimes.Target{Runtime: info, Arch: runtimes.ARM64, Path: path, Exclude: []string{"left"}})
			if err != nil {
				var incomplete *runtimes.Incomplete
				if err.Error() == "" || errors.As(err, &incomplete) && len(incomplete.Requests) == 0 {
					t.Errorf("an empty error: %v", err)
				}
				continue
			}
			taken := map[string]bool{}
			for _, p := range r.Packages {
				for _, place := range p.Places {
					if taken[place] || filepath.Clean(place) != place || !strings.HasPrefix(place, "node_modules/") || !filepath.IsLocal(place) {
						t.Errorf("%s lies at %s", p.Name, place)
					}
					taken[place] = true
				}
				if len(p.Places) == 0 || p.File.Integrity == "" {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}
