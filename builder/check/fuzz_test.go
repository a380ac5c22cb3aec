package check_test

import (
	"debug/elf"
	"io/fs"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// FuzzCheckZip: whatever a file holds, it is refused or judged, and what is
// found has a check and a path of the layer.
func FuzzCheckZip(f *testing.F) {
	f.Add(zipFile(nil))
	for _, p := range plantedZips() {
		f.Add(p.data)
	}
	for _, image := range [][]byte{elfFile(elfImage{machine: elf.EM_AARCH64, needs: []string{"libc.so.6 GLIBC_2.38"}})} {
		f.Add(entry("python/m/_m.abi3.so", 0o644, string(image)))
	}
	targets := []check.Target{al2, al2023, {Runtime: row("nodejs22.x"), Arch: runtimes.ARM64}, {Runtime: row("java21"), Arch: runtimes.ARM64}}
	f.Fuzz(func(t *testing.T, data []byte) {
		z := readZip(t, data)
		warnings, err := check.GatherZip(z, limit).Judge(targets, nil)
		for _, found := range append(warnings, findings(t, err)...) {
			if _, ok := check.RuleOf(found.ID); !ok {
				t.Errorf("no check: %+v", found)
			}
			if found.Problem == "" || found.Path != "" && !fs.ValidPath(found.Path) {
				t.Errorf("bad finding: %+v", found)
			}
		}
		if z.Refused != nil && err == nil {
			t.Error("refused, and nothing found")
		}
	})
}
