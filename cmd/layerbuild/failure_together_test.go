package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// started is the program at work.
type started struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr *sayer
	ended  chan error
}

// sayer collects what is written, and tells when it holds a text.
type sayer struct {
	text string
	said chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
}

func (s *sayer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := bytes.Contains(s.all.Bytes(), []byte(s.text))
	s.all.Write(p)
	if !before && bytes.Contains(s.all.Bytes(), []byte(s.text)) {
		close(s.said)
	}
	return len(p), nil
}

func (s *sayer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// start starts the program; text is what it is expected to say on stderr.
func (r *runner) start(text string, args ...string) *started {
	r.t.Helper()
	cmd, _ := r.command(args...)
	s := &started{cmd: cmd, stderr: &sayer{text: text, said: make(chan struct{})}, ended: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = &s.stdout, s.stderr
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { s.ended <- cmd.Wait() }()
	r.t.Cleanup(func() { cmd.Process.Kill() })
	return s
}

// await waits for an event while the program runs.
func (s *started) await(t *testing.T, what string, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case err := <-s.ended:
		t.Fatalf("ended before %s: %v\n%s", what, err, s.stderr)
	case <-time.After(2 * time.Minute):
		t.Fatalf("still no %s\n%s", what, s.stderr)
	}
}

// end waits for the program's end and wants the exit code.
func (s *started) end(t *testing.T, code int) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(2 * time.Minute):
		t.Fatalf("does not end\n%s", s.stderr)
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d\n%s", got, code, s.stderr)
	}
}

// engine is what the JSON result says of svc: "" is a hit.
func (s *started) engine(t *testing.T) string {
	t.Helper()
	var result struct {
		Layers []struct{ Engine string }
	}
	if err := json.Unmarshal(s.stdout.Bytes(), &result); err != nil || len(result.Layers) != 1 {
		t.Fatalf("%v in %s", err, &s.stdout)
	}
	return result.Layers[0].Engine
}

const waiting = "waiting for another layerbuild"

// together is a layer that three processes want at the same time, two of them
// in one project and with one output folder. The first is downloading, the
// others wait for it.
type together struct {
	index  *wheelhouse.Index
	a, b   *runner // two projects on one cache
	stall  *wheelhouse.Stall
	first  *started
	others []*started
}

func newTogether(t *testing.T) *together {
	t.Helper()
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	pins := []string{"api==1.0", "core==1.0"}
	x := &together{index: index, a: newRunner(t, index, pins...), b: newRunner(t, index, pins...)}
	x.b.data = x.a.data
	x.stall = index.Stall("core")
	args := []string{"build", "--json", "--engine", "direct"}
	x.first = x.a.start("", args...)
	x.first.await(t, "the download", x.stall.Asked)
	x.others = []*started{x.a.start(waiting, args...), x.b.start(waiting, args...)}
	for _, s := range x.others {
		s.await(t, "waiting", s.stderr.said)
	}
	return x
}

// wantWhole wants what a single build gives, in both projects.
func (x *together) wantWhole(t *testing.T) {
	t.Helper()
	alone := newRunner(t, x.index, "api==1.0", "core==1.0")
	alone.run(0, "build", "--engine", "direct")
	for _, r := range []*runner{x.a, x.b} {
		wantOutputs(t, r)
		equalFolders(t, r.outputs(), alone.outputs())
		r.whole()
	}
}

// TestTogether: of processes that want the same layer at once, one builds it
// and the others take it.
func TestTogether(t *testing.T) {
	t.Parallel()
	x := newTogether(t)
	before := x.index.Requests()
	x.stall.Release()
	x.first.end(t, 0)
	if got := x.first.engine(t); got != "direct" {
		t.Errorf("the first was built by %q", got)
	}
	for _, s := range x.others {
		s.end(t, 0)
		if got := s.engine(t); got != "" {
			t.Errorf("another was built by %q", got)
		}
	}
	if n := x.index.Requests() - before; n != 0 {
		t.Errorf("the index was asked %d times more", n)
	}
	x.wantWhole(t)
}

// TestTogetherKilled: the one that builds is killed, and one of those that
// wait for it takes its place.
func TestTogetherKilled(t *testing.T) {
	t.Parallel()
	x := newTogether(t)
	x.index.Resume("core")
	x.first.cmd.Process.Kill()
	built := 0
	for _, s := range x.others {
		s.end(t, 0)
		if s.engine(t) == "direct" {
			built++
		}
	}
	if built != 1 {
		t.Errorf("%d of the others built the layer, want one", built)
	}
	x.a.run(0, "build", "--engine", "direct") // clears what the dead one left
	x.wantWhole(t)
}

// TestTogetherInterrupted: one that waits can be interrupted at once, and the
// one that builds goes on.
func TestTogetherInterrupted(t *testing.T) {
	t.Parallel()
	x := newTogether(t)
	for _, s := range x.others {
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		s.end(t, exitInterrupted)
		if !strings.HasSuffix(s.stderr.String(), "layerbuild: interrupted\n") || s.stdout.Len() > 0 {
			t.Errorf("stdout %q, stderr %s", &s.stdout, s.stderr)
		}
	}
	x.stall.Release()
	x.first.end(t, 0)
	x.b.run(0, "build", "--engine", "direct")
	x.wantWhole(t)
}
