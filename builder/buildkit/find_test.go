package buildkit

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// deadSocket makes a socket that a daemon left when it died.
func deadSocket(t *testing.T, file string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: file, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// shortDir is a folder whose sockets have paths that Linux takes.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestUsual(t *testing.T) {
	system, user := shortDir(t), shortDir(t)
	docker := filepath.Join(user, "docker.sock")
	t.Setenv("DOCKER_HOST", "unix://"+docker)
	t.Setenv("PATH", "")
	if got := usual(system, user, ""); len(got) != 0 {
		t.Errorf("in empty folders got %v", got)
	}
	if err := os.MkdirAll(filepath.Join(system, "buildkit/buildkitd.sock"), 0o755); err != nil {
		t.Fatal(err) // a folder, no socket
	}
	deadSocket(t, docker)
	deadSocket(t, filepath.Join(user, "buildkit-default/buildkitd.sock"))
	deadSocket(t, filepath.Join(user, "buildkit/buildkitd.sock"))
	deadSocket(t, filepath.Join(system, "buildkit-default/buildkitd.sock"))
	want := []string{
		"unix://" + system + "/buildkit-default/buildkitd.sock",
		"unix://" + user + "/buildkit/buildkitd.sock",
		"unix://" + user + "/buildkit-default/buildkitd.sock",
		"docker://",
	}
	if got := usual(system, user); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSearchInVain: daemons that died, and a Docker that cannot be reached,
// are named, and are no defect of the user's input.
func TestSearchInVain(t *testing.T) {
	socket := filepath.Join(shortDir(t), "buildkitd.sock")
	deadSocket(t, socket)
	t.Setenv("DOCKER_HOST", "npipe:////./pipe/docker")
	for _, tt := range []struct{ addresses, want []string }{
		{nil, []string{"no BuildKit was found"}},
		{
			[]string{"unix://" + socket, "docker://"},
			[]string{"unix://" + socket + ": ", "connection refused; ", "by npipe://"},
		},
	} {
		_, err := new(Engine).search(t.Context(), tt.addresses)
		var unreachable *runtimes.UnreachableError
		if !errors.As(err, &unreachable) {
			t.Errorf("%v: got %v", tt.addresses, err)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: got %v, want %q in it", tt.addresses, err, want)
			}
		}
	}
}
