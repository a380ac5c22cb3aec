//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var lockedImages = regexp.MustCompile(`(?m)^images:\n(  .*\n)*`)

// lockMaven resolves the example by Maven in a container and by the machine's
// own: the answers are the same.
func lockMaven(t *testing.T, _ managers, r *runner) {
	_, stderr := r.run(2, "build", "--locked")
	if want := "app/pom.xml -P lambda without software.amazon.awssdk:apache-client: is no lock, and layerbuild.lock does not hold"; !strings.Contains(stderr, want) ||
		!strings.Contains(stderr, "org.apache.commons:commons-csv [1.10,1.12) (app/pom.xml:") {
		t.Errorf("not said: %s\n%s", want, stderr)
	}
	r.lacks("layerbuild.lock")
	r.run(0, "lock")
	lock := r.read("layerbuild.lock")
	for _, line := range []string{
		"commons-csv:1.11.0:", "netty-transport-native-epoll:4.1.115.Final:linux-x86_64:", "netty-transport-native-epoll:4.1.115.Final:linux-aarch_64:",
		"for: [java21 arm64, java21 x86_64]",
	} {
		if !strings.Contains(lock, line) {
			t.Errorf("layerbuild.lock has no %q", line)
		}
	}
	for _, line := range []string{"apache-client", "assertj", "servlet", "claims", "crt-core"} {
		if strings.Contains(strings.ReplaceAll(lock, "app/pom.xml -P lambda without software.amazon.awssdk:apache-client:", ""), line) {
			t.Errorf("layerbuild.lock has %q", line)
		}
	}
	if n := strings.Count(lock, "- sha256:"); n < 60 {
		t.Errorf("only %d jars", n)
	}
	r.run(0, "lock", "--check")

	machine := &runner{t: t, dir: filepath.Join(t.TempDir(), "project"), data: t.TempDir(), env: []string{"BUILDKIT_HOST=tcp://127.0.0.1:1"}}
	copyProject(t, machine.dir, filepath.Join(examples, "claims-maven"), 0)
	if err := os.Mkdir(filepath.Join(machine.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	machine.run(0, "lock")
	if got, want := machine.read("layerbuild.lock"), lockedImages.ReplaceAllString(lock, ""); got != want {
		t.Errorf("the machine's Maven gives\n%s\nand the image's\n%s", got, want)
	}
}

// otherJar: a release whose jar is another one than it was ends the build.
func otherJar(t *testing.T, r *runner) {
	lock := r.read("layerbuild.lock")
	wrong := regexp.MustCompile(`(commons-csv:1.11.0:\n\s+- sha256:)[0-9a-f]{64}`).ReplaceAllString(lock, "${1}"+strings.Repeat("ab", 32))
	r.write("layerbuild.lock", wrong)
	for _, engine := range []string{"direct", "buildkit"} {
		stdout, stderr := r.run(3, "build", "--locked", "--engine", engine)
		if stdout != "" || !strings.Contains(stderr, "commons-csv-1.11.0.jar does not match its locked SHA-256 "+strings.Repeat("ab", 32)) {
			t.Errorf("%s: stdout %q, stderr %s", engine, stdout, stderr)
		}
	}
}
