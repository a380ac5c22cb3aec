package direct

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// BenchmarkInstall installs the wheels in the folder that
// LAYERBUILD_BENCH_WHEELS names, or one that it makes.
func BenchmarkInstall(b *testing.B) {
	d := folder(b.TempDir())
	var packages []runtimes.Package
	if from := os.Getenv("LAYERBUILD_BENCH_WHEELS"); from != "" {
		paths, err := filepath.Glob(filepath.Join(from, "*.whl"))
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range paths {
			data, err := os.ReadFile(p)
			if err != nil {
				b.Fatal(err)
			}
			d.put(b, data)
			name, version, _ := strings.Cut(filepath.Base(p), "-")
			version, _, _ = strings.Cut(version, "-")
			name, _, _ = wheel.SplitDistInfo(name + "-" + version + ".dist-info")
			packages = append(packages, runtimes.Package{Name: name, Version: version,
				File: runtimes.File{Name: filepath.Base(p), SHA256: hexSum(data)}})
		}
	} else {
		data := good().build(b)
		d.put(b, data)
		packages = append(packages, good().pkg(data))
	}
	r := recipe(packages...)
	e := Engine{Downloads: d}
	var n counter
	b.ReportAllocs()
	for b.Loop() {
		n = 0
		if err := e.Install(b.Context(), r, &n, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(n))
	b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "procs")
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

var _ io.Writer = (*counter)(nil)

// BenchmarkTarballs unpacks npm packages: those in LAYERBUILD_BENCH_TARBALLS, a
// folder of .tgz files, or a made one.
func BenchmarkTarballs(b *testing.B) {
	var all [][]byte
	if from := os.Getenv("LAYERBUILD_BENCH_TARBALLS"); from != "" {
		paths, err := filepath.Glob(filepath.Join(from, "*.tgz"))
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range paths {
			data, err := os.ReadFile(p)
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, data)
		}
	} else {
		for _, odd := range oddTarballs(b) {
			all = append(all, odd.spec.build(b))
		}
	}
	var packages []runtimes.Package
	for i, data := range all {
		packages = append(packages, npmPackage("p"+strconv.Itoa(i), data))
	}
	e := Engine{Downloads: downloaded(b, all...)}
	var n counter
	b.ReportAllocs()
	for b.Loop() {
		n = 0
		if err := e.Install(b.Context(), npmRecipe(packages...), &n, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(n))
}
