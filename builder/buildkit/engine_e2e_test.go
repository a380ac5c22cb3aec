//go:build e2e

package buildkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// testImage is what the product itself would use.
var testImage = func() string {
	python, _ := runtimes.Lookup("python3.11")
	return python.Image
}()

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set", name)
	}
	return value
}

func testEngine(t *testing.T) *Engine {
	return &Engine{Address: setting(t, "BUILDKIT_HOST")}
}

// python is a recipe of one step, a line of Python in the test image.
func python(t *testing.T, e *Engine, code string) runtimes.Recipe {
	t.Helper()
	digest, err := e.ResolveImage(t.Context(), testImage)
	if err != nil {
		t.Fatal(err)
	}
	return runtimes.Recipe{Container: &runtimes.Container{
		Image:  testImage + "@" + digest,
		Output: "/layer",
		Steps: []runtimes.Step{{
			Name: "run",
			Args: []string{"/var/lang/bin/python3.11", "-c", code},
			Env:  []string{"HOME=/tmp", "LD_LIBRARY_PATH=/var/lang/lib", "PATH=/var/lang/bin"},
		}},
	}}
}

func TestEngineInstall(t *testing.T) {
	tlsDir := setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR")
	for _, e := range []*Engine{
		testEngine(t),
		{
			Address: setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_ADDR"),
			TLS: TLS{
				CACert: filepath.Join(tlsDir, "ca.pem"),
				Cert:   filepath.Join(tlsDir, "cert.pem"),
				Key:    filepath.Join(tlsDir, "key.pem"),
			},
		},
	} {
		t.Run(e.Address[:4], func(t *testing.T) {
			r := python(t, e, unique("import os; print('hello'); os.mkdir('/layer/d'); open('/layer/d/f','w').write('x')"))
			first := r.Container.Steps[0]
			first.Name, first.Args = "before", []string{"/var/lang/bin/python3.11", "-c", "open('/layer/before','w'); open('/outside','w')"}
			second := r.Container.Steps[0]
			r.Container.Steps = []runtimes.Step{first, second}
			for run := range 2 {
				var spool bytes.Buffer
				var l logs
				start := time.Now()
				if err := e.Install(t.Context(), r, &spool, l.progress); err != nil {
					t.Fatal(err)
				}
				took := time.Since(start)
				t.Logf("run %d took %v", run, took)
				if got, want := strings.Join(tarNames(t, &spool), " "), "before d/ d/f"; got != want {
					t.Errorf("the tar holds %q, want %q", got, want)
				}
				switch ran := len(l.lines) > 0; {
				case run == 0 && !ran:
					t.Error("no log line came")
				case run == 1 && ran:
					t.Error("the daemon's cache was not used")
				}
			}
			e.NoCache = true
			var l logs
			if err := e.Install(t.Context(), r, io.Discard, l.progress); err != nil {
				t.Fatal(err)
			}
			if len(l.lines) == 0 {
				t.Error("with NoCache the step did not run")
			}
		})
	}
}

func TestEngineStepFails(t *testing.T) {
	e := testEngine(t)
	r := python(t, e, unique("for i in range(100): print('line', i)\nprint('https://me:secret@index.example/'); raise SystemExit(3)"))
	err := e.Install(t.Context(), r, io.Discard, nil)
	var failed *runtimes.InstallError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	if failed.Step != "run" || failed.Err.Error() != "exit code: 3" || len(failed.Lines) != keptLines {
		t.Errorf("got step %q, cause %q, %d lines", failed.Step, failed.Err, len(failed.Lines))
	}
	if got := failed.Lines[len(failed.Lines)-1]; got != "https://***@index.example/" {
		t.Errorf("the last line is %q", got)
	}
}

func TestEngineWrongImage(t *testing.T) {
	e := testEngine(t)
	r := python(t, e, "pass")
	absent := strings.Repeat("1", 64)

	lying := httptest.NewServer(lyingRegistry())
	defer lying.Close()
	host := strings.TrimPrefix(lying.URL, "http://")

	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()

	for _, tt := range []struct {
		name, image string
		target      any
	}{
		{"absent", testImage + "@sha256:" + absent, new(*runtimes.DigestError)},
		{"other content", host + "/lambda/python:3.11@sha256:" + absent, new(*runtimes.DigestError)},
		{"no platform", host + "/lambda/python:3.11@sha256:" + emptyIndexDigest(), new(*runtimes.InputError)},
		{"no registry", gone.Addr().String() + "/lambda/python:3.11@sha256:" + absent, new(*runtimes.NetworkError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r.Container.Image = tt.image
			err := e.Install(t.Context(), r, io.Discard, nil)
			t.Log(err)
			if !errors.As(err, tt.target) {
				t.Errorf("got %T, want a %T", err, tt.target)
			}
		})
	}
}

// TestEngineCancel cancels a step that would run for an hour.
func TestEngineCancel(t *testing.T) {
	e := testEngine(t)
	mark := fmt.Sprintf("layerbuild-cancel-%d", time.Now().UnixNano())
	r := python(t, e, "import time; print('running', flush=True); time.sleep(3600) # "+mark)
	l := logs{seen: make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.Install(ctx, r, io.Discard, l.progress) }()
	select {
	case <-l.seen:
	case err := <-done:
		t.Fatalf("the step ended: %v", err)
	}
	if len(processes(t, mark)) == 0 {
		t.Fatal("the step's process cannot be seen: is the daemon on another machine?")
	}
	cancel()
	start := time.Now()
	err := <-done
	t.Logf("returned after %v", time.Since(start))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("returned only after %v", took)
	}
	for end := time.Now().Add(30 * time.Second); len(processes(t, mark)) > 0; {
		if time.Now().After(end) {
			t.Fatal("the step still runs")
		}
	}
	t.Logf("the step was gone after %v", time.Since(start))
}

// TestEngineLost cuts the connection while a step runs.
func TestEngineLost(t *testing.T) {
	e := testEngine(t)
	r := python(t, e, unique("import time; print('running', flush=True); time.sleep(3600)"))
	socket := strings.TrimPrefix(e.Address, "unix://")
	address, cut := proxy(t, socket)
	e = &Engine{Address: "tcp://" + address}
	l := logs{seen: make(chan struct{}, 1000)}
	done := make(chan error, 1)
	go func() { done <- e.Install(t.Context(), r, io.Discard, l.progress) }()
	select {
	case <-l.seen:
	case err := <-done:
		t.Fatalf("the step ended: %v", err)
	}
	cut()
	start := time.Now()
	err := <-done
	t.Logf("after %v: %v", time.Since(start), err)
	var unreachable *runtimes.UnreachableError
	if !errors.As(err, &unreachable) {
		t.Errorf("got %T, want an UnreachableError", err)
	}
}

// TestEngineWriterFails: the writer's own error comes back, not the daemon's
// view of it.
func TestEngineWriterFails(t *testing.T) {
	e := testEngine(t)
	r := python(t, e, "open('/layer/f','w').write('x' * 1000000)")
	full := errors.New("disk full")
	if err := e.Install(t.Context(), r, failingWriter{full}, nil); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

// TestEngineSecret: the bundle is readable in the step that wants it, and
// leaves nothing behind for the next one or in the output.
func TestEngineSecret(t *testing.T) {
	e := testEngine(t)
	e.CABundle = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(e.CABundle, []byte("the bundle\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := python(t, e, unique("import os; p = os.environ['MY_CA']; print(oct(os.stat(p).st_mode), open(p).read())"))
	r.Container.Steps[0].CABundle = []string{"MY_CA"}
	var l logs
	var spool bytes.Buffer
	if err := e.Install(t.Context(), r, &spool, l.progress); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(l.lines, "\n"); !strings.HasPrefix(got, "0o100444 the bundle") {
		t.Errorf("the step saw %q", got)
	}
	if names := tarNames(t, &spool); len(names) != 0 {
		t.Errorf("the output holds %v", names)
	}

	// Another content is not another build.
	if err := os.WriteFile(e.CABundle, []byte("another\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.lines = nil
	if err := e.Install(t.Context(), r, io.Discard, l.progress); err != nil {
		t.Fatal(err)
	}
	if len(l.lines) > 0 {
		t.Error("another bundle ran the step again")
	}

	r.Container.Output = "/run"
	if err := e.Install(t.Context(), r, &spool, nil); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(spool.Bytes(), []byte("the bundle")) || bytes.Contains(spool.Bytes(), []byte("another")) {
		t.Error("the bundle is in the output")
	}
}

func TestEngineResolveImage(t *testing.T) {
	e := testEngine(t)
	registry := setting(t, "LAYERBUILD_TEST_REGISTRY")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+registry+"/v2/lambda/python/manifests/3.11", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.oci.image.index.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if got := response.Header.Get("Content-Type"); got != "application/vnd.oci.image.index.v1+json" {
		t.Fatalf("the registry's tag is no index but %q", got)
	}
	got, err := e.ResolveImage(t.Context(), testImage)
	if want := response.Header.Get("Docker-Content-Digest"); err != nil || got != want {
		t.Errorf("got %s, %v; the index is %s", got, err, want)
	}
	for _, tt := range []struct {
		ref    string
		target any
	}{
		{strings.Replace(testImage, ":3.11", ":none", 1), new(*runtimes.InputError)},
		{"registry.invalid/lambda/python:3.11", new(*runtimes.NetworkError)},
	} {
		if _, err := e.ResolveImage(t.Context(), tt.ref); !errors.As(err, tt.target) {
			t.Errorf("%s: got %T %[2]v", tt.ref, err)
		}
	}
}

func TestEnginePing(t *testing.T) {
	w, err := testEngine(t).Ping(t.Context())
	if err != nil || len(w.Platforms) == 0 || !strings.HasPrefix(w.Platforms[0], "linux/") {
		t.Errorf("got %+v, %v", w, err)
	}
}
