//go:build e2e

package s3_test

import (
	"bytes"
	"context"
	"crypto/tls"
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

const (
	accessKey = "testbed-access-key"
	secretKey = "testbed-secret-planted-0123456789"
	region    = "eu-north-7" // none that anybody would take for granted
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

// A server is versitygw over a folder, which has a folder for each bucket.
type server struct {
	endpoint string
	dir      string
}

func program(t testing.TB) string {
	return filepath.Join(setting(t, "LAYERBUILD_TEST_STORES"), "usr", "bin", "versitygw")
}

// startServer starts an S3 server for one test, with TLS where it gets a
// certificate's files. Nothing of it stays.
func startServer(t testing.TB, certificate ...string) server {
	t.Helper()
	s := server{dir: t.TempDir()}
	addr := freeAddr(t)
	s.endpoint = "http://" + addr
	args := []string{"--port", addr, "--region", region, "--quiet", "--keep-alive", "--iam-dir", t.TempDir()}
	if len(certificate) > 0 {
		s.endpoint = "https://" + addr
		args = append(args, "--cert", certificate[0], "--key", certificate[1])
	}
	args = append(args, "posix", "--sidecar", t.TempDir(), s.dir)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+accessKey, "ROOT_SECRET_ACCESS_KEY="+secretKey)
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
			t.Logf("versitygw: %s", log.String())
		}
	})
	watchdog := time.After(time.Minute)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	for {
		// Any answer will do; this one is 403.
		if resp, err := client.Get(s.endpoint); err == nil {
			resp.Body.Close()
			return s
		}
		select {
		case <-exited:
			t.Fatalf("versitygw ended: %s", log.String())
		case <-watchdog:
			t.Fatalf("versitygw does not answer: %s", log.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// bucket makes an empty one.
func (s server) bucket(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp(s.dir, "bucket-")
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(dir)
}

// user makes somebody who may do nothing.
func (s server) user(t *testing.T, access, secret string) {
	t.Helper()
	cmd := exec.Command(program(t), "admin", "--endpoint-url", s.endpoint, "--region", region, "create-user",
		"--access", access, "--secret", secret, "--role", "user")
	cmd.Env = append(os.Environ(), "ADMIN_ACCESS_KEY_ID="+accessKey, "ADMIN_SECRET_ACCESS_KEY="+secretKey)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("creating a user: %v\n%s", err, out)
	}
}

// address is that of a place in a bucket.
func (s server) address(place string) string {
	return fmt.Sprintf("s3://%s?region=%s&endpoint=%s", place, region, s.endpoint)
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

// environment has the SDK see this and nothing of the machine's.
func environment(t testing.TB, variables ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value) // puts it back afterwards
			os.Unsetenv(name)
		}
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

func login(access, secret string) []string {
	return []string{"AWS_ACCESS_KEY_ID=" + access, "AWS_SECRET_ACCESS_KEY=" + secret}
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
