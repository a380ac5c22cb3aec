//go:build soak

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// otherGo is the release of Go beside go.mod's that the zipper's own TestPlatforms
// has, too.
const otherGo = "go1.27.4"

// TestSums: the archive of each corpus has one SHA-256, for any number of workers,
// under the race detector, and from programs for other architectures and of
// another release of Go. It needs qemu-user-static, and a quarter of an hour.
func TestSums(t *testing.T) {
	variants := []struct {
		name, emulator string
		env, args      []string
		workers        []int
	}{
		{"race", "", nil, []string{"-race"}, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
		{"plain", "", nil, nil, []int{1, 2, 16}},
		{"386", "", []string{"GOARCH=386", "CGO_ENABLED=0"}, nil, []int{2}},
		{"arm64", "qemu-aarch64-static", []string{"GOARCH=arm64", "CGO_ENABLED=0"}, nil, []int{2}},
		{otherGo, "", []string{"GOTOOLCHAIN=" + otherGo}, nil, []int{2}},
	}
	cache, err := cacheFolder()
	if err != nil {
		t.Fatal(err)
	}
	first := make(map[string]string)
	for _, v := range variants {
		binary := filepath.Join(t.TempDir(), "zipbench")
		build := exec.Command("go", append(append([]string{"build", "-o", binary}, v.args...), ".")...)
		build.Env = append(os.Environ(), v.env...)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", v.name, err, out)
		}
		for _, c := range corpora {
			dir, _, err := c.folder(t.Context(), cache)
			if err != nil {
				t.Fatal(err)
			}
			for _, workers := range v.workers {
				command := []string{binary, "pack", "-with", "zipper", "-workers", fmt.Sprint(workers), "/dev/stdout"}
				if v.emulator != "" && runtime.GOARCH != v.name {
					command = append([]string{v.emulator}, command...)
				}
				sum := sumOf(t, dir, command)
				if first[c.Name] == "" {
					first[c.Name] = sum
					t.Logf("%s: %s", c.Name, sum)
				}
				if sum != first[c.Name] {
					t.Errorf("%s, %s, %d workers: %s", c.Name, v.name, workers, sum)
				}
			}
		}
		t.Logf("%s: done", v.name)
	}
}

// sumOf hashes what a command writes.
func sumOf(t *testing.T, dir string, command []string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	n, err := io.Copy(h, out)
	if werr := cmd.Wait(); err != nil || werr != nil || n == 0 {
		t.Fatalf("%v: %d bytes, %v, %v", command, n, err, werr)
	}
	return hex.EncodeToString(h.Sum(nil))
}
