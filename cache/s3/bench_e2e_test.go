//go:build e2e

package s3_test

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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/layerbuild/layerbuild/cache"
)

// BenchmarkTransfer holds what a remote gives, hashed in full and synced, against
// a plain download into a file, and an upload against a plain one, of the same
// bytes with the same server. Compare the rates of one run.
func BenchmarkTransfer(b *testing.B) {
	environment(b, login(accessKey, secretKey)...)
	server := startServer(b)
	bucket := server.bucket(b)
	remote := open(b, server.address(bucket), nil)
	data := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	name := fmt.Sprintf("cas/%x", sha256.Sum256(data))
	getURL, putURL := presign(b, server, bucket, name)

	b.Run("put/plain", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			req, err := http.NewRequest(http.MethodPut, putURL, bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			done(b, req, io.Discard)
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
			req, err := http.NewRequest(http.MethodGet, getURL, nil)
			if err != nil {
				b.Fatal(err)
			}
			done(b, req, f)
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

func done(b *testing.B, req *http.Request, w io.Writer) {
	b.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: %v", resp.Status, err)
	}
}

// presign gives addresses that a plain client can use.
func presign(b *testing.B, server server, bucket, key string) (get, put string) {
	b.Helper()
	cfg, err := config.LoadDefaultConfig(b.Context(), config.WithRegion(region))
	if err != nil {
		b.Fatal(err)
	}
	client := awss3.NewPresignClient(awss3.NewFromConfig(cfg, func(o *awss3.Options) {
		o.BaseEndpoint = aws.String(server.endpoint)
		o.UsePathStyle = true
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}))
	g, err := client.PresignGetObject(b.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		b.Fatal(err)
	}
	p, err := client.PresignPutObject(b.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		b.Fatal(err)
	}
	return g.URL, p.URL
}
