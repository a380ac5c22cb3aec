//go:build e2e

package oci_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
	"github.com/layerbuild/layerbuild/cache/oci"
)

func open(t testing.TB, address string, roots *x509.CertPool) *oci.Backend {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	at, err := oci.ParseLocation(u)
	if err != nil {
		t.Fatal(err)
	}
	return oci.New(at, roots)
}

// repository is the name of one that nobody else has.
func repository(t *testing.T) string {
	return "layerbuild-cache/" + strings.ToLower(strings.Trim(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()+rand.Text()), "-"))
}

// Where Distribution keeps its data. In a folder it answers 500 to who reads a
// tag just when somebody else writes it, which the suite has many do.
const (
	inMemory = "storage: {inmemory: {}}"
	inFolder = "storage: {filesystem: {rootdirectory: DIR}}"
)

// TestBackend runs the suite against the testbed's registry, which bases on
// go-containerregistry, and against CNCF's Distribution.
func TestBackend(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	for name, addr := range map[string]string{
		"testbed":      setting(t, "LAYERBUILD_TEST_REGISTRY"),
		"distribution": startRegistry(t, inMemory).addr,
	} {
		t.Run(name, func(t *testing.T) {
			cachetest.TestBackend(t, func(t *testing.T) cache.Backend {
				return open(t, "oci://"+addr+"/"+repository(t), nil)
			})
		})
	}
}

// TestGarbage has the registry collect what no manifest names: an entry keeps
// its blobs, and what was put for no entry goes.
func TestGarbage(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	registry := startRegistry(t, inFolder)
	local, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	entry := cache.Entry{Key: sha256.Sum256([]byte("key")), Blobs: map[string]cache.Blob{}}
	remote := open(t, "oci://"+registry.addr+"/cache", nil)
	put := func(name string, data []byte) string {
		t.Helper()
		if err := remote.Put(t.Context(), name, int64(len(data)), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		return name
	}
	want := map[string][]byte{}
	for _, role := range []string{"archive", "files"} {
		data := []byte("the " + role)
		blob, err := local.PutBlob(t.Context(), bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		entry.Blobs[role] = blob
		want[put("cas/"+blob.SHA256.String(), data)] = data
	}
	if err := local.Store(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	name := "ac/" + entry.Key.String()
	data, err := os.ReadFile(filepath.Join(local.Dir(), "ac", entry.Key.String()[:2], entry.Key.String()))
	if err != nil {
		t.Fatal(err)
	}
	want[put(name, data)] = data
	stray := put(fmt.Sprintf("cas/%x", sha256.Sum256([]byte("stray"))), []byte("stray"))

	registry.collect(t)

	for name, data := range want {
		r, err := remote.Get(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, data)
		}
		r.Close()
	}
	if _, err := remote.Stat(t.Context(), stray); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what no entry names was kept: %v", err)
	}
}

// The login that the registry of TestLogin demands.
const (
	user     = "ci"
	password = "planted-password"
	htpasswd = "ci:$2a$04$0ix2EnvUJ6/CPPKDlIGVYOtBKFfhvjH8FZDpWyUsbqXQYRSc7zhqW\n"
)

// TestLogin: logins are docker's, in its file or by a helper; what is wrong with
// one is told with what to do about it, and without the password.
func TestLogin(t *testing.T) {
	users := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(users, []byte(htpasswd), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := startRegistry(t, inMemory+"\nauth: {htpasswd: {realm: cache, path: "+users+"}}").addr
	auth := func(password string) string {
		token := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
		return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, addr, token)
	}
	bin := t.TempDir()
	helper := fmt.Sprintf("#!/bin/sh\necho '{\"Username\": %q, \"Secret\": %q}'\n", user, password)
	if err := os.WriteFile(filepath.Join(bin, "docker-credential-planted"), []byte(helper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	const name = "ac/abababababababababababababababababababababababababababababababab"
	for what, test := range map[string]struct{ config, want string }{
		"file":           {auth(password), ""},
		"helper":         {fmt.Sprintf(`{"credHelpers": {%q: "planted"}}`, addr), ""},
		"none":           {`{}`, "no login: docker login " + addr},
		"wrong":          {auth("planted-and-wrong"), "the login is wrong or has expired: docker login " + addr},
		"missing helper": {fmt.Sprintf(`{"credHelpers": {%q: "nowhere"}}`, addr), "docker-credential-nowhere"},
		"broken file":    {`{"auths": planted}`, "docker's configuration"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("DOCKER_CONFIG", dir)
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(test.config), 0o600); err != nil {
				t.Fatal(err)
			}
			b := open(t, "oci://"+addr+"/cache", nil)
			errs := map[string]error{"put": b.Put(t.Context(), name, 4, strings.NewReader("data"))}
			_, errs["stat"] = b.Stat(t.Context(), name)
			r, err := b.Get(t.Context(), name)
			if err == nil {
				r.Close()
			}
			errs["get"] = err
			for op, err := range errs {
				if test.want == "" {
					if err != nil {
						t.Errorf("%s: %v", op, err)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), op+" "+name) {
					t.Errorf("%s: %v; want %q", op, err, test.want)
				} else if strings.Contains(err.Error(), "planted") {
					t.Errorf("%s: the error holds a secret: %v", op, err)
				}
			}
		})
	}
}

// TestCABundle has a registry behind a proxy whose authority only the
// configuration knows.
func TestCABundle(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	behind := &url.URL{Scheme: "http", Host: startRegistry(t, inMemory).addr}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
	}})
	defer proxy.Close()
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	address := fmt.Sprintf("oci://%s/cache?plainHTTP=false", proxy.Listener.Addr())
	roots := x509.NewCertPool()
	roots.AddCert(proxy.Certificate())
	const data = "data"
	name := fmt.Sprintf("cas/%x", sha256.Sum256([]byte(data)))
	if err := open(t, address, roots).Put(t.Context(), name, 4, strings.NewReader(data)); err != nil {
		t.Error(err)
	}
	var unknown x509.UnknownAuthorityError
	if err := open(t, address, nil).Put(t.Context(), name, 4, strings.NewReader(data)); !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
}

func TestMachines(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	address := "oci://" + startRegistry(t, inFolder).addr + "/shared"
	cachetest.Machines(t, func() cache.Backend { return open(t, address, nil) })
}
