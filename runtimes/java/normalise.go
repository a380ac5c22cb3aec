package java

import (
	"encoding/hex"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Normalise implements [runtimes.Runtime]. Jars lie where they are to be, as
// they came; each is held against its hash, since Maven does not know it. Those
// that are to be slim are written anew.
func (Runtime) Normalise(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	kept := make(map[string]bool)
	for _, p := range r.Packages {
		for _, place := range p.Places {
			f, ok := t[place]
			if !ok || f.Link != "" {
				return nil, &runtimes.PackageError{File: p.File.Name, Problem: "was not installed"}
			}
			if got := hex.EncodeToString(f.SHA256[:]); got != p.File.SHA256 {
				return nil, &runtimes.DigestError{What: p.File.Name, Want: p.File.SHA256, Got: got, From: p.File.URL}
			}
			f.Mode, f.Package = 0o644, p.Name
			t[place] = f
			kept[place] = true
		}
	}
	for path := range t {
		if !kept[path] {
			delete(t, path)
		}
	}
	return slimJars(r, t)
}
