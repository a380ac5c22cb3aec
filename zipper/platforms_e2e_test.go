//go:build e2e

package zipper

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// otherGo is a release of Go that go.mod permits, other than the one that it
// names: older ones it forbids.
const otherGo = "go1.27.4"

// TestPlatforms runs the tests that pin the archive's bytes as they come out
// of other compilers: for each architecture, and by another release of Go. Those
// of another architecture run under qemu.
func TestPlatforms(t *testing.T) {
	tests := []struct {
		name, arch string
		env        []string
		run        string
	}{
		{"amd64", "amd64", nil, "^TestGolden$"},
		{"amd64 v3", "amd64", []string{"GOAMD64=v3"}, "^TestGolden$"},
		{"386", "386", nil, "^TestGolden$|^TestSameBytes$|^TestDoc$"},
		{"arm64", "arm64", nil, "^TestGolden$|^TestSameBytes$"},
		{otherGo, runtime.GOARCH, []string{"GOTOOLCHAIN=" + otherGo}, "^TestGolden$|^TestSameBytes$"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "zipper.test")
			build := exec.Command("go", "test", "-c", "-o", binary, ".")
			build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+test.arch), test.env...)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			out, err := exec.Command("go", "version", binary).Output()
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(test.name, "go") && !strings.Contains(string(out), otherGo) {
				t.Fatalf("the test was built by %s", out)
			}
			command := []string{binary, "-test.v", "-test.run", test.run}
			if emulator := emulator(test.arch); emulator != "" {
				command = append([]string{emulator}, command...)
			}
			out, err = exec.Command(command[0], command[1:]...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestGolden ") {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%s", out)
		})
	}
}

// emulator is the program that runs another architecture's on this machine,
// of Debian's qemu-user-static, which the testbed installs; "" if none has to.
func emulator(arch string) string {
	if arch == runtime.GOARCH || arch == "386" && runtime.GOARCH == "amd64" {
		return ""
	}
	return map[string]string{"386": "qemu-i386-static", "amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}[arch]
}
