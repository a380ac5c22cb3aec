package buildkit

import (
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// How uv and pip name a package whose file is not the locked one, and how the
// two digests follow.
var (
	uvMismatch   = regexp.MustCompile("Hash mismatch for `([^`]+)`")
	uvDigest     = regexp.MustCompile(`^sha256:([0-9a-f]{64})$`)
	pipMismatch  = regexp.MustCompile(`^(\S+) from \S+ \(from `)
	pipExpected  = regexp.MustCompile(`^Expected sha256 ([0-9a-f]{64})$`)
	pipGot       = regexp.MustCompile(`^Got\s+([0-9a-f]{64})$`)
	pipHashTitle = "DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE"
)

// ourMismatch is how the drivers of steps say it themselves.
var ourMismatch = regexp.MustCompile(`error: (\S+) does not match its locked SHA-256 ([0-9a-f]{64}): got ([0-9a-f]{64})`)

// packageMismatch finds in the last lines of a failed step that uv or pip
// refused a file because of its digest. It returns nil where they did not.
func packageMismatch(lines []string, packages []runtimes.Package) error {
	what, want, got := uvRefusal(lines)
	if what == "" {
		what, want, got = pipRefusal(lines)
	}
	if m := ourMismatch.FindStringSubmatch(strings.Join(lines, "\n")); what == "" && m != nil {
		what, want, got = m[1], m[2], m[3]
	}
	if name, got, ok := yarnRefusal(strings.Join(lines, "\n")); what == "" && ok {
		return yarnDigestError(name, got, packages)
	}
	if what == "" {
		if err := npmDigestError(strings.Join(lines, "\n"), packages); err != nil {
			return err
		}
		return bunDigestError(strings.Join(lines, "\n"), packages)
	}
	e := &runtimes.DigestError{What: what, Want: want, Got: got}
	i := slices.IndexFunc(packages, func(p runtimes.Package) bool { return want != "" && p.File.SHA256 == want })
	if i >= 0 {
		e.What = packages[i].File.Name
		e.From = redact(packages[i].File.URL)
	}
	return e
}

// uvRefusal reads uv's
//
//	cause: Hash mismatch for `six==1.17.0`
//
//	       Expected:
//	         sha256:…
//
//	       Computed:
//	         sha256:…
func uvRefusal(lines []string) (what, want, got string) {
	title := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if m := uvMismatch.FindStringSubmatch(line); m != nil {
			what = m[1]
		}
		if what == "" {
			continue
		}
		if m := uvDigest.FindStringSubmatch(line); m != nil {
			switch {
			case title == "Expected:" && want == "":
				want = m[1]
			case title == "Computed:" && got == "":
				got = m[1]
			}
		}
		if strings.HasSuffix(line, ":") {
			title = line
		}
	}
	return what, want, got
}

// pipRefusal reads pip's
//
//	ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. …
//	    six==1.17.0 from https://… (from -r r.txt (line 1)):
//	        Expected sha256 …
//	        Expected     or …
//	             Got        …
//
// and takes the first package and its first digest.
func pipRefusal(lines []string) (what, want, got string) {
	titled := false
	for _, line := range lines {
		line = strings.TrimSpace(line)
		titled = titled || strings.Contains(line, pipHashTitle)
		if !titled {
			continue
		}
		if m := pipMismatch.FindStringSubmatch(line); m != nil && what == "" {
			what = m[1]
		}
		if m := pipExpected.FindStringSubmatch(line); m != nil && want == "" {
			want = m[1]
		}
		if m := pipGot.FindStringSubmatch(line); m != nil && got == "" {
			got = m[1]
		}
	}
	return what, want, got
}
