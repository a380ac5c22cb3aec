//go:build e2e

package oci_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
)

// BenchmarkTransfer holds what a remote gives, hashed in full and synced, against
// a plain download into a file, and an upload against a plain one, of the same
// bytes with the same registry. Compare the rates of one run.
func BenchmarkTransfer(b *testing.B) {
	b.Setenv("DOCKER_CONFIG", b.TempDir())
	registry := startRegistry(b, inFolder)
	remote := open(b, "oci://"+registry.addr+"/cache", nil)
	data := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	sum := fmt.Sprintf("%x", sha256.Sum256(data))
	name, blobs := "cas/"+sum, "http://"+registry.addr+"/v2/cache/blobs/"

	b.Run("put/plain", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			resp := do(b, http.MethodPost, blobs+"uploads/", nil, io.Discard)
			location, err := resp.Location()
			if err != nil {
				b.Fatal(err)
			}
			q := location.Query()
			q.Set("digest", "sha256:"+sum)
			location.RawQuery = q.Encode()
			do(b, http.MethodPut, location.String(), bytes.NewReader(data), io.Discard)
		}
	})
	b.Run("put/remote", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if err := remote.Put(b.Context(), name, int64(len(data)), bytes.NewReader(data)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get/plain", func(b *testing.B) {
		dir := b.TempDir()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			f, err := os.Create(filepath.Join(dir, "file"))
			if err != nil {
				b.Fatal(err)
			}
			do(b, http.MethodGet, blobs+"sha256:"+sum, nil, f)
			f.Close()
		}
	})
	b.Run("get/remote", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			local, err := cache.Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			r, err := remote.Get(b.Context(), name)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := local.PutBlob(b.Context(), r); err != nil {
				b.Fatal(err)
			}
			r.Close()
			local.Close()
		}
	})
}

func do(b *testing.B, method, address string, body io.Reader, w io.Writer) *http.Response {
	b.Helper()
	req, err := http.NewRequest(method, address, body)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil || resp.StatusCode >= 300 {
		b.Fatalf("%s %s: %s: %v", method, req.URL.Path, resp.Status, err)
	}
	return resp
}
