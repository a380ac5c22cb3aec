package python

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// largeLock makes up a uv.lock of about 300 KB as uv writes them: a hundred
// packages, some of them native with wheels for everything.
func largeLock(seed int) []byte {
	var b strings.Builder
	b.WriteString("version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n")
	wheel := func(name, tags string) {
		file := fmt.Sprintf("%s-1.%d.0-%s.whl", strings.ReplaceAll(name, "-", "_"), seed, tags)
		sum := sha256.Sum256([]byte(file))
		fmt.Fprintf(&b, "    { url = \"https://files.example/packages/%x/%x/%x/%s\", hash = \"sha256:%x\", size = %d, upload-time = \"2025-03-05T20:05:00.369Z\" },\n",
			sum[:1], sum[1:2], sum[2:], file, sum, 1000+seed)
	}
	for i := range 100 {
		name := fmt.Sprintf("package-%03d", i)
		fmt.Fprintf(&b, "\n[[package]]\nname = %q\nversion = \"1.%d.0\"\nsource = { registry = \"https://index.example/simple\" }\n", name, seed)
		if i%3 == 0 && i < 97 {
			fmt.Fprintf(&b, "dependencies = [\n    { name = \"package-%03d\", marker = \"python_full_version >= '3.%d'\" },\n    { name = \"package-%03d\" },\n]\n", i+1, i%10, i+2)
		}
		b.WriteString("wheels = [\n")
		if i%4 != 0 {
			wheel(name, "py3-none-any")
		} else {
			for _, python := range []string{"cp311-cp311", "cp312-cp312", "cp313-cp313", "cp313-cp313t", "cp314-cp314"} {
				for _, platform := range []string{
					"macosx_10_13_x86_64", "macosx_11_0_arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64", "manylinux_2_17_x86_64.manylinux2014_x86_64",
					"musllinux_1_2_aarch64", "musllinux_1_2_x86_64", "win32", "win_amd64",
				} {
					wheel(name, python+"-"+platform)
				}
			}
		}
		b.WriteString("]\n")
	}
	b.WriteString("\n[[package]]\nname = \"app\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = [\n")
	for i := 0; i < 100; i += 3 {
		fmt.Fprintf(&b, "    { name = \"package-%03d\" },\n", i)
	}
	b.WriteString("]\n")
	return []byte(b.String())
}

// BenchmarkUVLock reads fifty distinct lock files of 300 KB into recipes.
func BenchmarkUVLock(b *testing.B) {
	info, _ := runtimes.Lookup("python3.13")
	var projects []fstest.MapFS
	size := 0
	for seed := range 50 {
		data := largeLock(seed)
		size += len(data)
		projects = append(projects, fstest.MapFS{"uv.lock": &fstest.MapFile{Data: data}})
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, p := range projects {
			r, err := Runtime{}.Recipe(p, runtimes.Target{Runtime: info, Arch: runtimes.ARM64})
			if err != nil || len(r.Packages) != 100 || len(r.Missing()) > 0 {
				b.Fatalf("%d packages, %v", len(r.Packages), err)
			}
		}
	}
	b.ReportMetric(float64(size/50), "bytes/lock")
}
