package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// serverPackages are Debian's packages of a Docker Engine and an SSH server,
// but for what every Debian has. They are unpacked and not installed: nothing
// of them starts by itself.
var serverPackages = []string{"docker.io", "containerd", "libdevmapper1.02.1", "openssh-server", "libwrap0"}

func serversKey() string {
	sum := sha256.Sum256([]byte("servers 1 " + strings.Join(serverPackages, " ")))
	return hex.EncodeToString(sum[:])
}

func (tb *testbed) serversDir() string { return tb.partDir("servers", serversKey()) }

// makeServers makes the folder with the servers in it. The tests start them
// themselves, for themselves alone.
func (tb *testbed) makeServers(ctx context.Context) error {
	_, err := tb.part("servers", serversKey(), func(dir string) error {
		return step("fetching "+strings.Join(serverPackages, ", "), func() error {
			return tb.unpackPackages(ctx, "servers", dir, serverPackages)
		})
	})
	return err
}

// unpackPackages unpacks Debian's packages into dir. log names the log.
func (tb *testbed) unpackPackages(ctx context.Context, log, dir string, packages []string) error {
	if err := tb.command(ctx, log, "apt-get", "-q", "update"); err != nil {
		return err
	}
	// apt-get downloads into its working folder.
	script := `cd "$0" && apt-get -q download "$@"`
	if err := tb.command(ctx, log, append([]string{"sh", "-c", script, dir}, packages...)...); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	if len(files) != len(packages) {
		return fmt.Errorf("apt-get downloaded %d packages, not %d", len(files), len(packages))
	}
	for _, file := range files {
		if err := tb.command(ctx, log, "dpkg", "-x", file, dir); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}
