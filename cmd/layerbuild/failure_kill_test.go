package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// rounds is how often the crash tests try; `make soak` sets it higher.
func rounds(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("LAYERBUILD_SOAK_ROUNDS"))
	if err != nil {
		if value := os.Getenv("LAYERBUILD_SOAK_ROUNDS"); value != "" {
			t.Fatal(err)
		}
		return 20
	}
	return n
}

// runner runs the program as its own process in a project's folder.
type runner struct {
	t    *testing.T
	dir  string   // the project
	data string   // cache and temporary files
	env  []string // added to the test's own

	program string // "" for the test's own
}

// newRunner makes a project of one layer, svc, that an index serves.
func newRunner(t *testing.T, index *wheelhouse.Index, pins ...string) *runner {
	t.Helper()
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	lock, pyproject := uvLock(index, pins)
	for name, content := range map[string]string{
		"layerbuild.yaml": "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64]}\n",
		"uv.lock":         lock, "pyproject.toml": pyproject,
	} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// command is the program with the given arguments. What it prints on stderr
// is collected.
func (r *runner) command(args ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(cmp.Or(r.program, "layerbuild"), args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "CI=", noRaceSleep,
		"LAYERBUILD_CACHE_DIR="+filepath.Join(r.data, "cache"), "TMPDIR="+filepath.Join(r.data, "tmp"))
	cmd.Env = append(cmd.Env, r.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	return cmd, &stderr
}

// run runs the program to its end and wants the exit code.
func (r *runner) run(code int, args ...string) (stdout, stderr string) {
	r.t.Helper()
	cmd, errors := r.command(args...)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		r.t.Fatalf("%v: %v, want exit code %d\n%s", args, err, code, errors)
	}
	return out.String(), errors.String()
}

// outputs reads the output folder.
func (r *runner) outputs() map[string][]byte {
	r.t.Helper()
	return readFolder(r.t, filepath.Join(r.dir, ".layerbuild/dist"))
}

// temporaries lists what lies in the folders for temporary files.
func (r *runner) temporaries() []string {
	r.t.Helper()
	var names []string
	for _, dir := range []string{"tmp", "cache/tmp"} {
		for name := range readFolder(r.t, filepath.Join(r.data, dir)) {
			names = append(names, dir+"/"+name)
		}
	}
	return names
}

func readFolder(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		files[name], err = os.ReadFile(filepath.Join(dir, name))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func equalFolders(t *testing.T, got, want map[string][]byte) {
	t.Helper()
	for name, data := range want {
		if !bytes.Equal(got[name], data) {
			t.Errorf("%s: %d bytes, not the %d it should have", name, len(got[name]), len(data))
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s should not be there", name)
		}
	}
}

// TestKillBuild: whenever a build is killed, its outputs are whole or not
// there, and the next build, with the cache as it was left, is right.
func TestKillBuild(t *testing.T) {
	payload := make([]byte, 1<<18)
	rand.Read(payload)
	index, err := wheelhouse.Serve(
		wheelhouse.Wheel{Name: "big", Version: "1.0", Files: map[string]string{
			"big/random.bin": string(payload), "big/text.py": strings.Repeat("x = 'some text'\n", 10_000)}},
		wheelhouse.Wheel{Name: "small", Version: "1.0", Files: map[string]string{"small/__init__.py": ""}})
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	r := newRunner(t, index, "big==1.0", "small==1.0")
	r.run(0, "build", "--engine", "direct") // the very first takes longer
	r.forget()
	begin := time.Now()
	r.run(0, "build", "--engine", "direct")
	whole := time.Since(begin)
	want := r.outputs()

	killed, tried := 0, 0
	for ; killed < rounds(t); tried++ {
		if tried > 10*rounds(t) {
			t.Fatalf("of %d builds only %d were caught running", tried, killed)
		}
		r.forget()
		delay := randomDuration(t, whole)
		cmd, stderr := r.command("build", "--engine", "direct")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(delay, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
				t.Fatalf("%v\n%s", err, stderr)
			}
			killed++
		}
		timer.Stop()

		for name, data := range r.outputs() {
			if name[0] == '.' && strings.HasSuffix(name, ".tmp") {
				continue // the next build removes it
			}
			if !bytes.Equal(data, want[name]) {
				t.Errorf("killed after %v: %s has %d bytes, not the %d it should have", delay, name, len(data), len(want[name]))
			}
		}
		r.run(0, "build", "--engine", "direct")
		equalFolders(t, r.outputs(), want)
		r.whole()
		if t.Failed() {
			break
		}
	}
	t.Logf("%d of %d builds were killed, within %v", killed, tried, whole)
}

// forget removes all that builds left: outputs and cache.
func (r *runner) forget() {
	r.t.Helper()
	for _, dir := range []string{filepath.Join(r.dir, ".layerbuild"), filepath.Join(r.data, "cache")} {
		if err := os.RemoveAll(dir); err != nil {
			r.t.Fatal(err)
		}
	}
}

// whole wants a cache without defects, and no temporary files.
func (r *runner) whole() {
	r.t.Helper()
	if left := r.temporaries(); len(left) > 0 {
		r.t.Errorf("left behind: %v", left)
	}
	r.verify()
}

// verify wants a cache without defects.
func (r *runner) verify() {
	r.t.Helper()
	c, err := cache.Open(filepath.Join(r.data, "cache"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	report, err := c.Verify(r.t.Context())
	if err != nil || len(report.Defects) > 0 {
		r.t.Errorf("the cache has the defects %v (%v)", report.Defects, err)
	}
}

func randomDuration(t *testing.T, limit time.Duration) time.Duration {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(int64(limit)))
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n.Int64())
}

// TestInterruptDirect: Ctrl-C, or a polite kill, in the middle of a download
// ends the build at once and leaves nothing.
func TestInterruptDirect(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		r := newRunner(t, index, "api==1.0", "core==1.0")
		interrupt(t, index, r, signal, "--engine", "direct")
		r.run(0, "build", "--engine", "direct")
		wantOutputs(t, r)
	}
}

// interrupt begins a build, which then waits for a file of core, sends it the
// signal, and wants it to end as interrupted with nothing left behind.
func interrupt(t *testing.T, index *wheelhouse.Index, r *runner, signal os.Signal, args ...string) {
	t.Helper()
	stall := index.Stall("core")
	defer index.Resume("core")
	cmd, stderr := r.command(append([]string{"build"}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	watchdog := time.After(2 * time.Minute)
	select {
	case <-stall.Asked:
	case err := <-ended:
		t.Fatalf("ended early: %v\n%s", err, stderr)
	case <-watchdog:
		cmd.Process.Kill()
		t.Fatalf("nobody asked for core\n%s", stderr)
	}
	begin := time.Now()
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-watchdog:
		cmd.Process.Kill()
		t.Fatalf("does not end\n%s", stderr)
	}
	t.Logf("ended %v after the signal", time.Since(begin))
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(stderr.String(), "layerbuild: interrupted\n") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	// Who was downloading is gone: the program itself, or a container's step.
	select {
	case <-stall.Gone:
	case <-watchdog:
		t.Error("somebody still waits for the file")
	}
	if got := r.outputs(); len(got) > 0 {
		t.Errorf("outputs are there: %d", len(got))
	}
	r.whole()
}

// wantOutputs wants the layer svc, its manifest and the index, and nothing else.
func wantOutputs(t *testing.T, r *runner) {
	t.Helper()
	got := r.outputs()
	names := make([]string, 0, len(got))
	for name, data := range got {
		names = append(names, name)
		if strings.HasSuffix(name, ".json") && !json.Valid(data) {
			t.Errorf("%s is no JSON", name)
		}
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != "layers.json svc.json svc.zip" {
		t.Errorf("the output folder holds %s", got)
	}
}
