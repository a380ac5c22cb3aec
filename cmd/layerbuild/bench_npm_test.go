//go:build bench

package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
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
	files := filesOf(t, ours)
	fmt.Printf("\nnpm layer of %d files, downloads warm, median of %d:\n", files, runs)
	fmt.Printf("  %-30s %7.2fs %6.1fx %7.1f MB\n", "layerbuild (direct)", d[0].Seconds(), float64(d[1])/float64(d[0]), float64(fileSize(t, ours))/1e6)
	fmt.Printf("  %-30s %7.2fs %6.1fx %7.1f MB\n", "npm ci + zip -9 -r", d[1].Seconds(), 1.0, float64(fileSize(t, zip9))/1e6)

	direct := fileSum(t, ours)
	command(t, project, env, exe, "build", "--engine", "buildkit", "--no-cache") // the images and tools come
	if fileSum(t, ours) != direct {
		t.Error("the engines give different archives")
	}
	var all []map[string]float64
	for range runs {
		// A step that BuildKit knows is not run: another cache of ours changes nothing there.
		all = append(all, phasesOf(t, project, env, exe, "build", "--engine", "buildkit", "--no-cache", "--json"))
	}
	fmt.Printf("the same in a container, by phase, median of %d:\n", runs)
	for _, phase := range []string{"resolve", "download", "install", "normalise", "zip", "verify", "store", "deliver"} {
		var times []float64
		for _, phases := range all {
			times = append(times, phases[phase])
		}
		slices.Sort(times)
		fmt.Printf("  %-12s %7.3fs\n", phase, times[len(times)/2])
	}
}

// phasesOf runs a build and returns its timings in seconds.
func phasesOf(t *testing.T, dir string, env []string, name string, args ...string) map[string]float64 {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	begin := time.Now()
	out, err := cmd.Output()
	took := time.Since(begin)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var report struct {
		Targets []struct{ Timings map[string]float64 }
	}
	if err := json.Unmarshal(out, &report); err != nil || len(report.Targets) != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	phases := report.Targets[0].Timings
	phases["all"] = took.Seconds()
	return phases
}

func filesOf(t *testing.T, name string) int {
	t.Helper()
	r, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return len(r.File)
}
