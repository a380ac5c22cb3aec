//go:build bench

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/web"
	"github.com/layerbuild/layerbuild/testdata/webserver"
)

// startNginx starts a server, and returns its address with the login in it.
func startNginx(t *testing.T, dir string) (server *webserver.Server, withLogin string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	server, err := webserver.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server, strings.Replace(server.URL, "http://", "http://"+webserver.User+":"+webserver.Password+"@", 1)
}

// plain sends a request with no more than net/http, and copies the answer to w.
func plain(t *testing.T, method, address string, body io.Reader, size int64, w io.Writer) {
	t.Helper()
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	req.SetBasicAuth(webserver.User, webserver.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil || resp.StatusCode > 204 {
		t.Fatalf("%s: %s, %v", method, resp.Status, err)
	}
}

// TestBenchRemote: a layer of 200 MB from nginx and to it, hashed and stored, in
// turn with a plain download into a synced file, and a plain upload, of the same
// bytes.
func TestBenchRemote(t *testing.T) {
	work := t.TempDir()
	server, _ := startNginx(t, filepath.Join(work, "nginx"))
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	login := "Basic " + base64.StdEncoding.EncodeToString([]byte(webserver.User+":"+webserver.Password))
	remote := cache.Remote{Name: server.URL, Backend: web.New(u, func(context.Context) (string, error) { return login, nil }, nil), Pull: true, Push: true, Required: true}
	open := func() *cache.Cache {
		c, err := cache.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c.Connect([]cache.Remote{remote}, cache.DefaultLimits(), func(text string) { t.Error(text) })
		return c
	}
	data := make([]byte, 200<<20)
	rand.Read(data)
	name := fmt.Sprintf("/cas/%x", sha256.Sum256(data))
	source := filepath.Join(work, "source")
	if err := os.WriteFile(source, data, 0o666); err != nil {
		t.Fatal(err)
	}
	here := open()
	defer here.Close()
	blob, err := here.PutBlob(t.Context(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	e := cache.Entry{Key: cache.Digest{1}, Blobs: map[string]cache.Blob{"archive": blob}}

	d := medians(t,
		func() {
			os.Remove(server.Folder + name)
			f, err := os.Open(source)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			plain(t, http.MethodPut, server.URL+"/cas/"+hex.EncodeToString(blob.SHA256[:]), f, blob.Size, io.Discard)
		},
		func() {
			os.Remove(server.Folder + name)
			c, err := cache.Open(here.Dir())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Connect([]cache.Remote{remote}, cache.DefaultLimits(), func(text string) { t.Error(text) })
			if err := c.Store(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		func() {
			f, err := os.Create(filepath.Join(work, "download"))
			if err != nil {
				t.Fatal(err)
			}
			plain(t, http.MethodGet, server.URL+name, nil, 0, f)
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			f.Close()
		},
		func() {
			f, err := os.Create(filepath.Join(work, "download"))
			if err != nil {
				t.Fatal(err)
			}
			plain(t, http.MethodGet, server.URL+name, nil, 0, f)
			f.Close()
		},
		func() {
			c := open()
			defer os.RemoveAll(c.Dir())
			defer c.Close()
			if _, _, err := c.Fetch(t.Context(), e.Key); err != nil {
				t.Fatal(err)
			}
		})
	rate := func(d time.Duration) float64 { return float64(blob.Size) / 1e6 / d.Seconds() }
	fmt.Printf("\n200 MB and nginx on loopback, median of %d:\n", runs)
	fmt.Printf("  upload:   plain %.0f MB/s, layerbuild %.0f MB/s, %.0f%%\n", rate(d[0]), rate(d[1]), 100*rate(d[1])/rate(d[0]))
	fmt.Printf("  download: plain %.0f MB/s (synced %.0f MB/s), layerbuild, verified and synced, %.0f MB/s: %.0f%% (%.0f%%)\n",
		rate(d[3]), rate(d[2]), rate(d[4]), 100*rate(d[4])/rate(d[3]), 100*rate(d[4])/rate(d[2]))
}

// TestBenchFifty: fifty services with ten distinct archives of 40 MB. One cold run
// on one machine, the same on a second one that has the remote alone, and what
// fifty builds take that share nothing but the downloads.
func TestBenchFifty(t *testing.T) {
	exe := program(t)
	work := t.TempDir()
	server, withLogin := startNginx(t, filepath.Join(work, "nginx"))
	project := filepath.Join(work, "project")
	index := fiftyLayers(t, project)
	dist := filepath.Join(project, ".layerbuild/dist")
	timed := func(env []string, args ...string) time.Duration {
		begin := time.Now()
		command(t, project, append(env, "CI="), exe, args...)
		return time.Since(begin)
	}
	machine := func(name string) []string { return []string{"LAYERBUILD_CACHE_DIR=" + filepath.Join(work, name)} }

	// Downloads first, so that none of the rows has them.
	timed(machine("first"), "build", "--engine", "direct")
	os.RemoveAll(dist)
	cold := timed(machine("first"), "build", "--engine", "direct", "--no-cache", "--cache-to", withLogin)
	os.RemoveAll(dist)
	var separate time.Duration
	for i := range 50 {
		separate += timed(machine("first"), "build", "--engine", "direct", "--no-cache", fmt.Sprintf("s%02d", i))
	}
	index.Close() // from here on there is no network but the remote
	os.RemoveAll(dist)
	second := timed(machine("second"), "build", "--cache-from", server.URL)
	noOp := medians(t, func() {
		command(t, project, append(machine("second"), "CI="), exe, "build", "--cache-from", server.URL)
	})[0]
	fmt.Printf("\n50 services, 10 distinct archives of 40 MB, downloads warm:\n")
	fmt.Printf("  fifty separate builds %.1f s; one cold run, all uploaded, %.1f s; second machine, all fetched, %.1f s; no-op there %v\n",
		separate.Seconds(), cold.Seconds(), second.Seconds(), noOp.Round(time.Millisecond))
}
