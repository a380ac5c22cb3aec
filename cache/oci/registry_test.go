//go:build e2e

package oci_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// setting is a variable that the testbed sets.
func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf(`%s is not set: eval "$(go -C testdata/testbed run . env)"`, name)
	}
	return value
}

// A registry is CNCF's Distribution over a folder.
type registry struct {
	addr   string
	config string // its configuration's file
}

const program = "usr/bin/docker-registry"

// startRegistry starts a registry for one test. Nothing of it stays. config is
// what its configuration says beyond its address, with DIR for a folder.
func startRegistry(t testing.TB, config string) registry {
	t.Helper()
	dir := t.TempDir()
	r := registry{addr: freeAddr(t), config: filepath.Join(dir, "config.yml")}
	config = fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nhttp: {addr: %q}\n%s\n",
		r.addr, strings.ReplaceAll(config, "DIR", dir))
	if err := os.WriteFile(r.config, []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, filepath.Join(setting(t, "LAYERBUILD_TEST_STORES"), program), "serve", r.config)
	var log syncBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		cancel()
		<-exited
		if t.Failed() {
			t.Logf("registry: %s", log.String())
		}
	})
	watchdog := time.After(time.Minute)
	for {
		if resp, err := http.Get("http://" + r.addr + "/v2/"); err == nil {
			resp.Body.Close()
			return r
		}
		select {
		case <-exited:
			t.Fatalf("the registry ended: %s", log.String())
		case <-watchdog:
			t.Fatalf("the registry does not answer: %s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// collect runs the registry's garbage collection.
func (r registry) collect(t *testing.T) {
	t.Helper()
	cmd := exec.Command(filepath.Join(setting(t, "LAYERBUILD_TEST_STORES"), program), "garbage-collect", r.config)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("garbage-collect: %v\n%s", err, out)
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
