//go:build e2e

package buildkit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// A way leads to some BuildKit.
type way struct {
	name    string
	address string
	env     map[string]string
	place   string // part of what Ping says
}

// always tells whether the daemon gives all steps the host's network, and
// lets none ask for it.
func (w way) always() bool { return w.name == "docker container" || w.name == "ssh" }

// ways lists those that can be gone on one machine, to a Docker Engine and
// daemons of the test's own.
func ways(t *testing.T) []way {
	d := startDocker(t)
	s := startSSH(t)
	putOnPath(t)
	t.Setenv("PATH", s.programs+":"+filepath.Dir(d.program)+":"+os.Getenv("PATH")) // for docker-container://
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "XDG_RUNTIME_DIR"} {
		t.Setenv(name, "")
	}
	unix := "unix://" + d.socket
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	user := shortDir(t)
	deadSocket(t, filepath.Join(user, "buildkit/buildkitd.sock"))
	certs := setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR")
	nobody := startRootless(t)
	return []way{
		{"rootless", "", map[string]string{"XDG_RUNTIME_DIR": nobody}, "unix://" + nobody + "/buildkit/buildkitd.sock (found)"},
		{"docker socket", "docker+" + unix, nil, "docker+" + unix},
		{"docker host", "docker://", map[string]string{"DOCKER_HOST": unix}, "docker+" + unix + " (DOCKER_HOST)"},
		{
			"docker TLS", "docker://",
			map[string]string{"DOCKER_HOST": "tcp://" + d.tcp, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": certs},
			"docker+tcp://" + d.tcp + " (DOCKER_HOST)",
		},
		{"docker context", "docker://", map[string]string{"DOCKER_CONFIG": d.contextOf(t, "tcp://"+d.tcp)}, "(Docker's context ours)"},
		{
			"found", "", map[string]string{"DOCKER_CONFIG": d.contextOf(t, unix), "XDG_RUNTIME_DIR": user},
			"docker+" + unix + " (found, Docker's context ours)",
		},
		{"docker container", "docker-container://" + d.startContainer(t), map[string]string{"DOCKER_HOST": unix}, "docker-container://builder"},
		{"docker ssh", "docker://", map[string]string{"DOCKER_HOST": s.host + d.socket}, "docker+ssh://"},
		{"ssh", s.host + strings.TrimPrefix(setting(t, "BUILDKIT_HOST"), "unix://"), nil, "ssh://"},
		{"own", "buildkitd://", nil, "buildkitd:// (started by layerbuild)"},
		{"own found", "", map[string]string{"DOCKER_HOST": "unix:///nowhere", "XDG_RUNTIME_DIR": user}, "buildkitd:// (found, started by layerbuild)"},
	}
}

// TestWays: all ways lead to a BuildKit that resolves the image's index,
// serves a session, runs a step in the host's network and sends its output.
func TestWays(t *testing.T) {
	digest, err := testEngine(t).ResolveImage(t.Context(), testImage)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, []byte("the bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) {
			for name, value := range w.env {
				t.Setenv(name, value)
			}
			e := &Engine{Address: w.address, HostNetwork: true, CABundle: bundle, DaemonFolder: shortDir(t)}
			if w.always() {
				e.HostNetwork = false
			}
			defer e.Close()
			worker, err := e.Ping(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(worker.Place, w.place) {
				t.Errorf("is at %s, want %s", worker.Place, w.place)
			}
			r := python(t, e, unique("import os, socket; socket.create_connection(('127.0.0.1', "+
				strings.TrimPrefix(setting(t, "LAYERBUILD_TEST_REGISTRY"), "127.0.0.1:")+")).close(); "+
				"open('/layer/f', 'w').write(open(os.environ['MY_CA']).read()); print('done')"))
			r.Container.Steps[0].CABundle = []string{"MY_CA"}
			if want := testImage + "@" + digest; r.Container.Image != want {
				t.Errorf("resolved %s, want %s", r.Container.Image, want)
			}
			var spool bytes.Buffer
			var l logs
			if err := e.Install(t.Context(), r, &spool, l.progress); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(spool.Bytes(), []byte("the bundle")) || strings.Join(l.lines, " ") != "done" {
				t.Errorf("got lines %q and a tar of %d bytes", l.lines, spool.Len())
			}
			r = python(t, e, unique("print('no'); raise SystemExit(3)"))
			var failed *runtimes.InstallError
			if err := e.Install(t.Context(), r, &spool, nil); !errors.As(err, &failed) || failed.Err.Error() != "exit code: 3" {
				t.Errorf("got %v, want exit code 3", err)
			}
		})
	}
}

// TestWaysExample: the program builds the example by each kind of BuildKit,
// and all give the bytes that the direct engine gives.
func TestWaysExample(t *testing.T) {
	program := filepath.Join(t.TempDir(), "layerbuild")
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/layerbuild").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv("CI", "")
	want := buildExample(t, program, "", "--engine", "direct")
	for _, w := range ways(t) {
		switch w.name {
		case "rootless", "docker socket", "docker TLS", "docker ssh", "docker container", "ssh", "own":
		default:
			continue // goes to one of these daemons, too
		}
		t.Run(w.name, func(t *testing.T) {
			for name, value := range w.env {
				t.Setenv(name, value)
			}
			network := "\nbuilder: {network: host}\n"
			if w.always() {
				network = ""
			}
			flags := []string{"--engine", "buildkit", "--no-cache"}
			if w.address != "" {
				flags = append(flags, "--builder", w.address)
			}
			t.Setenv("BUILDKIT_HOST", "")
			got := buildExample(t, program, network, flags...)
			for name := range want {
				if !bytes.Equal(got[name], want[name]) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

// buildExample builds a copy of the example, whose configuration is longer by
// what is given, and returns its archives.
func buildExample(t *testing.T, program, more string, flags ...string) map[string][]byte {
	t.Helper()
	project := t.TempDir()
	if err := os.CopyFS(project, os.DirFS("../../testdata/examples/data-api")); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(project, "layerbuild.yaml")
	data, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(data, more...), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAYERBUILD_CACHE_DIR", shortDir(t))
	cmd := exec.Command(program, append([]string{"build"}, flags...)...)
	cmd.Dir = project
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("built in %v", time.Since(begin).Round(time.Second))
	built := make(map[string][]byte)
	for _, arch := range []string{"x86_64", "arm64"} {
		name := "data-python3.11-" + arch + ".zip"
		if built[name], err = os.ReadFile(filepath.Join(project, ".layerbuild/dist", name)); err != nil {
			t.Fatal(err)
		}
	}
	return built
}

// TestHostNetworkRefused: the testbed's daemon allows no step to ask for it.
func TestHostNetworkRefused(t *testing.T) {
	e := testEngine(t)
	r := python(t, e, "pass")
	e.HostNetwork = true
	var input *runtimes.InputError
	if err := e.Install(t.Context(), r, &bytes.Buffer{}, nil); !errors.As(err, &input) || !strings.Contains(input.Hint, "network.host") {
		t.Errorf("got %v", err)
	}
}

// TestOwnDaemonEnds: a daemon that the engine started ends with it, together
// with a step that runs, and its folder serves the next one; two at a time
// have two folders.
func TestOwnDaemonEnds(t *testing.T) {
	putOnPath(t)
	folder := shortDir(t)
	first := &Engine{Address: "buildkitd://", DaemonFolder: folder}
	defer first.Close()
	mark := "layerbuild-own-" + filepath.Base(folder)
	r := python(t, first, "import time; print('running', flush=True); time.sleep(3600) # "+mark)

	second := &Engine{Address: "buildkitd://", DaemonFolder: folder}
	defer second.Close()
	if _, err := second.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if slots, err := os.ReadDir(folder); err != nil || len(slots) != 2 {
		t.Errorf("got folders %v, %v, want 2", slots, err)
	}

	l := logs{seen: make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- first.Install(ctx, r, &bytes.Buffer{}, l.progress) }()
	select {
	case <-l.seen:
	case err := <-done:
		t.Fatalf("the step ended: %v", err)
	}
	cancel()
	<-done
	start := time.Now()
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("ended after %v", time.Since(start))
	if left := processes(t, mark); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	if left := processes(t, filepath.Join(folder, "1")); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
	// Closed, it starts anew when it is needed, with the image it has.
	if _, err := first.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestOwnDaemonKilled: kill -9 of the program leaves no process and no mount.
func TestOwnDaemonKilled(t *testing.T) {
	if folder := os.Getenv("LAYERBUILD_TEST_OWN_DAEMON"); folder != "" {
		e := &Engine{Address: "buildkitd://", DaemonFolder: folder}
		r := python(t, e, "import time; print('running', flush=True); time.sleep(3600) # own-"+folder)
		l := logs{seen: make(chan struct{}, 1000)}
		go func() {
			<-l.seen
			os.Stdout.WriteString("running\n")
		}()
		t.Fatal(e.Install(t.Context(), r, &bytes.Buffer{}, l.progress))
	}
	putOnPath(t)
	folder := shortDir(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^TestOwnDaemonKilled$")
	cmd.Env = append(os.Environ(), "LAYERBUILD_TEST_OWN_DAEMON="+folder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 100)); err != nil || len(processes(t, "own-"+folder)) == 0 {
		t.Fatalf("the step does not run: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	start := time.Now()
	for len(processes(t, folder)) > 0 {
		if time.Since(start) > 30*time.Second {
			t.Fatalf("still there: %v", processes(t, folder))
		}
	}
	t.Logf("all gone after %v", time.Since(start))
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(mounts, []byte(folder)) {
		t.Error("mounts are left")
	}
	e := &Engine{Address: "buildkitd://", DaemonFolder: folder}
	defer e.Close()
	if err := e.Install(t.Context(), python(t, e, "pass"), &bytes.Buffer{}, nil); err != nil {
		t.Errorf("the next daemon in its folder: %v", err)
	}
}
