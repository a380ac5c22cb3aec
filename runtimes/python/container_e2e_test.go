//go:build e2e

package python

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// watchdog ends a test that hangs.
const watchdog = 10 * time.Minute

// engine is the daemon of the testbed.
func engine(t *testing.T) *buildkit.Engine {
	t.Helper()
	address := os.Getenv("BUILDKIT_HOST")
	if address == "" {
		t.Fatal("BUILDKIT_HOST is not set")
	}
	return &buildkit.Engine{Address: address, CABundle: caBundle(t)}
}

func caBundle(t *testing.T) string {
	t.Helper()
	const system = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(system); err != nil {
		t.Fatal(err)
	}
	return system
}

// download gets wheels as pip chooses them for tags, as files of packages.
func download(t *testing.T, tags []string, names ...string) []runtimes.Package {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "--python-version", "3.11", "-d", dir}
	for _, tag := range tags {
		args = append(args, "--platform", tag)
	}
	cmd := exec.Command("python3", append(args, names...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("pip download: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var packages []runtimes.Package
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		part := strings.Split(entry.Name(), "-")
		packages = append(packages, runtimes.Package{
			Name:    strings.ReplaceAll(strings.ToLower(part[0]), "_", "-"),
			Version: part[1],
			File:    runtimes.File{Name: entry.Name(), SHA256: hex.EncodeToString(sum[:])},
		})
	}
	slices.SortFunc(packages, func(a, b runtimes.Package) int { return strings.Compare(a.Name, b.Name) })
	return packages
}

// uvPin is the tool's pin, with the files that pip has for both machines. They
// are downloaded once.
func uvPin(t *testing.T) runtimes.Tool {
	t.Helper()
	uvFiles.Do(func() {
		for _, arch := range []string{"x86_64", "aarch64"} {
			for _, p := range download(t, []string{"manylinux2014_" + arch}, "uv=="+uvVersion) {
				uvFiles.files = append(uvFiles.files, p.File)
			}
		}
	})
	return runtimes.Tool{Version: uvVersion, Files: uvFiles.files}
}

var uvFiles struct {
	sync.Once
	files []runtimes.File
}

// pinned is a target of python3.11 with the pins that the testbed gives.
func pinned(t *testing.T, arch runtimes.Arch) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup("python3.11")
	if !ok {
		t.Fatal("python3.11 is unknown")
	}
	digest, err := engine(t).ResolveImage(t.Context(), info.Image)
	if err != nil {
		t.Fatal(err)
	}
	return runtimes.Target{Runtime: info, Arch: arch, Pins: runtimes.Pins{
		Images: map[string]string{info.Image: digest},
		Tools:  map[string]runtimes.Tool{uvName: uvPin(t)},
	}}
}

// recipeOf is the recipe that installs packages for target.
func recipeOf(t *testing.T, target runtimes.Target, packages []runtimes.Package) runtimes.Recipe {
	t.Helper()
	r := runtimes.Recipe{Runtime: "python", Packages: packages}
	r.Needs, r.Container = container(target, r)
	if len(r.Needs) > 0 {
		t.Fatalf("needs %v", r.Needs)
	}
	return r
}

// installed runs r and returns the files of the tar, by path.
func installed(t *testing.T, e *buildkit.Engine, r runtimes.Recipe) map[string][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	var spool bytes.Buffer
	start := time.Now()
	err := e.Install(ctx, r, &spool, func(u runtimes.Update) {
		if u.Log != "" {
			t.Logf("%s | %s", u.Item, u.Log)
		}
	})
	if err != nil {
		var failed *runtimes.InstallError
		if errors.As(err, &failed) {
			t.Log(strings.Join(failed.Lines, "\n"))
		}
		t.Fatal(err)
	}
	t.Logf("installed in %v: %d bytes of tar", time.Since(start).Round(time.Millisecond), spool.Len())
	files := map[string][]byte{}
	tr := tar.NewReader(&spool)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimSuffix(h.Name, "/")] = data
	}
}

// elfMachine is the machine that an ELF file is for.
func elfMachine(data []byte) runtimes.Arch {
	switch {
	case len(data) < 20 || string(data[:4]) != "\x7fELF":
		return ""
	case data[18] == 62:
		return runtimes.X86_64
	case data[18] == 183:
		return runtimes.ARM64
	}
	return "other"
}

// TestInstallInContainer follows a recipe with real wheels for either
// architecture on the same, native worker.
func TestInstallInContainer(t *testing.T) {
	for _, tt := range []struct {
		arch runtimes.Arch
		tags []string
	}{
		{runtimes.X86_64, []string{"manylinux2014_x86_64", "manylinux_2_17_x86_64"}},
		{runtimes.ARM64, []string{"manylinux2014_aarch64", "manylinux_2_17_aarch64"}},
	} {
		t.Run(string(tt.arch), func(t *testing.T) {
			packages := download(t, tt.tags, "six==1.17.0", "certifi==2025.1.31", "idna==3.10", "numpy==2.2.6")
			r := recipeOf(t, pinned(t, tt.arch), packages)
			files := installed(t, engine(t), r)
			const site = "lib/python3.11/site-packages/"
			for _, path := range []string{
				site + "six.py",
				site + "certifi/cacert.pem",
				site + "idna-3.10.dist-info/RECORD",
				site + "numpy/__init__.py",
				"bin/f2py",
			} {
				if _, ok := files[path]; !ok {
					t.Errorf("no %s", path)
				}
			}
			binaries := 0
			for path, data := range files {
				if arch := elfMachine(data); arch != "" {
					binaries++
					if arch != tt.arch {
						t.Errorf("%s is for %s", path, arch)
					}
				}
				// numpy's wheel ships a .pyc; certifi's does not.
				if strings.HasPrefix(path, site+"certifi/") && strings.HasSuffix(path, ".pyc") {
					t.Errorf("compiled: %s", path)
				}
			}
			if binaries == 0 {
				t.Error("no binaries")
			}
			if !strings.Contains(string(files[site+"numpy-2.2.6.dist-info/WHEEL"]), "manylinux") {
				t.Error("numpy's WHEEL names no manylinux tag")
			}
		})
	}
}

// TestContainerCABundle takes the wheels, two of which clash, from an index
// whose certificate only the user's bundle knows.
func TestContainerCABundle(t *testing.T) {
	wheels := append(clashing(t), full(t))
	ca, certificate := authority(t)
	server := httptest.NewUnstartedServer(wheelIndex(wheels, nil))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()

	system, err := os.ReadFile(caBundle(t)) // uv itself comes from elsewhere
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, slices.Concat(system, ca), 0o600); err != nil {
		t.Fatal(err)
	}
	e := engine(t)
	e.CABundle = bundle

	target := pinned(t, runtimes.ARM64)
	r := runtimes.Recipe{Runtime: "python", Indexes: []string{server.URL + "/simple"}}
	for _, w := range wheels {
		r.Packages = append(r.Packages, w.pkg(server.URL))
	}
	_, r.Container = container(target, r)
	files := installed(t, e, r)
	if got := string(files["lib/python3.11/site-packages/tests/__init__.py"]); got != "zebra\n" {
		t.Errorf("the last owner of tests/__init__.py did not win: %q", got)
	}
	for _, path := range []string{"bin/full-script", "share/full/x.txt", "include/site/python3.11/full/full.h"} {
		if _, ok := files[path]; !ok {
			t.Errorf("no %s", path)
		}
	}
	for path, data := range files {
		if strings.HasSuffix(path, ".pem") || bytes.Contains(data, []byte("BEGIN CERTIFICATE")) {
			t.Errorf("%s holds certificates", path)
		}
	}

	// Without the bundle neither tool trusts the index, and the cached
	// result of before must not hide that.
	e.CABundle, e.NoCache = caBundle(t), true
	err = e.Install(t.Context(), r, io.Discard, nil)
	var failed *runtimes.InstallError
	if !errors.As(err, &failed) || !strings.Contains(strings.Join(failed.Lines, "\n"), "certificate") {
		t.Errorf("without the authority: %v", err)
	}
}

// TestContainerPipCABundle is the same for pip, which brings uv.
func TestContainerPipCABundle(t *testing.T) {
	fake := makeWheel(t, "uv", map[string]string{"uv.py": "\n"})
	ca, certificate := authority(t)
	server := httptest.NewUnstartedServer(wheelIndex([]testWheel{fake}, nil))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	server.StartTLS()
	defer server.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	e := engine(t)
	e.CABundle, e.NoCache = bundle, true

	target := pinned(t, runtimes.X86_64)
	target.Indexes = []string{server.URL + "/simple"}
	r := recipeOf(t, target, []runtimes.Package{fake.pkg(server.URL)})
	tool := runtimes.Tool{Version: "1.0", Files: []runtimes.File{fake.pkg(server.URL).File}}
	r.Container.Steps = []runtimes.Step{bringUV(target, r, tool)}
	r.Container.Output = uvFolder
	if _, ok := installed(t, e, r)["uv.py"]; !ok {
		t.Error("pip did not install from the index")
	}
}

// TestContainerWrongHash locks another SHA-256 than the wheel has.
func TestContainerWrongHash(t *testing.T) {
	packages := download(t, []string{"any"}, "six==1.17.0")
	got := packages[0].File.SHA256
	packages[0].File.SHA256 = strings.Repeat("a", 64)
	r := recipeOf(t, pinned(t, runtimes.X86_64), packages)
	err := engine(t).Install(t.Context(), r, io.Discard, nil)
	want := runtimes.DigestError{What: packages[0].File.Name, Want: packages[0].File.SHA256, Got: got}
	var mismatch *runtimes.DigestError
	if !errors.As(err, &mismatch) || *mismatch != want {
		t.Errorf("got %v, want %v", err, &want)
	}
}
