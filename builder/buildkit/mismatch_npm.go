package buildkit

import (
	"regexp"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmRefusal is how npm says that a tarball is not the locked one:
//
//	npm error code EINTEGRITY
//	npm error sha512-… integrity checksum failed when using sha512: wanted sha512-… but got sha512-…. (318961 bytes)
var npmRefusal = regexp.MustCompile(`wanted (sha[0-9]+-[0-9A-Za-z+/=]+)[^\n]*? but got (sha[0-9]+-[0-9A-Za-z+/=]+)`)

// npmDigestError reads npm's refusal; nil where there is none.
func npmDigestError(text string, packages []runtimes.Package) error {
	m := npmRefusal.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	e := &runtimes.DigestError{What: "an npm package", Want: m[1], Got: m[2]}
	for _, p := range packages {
		if p.File.Integrity == m[1] {
			e.What, e.From = p.File.Name, redact(p.File.URL)
		}
	}
	return e
}
