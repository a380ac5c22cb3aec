//go:build bench

package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/zipper"
)

// TestBenchCheck: how long check takes for a layer near Lambda's limit, against
// nothing but inflating it: on all processors, as check does, and by unzip -t.
// The layer is the data example's, of which enough lies there twice.
func TestBenchCheck(t *testing.T) {
	const most = 250_000_000
	exe := program(t)
	work := t.TempDir()
	project := filepath.Join(work, "project")
	if err := os.CopyFS(project, os.DirFS("../../testdata/examples/data-api")); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(filepath.Join(project, ".layerbuild"))
	command(t, project, []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, "cache"), "CI="}, exe, "build", "data", "--arch", "x86_64", "--engine", "direct")
	layer := filepath.Join(work, "layer")
	first := filepath.Join(project, ".layerbuild/dist/data-python3.11-x86_64.zip")
	size := unpackTwice(t, first, layer, most)
	file := filepath.Join(work, "layer.zip")
	command(t, work, nil, exe, "zip", layer, "-o", file)

	d := medians(t,
		func() { command(t, work, nil, exe, "check", file, "--runtime", "python3.11", "--arch", "x86_64") },
		func() { inflateAll(t, file) },
		func() { command(t, work, nil, "unzip", "-tqq", file) })
	fmt.Printf("\na layer of %.1f MB unzipped, median of %d:\n", float64(size)/1e6, runs)
	for i, name := range []string{"layerbuild check", "inflated on all processors", "unzip -t"} {
		fmt.Printf("  %-28s %6.2fs  check is %.2f of it\n", name, d[i].Round(10*time.Millisecond).Seconds(), float64(d[0])/float64(d[i]))
	}
}

// unpackTwice unpacks a layer, and a second time in copies/, until it weighs no
// more than most; it returns the bytes.
func unpackTwice(t *testing.T, file, to string, most int64) (size int64) {
	t.Helper()
	if _, err := exec.LookPath("unzip"); err != nil {
		t.Fatal(err)
	}
	command(t, filepath.Dir(file), nil, "unzip", "-qq", file, "-d", to)
	var all []string
	err := filepath.WalkDir(to, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			all = append(all, name)
			size += fileSize(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		n := fileSize(t, name)
		if size+n > most {
			continue
		}
		size += n
		below, err := filepath.Rel(to, name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(to, "python/copies", below)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		write(t, to, string(data))
	}
	return size
}

// inflateAll inflates a zip file's entries on all processors, into nothing.
func inflateAll(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := zipper.Open(f, fileSize(t, file), zipper.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for at := next.Add(1) - 1; at < int64(len(a.Entries)); at = next.Add(1) - 1 {
				r := a.Entries[at].Open()
				if _, err := io.Copy(io.Discard, r); err != nil {
					t.Error(err)
				}
				r.Close()
			}
		})
	}
	wg.Wait()
}
