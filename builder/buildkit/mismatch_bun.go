package buildkit

import (
	"regexp"

	"github.com/layerbuild/layerbuild/runtimes"
)

// bunRefusal is how bun says that a package is not the locked one. It tells the
// name alone.
var bunRefusal = regexp.MustCompile(`Integrity check failed for tarball: (\S+)`)

// bunDigestError reads the error by which bun refuses a package, nil where there
// is none.
func bunDigestError(text string, packages []runtimes.Package) error {
	m := bunRefusal.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	e := &runtimes.DigestError{What: m[1], Want: "sha512 in bun.lock"}
	var named []runtimes.Package
	for _, p := range packages {
		if p.Name == m[1] {
			named = append(named, p)
		}
	}
	if len(named) == 1 { // of several versions, any may be meant
		e.What, e.Want, e.From = named[0].File.Name, named[0].File.Integrity, redact(named[0].File.URL)
	}
	return e
}
