//go:build bench

package main

import (
	"archive/zip"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// importRuns are the measured starts of each layer.
const importRuns = 11

// importAll is what a function's module does first. The time is that of the
// imports alone.
const importAll = `
import time
begin = time.perf_counter()
import boto3, numpy, pandas, pydantic, requests
from cryptography.fernet import Fernet
print(time.perf_counter() - begin)
`

// inImage runs a program in a root folder ($1) with a layer ($2) at /opt, both
// read-only as on Lambda: nothing is compiled for the next start.
const inImage = `
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount --bind "$2" "$1/opt"
mount -o remount,bind,ro "$1/opt"
root=$1; shift 2
exec chroot "$root" env -i PATH=/var/lang/bin:/usr/bin:/bin HOME=/tmp LD_LIBRARY_PATH=/var/lang/lib:/opt/lib \
	PYTHONPATH=/opt/python/lib/python3.11/site-packages:/opt/python "$@"
`

// TestBenchBytecode: how long a cold start imports the example's packages in
// the runtime's image, with and without bytecode, and what each layer weighs.
func TestBenchBytecode(t *testing.T) {
	exe, root := program(t), os.Getenv("LAYERBUILD_TEST_ROOTFS_AMD64")
	if root == "" || os.Getenv("BUILDKIT_HOST") == "" {
		t.Fatal("LAYERBUILD_TEST_ROOTFS_AMD64 or BUILDKIT_HOST is not set (make bench sets them)")
	}
	work := t.TempDir()
	project := filepath.Join(work, "project")
	if err := os.CopyFS(project, os.DirFS("../../testdata/examples/data-api")); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(project, ".layerbuild"))
	write(t, filepath.Join(project, "layerbuild.yaml"), `defaults: {runtime: python3.11, architectures: [x86_64]}
layers:
  without: {path: .}
  with: {path: ., bytecode: true}
`)
	env := []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, "cache"), "CI="}
	begin := time.Now()
	command(t, project, env, exe, "build", "without", "--engine", "buildkit")
	plain := time.Since(begin)
	begin = time.Now()
	command(t, project, env, exe, "build", "with", "--engine", "buildkit")
	compiled := time.Since(begin)

	names := []string{"without", "with"}
	zipped, unzipped := make([]int64, 2), make([]int64, 2)
	folders := make([]string, 2)
	for i, name := range names {
		file := filepath.Join(project, ".layerbuild/dist", name+".zip")
		folders[i] = filepath.Join(work, name)
		zipped[i], unzipped[i] = fileSize(t, file), unpack(t, file, folders[i])
	}
	times := make([][]time.Duration, 2)
	for n := range importRuns + 1 {
		for i, folder := range folders {
			if d := imported(t, root, folder); n > 0 {
				times[i] = append(times[i], d)
			}
		}
	}
	fmt.Printf("\nimports of the example in the image of python3.11, median of %d (build: %.1fs without, %.1fs with bytecode):\n",
		importRuns, plain.Seconds(), compiled.Seconds())
	fmt.Printf("  %-18s %8s %7s %11s %11s\n", "", "imports", "ratio", "zipped", "unzipped")
	for _, d := range times {
		slices.SortFunc(d, cmp.Compare)
	}
	middle := func(i int) time.Duration { return times[i][importRuns/2] }
	for i, name := range names {
		fmt.Printf("  %-18s %7.2fs %6.2fx %8.1f MB %8.1f MB\n", name+" bytecode", middle(i).Seconds(),
			float64(middle(0))/float64(middle(i)), float64(zipped[i])/1e6, float64(unzipped[i])/1e6)
	}
}

// imported starts a Python that imports the layer's packages.
func imported(t *testing.T, root, layer string) time.Duration {
	t.Helper()
	cmd := exec.Command("unshare", "--mount", "sh", "-c", inImage, "sh", root, layer, "/var/lang/bin/python3.11", "-c", importAll)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// unpack unzips a layer and returns its size.
func unpack(t *testing.T, file, folder string) (size int64) {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, f := range r.File {
		size += int64(f.UncompressedSize64)
	}
	if err := os.CopyFS(folder, r); err != nil {
		t.Fatal(err)
	}
	return size
}
