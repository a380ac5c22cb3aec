//go:build e2e

package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// newCrossRunner makes a project of two layers for arm64 that need the same
// package compiled, and a remote cache.
func newCrossRunner(t *testing.T, share, builder string) *runner {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for _, dir := range []string{filepath.Join(r.dir, "one"), filepath.Join(r.dir, "two"), filepath.Join(r.data, "tmp")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	r.write("layerbuild.yaml", "defaults: {runtime: python3.11, architectures: [arm64]}\n"+
		"layers:\n  one: {path: one}\n  two: {path: two}\n"+
		"cache: {remotes: [{url: \"file://"+share+"\", push: true}]}\n"+builder)
	r.write("one/requirements.txt", "markupsafe==3.0.2\n--no-binary markupsafe\n")
	r.write("two/requirements.txt", "markupsafe==3.0.2\nsix==1.17.0\n--no-binary markupsafe\n")
	return r
}

// TestCompiledOnce: what had to be compiled under emulation for one layer is not
// compiled again for another layer, nor on another machine that shares a cache.
func TestCompiledOnce(t *testing.T) {
	const emulated = "markupsafe must be built from source, under emulation of arm64"
	share := t.TempDir()
	first, second := newCrossRunner(t, share, ""), newCrossRunner(t, share, "")
	_, stderr := first.run(0, "build", "one")
	if strings.Count(stderr, emulated) != 1 {
		t.Errorf("not said once: %s\n%s", emulated, stderr)
	}
	if names := first.names("one"); !slices.Contains(names, "python/lib/python3.11/site-packages/markupsafe/_speedups.cpython-311-aarch64-linux-gnu.so") {
		t.Errorf("the layer holds %q", names)
	}
	if _, stderr := first.run(0, "build", "two"); strings.Contains(stderr, emulated) {
		t.Errorf("compiled again for another layer:\n%s", stderr)
	}
	// The other machine has neither layer's archive: the share lost them.
	second.write("layerbuild.lock", first.read("layerbuild.lock"))
	second.write("layerbuild.yaml", strings.Replace(second.read("layerbuild.yaml"), "path: two", "path: two, exclude: [\"**/six.py\"]", 1))
	if _, stderr := second.run(0, "build", "two", "--locked"); strings.Contains(stderr, emulated) {
		t.Errorf("compiled again on another machine:\n%s", stderr)
	}
	if !slices.Contains(second.names("two"), "python/lib/python3.11/site-packages/markupsafe/_speedups.cpython-311-aarch64-linux-gnu.so") {
		t.Errorf("the layer holds %q", second.names("two"))
	}
}

// TestBuilderOfArchitecture: what must run on an architecture goes to the builder
// that is named for it, and nothing else does.
func TestBuilderOfArchitecture(t *testing.T) {
	nowhere := filepath.Join(t.TempDir(), "buildkitd.sock")
	r := newCrossRunner(t, t.TempDir(), "builder: {architectures: {arm64: \"unix://"+nowhere+"\"}}\n")
	_, stderr := r.run(4, "build", "one")
	if !strings.Contains(stderr, nowhere) || !strings.Contains(stderr, "markupsafe") {
		t.Errorf("not said where what is compiled was to go:\n%s", stderr)
	}
	other, used := relay(t, strings.TrimPrefix(setting(t, "BUILDKIT_HOST"), "unix://"))
	r.write("layerbuild.yaml", strings.Replace(r.read("layerbuild.yaml"), nowhere, other, 1))
	r.write("two/requirements.txt", "six==1.17.0\n")
	r.run(0, "build", "two", "--engine", "buildkit")
	if used.Load() {
		t.Error("what is prebuilt went to the builder of the architecture")
	}
	r.run(0, "build", "one")
	if !used.Load() {
		t.Error("what is compiled did not go to the builder of its architecture")
	}
}

// relay listens at another socket for a server, and tells whether it was used.
func relay(t *testing.T, server string) (socket string, used *atomic.Bool) {
	t.Helper()
	socket, used = filepath.Join(t.TempDir(), "relay.sock"), new(atomic.Bool)
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			used.Store(true)
			out, err := net.Dial("unix", server)
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() {
					io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return socket, used
}
