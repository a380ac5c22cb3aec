package python

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// fuzzLock reads whatever is called a lock file: it gives a recipe whose files
// can be verified, asks for what is missing, or says what is wrong with the
// input.
func fuzzLock(f *testing.F, lock, manifest string, seeds ...string) {
	for _, name := range seeds {
		files := lockProject(f, name)
		data, ok := files[manifest]
		if !ok {
			f.Fatalf("%s has no %s", name, manifest)
		}
		f.Add(files[lock].Data, data.Data, "fast", "dev", false)
		f.Add(files[lock].Data, data.Data, "", "", true)
	}
	f.Fuzz(func(t *testing.T, text, project []byte, extra, group string, exclude bool) {
		if len(text) > 1<<16 || len(project) > 1<<16 {
			return
		}
		files := fstest.MapFS{lock: &fstest.MapFile{Data: text}, manifest: &fstest.MapFile{Data: project}}
		target := target(t, "python3.12", runtimes.X86_64)
		target.Places = []runtimes.Place{{Runtime: target.Runtime, Arch: target.Arch}}
		if extra != "" {
			target.Extras = []string{extra}
		}
		if group != "" {
			target.Groups = []string{group}
		}
		if exclude {
			target.Exclude = []string{"requests"}
		}
		r, err := Runtime{}.Recipe(files, target)
		if err != nil {
			input, open, incomplete := (*runtimes.InputError)(nil), (*runtimes.Unresolved)(nil), (*runtimes.Incomplete)(nil)
			if !errors.As(err, &input) && !errors.As(err, &open) && !errors.As(err, &incomplete) {
				t.Fatalf("%v is not an InputError", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, p := range r.Packages {
			if p.Missing == "" && !isSHA256(p.File.SHA256) {
				t.Errorf("%s has no hash", p.Name)
			}
			if p.Name == "" || seen[p.Name] {
				t.Errorf("%q twice or without name", p.Name)
			}
			seen[p.Name] = true
		}
	})
}

func FuzzPoetryLock(f *testing.F) {
	fuzzLock(f, "poetry.lock", "pyproject.toml", "poetry", "poetry_legacy", "poetry1", "poetry_hashless")
}

func FuzzPDMLock(f *testing.F) {
	fuzzLock(f, "pdm.lock", "pyproject.toml", "pdm", "pdm_static", "pdm_plain")
}

func FuzzPipfileLock(f *testing.F) { fuzzLock(f, "Pipfile.lock", "Pipfile", "pipfile") }

func FuzzPylock(f *testing.F) { fuzzLock(f, "pylock.toml", "pyproject.toml", "pylock") }
