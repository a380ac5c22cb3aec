//go:build e2e

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// startBuildkitd starts a daemon of the test's own that runs programs of one
// platform, or of those that the kernel says it can run, and gives its address.
func startBuildkitd(t *testing.T, platform string) string {
	t.Helper()
	platforms := ""
	if platform != "" {
		platforms = fmt.Sprintf("platforms = [%q]\n", platform)
	}
	dir := t.TempDir()
	socket := "unix://" + filepath.Join(dir, "sock")
	config := fmt.Sprintf("root = %q\n[grpc]\naddress = [%q]\n[worker.oci]\nenabled = true\nnetworkMode = \"host\"\n%[4]s[worker.containerd]\nenabled = false\n"+
		"[registry.\"public.ecr.aws\"]\nmirrors = [%[3]q]\n[registry.%[3]q]\nhttp = true\n", filepath.Join(dir, "root"), socket, setting(t, "LAYERBUILD_TEST_REGISTRY"), platforms)
	if err := os.WriteFile(filepath.Join(dir, "buildkitd.toml"), []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	programs := setting(t, "LAYERBUILD_TEST_BUILDKIT_PROGRAMS")
	daemon := exec.Command(filepath.Join(programs, "buildkitd"), "--config", filepath.Join(dir, "buildkitd.toml"))
	var log bytes.Buffer
	daemon.Stdout, daemon.Stderr = &log, &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.Command(filepath.Join(programs, "buildctl"), "--addr", socket, "debug", "workers").CombinedOutput()
		switch {
		case err == nil && strings.Contains(string(out), "arm64") != (platform == "linux/arm64"):
			t.Fatalf("the daemon is not for %s:\n%s", platform, out)
		case err == nil:
			return socket
		case time.Now().After(deadline):
			t.Fatalf("no daemon: %v\n%s", err, out)
		}
	}
}
