package buildkit

import (
	"regexp"

	"github.com/layerbuild/layerbuild/runtimes"
)

// How yarn 1, and yarn 2 and later, say that a package is not the locked one.
var (
	yarnRefusals = regexp.MustCompile(`(?m)(?:Integrity check failed for|Incorrect integrity when fetching from the cache for) "([^"]+)"`)
	yarnGot      = regexp.MustCompile(`(?:got|Cache has) "(sha512-[0-9A-Za-z+/=]+)`)
	berryRefusal = regexp.MustCompile(`(\S+@\S+): The remote archive doesn't match the expected checksum`)
)

// yarnRefusal reads the error by which yarn refuses a package. Of the two, only
// yarn 1 tells what it got.
func yarnRefusal(text string) (name, got string, ok bool) {
	if m := yarnRefusals.FindStringSubmatch(text); m != nil {
		if g := yarnGot.FindStringSubmatch(text); g != nil {
			got = g[1]
		}
		return m[1], got, true
	}
	if m := berryRefusal.FindStringSubmatch(text); m != nil {
		return m[1], "", true
	}
	return "", "", false
}

// yarnDigestError finds the package that yarn names, with the integrity that is
// locked. The checksums of yarn 2 and later are of archives that it makes
// itself: the package has the lock's own word for it in none of its files.
func yarnDigestError(name, got string, packages []runtimes.Package) error {
	e := &runtimes.DigestError{What: name, Want: "sha512 in yarn.lock", Got: got}
	for _, p := range packages {
		if p.Name == name && p.File.Integrity != got && got != "" {
			e.What, e.Want, e.From = p.File.Name, p.File.Integrity, redact(p.File.URL)
		}
	}
	return e
}
