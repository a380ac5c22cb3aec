package buildkit

import (
	"errors"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestNPMRefusal(t *testing.T) {
	packages := []runtimes.Package{
		{Name: "a", File: runtimes.File{Name: "a-1.0.0.tgz", Integrity: "sha512-aaaa=="}},
		{Name: "b", File: runtimes.File{Name: "b-2.0.0.tgz", Integrity: "sha512-bb+/bb==", URL: "https://registry.example/b/-/b-2.0.0.tgz"}},
	}
	lines := []string{
		"npm error code EINTEGRITY",
		"npm error sha512-bb+/bb== integrity checksum failed when using sha512: wanted sha512-bb+/bb== but got sha512-cc==. (318961 bytes)",
	}
	var digest *runtimes.DigestError
	err := packageMismatch(lines, packages)
	if !errors.As(err, &digest) || *digest != (runtimes.DigestError{What: "b-2.0.0.tgz", Want: "sha512-bb+/bb==", Got: "sha512-cc==", From: "https://registry.example/b/-/b-2.0.0.tgz"}) {
		t.Errorf("got %v", err)
	}
	if err := packageMismatch([]string{"npm error code E404"}, packages); err != nil {
		t.Errorf("got %v", err)
	}
}
