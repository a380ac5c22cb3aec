//go:build e2e && native

package main

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWithoutEmulation: what is prebuilt is installed for arm64 by a BuildKit of
// an x86_64 machine that can run nothing of arm64. The test takes qemu's entry
// from the kernel while it runs, so it runs alone.
func TestWithoutEmulation(t *testing.T) {
	withoutQemu(t)
	t.Setenv("BUILDKIT_HOST", startBuildkitd(t, ""))
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	if err := os.CopyFS(r.dir, os.DirFS("../../testdata/examples/image-api")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(r.data, "tmp"), filepath.Join(r.dir, "science"), filepath.Join(r.dir, "prebuilt")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	const prebuilt = "numpy==2.2.6\npsycopg2-binary==2.9.10\n"
	r.write("prebuilt/requirements.txt", prebuilt)
	r.write("science/requirements.txt", prebuilt+"docopt==0.6.2\n") // which has no wheel
	r.write("layerbuild.yaml", `layers:
  images: {path: services/images, runtime: nodejs22.x, architectures: [x86_64, arm64]}
  prebuilt: {path: prebuilt, runtime: python3.11, architectures: [arm64]}
  science: {path: science, runtime: python3.11, architectures: [x86_64]}
`)
	r.run(0, "build", "images", "prebuilt", "science", "--engine", "buildkit")
	for layer, want := range map[string]elf.Machine{
		"images-nodejs22.x-x86_64": elf.EM_X86_64, "images-nodejs22.x-arm64": elf.EM_AARCH64,
		"science": elf.EM_X86_64, "prebuilt": elf.EM_AARCH64,
	} {
		programs := 0
		for _, name := range r.names(layer) {
			data := []byte(r.content(layer, name))
			if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
				continue
			}
			programs++
			if f, err := elf.NewFile(bytes.NewReader(data)); err != nil || f.Machine != want {
				t.Errorf("%s: %s is for %v: %v", layer, name, f.Machine, err)
			}
		}
		if programs < 3 {
			t.Errorf("%s has %d programs and libraries", layer, programs)
		}
	}
	if names := strings.Join(r.names("science"), "\n"); !strings.Contains(names, "/docopt.py") {
		t.Errorf("science lacks docopt: %s", names)
	}
}

// TestWithoutEmulationMatrix builds what is prebuilt of TestMatrix for both
// architectures.
func TestWithoutEmulationMatrix(t *testing.T) {
	withoutQemu(t)
	r, chosen := matrix(t)
	t.Setenv("BUILDKIT_HOST", startBuildkitd(t, ""))
	build := []string{"build", "--engine", "buildkit"}
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(k kind) bool { return k.compiled })
	for _, k := range chosen {
		build = append(build, k.layer)
	}
	r.run(0, build...)
	for _, k := range chosen {
		r.checkMachines(k)
	}
	t.Logf("%d targets", 2*len(chosen))
}

// TestWithoutEmulationErrors: what must run on the other architecture is refused,
// with what to do: taking files from its image, compiling, and loading modules.
func TestWithoutEmulationErrors(t *testing.T) {
	withoutQemu(t)
	t.Setenv("BUILDKIT_HOST", startBuildkitd(t, ""))
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for _, dir := range []string{filepath.Join(r.data, "tmp"), filepath.Join(r.dir, "six"), filepath.Join(r.dir, "docopt")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	r.write("six/requirements.txt", "six==1.17.0\n")
	r.write("docopt/requirements.txt", "docopt==0.6.2\n") // which has no wheel
	r.write("layerbuild.yaml", `defaults: {runtime: python3.11, architectures: [arm64]}
layers:
  copied: {path: six, copy: {/etc/hostname: etc/}}
  compiled: {path: docopt}
  loaded: {path: six, check: {import: true}}
`)
	for layer, why := range map[string]string{"copied": "copy takes files out of an image: ", "compiled": " must be built from source: ", "loaded": "modules are loaded on the architecture"} {
		_, told := r.run(exitInput, "build", layer, "--engine", "buildkit")
		for _, want := range []string{"runs nothing for arm64", why, "hint: name a builder of that architecture", "qemu-user-static"} {
			if !strings.Contains(told, want) {
				t.Errorf("%s: no %q in\n%s", layer, want, told)
			}
		}
	}
}

// withoutQemu takes the entry from the kernel that runs programs of arm64.
func withoutQemu(t *testing.T) {
	t.Helper()
	const entry, conf = "/proc/sys/fs/binfmt_misc/qemu-aarch64", "/usr/lib/binfmt.d/qemu-aarch64.conf"
	line, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(entry, []byte("-1"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile("/proc/sys/fs/binfmt_misc/register", bytes.TrimSpace(line), 0); err != nil {
			t.Error("qemu is not registered any more: make testbed", err)
		}
	})
}
