//go:build bench

package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// The benchmarks run the program that `make build` made, as users do, against
// the tools that users have today, in turn in one run: on a shared machine
// only ratios mean something. `make bench` prints their tables.

const runs = 5

// median runs each contender in turn, runs times after one warm-up, and
// returns the median wall time of each.
func medians(t *testing.T, contenders ...func()) []time.Duration {
	t.Helper()
	times := make([][]time.Duration, len(contenders))
	for i := range runs + 1 {
		for c, run := range contenders {
			begin := time.Now()
			run()
			if i > 0 {
				times[c] = append(times[c], time.Since(begin))
			}
		}
	}
	out := make([]time.Duration, len(contenders))
	for c, d := range times {
		slices.SortFunc(d, cmp.Compare)
		out[c] = d[len(d)/2]
	}
	return out
}

func program(t *testing.T) string {
	t.Helper()
	exe, err := filepath.Abs("../../bin/layerbuild")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(exe); err != nil {
		t.Fatalf("%v (make build makes it)", err)
	}
	return exe
}

// command runs a program to its end and fails the test where it fails.
func command(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

func fileSize(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestBenchStart: how long a command takes that has nothing to do, and what
// the program weighs.
func TestBenchStart(t *testing.T) {
	exe := program(t)
	d := medians(t,
		func() { command(t, ".", nil, exe, "version") },
		func() { command(t, ".", nil, "true") })
	fmt.Printf("\nstart: layerbuild version %v, true %v; stripped binary %.1f MB\n",
		d[0].Round(100*time.Microsecond), d[1].Round(100*time.Microsecond), float64(fileSize(t, exe))/1e6)
}

// TestBenchCold: the example built by the direct engine from downloaded
// wheels, against uv followed by the usual zip tools.
func TestBenchCold(t *testing.T) {
	exe, uv := program(t), os.Getenv("LAYERBUILD_TEST_UV")
	for _, tool := range []string{uv, "zip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v (make bench needs uv, through LAYERBUILD_TEST_UV, and zip)", err)
		}
	}
	work := t.TempDir()
	project := filepath.Join(work, "project")
	if err := os.CopyFS(project, os.DirFS("../../testdata/examples/data-api")); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(project, ".layerbuild"))
	cacheEnv := []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, "cache"), "CI="}
	tree := filepath.Join(work, "uv", "python")
	ours := filepath.Join(project, ".layerbuild/dist/data-python3.11-x86_64.zip")

	layerbuild := func() {
		command(t, project, cacheEnv, exe, "build", "data", "--arch", "x86_64", "--engine", "direct", "--no-cache")
	}
	uvInstall := func() {
		os.RemoveAll(filepath.Join(work, "uv"))
		command(t, project, []string{"UV_CACHE_DIR=" + filepath.Join(work, "uvcache")}, uv, "pip", "install", "--quiet",
			"--target", tree, "--python-platform", "x86_64-manylinux_2_28", "--python-version", "3.11",
			"--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy", "-r", "requirements.txt")
	}
	zipped := func(name string, args ...string) func() {
		return func() {
			uvInstall()
			file := filepath.Join(work, name)
			os.Remove(file)
			command(t, filepath.Join(work, "uv"), nil, args[0], append(append(args[1:len(args):len(args)], file), "python")...)
		}
	}
	type contender struct {
		name, file string
		run        func()
	}
	contenders := []contender{
		{"layerbuild (direct, read back)", ours, layerbuild},
		{"uv pip install + zip -9 -r", filepath.Join(work, "zip9.zip"), zipped("zip9.zip", "zip", "-q", "-9", "-r")},
	}
	seven, err := exec.LookPath("7zz")
	if err != nil {
		seven, err = exec.LookPath("7z")
	}
	if err == nil {
		contenders = append(contenders, contender{"uv pip install + 7z -tzip -mx=1", filepath.Join(work, "7z1.zip"), zipped("7z1.zip", seven, "a", "-tzip", "-mx=1", "-bso0", "-bsp0")})
	}
	var all []func()
	for _, c := range contenders {
		all = append(all, c.run)
	}
	d := medians(t, all...)
	fmt.Printf("\ncold build of the example, downloads warm, median of %d:\n", runs)
	fmt.Printf("  %-34s %8s %8s %10s %8s\n", "", "time", "ratio", "archive", "ratio")
	zip9 := fileSize(t, contenders[1].file)
	for i, c := range contenders {
		size := fileSize(t, c.file)
		fmt.Printf("  %-34s %7.2fs %7.1fx %7.1f MB %7.3fx\n", c.name, d[i].Seconds(),
			float64(d[1])/float64(d[i]), float64(size)/1e6, float64(size)/float64(zip9))
	}
}

// TestBenchNoOp: fifty layers, each with its own uv.lock of about 300 KB, ten
// distinct archives of 40 MB, nothing changed and nothing reachable.
func TestBenchNoOp(t *testing.T) {
	exe := program(t)
	work := t.TempDir()
	env := []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, "cache"), "CI="}
	index := fiftyLayers(t, work)
	command(t, work, env, exe, "build", "--engine", "direct")
	index.Close() // from here on there is no network

	dist := filepath.Join(work, ".layerbuild/dist")
	// One after the other: the first must not pay for writing back the
	// gigabytes of the second.
	inPlace := medians(t, func() { command(t, work, env, exe, "build") })[0]
	deleted := medians(t, func() {
		if err := os.RemoveAll(dist); err != nil {
			t.Fatal(err)
		}
		command(t, work, env, exe, "build")
	})[0]
	fmt.Printf("\n50 layers, distinct 300 KB uv.lock files, 10 distinct archives of 40 MB, all hits:\n")
	fmt.Printf("  outputs in place %v, outputs deleted %v (2 GB delivered)\n",
		inPlace.Round(time.Millisecond), deleted.Round(time.Millisecond))
}

// fiftyLayers writes the project and returns the index that serves it.
func fiftyLayers(t *testing.T, work string) *wheelhouse.Index {
	t.Helper()
	index, err := wheelhouse.Serve()
	if err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 40<<20)
	var big []wheelhouse.File
	for i := range 10 {
		if _, err := io.ReadFull(rand.Reader, payload); err != nil {
			t.Fatal(err)
		}
		f, err := index.Add(wheelhouse.Wheel{
			Name: fmt.Sprintf("big%d", i), Version: "1.0",
			Files: map[string]string{fmt.Sprintf("big%d/data.bin", i): string(payload)},
		})
		if err != nil {
			t.Fatal(err)
		}
		big = append(big, f)
	}
	var config bytes.Buffer
	config.WriteString("defaults: {architectures: [x86_64], runtime: python3.13}\nlayers:\n")
	for i := range 50 {
		dir := filepath.Join(work, fmt.Sprintf("services/s%02d", i))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&config, "  s%02d: {path: services/s%02d}\n", i, i)
		name := fmt.Sprintf("big%d", i%10)
		pyproject := fmt.Sprintf("[project]\nname = \"s%02d\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"%s\"]\n", i, name)
		write(t, filepath.Join(dir, "pyproject.toml"), pyproject)
		write(t, filepath.Join(dir, "uv.lock"), bigLock(i, name, index, big[i%10]))
	}
	write(t, filepath.Join(work, "layerbuild.yaml"), config.String())
	return index
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// bigLock is a uv.lock of about 300 KB: one package that is installed, and
// many that another platform would install.
func bigLock(i int, name string, index *wheelhouse.Index, f wheelhouse.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n\n")
	fmt.Fprintf(&b, "[[package]]\nname = %q\nversion = \"1.0\"\nsource = { registry = %q }\nwheels = [\n    { url = \"%s/files/%s/%s\", hash = \"sha256:%s\", size = %d },\n]\n\n",
		name, index.SimpleURL(), index.URL, name, f.Name, f.SHA256, len(f.Data))
	fmt.Fprintf(&b, "[[package]]\nname = \"s%02d\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = [\n    { name = %q },\n]\n\n[package.metadata]\nrequires-dist = [{ name = %q }]\n\n", i, name, name)
	for p := 0; b.Len() < 300_000; p++ {
		fmt.Fprintf(&b, "[[package]]\nname = \"filler-%02d-%04d\"\nversion = \"1.%d\"\nsource = { registry = %q }\nwheels = [\n", i, p, i, index.SimpleURL())
		for _, platform := range []string{"win_amd64", "macosx_11_0_arm64", "macosx_10_9_x86_64", "win32"} {
			hash := make([]byte, 32)
			rand.Read(hash)
			fmt.Fprintf(&b, "    { url = \"%s/files/filler/filler-%04d-cp313-cp313-%s.whl\", hash = \"sha256:%s\", size = 12345 },\n",
				index.URL, p, platform, hex.EncodeToString(hash))
		}
		b.WriteString("]\n\n")
	}
	return b.String()
}
