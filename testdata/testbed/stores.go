package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// The stores are what the cache's remotes are tested against: an S3 server, by
// its version since it is no library of ours; CNCF's Distribution, which
// unlike the testbed's own registry collects garbage and knows logins; and nginx.
const storeProgram = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

var storePackages = []string{"docker-registry", "nginx"}

func storesKey() string {
	sum := sha256.Sum256([]byte("stores 1 " + runtime.Version() + " " + storeProgram + " " + strings.Join(storePackages, " ")))
	return hex.EncodeToString(sum[:])
}

func (tb *testbed) storesDir() string { return tb.partDir("stores", storesKey()) }

// makeStores makes the folder with the stores in it: usr/bin/versitygw,
// usr/bin/docker-registry and usr/sbin/nginx. The tests start them themselves, for themselves alone.
func (tb *testbed) makeStores(ctx context.Context) error {
	_, err := tb.part("stores", storesKey(), func(dir string) error {
		return step("fetching docker-registry and nginx, building versitygw", func() error {
			if err := tb.unpackPackages(ctx, "stores", dir, storePackages); err != nil {
				return err
			}
			return tb.buildStore(ctx, filepath.Join(dir, "usr", "bin"))
		})
	})
	return err
}

func (tb *testbed) buildStore(ctx context.Context, bin string) error {
	log, err := os.Create(tb.log("stores"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags=-s -w", storeProgram)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+bin)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return logged(err, log.Name())
	}
	return nil
}
