package python

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// FuzzUVLock reads whatever is called a uv.lock: it gives a recipe whose files
// can be verified, or says what is wrong with the input.
func FuzzUVLock(f *testing.F) {
	for _, name := range []string{"app", "workspace", "conflicts", "groups"} {
		files := project(f, name)
		f.Add(files["uv.lock"].Data, files["pyproject.toml"].Data, "s3", "web")
	}
	f.Fuzz(func(t *testing.T, lock, pyproject []byte, extra, group string) {
		if len(lock) > 1<<16 {
			return
		}
		files := fstest.MapFS{
			"uv.lock":        &fstest.MapFile{Data: lock},
			"pyproject.toml": &fstest.MapFile{Data: pyproject},
		}
		target := target(t, "python3.12", runtimes.X86_64)
		if extra != "" {
			target.Extras = []string{extra}
		}
		if group != "" {
			target.Groups = []string{group}
		}
		r, err := Runtime{}.Recipe(files, target)
		if err != nil {
			input, open := (*runtimes.InputError)(nil), (*runtimes.Unresolved)(nil)
			if !errors.As(err, &input) && !errors.As(err, &open) {
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
