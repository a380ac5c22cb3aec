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

// dockerPackages are Debian's packages of a Docker Engine, but for what every
// Debian has. They are unpacked and not installed: nothing of them starts by
// itself.
var dockerPackages = []string{"docker.io", "containerd", "libdevmapper1.02.1"}

func dockerKey() string {
	sum := sha256.Sum256([]byte("docker 1 " + strings.Join(dockerPackages, " ")))
	return hex.EncodeToString(sum[:])
}

func (tb *testbed) dockerDir() string { return tb.partDir("docker", dockerKey()) }

// makeDocker makes the folder with a Docker Engine in it. The tests start it
// themselves: it belongs to them alone.
func (tb *testbed) makeDocker(ctx context.Context) error {
	_, err := tb.part("docker", dockerKey(), func(dir string) error {
		return step("fetching "+strings.Join(dockerPackages, ", "), func() error {
			if err := tb.command(ctx, "docker", "apt-get", "-q", "update"); err != nil {
				return err
			}
			// apt-get downloads into its working folder.
			script := `cd "$0" && apt-get -q download "$@"`
			if err := tb.command(ctx, "docker", append([]string{"sh", "-c", script, dir}, dockerPackages...)...); err != nil {
				return err
			}
			packages, err := filepath.Glob(filepath.Join(dir, "*.deb"))
			if err != nil {
				return err
			}
			if len(packages) != len(dockerPackages) {
				return fmt.Errorf("apt-get downloaded %d packages, not %d", len(packages), len(dockerPackages))
			}
			for _, file := range packages {
				if err := tb.command(ctx, "docker", "dpkg", "-x", file, dir); err != nil {
					return err
				}
				if err := os.Remove(file); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return err
}
