//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPopular builds the forty packages of each language that are used most,
// and checks their layers: as they are delivered, and as a zip tool packs what
// was installed, without a manifest. Nothing is wrong with them, so nothing may
// be found that would stop a build.
func TestPopular(t *testing.T) {
	r := &runner{t: t, dir: filepath.Join(t.TempDir(), "project"), data: t.TempDir()}
	copyProject(t, r.dir, filepath.Join(examples, "popular"), 0)
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.run(0, "build", "--engine", "direct", "--locked")
	out, warnings := r.run(0, "check")
	if n := strings.Count(out, "\n"); n != 4 {
		t.Errorf("%d layers were checked: %s", n, out)
	}
	t.Log(out, warnings)
	for name, runtime := range map[string]string{"python-python3.13-x86_64": "python3.13", "node": "nodejs22.x", "java": "java21"} {
		t.Run(name, func(t *testing.T) {
			folder, file := t.TempDir(), filepath.Join(t.TempDir(), "layer.zip")
			for _, cmd := range []*exec.Cmd{
				exec.Command("unzip", "-qq", filepath.Join(r.dir, ".layerbuild/dist", name+".zip"), "-d", folder),
				exec.Command("zip", "-q", "-r", "-y", "-0", file, "."),
			} {
				cmd.Dir = folder
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%v: %v\n%s", cmd, err, out)
				}
			}
			in := &runner{t: t, dir: folder, data: r.data}
			out, warnings := in.run(0, "check", file, "--runtime", runtime, "--arch", "x86_64")
			t.Log(out, warnings)
		})
	}
}
