//go:build e2e

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// withUV is an index of ours that has uv, too, as the ecosystem's own has it.
type withUV struct{ index *wheelhouse.Index }

func (x withUV) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/simple/uv/" {
		http.Redirect(w, r, strings.TrimSuffix(direct.DefaultIndex(), "/")+"/uv/", http.StatusFound)
		return
	}
	x.index.Config.Handler.ServeHTTP(w, r)
}

// openRunner makes a project that leaves the version of core open.
func openRunner(t *testing.T, index *wheelhouse.Index) *runner {
	t.Helper()
	server := httptest.NewServer(withUV{index})
	t.Cleanup(server.Close)
	r := newRunner(t, index, "core==1.0")
	for _, name := range []string{"uv.lock", "pyproject.toml"} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.write("requirements.txt", "core\n")
	r.env = []string{"PIP_INDEX_URL=" + server.URL + "/simple/"}
	return r
}

// work lists what runs of uv left.
func (r *runner) work() []string {
	left, err := filepath.Glob(filepath.Join(r.data, "cache/resolver/work-*"))
	if err != nil {
		r.t.Fatal(err)
	}
	return append(left, r.temporaries()...)
}

// TestLockEnded: layerbuild lock is ended while uv waits for the index. What
// is in layerbuild.lock stays as it was, and the next run is right.
func TestLockEnded(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	good := openRunner(t, index)
	good.run(0, "lock")
	want := good.read("layerbuild.lock")
	if !strings.Contains(want, "core==2.0") {
		t.Fatalf("core is not resolved:\n%s", want)
	}
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			r := openRunner(t, index)
			stall := index.Stall("core")
			s := r.start("", "lock")
			s.await(t, "uv's question", stall.Asked)
			if err := s.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if signal == syscall.SIGKILL {
				<-s.ended // uv lives on, and gets its answer while the next one is at work
				stall.Release()
			} else {
				s.end(t, exitInterrupted)
				select {
				case <-stall.Gone:
				case <-time.After(2 * time.Minute):
					t.Error("uv still runs")
				}
				if left := r.work(); len(left) > 0 || !strings.HasSuffix(s.stderr.String(), "layerbuild: interrupted\n") {
					t.Errorf("left behind: %v\n%s", left, s.stderr)
				}
			}
			r.lacks("layerbuild.lock")
			index.Resume("core")
			r.run(0, "lock")
			if got := r.read("layerbuild.lock"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			r.run(0, "lock", "--check")
			if left := r.work(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}
