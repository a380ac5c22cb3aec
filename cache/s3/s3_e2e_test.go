//go:build e2e

package s3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
	"github.com/layerbuild/layerbuild/cache/s3"
)

func open(t testing.TB, address string, roots *x509.CertPool) *s3.Backend {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	at, err := s3.ParseLocation(u)
	if err != nil {
		t.Fatal(err)
	}
	return s3.New(at, roots)
}

func TestBackend(t *testing.T) {
	environment(t, login(accessKey, secretKey)...)
	server := startServer(t)
	cachetest.TestBackend(t, func(t *testing.T) cache.Backend {
		return open(t, server.address(server.bucket(t)+"/a/prefix"), nil)
	})
}

var name = "ac/" + strings.Repeat("ab", 32)

// operations are all that can fail.
func operations(b cache.Backend) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"put": func(ctx context.Context) error { return b.Put(ctx, name, 4, strings.NewReader("data")) },
		"get": func(ctx context.Context) error {
			r, err := b.Get(ctx, name)
			if err == nil {
				err = r.Close()
			}
			return err
		},
		"stat": func(ctx context.Context) error {
			_, err := b.Stat(ctx, name)
			return err
		},
	}
}

// TestErrors: what can be wrong with a user's set-up is told with what to do
// about it, and without the secrets.
func TestErrors(t *testing.T) {
	server := startServer(t)
	bucket := server.bucket(t)
	server.user(t, "nobody", "nobodys-planted-secret")
	mine := login(accessKey, secretKey)
	for what, test := range map[string]struct {
		env     []string
		address string
		want    string
	}{
		"wrong secret":     {login(accessKey, "another-planted-secret"), server.address(bucket), "renew them where they come from, EnvConfigCredentials"},
		"unknown key":      {login("stranger", "planted"), server.address(bucket), "renew them where they come from, EnvConfigCredentials"},
		"no credentials":   {nil, server.address(bucket), "no credentials: set AWS_ACCESS_KEY_ID"},
		"no rights":        {login("nobody", "nobodys-planted-secret"), server.address(bucket), "allow s3:GetObject and s3:ListBucket"},
		"missing bucket":   {mine, server.address("no-such-bucket"), "create bucket no-such-bucket"},
		"wrong region":     {mine, fmt.Sprintf("s3://%s?region=us-west-1&endpoint=%s", bucket, server.endpoint), "another region"},
		"default region":   {mine, fmt.Sprintf("s3://%s?endpoint=%s", bucket, server.endpoint), "another region"},
		"no region":        {mine, "s3://" + bucket, "no region is known: add ?region="},
		"nobody listening": {mine, fmt.Sprintf("s3://%s?region=x&endpoint=http://%s", bucket, freeAddr(t)), "connection refused"},
	} {
		t.Run(what, func(t *testing.T) {
			environment(t, test.env...)
			b := open(t, test.address, nil)
			for op, f := range operations(b) {
				err := f(t.Context())
				if op == "stat" && what == "missing bucket" && errors.Is(err, fs.ErrNotExist) {
					continue // the answer to HEAD tells nothing else
				}
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", op, err)
					continue
				}
				text := err.Error()
				if !strings.Contains(text, test.want) || !strings.HasPrefix(text, op+" "+name) {
					t.Errorf("%s: %v; want %q", op, err, test.want)
				}
				if strings.Contains(text, "planted") || strings.Contains(text, accessKey) {
					t.Errorf("%s: the error holds a secret: %v", op, err)
				}
			}
		})
	}
}

// TestEnvironment takes everything but the bucket from where AWS's tools do.
func TestEnvironment(t *testing.T) {
	server := startServer(t)
	file := filepath.Join(t.TempDir(), "credentials") // ~/.aws was looked for when the program began
	environment(t, "AWS_PROFILE=ci", "AWS_SHARED_CREDENTIALS_FILE="+file, "AWS_REGION="+region, "AWS_ENDPOINT_URL_S3="+server.endpoint)
	profile := fmt.Sprintf("[ci]\naws_access_key_id = %s\naws_secret_access_key = %s\n", accessKey, secretKey)
	if err := os.WriteFile(file, []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, open(t, "s3://"+server.bucket(t), nil))
}

func roundTrip(t *testing.T, b cache.Backend) {
	t.Helper()
	if err := b.Put(t.Context(), name, 4, strings.NewReader("data")); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "data" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestCABundle has a server whose authority only the configuration knows.
func TestCABundle(t *testing.T) {
	environment(t, login(accessKey, secretKey)...)
	certificate, roots := makeCertificate(t)
	server := startServer(t, certificate...)
	address := server.address(server.bucket(t))
	roundTrip(t, open(t, address, roots))
	var unknown x509.UnknownAuthorityError
	if err := operations(open(t, address, nil))["get"](t.Context()); !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	// AWS's own variable for it holds, too.
	t.Setenv("AWS_CA_BUNDLE", certificate[0])
	roundTrip(t, open(t, address, nil))
}

// makeCertificate returns the files of a certificate and of its key, for
// loopback, and a pool with its authority, which is itself.
func makeCertificate(t *testing.T) ([]string, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := []string{filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")}
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(files[i], pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return files, roots
}

// TestWrongBytes: the server itself refuses a blob that is not what its name
// says, so that damage on the way up never becomes anybody's download.
func TestWrongBytes(t *testing.T) {
	environment(t, login(accessKey, secretKey)...)
	server := startServer(t)
	b := open(t, server.address(server.bucket(t)), nil)
	blob := "cas/" + strings.Repeat("ab", 32)
	if err := b.Put(t.Context(), blob, 4, strings.NewReader("data")); err == nil {
		t.Error("bytes of another hash were taken")
	}
	if _, err := b.Stat(t.Context(), blob); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
}

func TestMachines(t *testing.T) {
	environment(t, login(accessKey, secretKey)...)
	server := startServer(t)
	address := server.address(server.bucket(t) + "/shared")
	cachetest.Machines(t, func() cache.Backend { return open(t, address, nil) })
}
