//go:build bench

package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder"
)

// TestBenchNPM: a layer of a thousand npm packages, built by the direct engine
// and in a container, against `npm ci` followed by zip. All download caches are
// warm. The container's time is broken down: what is not the package manager's
// run is layerbuild's own.
func TestBenchNPM(t *testing.T) {
	exe := program(t)
	npm := filepath.Join(os.Getenv("LAYERBUILD_TEST_TOOLS"), "node", "bin", "npm")
	for _, tool := range []string{npm, "zip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v (make bench needs npm, through LAYERBUILD_TEST_TOOLS, and zip)", err)
		}
	}
	work := t.TempDir()
	project := filepath.Join(work, "project")
	if err := os.CopyFS(project, os.DirFS("testdata/many")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(project, "layerbuild.yaml"), "layers:\n  many: {path: ., runtime: nodejs22.x, architectures: [x86_64]}\n")
	env := []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, "cache"), "CI="}
	ours := filepath.Join(project, ".layerbuild/dist/many.zip")
	zip9 := filepath.Join(work, "zip9.zip")

	d := medians(t,
		func() { command(t, project, env, exe, "build", "--engine", "direct", "--no-cache") },
		func() {
			tree := filepath.Join(work, "npm", "nodejs")
			os.RemoveAll(filepath.Join(work, "npm"))
			os.Remove(zip9)
			if err := os.MkdirAll(tree, 0o755); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"package.json", "package-lock.json"} {
				if err := os.Link(filepath.Join(project, name), filepath.Join(tree, name)); err != nil {
					t.Fatal(err)
				}
			}
			command(t, tree, []string{"npm_config_cache=" + filepath.Join(work, "npmcache"), "PATH=" + filepath.Dir(npm) + ":" + os.Getenv("PATH")}, npm,
				"ci", "--ignore-scripts", "--no-bin-links", "--omit=dev", "--os=linux", "--cpu=x64", "--libc=glibc", "--no-audit", "--no-fund", "--prefer-offline")
			command(t, filepath.Join(work, "npm"), nil, "zip", "-q", "-9", "-r", zip9, "nodejs/node_modules")
		})
	files := zipEntries(t, ours)
	fmt.Printf("\nnpm layer of %d files, downloads warm, median of %d:\n", files, runs)
	fmt.Printf("  %-30s %7.2fs %6.1fx %7.1f MB\n", "layerbuild (direct)", d[0].Seconds(), float64(d[1])/float64(d[0]), float64(fileSize(t, ours))/1e6)
	fmt.Printf("  %-30s %7.2fs %6.1fx %7.1f MB\n", "npm ci + zip -9 -r", d[1].Seconds(), 1.0, float64(fileSize(t, zip9))/1e6)

	direct := zipSum(t, ours)
	registry := strings.TrimSpace(outputOf(t, npm, "config", "get", "registry"))
	var all []map[string]float64
	for i := range runs + 1 {
		// BuildKit runs no step that it knows, and --no-cache would empty npm's
		// cache there. A registry for a scope that nobody has makes a new step.
		phases := phasesOf(t, project, append(env, fmt.Sprintf("LAYERBUILD_CACHE_DIR=%s%d", filepath.Join(work, "container"), i),
			fmt.Sprintf("npm_config_@bench-%d-%d:registry=%s", time.Now().UnixNano(), i, registry)),
			exe, "build", "--engine", "buildkit", "--json", "--timings")
		if i > 0 {
			all = append(all, phases)
		}
		if zipSum(t, ours) != direct {
			t.Error("the engines give different archives")
		}
	}
	fmt.Printf("the same in a container, by phase, median of %d:\n", runs)
	var sum, manager float64
	for _, p := range (builder.Timings{}).Phases() {
		var times []float64
		for _, phases := range all {
			times = append(times, phases[p.Name])
		}
		slices.Sort(times)
		middle := times[len(times)/2]
		if sum += middle; p.Name == "install" || p.Name == "download" {
			manager += middle
		}
		fmt.Printf("  %-12s %7.3fs\n", p.Name, middle)
	}
	fmt.Printf("  layerbuild's own share, all but install and download: %.0f %%\n", 100*(sum-manager)/sum)
}

func outputOf(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(name)+":"+os.Getenv("PATH"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

func zipSum(t *testing.T, name string) [sha256.Size]byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(data)
}

// phasesOf runs a build and returns its timings in seconds.
func phasesOf(t *testing.T, dir string, env []string, name string, args ...string) map[string]float64 {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct {
		Layers []struct{ Timings map[string]float64 }
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Layers) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	return report.Layers[0].Timings
}

func zipEntries(t *testing.T, name string) int {
	t.Helper()
	r, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return len(r.File)
}
