package direct

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestDownloadLogin holds that a login goes to its own server and to no other,
// not even by a redirect.
func TestDownloadLogin(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0"}
	data := spec.build(t)
	open := serve(t, map[string][]http.HandlerFunc{"/f": {func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("another server is given the login")
		}
		w.Write(data)
	}}})
	private := func(h http.HandlerFunc) []http.HandlerFunc {
		return []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "me" || password != "secret" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h(w, r)
		}}
	}
	closed := serve(t, map[string][]http.HandlerFunc{
		"/simple/pkg/": private(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<a href="/f#sha256=%s">%s</a>`, hexSum(data), spec.fileName())
		}),
		"/f":    private(content(data)),
		"/away": private(status(302, "Location", open.URL+"/f")),
	})
	host := strings.TrimPrefix(closed.URL, "http://")
	login := runtimes.Login{Scheme: "http", Host: host, User: "me", Password: "secret", From: "the test"}
	wrong := login
	wrong.Password = "hushhush"
	otherPort := login
	otherPort.Host = "127.0.0.1:1"
	for _, test := range []struct {
		name, url string
		login     runtimes.Login
		want      string
	}{
		{"from the index", "", login, ""},
		{"from the index's server", closed.URL + "/f", login, ""},
		{"from another server", open.URL + "/f", login, ""},
		{"redirected", closed.URL + "/away", login, ""},
		{"wrong", "", wrong, host + " refuses the user or password (401 Unauthorized) that the test has for it"},
		{"for another port", "", otherPort, host + " wants a user and a password (401 Unauthorized), and none is known for it"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, err := newClient("", []runtimes.Login{test.login}, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			e := &Engine{Downloads: folder(t.TempDir()), Client: client, newBackOff: noWait}
			pkg := spec.pkg(data)
			pkg.File.URL = test.url
			r := recipe(pkg)
			r.Indexes = []string{closed.URL + "/simple"}
			err = e.Install(t.Context(), r, io.Discard, nil)
			var refused *runtimes.LoginError
			if got := errors.As(err, &refused); got != (test.want != "") || got && refused.Error() != test.want {
				t.Errorf("got %v", err)
			}
			if err != nil && strings.Contains(err.Error(), wrong.Password) {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// TestDownloadMirrored holds that a mirror is asked before the lock file's
// address, and when that is asked after all.
func TestDownloadMirrored(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0"}
	data := spec.build(t)
	page := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<a href="/f#sha256=%s">%s</a>`, hexSum(data), spec.fileName())
	}
	for _, test := range []struct {
		name         string
		page, file   http.HandlerFunc // of the mirror
		locked       http.HandlerFunc
		onMirror     bool // the lock file names the mirror's server
		mirror, asks []string
		want         string
	}{
		{name: "has it", page: page, file: content(data), mirror: []string{"/simple/pkg/", "/f"}},
		{name: "lacks the package", page: status(404), locked: content(data), mirror: []string{"/simple/pkg/"}, asks: []string{"/f"}},
		{name: "lacks the file", page: content(nil), locked: content(data), mirror: []string{"/simple/pkg/"}, asks: []string{"/f"}},
		{name: "lacks it as all do", page: content(nil), locked: status(503), mirror: []string{"/simple/pkg/"}, asks: []string{"/f"}, want: "no index has a file of pkg 1.0"},
		{name: "forbids the file", page: page, file: status(403), mirror: []string{"/simple/pkg/", "/f"}, want: "forbids it"},
		{name: "is named by the lock file", page: status(404), file: content(data), onMirror: true, mirror: []string{"/f"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			mirror := serve(t, map[string][]http.HandlerFunc{"/simple/pkg/": {test.page}, "/f": {test.file}})
			lock := serve(t, map[string][]http.HandlerFunc{"/f": {test.locked}})
			e, _ := engine(t, patience)
			pkg := spec.pkg(data)
			if pkg.File.URL = lock.URL + "/f"; test.onMirror {
				pkg.File.URL = mirror.URL + "/f"
			}
			r := recipe(pkg)
			r.Indexes, r.Mirrored = []string{mirror.URL + "/simple"}, true
			err := e.Install(t.Context(), r, io.Discard, nil)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
			if got := mirror.paths(); !slices.Equal(got, test.mirror) {
				t.Errorf("the mirror was asked %q, want %q", got, test.mirror)
			}
			if got := lock.paths(); !slices.Equal(got, test.asks) {
				t.Errorf("the lock file's server was asked %q, want %q", got, test.asks)
			}
		})
	}
}

// TestProxyLogin holds that a proxy that wants a password is told as such, and
// at once.
func TestProxyLogin(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	for user, want := range map[string]string{
		"":         "wants a user and a password (407 Proxy Authentication Required), and none is known for it",
		"me:hush@": "refuses the user or password (407 Proxy Authentication Required) that the proxy's address has for it",
	} {
		e, _ := engine(t, patience)
		address, err := url.Parse(strings.Replace(proxy.URL, "http://", "http://"+user, 1))
		if err != nil {
			t.Fatal(err)
		}
		e.Client.Transport.(*transport).RoundTripper.(*http.Transport).Proxy = http.ProxyURL(address)
		spec := wheelSpec{name: "pkg", version: "1.0"}
		pkg := spec.pkg(spec.build(t))
		pkg.File.URL = "https://files.example/pkg.whl"
		err = e.Install(t.Context(), recipe(pkg), io.Discard, nil)
		if err == nil || !strings.HasSuffix(err.Error(), "the proxy "+proxy.Listener.Addr().String()+" "+want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("got %v", err)
		}
		if got := asked.Swap(0); got != 1 {
			t.Errorf("it was asked %d times", got)
		}
	}
}
