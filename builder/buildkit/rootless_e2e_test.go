//go:build e2e

package buildkit

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// startRootless starts a buildkitd of nobody's, in user, mount and process
// namespaces, with subordinate users that only it sees. It returns the
// $XDG_RUNTIME_DIR in which its socket lies.
func startRootless(t *testing.T) string {
	t.Helper()
	dir := shortDir(t)
	runtime := filepath.Join(dir, "run")
	for _, folder := range []string{"run/buildkit", "home", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeCopy(t, filepath.Join(setting(t, "LAYERBUILD_TEST_BUILDKIT_PROGRAMS"), "buildkitd"), filepath.Join(dir, "buildkitd"), 0o755)
	writeCopy(t, mirrorConfig(t), filepath.Join(dir, "buildkitd.toml"), 0o644)
	if err := os.WriteFile(filepath.Join(dir, "subid"), []byte("nobody:100000:65536\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", "-R", "nobody:nogroup", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const script = `mount -t proc proc /proc && mount --bind "$0/subid" /etc/subuid && mount --bind "$0/subid" /etc/subgid &&
exec setpriv --reuid nobody --regid nogroup --clear-groups env -i PATH="$PATH" HOME="$0/home" XDG_RUNTIME_DIR="$0/run" \
	rootlesskit --net=host --copy-up=/etc --state-dir="$0/run/rootlesskit" \
	"$0/buildkitd" --rootless --oci-worker-no-process-sandbox --config "$0/buildkitd.toml" --root "$0/data" \
	--otel-socket-path "$0/run/otel.sock" --addr "unix://$0/run/buildkit/buildkitd.sock" \
	--allow-insecure-entitlement network.host`
	cmd := exec.Command("/bin/sh", "-c", script, dir)
	runDaemon(t, cmd, func(ctx context.Context) error {
		_, err := (&Engine{Address: "unix://" + filepath.Join(runtime, "buildkit/buildkitd.sock")}).Ping(ctx)
		return err
	})
	return runtime
}

func writeCopy(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		t.Fatal(err)
	}
}
