//go:build e2e

package buildkit

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sshd is an SSH server of a test's own on this machine.
type sshd struct {
	host     string // ssh://root@127.0.0.1:PORT
	programs string // folder with an ssh that has the key to it
}

// startSSH starts an SSH server whose sessions find buildctl and docker. It
// sees a user and a /run of its own, which sshd wants.
func startSSH(t *testing.T) sshd {
	t.Helper()
	root := setting(t, "LAYERBUILD_TEST_SERVERS")
	dir := shortDir(t)
	address := freePort(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"host", "id"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	path := setting(t, "LAYERBUILD_TEST_BUILDKIT_PROGRAMS") + ":" + filepath.Join(root, "usr/bin") + ":/usr/bin:/bin"
	for name, content := range map[string]string{
		"sshd_config": fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %[2]s/host\nPidFile %[2]s/pid\n"+
			"AuthorizedKeysFile %[2]s/id.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nSetEnv PATH=%[3]s\n", port, dir, path),
		"ssh_config": fmt.Sprintf("Host *\nIdentityFile %s/id\nUserKnownHostsFile /dev/null\nStrictHostKeyChecking no\nLogLevel ERROR\n", dir),
		"bin/ssh":    fmt.Sprintf("#!/bin/sh\nexec /usr/bin/ssh -F %s/ssh_config \"$@\"\n", dir),
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	const script = `mount -t proc proc /proc && mount -t tmpfs tmpfs /run && mkdir /run/sshd &&
		grep -v ^sshd: /etc/passwd >"$0/passwd" && echo sshd:x:100999:65534::/run/sshd:/bin/false >>"$0/passwd" &&
		mount --bind "$0/passwd" /etc/passwd && exec "$@"`
	cmd := exec.Command("/bin/sh", "-c", script, dir, filepath.Join(root, "usr/sbin/sshd"), "-D", "-e", "-f", filepath.Join(dir, "sshd_config"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join([]string{
		filepath.Join(root, "usr/lib/x86_64-linux-gnu"), filepath.Join(root, "lib/x86_64-linux-gnu")}, ":"))
	runDaemon(t, cmd, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return sshd{host: "ssh://root@" + address, programs: filepath.Join(dir, "bin")}
}
