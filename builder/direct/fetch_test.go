package direct

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/layerbuild/layerbuild/runtimes"
)

// server is an index with one wheel that answers as a test wants.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // the paths, in order
}

func (s *server) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// serve starts a server; the handlers are by path, several for one path
// answer one after the other and the last one from then on.
func serve(t *testing.T, handlers map[string][]http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	times := map[string]int{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path)
		list := handlers[r.URL.Path]
		n := min(times[r.URL.Path], len(list)-1)
		times[r.URL.Path]++
		s.mu.Unlock()
		if r.Header.Get("User-Agent") != "layerbuild" {
			t.Errorf("User-Agent is %q", r.Header.Get("User-Agent"))
		}
		if n < 0 {
			http.NotFound(w, r)
			return
		}
		list[n](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func content(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.Write(data) }
}

// cut gives half of the file and breaks the connection.
func cut(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// cutQuietly gives half of the file in the old way, where the end of the
// connection is the end of the file.
func cutQuietly(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
		conn.Write(data[:len(data)/2])
	}
}

// stall gives half of the file and then nothing until the client goes away.
func stall(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:len(data)/2])
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
}

func noWait() backoff.BackOff { return &backoff.ZeroBackOff{} }

// longWait would let any test fail that does not do what the server says.
func longWait() backoff.BackOff { return backoff.NewConstantBackOff(time.Hour) }

// engine is one whose requests time out soon.
func engine(t *testing.T, idle time.Duration) (*Engine, folder) {
	t.Helper()
	client, err := newClient("", nil, idle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	d := folder(t.TempDir())
	return &Engine{Downloads: d, Client: client, newBackOff: noWait}, d
}

const patience = time.Minute // a watchdog, not a measure

func TestDownload(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0", entries: []entry{{name: "pkg.py", data: "x"}}}
	data := spec.build(t)
	page := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<a href="/mirror/%s#sha256=%s">%[1]s</a>`, spec.fileName(), hexSum(data))
	}
	type handlers = []http.HandlerFunc
	long := append(bytes.Clone(data), "more"...)
	for _, test := range []struct {
		name   string
		file   handlers // what the locked address answers
		mirror handlers // what the index's address answers
		wait   func() backoff.BackOff
		noSize bool
		asks   []string // the paths asked
		want   string   // "" or what the error says
		digest bool     // it is a DigestError
	}{
		{name: "at once", file: handlers{content(data)}, asks: []string{"/f"}},
		{name: "after 500 and 503", file: handlers{status(500), status(503), content(data)}, asks: []string{"/f", "/f", "/f"}},
		{name: "after 429 with Retry-After", file: handlers{status(429, "Retry-After", "0"), content(data)}, wait: longWait, asks: []string{"/f", "/f"}},
		{name: "after a cut", file: handlers{cut(data), content(data)}, asks: []string{"/f", "/f"}},
		{name: "after a quiet cut", file: handlers{cutQuietly(data), content(data)}, asks: []string{"/f", "/f"}},
		{name: "after a stall", file: handlers{stall(data), content(data)}, asks: []string{"/f", "/f"}},
		{name: "redirected", file: handlers{status(302, "Location", "/mirror/"+spec.fileName())}, mirror: handlers{content(data)}, asks: []string{"/f", "/mirror/" + spec.fileName()}},
		{name: "always 500", file: handlers{status(500)}, asks: []string{"/f", "/f", "/f", "/f", "/f"}, want: "500 Internal Server Error"},
		{name: "always cut", file: handlers{cut(data)}, asks: []string{"/f", "/f", "/f", "/f", "/f"}, want: "unexpected EOF"},
		{name: "400", file: handlers{status(400)}, asks: []string{"/f"}, want: "400 Bad Request"},
		{name: "404, then the index", file: handlers{status(404)}, mirror: handlers{content(data)}, asks: []string{"/f", "/simple/pkg/", "/mirror/" + spec.fileName()}},
		{name: "403, then the index", file: handlers{status(403)}, mirror: handlers{content(data)}, asks: []string{"/f", "/simple/pkg/", "/mirror/" + spec.fileName()}},
		{name: "404 everywhere", file: handlers{status(404)}, mirror: handlers{status(404)}, asks: []string{"/f", "/simple/pkg/", "/mirror/" + spec.fileName()}, want: "404 Not Found; then fetch"},
		{name: "another file", file: handlers{content([]byte("tampered"))}, noSize: true, asks: []string{"/f"}, want: "does not match", digest: true},
		{name: "another file of that size", file: handlers{content(bytes.Repeat([]byte("x"), len(data)))}, asks: []string{"/f"}, want: "does not match", digest: true},
		{name: "a shorter file", file: handlers{content([]byte("tampered"))}, asks: []string{"/f"}, want: "does not match", digest: true},
		{name: "a longer file", file: handlers{content(long)}, asks: []string{"/f"}, want: "more than", digest: true},
		{name: "a longer file in chunks", file: handlers{func(w http.ResponseWriter, _ *http.Request) {
			http.NewResponseController(w).Flush()
			w.Write(long)
		}}, asks: []string{"/f"}, want: "more than", digest: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, map[string][]http.HandlerFunc{
				"/f": test.file, "/simple/pkg/": {page}, "/mirror/" + spec.fileName(): test.mirror,
			})
			e, d := engine(t, 100*time.Millisecond)
			if test.wait != nil {
				e.newBackOff = test.wait
			}
			pkg := spec.pkg(data)
			pkg.File.URL = strings.Replace(s.URL, "http://", "http://user:secret@", 1) + "/f?token=secret"
			if test.noSize {
				pkg.File.Size = 0
			}
			r := recipe(pkg)
			r.Indexes = []string{s.URL + "/simple/"}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var b bytes.Buffer
			var last runtimes.Update
			var mu sync.Mutex
			err := e.Install(ctx, r, &b, func(u runtimes.Update) {
				mu.Lock()
				defer mu.Unlock()
				if u.Phase == "download" {
					last = u
				}
			})
			if asked := s.paths(); !slices.Equal(asked, test.asks) {
				t.Errorf("asked %q, want %q", asked, test.asks)
			}
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if last.Item != spec.fileName() || last.Done != int64(len(data)) || last.Total != int64(len(data)) {
					t.Errorf("last progress is %+v", last)
				}
				if kept := d.kept(t); len(kept) != 1 || kept[0] != pkg.File.SHA256 {
					t.Errorf("kept %q", kept)
				}
				return
			}
			var digest *runtimes.DigestError
			var network *runtimes.NetworkError
			if err == nil || !strings.Contains(err.Error(), test.want) || test.digest != errors.As(err, &digest) || test.digest == errors.As(err, &network) {
				t.Errorf("got %T %v", err, err)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "user") {
				t.Errorf("the error shows credentials: %v", err)
			}
			if kept := d.kept(t); len(kept) != 0 {
				t.Errorf("kept %q", kept)
			}
		})
	}
}

func TestDownloadUnreachable(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0"}
	data := spec.build(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close() // its port answers no more
	s := serve(t, map[string][]http.HandlerFunc{
		"/simple/pkg/": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `<a href="../../%s#sha256=%s">%[1]s</a>`, spec.fileName(), hexSum(data))
		}},
		"/" + spec.fileName(): {content(data)},
	})
	for _, address := range []string{"", gone.URL + "/f"} {
		e, _ := engine(t, patience)
		pkg := spec.pkg(data)
		pkg.File.URL = address
		r := recipe(pkg)
		r.Indexes = []string{s.URL + "/simple"}
		if err := e.Install(t.Context(), r, io.Discard, nil); err != nil {
			t.Errorf("%q: %v", address, err)
		}
		r.Indexes = []string{gone.URL}
		r.Packages[0].File.SHA256 = strings.Repeat("0", 64)
		var network *runtimes.NetworkError
		if err := e.Install(t.Context(), r, io.Discard, nil); !errors.As(err, &network) {
			t.Errorf("%q: no index either: %v", address, err)
		}
	}
}

func TestDownloadCancelled(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0"}
	data := spec.build(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, map[string][]http.HandlerFunc{"/f": {func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}}})
	e, _ := engine(t, patience)
	pkg := spec.pkg(data)
	pkg.File.URL = s.URL + "/f"
	if err := e.Install(ctx, recipe(pkg), io.Discard, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// full is a cache on a disk that is full.
type full struct{ folder }

func (full) Save(_ context.Context, _ string, fetch func(io.Writer) error) (ReadAtCloser, error) {
	return nil, fetch(fullWriter{})
}

var errFull = errors.New("no space left on device")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestDownloadDiskFull(t *testing.T) {
	spec := wheelSpec{name: "pkg", version: "1.0"}
	data := spec.build(t)
	s := serve(t, map[string][]http.HandlerFunc{"/f": {content(data)}})
	e, d := engine(t, patience)
	e.Downloads = full{d}
	pkg := spec.pkg(data)
	pkg.File.URL = s.URL + "/f"
	err := e.Install(t.Context(), recipe(pkg), io.Discard, nil)
	var network *runtimes.NetworkError
	if !errors.Is(err, errFull) || errors.As(err, &network) || len(s.paths()) != 1 {
		t.Errorf("got %v after %d requests", err, len(s.paths()))
	}
}

func TestNotInstallable(t *testing.T) {
	e, _ := engine(t, patience)
	for _, pkg := range []runtimes.Package{
		{Name: "pkg", Version: "1.0", Missing: "no wheel fits"},
		{Name: "pkg", Version: "1.0", File: runtimes.File{Name: "pkg-1.0.tar.gz"}},
	} {
		if err := e.Install(t.Context(), recipe(pkg), io.Discard, nil); err == nil {
			t.Errorf("%+v was installed", pkg)
		}
	}
}

func TestElsewhere(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&runtimes.LoginError{Status: 401}, true},
		{&runtimes.LoginError{Status: 403}, true},
		{&statusError{code: 404}, true},
		{&statusError{code: 410}, true},
		{&statusError{code: 400}, false},
		{&statusError{code: 503}, false},
		{&net.DNSError{IsNotFound: true}, true},
		{&net.OpError{Op: "dial", Err: errFull}, true},
		{&net.OpError{Op: "read", Err: errFull}, false},
		{errStalled, false},
	} {
		err := &runtimes.NetworkError{URL: "https://files.example/x", Err: test.err}
		if got := elsewhere(err); got != test.want {
			t.Errorf("elsewhere(%v) = %v", err, got)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true},
		{"7", 7 * time.Second, true},
		{"86400", maxRetryAfter, true},
		{"-3", 0, true},
		{"Mon, 23 Nov 2026 12:00:10 GMT", 10 * time.Second, true},
		{"Mon, 23 Nov 2026 11:00:00 GMT", 0, true},
		{"", 0, false},
		{"soon", 0, false},
	} {
		if got, ok := retryAfter(test.value, now); got != test.want || ok != test.ok {
			t.Errorf("retryAfter(%q) = %v, %v", test.value, got, ok)
		}
	}
}
