//go:build e2e

package buildkit

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// logs collects the lines that steps print.
type logs struct {
	mu    sync.Mutex
	lines []string
	seen  chan struct{} // gets one value for each line, where not nil
}

func (l *logs) progress(u runtimes.Update) {
	if u.Log == "" {
		return
	}
	l.mu.Lock()
	l.lines = append(l.lines, u.Log)
	l.mu.Unlock()
	if l.seen != nil {
		l.seen <- struct{}{}
	}
}

func tarNames(t *testing.T, r io.Reader) []string {
	t.Helper()
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
}

// unique makes a step that no test ran before.
func unique(code string) string {
	return fmt.Sprintf("# %d\n%s", time.Now().UnixNano(), code)
}

// emptyIndex is an image for no platform at all.
const emptyIndex = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`

func emptyIndexDigest() string {
	sum := sha256.Sum256([]byte(emptyIndex))
	return hex.EncodeToString(sum[:])
}

// lyingRegistry answers with emptyIndex whatever digest it is asked for.
func lyingRegistry() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/manifests/") {
			return // the version check
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		w.Header().Set("Content-Length", fmt.Sprint(len(emptyIndex)))
		if r.Method == http.MethodGet {
			io.WriteString(w, emptyIndex)
		}
	})
}

// processes finds the processes of this machine whose command holds mark,
// but for runc's own.
func processes(t *testing.T, mark string) []string {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range commands {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, []byte(mark)) {
			found = append(found, path)
		}
	}
	return found
}

// proxy forwards connections to a unix socket until cut is called.
func proxy(t *testing.T, socket string) (address string, cut func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	conns := []io.Closer{listener}
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			go io.Copy(in, out)
			go io.Copy(out, in)
		}
	}()
	cut = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
	}
	t.Cleanup(cut)
	return listener.Addr().String(), cut
}
