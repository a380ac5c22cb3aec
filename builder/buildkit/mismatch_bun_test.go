package buildkit

import (
	"errors"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestBunMismatch reads what bun 1.4.5 printed for a file with another hash.
func TestBunMismatch(t *testing.T) {
	lines := []string{
		"bun install v1.4.5 (a7733435c)",
		"error: Integrity check failed for tarball: @sindresorhus/is",
		"error: IntegrityCheckFailed extracting tarball from @sindresorhus/is",
	}
	one := runtimes.Package{Name: "@sindresorhus/is", File: runtimes.File{Name: "is-4.6.0.tgz", Integrity: "sha512-locked"}}
	other := runtimes.Package{Name: "@sindresorhus/is", File: runtimes.File{Name: "is-3.0.0.tgz", Integrity: "sha512-other"}}
	for _, test := range []struct {
		packages   []runtimes.Package
		what, want string
	}{
		{[]runtimes.Package{{Name: "is"}, one}, "is-4.6.0.tgz", "sha512-locked"},
		{[]runtimes.Package{one, other}, "@sindresorhus/is", "sha512 in bun.lock"},
	} {
		var e *runtimes.DigestError
		if err := packageMismatch(lines, test.packages); !errors.As(err, &e) || e.What != test.what || e.Want != test.want {
			t.Errorf("%v, want %s and %s", err, test.what, test.want)
		}
	}
	if err := packageMismatch([]string{"error: GET https://registry.example/is-4.6.99.tgz - 404"}, nil); err != nil {
		t.Errorf("a missing file is no other hash: %v", err)
	}
}
