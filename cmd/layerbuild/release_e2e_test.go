//go:build e2e

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/verdaccio"
)

// allTargets is as in packaging/release.
const allTargets = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// makeRelease runs what make release runs, in a copy of the repository that has
// no history, and returns the folder of the copy and what SHA256SUMS says.
func makeRelease(t *testing.T, targets string, env ...string) (dir, sums string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "src")
	list := exec.Command("git", "ls-files", "-coz", "--exclude-standard")
	list.Dir = "../.."
	names, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(names), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join("../..", name))
		if errors.Is(err, os.ErrNotExist) { // removed, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, name), string(data))
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/layerbuild/packaging/release", "-version", "0.1.0", "-o", "dist", "-only", targets)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	check := exec.Command("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	check.Dir = filepath.Join(dir, "dist")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum --check: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "dist/SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, string(data)
}

// TestRelease: a release has the same bytes, whoever makes it and in what
// folder, its program makes layers where nothing else is, and its packages bring
// it to npx and uvx. make soak does it for all targets and compiles everything anew.
func TestRelease(t *testing.T) {
	targets, env := "linux/"+runtime.GOARCH+",windows/amd64", []string(nil)
	if os.Getenv("LAYERBUILD_SOAK_TARGETS") != "" {
		targets, env = allTargets, []string{"GOCACHE=" + t.TempDir()}
	}
	dir, sums := makeRelease(t, targets)
	t.Logf("\n%s", sums)
	if files := strings.Count(sums, "\n"); files != 3*(strings.Count(targets, ",")+1)+1 {
		t.Errorf("%d files", files)
	}
	if _, again := makeRelease(t, targets, append(env, "GOFLAGS=-v", "GOAMD64=v2", "SOURCE_DATE_EPOCH=1", "TZ=Asia/Tokyo")...); again != sums {
		t.Errorf("made again, it differs:\n%s", again)
	}
	dist := filepath.Join(dir, "dist")
	program := filepath.Join(t.TempDir(), "layerbuild")
	t.Run("archive", func(t *testing.T) { checkArchive(t, dist, program) })
	t.Run("init", func(t *testing.T) { checkInit(t, program) })
	t.Run("npx", func(t *testing.T) { checkNpx(t, dist) })
	t.Run("uvx", func(t *testing.T) { checkUvx(t, dist) })
}

// saysVersion runs a program in an empty folder of a user who has nothing. It
// has to bring its arguments to layerbuild, and back the exit code.
func saysVersion(t *testing.T, env []string, program ...string) {
	t.Helper()
	try := func(code int, args ...string) string {
		cmd := exec.CommandContext(t.Context(), program[0], slices.Concat(program[1:], args)...)
		home := t.TempDir()
		cmd.Dir, cmd.Env = home, append([]string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}, env...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Fatalf("%q %q: %v, not exit code %d\n%s%s", program, args, err, code, out, &stderr)
		}
		return string(out)
	}
	want := fmt.Sprintf("layerbuild v0.1.0 %s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if got := try(0, "version"); got != want {
		t.Errorf("%q says %q, not %q", program, got, want)
	}
	try(2, "bild")
}

// checkArchive unpacks the archive for this machine, and its program to a path.
func checkArchive(t *testing.T, dist, program string) {
	base := "layerbuild_0.1.0_linux_" + runtime.GOARCH
	data, err := os.ReadFile(filepath.Join(dist, base+".tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, base+"/")] = string(text)
	}
	for name, text := range map[string]string{
		"LICENSE":                     "Apache License",
		"README.md":                   "# layerbuild",
		"man/man1/layerbuild.1":       ".TH \"LAYERBUILD\" \"1\" \"\" \"layerbuild v0.1.0\"",
		"man/man1/layerbuild-build.1": "--engine",
		"completions/_layerbuild":     "#compdef layerbuild",
		"completions/layerbuild.bash": "__start_layerbuild",
		"completions/layerbuild.fish": "complete -c layerbuild",
		"completions/layerbuild.ps1":  "Register-ArgumentCompleter",
	} {
		if !strings.Contains(files[name], text) {
			t.Errorf("%s does not say %q", name, text)
		}
	}
	if err := os.WriteFile(program, []byte(files["layerbuild"]), 0o755); err != nil {
		t.Fatal(err)
	}
	saysVersion(t, nil, program)
}

// checkNpx publishes the npm packages to a registry, whence npx runs them.
func checkNpx(t *testing.T, dist string) {
	tools := setting(t, "LAYERBUILD_TEST_TOOLS")
	registry, err := verdaccio.Start(t.TempDir(), tools)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(registry.Stop)
	packages, err := filepath.Glob(filepath.Join(dist, "npm/*.tgz"))
	if err != nil || len(packages) == 0 {
		t.Fatalf("no packages: %v", err)
	}
	for _, file := range packages {
		if err := registry.Publish(file); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"npm_config_cache=" + t.TempDir(), "npm_config_registry=" + registry.URL, "npm_config_update_notifier=false"}
	saysVersion(t, env, filepath.Join(tools, "node/bin/npx"), "--yes", "layerbuild")
}

// checkUvx serves the wheels from an index, whence uvx runs them.
func checkUvx(t *testing.T, dist string) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin/pip"), "install", "-q", "pypiserver==2.4.2"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(address)
	server := exec.Command(filepath.Join(dir, "bin/pypi-server"), "run", "-i", "127.0.0.1", "-p", port, "--disable-fallback", filepath.Join(dist, "pypi"))
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() // it may be gone already
		_ = server.Wait()
	})
	index := "http://" + address + "/simple/"
	answers(t, index)
	env := []string{"UV_CACHE_DIR=" + t.TempDir(), "UV_DEFAULT_INDEX=" + index, "UV_PYTHON_DOWNLOADS=never"}
	saysVersion(t, env, filepath.Join(filepath.Dir(setting(t, "LAYERBUILD_TEST_UV")), "uvx"), "layerbuild")
}

// answers waits for a server.
func answers(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no answer: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
