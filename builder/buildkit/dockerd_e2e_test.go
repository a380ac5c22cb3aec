//go:build e2e

package buildkit

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// publicHost is the registry of the images that the product uses.
var publicHost, _, _ = strings.Cut(testImage, "/")

// dockerd is a Docker Engine of a test's own.
type dockerd struct {
	dir     string
	socket  string
	tcp     string // host:port with TLS
	program string // docker, the command line
}

// startDocker starts a Docker Engine that sees the testbed's registry under
// the public name. It runs in process and mount namespaces of its own, with
// another /etc/hosts, and so leaves nothing on the machine.
func startDocker(t *testing.T) *dockerd {
	t.Helper()
	root := setting(t, "LAYERBUILD_TEST_SERVERS")
	certs := setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR")
	dir := shortDir(t)
	d := &dockerd{
		dir: dir, socket: filepath.Join(dir, "docker.sock"), tcp: freePort(t),
		program: filepath.Join(root, "usr/bin/docker"),
	}
	// Docker knows no mirror of other registries than its own: the name leads
	// to an address of loopback, whose port 80 leads to the testbed's registry.
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	line := "\n" + forwardHTTP(t, setting(t, "LAYERBUILD_TEST_REGISTRY")) + " " + publicHost + "\n"
	if err := os.WriteFile(filepath.Join(dir, "hosts"), append(hosts, line...), 0o644); err != nil {
		t.Fatal(err)
	}
	const script = `mount -t proc proc /proc && mount --bind "$0/hosts" /etc/hosts && exec "$@"`
	cmd := exec.Command("/bin/sh", "-c", script, dir, filepath.Join(root, "usr/sbin/dockerd"),
		"--host", "unix://"+d.socket, "--host", "tcp://"+d.tcp, "--tlsverify",
		"--tlscacert", filepath.Join(certs, "ca.pem"),
		"--tlscert", filepath.Join(certs, "server-cert.pem"), "--tlskey", filepath.Join(certs, "server-key.pem"),
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"),
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--userland-proxy=false",
		// Its BuildKit takes the name for insecure only with the scheme.
		"--insecure-registry", "http://"+publicHost)
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(root, "usr/sbin")+":"+filepath.Join(root, "usr/bin")+":"+os.Getenv("PATH"),
		"LD_LIBRARY_PATH="+filepath.Join(root, "lib/x86_64-linux-gnu"))
	runDaemon(t, cmd, func(ctx context.Context) error {
		_, err := (&Engine{Address: "docker+unix://" + d.socket}).Ping(ctx)
		return err
	})
	return d
}

// runDaemon runs cmd until the test ends, and returns when ready finds it so.
func runDaemon(t *testing.T, cmd *exec.Cmd, ready func(context.Context) error) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal comes when this thread ends
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
		close(ended)
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			lines := strings.Split(log.String(), "\n")
			t.Logf("the daemon printed at last:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
	deadline := time.After(time.Minute)
	for {
		err := ready(t.Context())
		if err == nil {
			return
		}
		select {
		case <-ended:
			t.Fatal("the daemon ended at once")
		case <-deadline:
			t.Fatal(err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// forwardHTTP forwards the port of HTTP of an address of loopback that nobody
// else uses, and returns the address.
func forwardHTTP(t *testing.T, to string) string {
	t.Helper()
	var l net.Listener
	var ip string
	for n := 1; l == nil; n++ {
		ip = fmt.Sprintf("127.86.%d.%d", os.Getpid()>>8&255, n)
		var err error
		if l, err = net.Listen("tcp", ip+":80"); err != nil && n == 9 {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { l.Close() })
	go forward(l, "tcp", to)
	return ip
}

// contextOf makes a configuration of Docker's command line that has the
// engine as its current context.
func (d *dockerd) contextOf(t *testing.T, host string) string {
	t.Helper()
	file, content := metaOf("ours", host)
	files := map[string]string{"config.json": `{"currentContext":"ours"}`, file: content}
	for _, name := range []string{"ca.pem", "cert.pem", "key.pem"} {
		data, err := os.ReadFile(filepath.Join(setting(t, "LAYERBUILD_TEST_BUILDKIT_TLS_DIR"), name))
		if err != nil {
			t.Fatal(err)
		}
		files["contexts/tls/"+contextID("ours")+"/docker/"+name] = string(data)
	}
	return dockerFiles(t, files)
}

// forward copies each connection of l to another place and back.
func forward(l net.Listener, network, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial(network, to)
		if err != nil {
			in.Close()
			continue
		}
		go func() {
			io.Copy(out, in)
			out.Close()
		}()
		go func() {
			io.Copy(in, out)
			in.Close()
		}()
	}
}

// startContainer runs BuildKit in a container of the engine's and returns its
// name. The image is Lambda's, since it is the one that can be had.
func (d *dockerd) startContainer(t *testing.T) string {
	t.Helper()
	const name = "builder"
	programs := setting(t, "LAYERBUILD_TEST_BUILDKIT_PROGRAMS")
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(d.dir, "builder")
	if err := os.MkdirAll(state, 0o755); err != nil {
		t.Fatal(err)
	}
	docker := func(args ...string) ([]byte, error) {
		return exec.Command(d.program, append([]string{"--host", "unix://" + d.socket}, args...)...).CombinedOutput()
	}
	// Not --privileged, which demands capabilities that not every root has.
	args := []string{"run", "--detach", "--name", name, "--network", "host", "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
		"--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"}
	for from, to := range map[string]string{
		programs + "/buildkitd": "/usr/bin/buildkitd",
		programs + "/buildctl":  "/usr/bin/buildctl",
		runc:                    "/usr/bin/runc",
		mirrorConfig(t):         "/etc/buildkit/buildkitd.toml",
		state:                   "/var/lib/buildkit",
		"/sys/fs/cgroup":        "/sys/fs/cgroup",
	} {
		args = append(args, "--volume", from+":"+to)
	}
	args = append(args, "--entrypoint", "/usr/bin/buildkitd", testImage, "--oci-worker-net=host")
	if out, err := docker(args...); err != nil {
		t.Fatalf("docker run: %v\n%s", err, out)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := docker("exec", name, "buildctl", "debug", "workers")
		if err == nil {
			return name
		}
		if time.Now().After(deadline) {
			t.Fatalf("BuildKit in the container: %v\n%s", err, out)
		}
	}
}

// mirrorConfig is a configuration of buildkitd that has the testbed's registry
// in the place of the public one.
func mirrorConfig(t *testing.T) string {
	t.Helper()
	registry := setting(t, "LAYERBUILD_TEST_REGISTRY")
	file := filepath.Join(t.TempDir(), "buildkitd.toml")
	config := fmt.Sprintf("[registry.%q]\nmirrors = [%q]\n[registry.%q]\nhttp = true\n", publicHost, registry, registry)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// putOnPath makes a folder the PATH's first, with a buildkitd that knows the
// testbed's registry.
func putOnPath(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s --config %s \"$@\"\n",
		filepath.Join(setting(t, "LAYERBUILD_TEST_BUILDKIT_PROGRAMS"), "buildkitd"), mirrorConfig(t))
	if err := os.WriteFile(filepath.Join(dir, "buildkitd"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
