//go:build e2e

package main

import (
	"crypto/rand"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// containerRound is a build that the daemon never saw: its package has other
// bytes each time. The tools are there, so that the step is what takes time.
func containerRound(t *testing.T, r *runner, index *wheelhouse.Index) (want map[string][]byte) {
	t.Helper()
	if _, err := index.Add(wheelhouse.Wheel{Name: "core", Version: "1.0", Files: map[string]string{"core/random.py": rand.Text()}}); err != nil {
		t.Fatal(err)
	}
	r.relock(index, "api==1.0", "core==1.0")
	want = alone(t, index, "api==1.0", "core==1.0")
	r.forget()
	return want
}

// TestKillContainer: kill -9 at any moment of a build in a container, as
// TestKillBuild has it for one without. The daemon ends the step by itself.
func TestKillContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	r := newRunner(t, index, "api==1.0", "core==1.0")
	args := []string{"build", "--engine", "buildkit"}
	r.run(0, args...)
	want := containerRound(t, r, index)
	begin := time.Now()
	r.run(0, args...)
	whole := time.Since(begin)
	equalFolders(t, r.outputs(), want)

	// In the middle of the step.
	want = containerRound(t, r, index)
	stall := index.Stall("core")
	s := r.start("", args...)
	s.await(t, "the step's download", stall.Asked)
	s.cmd.Process.Kill()
	<-s.ended
	select {
	case <-stall.Gone:
	case <-time.After(2 * time.Minute):
		t.Error("the step still runs")
	}
	index.Resume("core")
	r.recovers(want, args)

	// At any moment.
	killed := 0
	for range rounds(t) / 2 {
		want := containerRound(t, r, index)
		s := r.start("", args...)
		timer := time.AfterFunc(randomDuration(t, whole), func() { s.cmd.Process.Kill() })
		if err := <-s.ended; err != nil {
			if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
				t.Fatalf("%v\n%s", err, s.stderr)
			}
			killed++
		}
		timer.Stop()
		r.recovers(want, args)
	}
	t.Logf("%d of %d builds were killed, within %v", killed, rounds(t)/2, whole)
}

// recovers looks at what a killed build left, and at what the next one makes
// of it.
func (r *runner) recovers(want map[string][]byte, args []string) {
	r.t.Helper()
	for name, data := range r.outputs() {
		if unfinished := name[0] == '.' && strings.HasSuffix(name, ".tmp"); !unfinished && string(data) != string(want[name]) {
			r.t.Errorf("killed: %s has %d bytes, not the %d it should have", name, len(data), len(want[name]))
		}
	}
	r.run(0, args...)
	equalFolders(r.t, r.outputs(), want)
	r.whole()
}

// wire is a way to the daemon that can be cut.
type wire struct {
	listener net.Listener
	socket   string // the daemon's
	mu       sync.Mutex
	conns    []io.Closer
	cut      bool
}

func newWire(t *testing.T) *wire {
	t.Helper()
	socket, ok := strings.CutPrefix(setting(t, "BUILDKIT_HOST"), "unix://")
	if !ok {
		t.Fatal("the testbed's daemon is at no unix socket")
	}
	dir, err := os.MkdirTemp("", "wire-") // a short name, as sockets need
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, socket: socket}
	t.Cleanup(w.close)
	go w.serve()
	return w
}

func (w *wire) address() string { return "unix://" + w.listener.Addr().String() }

func (w *wire) serve() {
	for {
		in, err := w.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", w.socket)
		if err != nil {
			in.Close()
			continue
		}
		w.mu.Lock()
		w.conns = append(w.conns, in, out)
		cut := w.cut
		w.mu.Unlock()
		if cut {
			in.Close()
			out.Close()
			continue
		}
		go io.Copy(in, out)
		go io.Copy(out, in)
	}
}

// close cuts all connections, and each that is made from now on.
func (w *wire) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.conns {
		c.Close()
	}
	w.listener.Close()
}

// TestLostDaemon: the connection to BuildKit is lost in the middle of a step.
// That is told with what to do; nobody waits for the step, and no other engine
// takes over unasked.
func TestLostDaemon(t *testing.T) {
	for _, engine := range []string{"buildkit", "auto"} {
		t.Run(engine, func(t *testing.T) {
			index, err := wheelhouse.Serve(scriptWheels()...)
			if err != nil {
				t.Fatal(err)
			}
			defer index.Close()
			r := newRunner(t, index, "api==1.0", "core==1.0")
			w := newWire(t)
			stall := index.Stall("core")
			s := r.start("", "build", "--engine", engine, "--builder", w.address(), "--no-cache")
			s.await(t, "the step's download", stall.Asked)
			w.close()
			begin := time.Now()
			s.end(t, exitUnreachable)
			t.Logf("ended %v after the cut\n%s", time.Since(begin), s.stderr)
			for _, want := range []string{"error: cannot reach BuildKit at " + w.address() + ": the connection was lost: ", "layerbuild: hint: start BuildKit", "--engine direct"} {
				if !strings.Contains(s.stderr.String(), want) {
					t.Errorf("no %q in %s", want, s.stderr)
				}
			}
			select {
			case <-stall.Gone:
			case <-time.After(2 * time.Minute):
				t.Error("the step still runs")
			}
			index.Resume("core")
			if s.stdout.Len() > 0 || len(r.outputs()) > 0 || len(r.temporaries()) > 0 {
				t.Errorf("stdout %q, %d outputs, left behind: %v", &s.stdout, len(r.outputs()), r.temporaries())
			}
			r.run(0, "build", "--engine", engine)
			wantOutputs(t, r)
			inContainer := r.outputs()
			r.run(0, "build", "--engine", "direct", "--no-cache")
			equalFolders(t, r.outputs(), inContainer)
		})
	}
}

// TestLostIndexInContainer: the connection to the index is lost in the middle
// of a step's download, once and always.
func TestLostIndexInContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	r := newRunner(t, index, "api==1.0", "core==1.0")
	// The daemon may have built the same for an earlier index at this port.
	args := []string{"build", "--engine", "buildkit", "--no-cache"}
	index.Cut("files/core", wheelhouse.Always)
	r.failsWith([]string{"fetch " + index.URL + "/files/core/core-1.0-py3-none-any.whl: ", "layerbuild: hint: see whether the address"}, args[1:]...)
	if len(r.outputs()) > 0 {
		t.Errorf("there are %d outputs", len(r.outputs()))
	}
	index.Cut("files/core", 1)
	r.run(0, args...)
	wantOutputs(t, r)
}

// TestWrongClockInContainer is [TestWrongClock] where a step meets the
// certificate first.
func TestWrongClockInContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for name, times := range wrongTimes() {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, index, "api==1.0", "core==1.0")
			r.run(0, "build", "--engine", "buildkit") // layerbuild.lock has the tools from now on
			if err := os.RemoveAll(filepath.Join(r.dir, ".layerbuild")); err != nil {
				t.Fatal(err)
			}
			wrongClock(t, r, index, times, "--engine", "buildkit", "--no-cache")
			r.env = nil
			r.run(0, "build", "--engine", "buildkit", "--no-cache")
			wantOutputs(t, r)
		})
	}
}

// TestFoldersInContainer is build_folders.txtar for a build in a container.
func TestFoldersInContainer(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	r := newRunner(t, index, "api==1.0", "core==1.0")
	r.data = filepath.Join(t.TempDir(), "-dätä 100% $HOME")
	odd := filepath.Join(r.dir, "-sërvice 日本 #1; $(x)")
	for _, dir := range []string{odd, filepath.Join(r.data, "tmp")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"uv.lock", "pyproject.toml"} {
		if err := os.Rename(filepath.Join(r.dir, name), filepath.Join(odd, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.write("layerbuild.yaml", "output: '-öut put'\nlayers:\n  svc: {path: '"+filepath.Base(odd)+"', runtime: python3.11, architectures: [x86_64]}\n")
	_, stderr := r.run(0, "build", "--engine", "buildkit")
	if strings.Contains(stderr, "warning") {
		t.Error(stderr)
	}
	equalFolders(t, readFolder(t, filepath.Join(r.dir, "-öut put")), alone(t, index, "api==1.0", "core==1.0"))
	r.whole()
}
