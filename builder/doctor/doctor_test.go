package doctor

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/share"
)

func want(t *testing.T, f Finding, status Status, text string) {
	t.Helper()
	if f.Status != status || !strings.Contains(f.Text, text) {
		t.Errorf("got %s %q, want %s %q", f.Status, f.Text, status, text)
	}
	if f.Status != OK && f.Fix == "" && f.Err == nil {
		t.Errorf("%q has no fix", f.Text)
	}
}

// TestRun: the order is that of the checks, and one that hangs does not keep
// the others from being told of.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		defer close(end)
		found := Run(t.Context(), []Check{
			{Subject: "hung", Limit: time.Minute, Look: func(context.Context) []Finding { <-end; return nil }},
			{Subject: "good", Look: func(context.Context) []Finding { return one("good", OK, "fine", "") }},
		})
		if len(found) != 2 {
			t.Fatalf("%d findings, want 2", len(found))
		}
		want(t, found[0], Fail, "no answer within 1m0s")
		want(t, found[1], OK, "fine")
		if !Broken(found) || Broken(found[1:]) {
			t.Error("what is broken was not told from what is not")
		}
	})
}

func plainSize(n int64) string { return fmt.Sprint(n) }

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	absent := Folder{Subject: "cache", Path: filepath.Join(dir, "a/b"), Size: plainSize, Move: "X"}.look()[0]
	if absent.Status == Fail || !strings.HasPrefix(absent.Text, filepath.Join(dir, "a/b")+" (") {
		t.Errorf("a folder that can be made: %+v", absent)
	}
	want(t, Folder{Subject: "cache", Path: filepath.Join(file, "b"), Size: plainSize}.look()[0], Warn, "not a")
	want(t, Folder{Subject: "output", Path: file, Needed: true, Size: plainSize}.look()[0], Fail, "not a folder")
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestServer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ill/":
			w.WriteHeader(http.StatusBadGateway)
		case "/late/":
			w.Header().Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
		case "/who/-/whoami":
			w.WriteHeader(http.StatusOK)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	ask := func(path string) Finding {
		return Server{Subject: "index", Client: server.Client(), Address: server.URL + path, Needed: true}.look(t.Context(), &Clock{})
	}
	want(t, ask("/nothing/?token=hush"), OK, server.URL+"/nothing/ answers")
	want(t, ask("/ill/"), Fail, "502 Bad Gateway")
	who := Server{Subject: "npm", Client: server.Client(), Address: server.URL + "/who", WhoAmI: "-/whoami"}
	want(t, who.look(t.Context(), &Clock{}), OK, "answers")

	var clock Clock
	late := Server{Subject: "index", Client: server.Client(), Address: server.URL + "/late/"}
	late.look(t.Context(), &clock)
	want(t, clock.Finding(time.Now()), Warn, "is 2h0m0s ahead of what servers say")
	ask2 := Server{Subject: "index", Client: server.Client(), Address: server.URL}
	ask2.look(t.Context(), &clock)
	want(t, clock.Finding(time.Now()), OK, "as servers have it")
	want(t, (&Clock{Built: time.Now().Add(time.Hour)}).Finding(time.Now()), Fail, "before this layerbuild was made")

	server.Close()
	dead := Server{Subject: "index", Client: http.DefaultClient, Address: strings.Replace(server.URL, "//", "//me:hush@", 1)}
	f := dead.look(t.Context(), &Clock{})
	want(t, f, Warn, "does not answer: ")
	if strings.Contains(f.Text, "hush") {
		t.Errorf("it shows a password: %s", f.Text)
	}
}

func TestProxies(t *testing.T) {
	values := map[string]string{"HTTPS_PROXY": "http://me:hush@proxy.example:3128", "NO_PROXY": "corp.example", "http_proxy": "http://"}
	found := Proxies(func(name string) string { return values[name] })
	if len(found) != 3 {
		t.Fatalf("%d findings, want 3: %v", len(found), found)
	}
	want(t, found[0], OK, "HTTPS_PROXY: http://proxy.example:3128")
	want(t, found[1], Fail, "http_proxy is no address")
	want(t, found[2], OK, "not for corp.example")
	want(t, Proxies(func(string) string { return "" })[0], OK, "none")
}

func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	bundle := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(bundle, certificatePEM(server), 0o666); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("hello\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	want(t, Certificates(bundle, time.Now()), OK, "certificates: 1")
	want(t, Certificates(bundle, server.Certificate().NotAfter.Add(time.Hour)), Fail, "has expired")
	want(t, Certificates(empty, time.Now()), Fail, "has no certificate")
	want(t, Certificates(filepath.Join(dir, "none"), time.Now()), Fail, "cannot be read: no such file")
}

// TestRemote: what is put there has one name, and nothing is put where builds
// put nothing.
func TestRemote(t *testing.T) {
	dir := t.TempDir()
	r := Remote{Name: "r", Backend: share.New(dir), Pull: true}
	want(t, r.look(t.Context()), OK, "nothing is pushed")
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Errorf("it was written to: %v", names)
	}
	r.Push = true
	for range 2 {
		want(t, r.look(t.Context()), OK, "can be read and written")
	}
	blobs, err := filepath.Glob(filepath.Join(dir, "cas", "*"))
	if err != nil || len(blobs) != 1 {
		t.Errorf("got %v, %v, want one file", blobs, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	var backend cache.Backend = share.New(file)
	want(t, Remote{Name: "r", Backend: backend, Push: true}.look(t.Context()), Warn, "refuses what is pushed")
	want(t, Remote{Name: "r", Backend: backend, Push: true, Required: true}.look(t.Context()), Fail, "refuses what is pushed")
}

func TestTool(t *testing.T) {
	want(t, Tool{Names: []string{"no-such-tool"}, For: "nobody needs it"}.look(t.Context()), OK, "nobody needs it")
	want(t, Tool{Names: []string{"no-such-tool"}, Needed: "it is needed", Fix: "get it"}.look(t.Context()), Warn, "not found, and it is needed")
	want(t, Tool{Names: []string{"no-such-tool", "go"}, Args: []string{"version"}}.look(t.Context()), OK, "go version go1")
	want(t, Tool{Names: []string{"false"}, Needed: "x", Fix: "y"}.look(t.Context()), Warn, "does not run")
}

func certificatePEM(server *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}
