package node

import (
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestFitsPlatform(t *testing.T) {
	list := func(words ...string) []string { return words }
	for _, tt := range []struct {
		p        *runtimes.Platform
		x64, arm bool
	}{
		{nil, true, true},
		{&runtimes.Platform{}, true, true},
		{&runtimes.Platform{OS: list("linux")}, true, true},
		{&runtimes.Platform{OS: list("darwin")}, false, false},
		{&runtimes.Platform{OS: list("darwin", "linux")}, true, true},
		{&runtimes.Platform{OS: list("!win32")}, true, true},
		{&runtimes.Platform{OS: list("!linux")}, false, false},
		{&runtimes.Platform{OS: list("!win32", "!darwin")}, true, true},
		{&runtimes.Platform{OS: list("!win32", "darwin")}, false, false},
		{&runtimes.Platform{OS: list("any")}, true, true},
		{&runtimes.Platform{CPU: list("x64")}, true, false},
		{&runtimes.Platform{CPU: list("arm64")}, false, true},
		{&runtimes.Platform{CPU: list("!arm64", "!arm")}, true, false},
		{&runtimes.Platform{OS: list("linux"), CPU: list("x64"), Libc: list("glibc")}, true, false},
		{&runtimes.Platform{OS: list("linux"), CPU: list("x64"), Libc: list("musl")}, false, false},
		{&runtimes.Platform{Libc: list("musl", "glibc")}, true, true},
	} {
		for arch, want := range map[runtimes.Arch]bool{runtimes.X86_64: tt.x64, runtimes.ARM64: tt.arm} {
			if got := fitsPlatform(tt.p, runtimes.Target{Arch: arch}); got != want {
				t.Errorf("%+v on %s: %v", tt.p, arch, got)
			}
		}
	}
}

func TestFitsNode(t *testing.T) {
	for engines, want := range map[string]bool{
		"": true, "*": true, ">=18": true, ">=22.5.0": true, "^18 || ^20": false, "<12": false, ">=23": false, "22.1.0": false, "<22.5": true,
		"^18.17.0 || ^20.3.0 || >=21.0.0": true, "no range": true, ">= 0.8.x": true,
	} {
		info, _ := runtimes.Lookup("nodejs22.x")
		if got := fitsNode(engines, runtimes.Target{Runtime: info}); got != want {
			t.Errorf("%q: %v", engines, got)
		}
	}
}

func TestKindOf(t *testing.T) {
	for spec, want := range map[string]specKind{
		"": rangeSpec, "*": rangeSpec, "^1.2.3": rangeSpec, ">=1 <2 || 3.x": rangeSpec, "1.0.0 - 2.0.0": rangeSpec, "1.0.0-beta.1": rangeSpec, "v1.2.3": rangeSpec, "=1.0.0": rangeSpec, "~> 1.2": rangeSpec,
		"latest": tagSpec, "next": tagSpec, "npm:a@1": aliasSpec, "npm:@s/a@^1": aliasSpec, "file:../a": folderSpec, "./a": folderSpec, "../a": folderSpec, "/a": folderSpec, "link:../a": folderSpec,
		"git+ssh://git@h.example/a.git": gitSpec, "git://h.example/a": gitSpec, "github:o/a": gitSpec, "o/a": gitSpec, "o/a#semver:^1": gitSpec, "https://h.example/a.git": gitSpec, "git@h.example:o/a.git": gitSpec,
		"https://h.example/a.tgz": urlSpec, "http://h.example/a": urlSpec, "workspace:*": otherSpec, "catalog:": otherSpec, "patch:a@1": otherSpec,
	} {
		if got := kindOf(spec); got != want {
			t.Errorf("%q: %d, want %d", spec, got, want)
		}
	}
}
