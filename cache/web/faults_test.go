package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
)

// What a network and a server can do to a transfer. Each case wants the right
// layer or a miss, one warning, and an end within the limits.

// patient are limits that nothing reaches which gets on at all.
func patient() cache.Limits {
	return cache.Limits{
		Answer: time.Minute, Window: time.Minute, Progress: 1 << 10,
		Tries: 3, Backoff: time.Millisecond, Patience: time.Minute, Finish: time.Minute,
	}
}

// impatient are for what never gets on.
func impatient() cache.Limits {
	l := patient()
	l.Answer, l.Window, l.Progress = 200*time.Millisecond, 200*time.Millisecond, 1<<20
	return l
}

// longest is more than all the tries of one operation may take: a watchdog.
const longest = 50 * time.Second

type faulty struct {
	*cache.Cache
	mu   sync.Mutex
	said []string
}

// cacheAt opens a cache whose one remote is at an address.
func cacheAt(t testing.TB, address string, push bool) *faulty {
	t.Helper()
	return cacheWith(t, address, push, patient())
}

func cacheWith(t testing.TB, address string, push bool, limits cache.Limits) *faulty {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	f := &faulty{Cache: c}
	b := New(u, nil, nil)
	t.Cleanup(b.client.CloseIdleConnections)
	c.Connect([]cache.Remote{{Name: b.String(), Backend: b, Pull: true, Push: push}}, limits, func(text string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.said = append(f.said, text)
	})
	return f
}

func (f *faulty) wantWarnings(t *testing.T, n int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.said) != n {
		t.Errorf("%d warnings, want %d: %q", len(f.said), n, f.said)
	}
}

var small = []byte("a small archive")

// store keeps an entry with one small blob and one of size bytes, where that is
// not 0, and sends it.
func (f *faulty) store(t testing.TB, size int) cache.Entry {
	t.Helper()
	e := cache.Entry{Key: cache.Digest{1}, Blobs: make(map[string]cache.Blob)}
	for role, data := range map[string][]byte{"archive": small, "more": bytes.Repeat([]byte("more"), size/4)} {
		if len(data) == 0 {
			continue
		}
		var err error
		if e.Blobs[role], err = f.PutBlob(t.Context(), bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e
}

// fetch wants the entry, verified, or, where hit is false, a miss; and an end in
// time.
func (f *faulty) fetch(t *testing.T, hit bool) error {
	t.Helper()
	began := time.Now()
	e, _, err := f.Fetch(t.Context(), cache.Digest{1})
	if took := time.Since(began); took > longest {
		t.Errorf("took %v", took)
	}
	switch {
	case hit && err == nil:
		if err := f.Check(t.Context(), e); err != nil {
			t.Errorf("what was fetched: %v", err)
		}
	case hit || err == nil || !errors.Is(err, cache.ErrMiss):
		t.Errorf("fetched: %v, want a hit: %t", err, hit)
	default:
		if _, err := f.Lookup(t.Context(), cache.Digest{1}); err == nil {
			t.Error("a miss, and yet it is here")
		}
	}
	return err
}

// A link is a TCP proxy that does something to a connection.
type link struct {
	net.Listener
	to    string
	conns atomic.Int32
	// spoil returns how many bytes a connection, the first is 0, carries in each
	// direction before it is cut, -1 for all; and a delay for each piece.
	spoil func(conn int) (up, down int, delay time.Duration)
}

func newLink(t testing.TB, to string, spoil func(conn int) (up, down int, delay time.Duration)) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{Listener: listener, to: strings.TrimPrefix(to, "http://"), spoil: spoil}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(c, int(l.conns.Add(1))-1)
		}
	}()
	return l
}

func (l *link) url() string { return "http://" + l.Addr().String() + "/some/prefix" }

func (l *link) carry(client net.Conn, n int) {
	server, err := net.Dial("tcp", l.to)
	if err != nil {
		client.Close()
		return
	}
	up, down, delay := l.spoil(n)
	var once sync.Once
	cut := func() { once.Do(func() { client.Close(); server.Close() }) }
	half := func(to, from net.Conn, limit int) {
		defer cut()
		buf := make([]byte, 32<<10)
		for limit != 0 {
			n, err := from.Read(buf)
			time.Sleep(delay) // which is what the test is about
			if limit > 0 {
				n = min(n, limit)
				limit -= n
			}
			if _, writeErr := to.Write(buf[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}
	go half(server, client, up)
	half(client, server, down)
}

// TestCutAnswers cuts the first connection at each byte of what it brings: the
// second try gets it. Where every connection is cut, the layer is a miss or, past
// the end of all answers, a hit.
func TestCutAnswers(t *testing.T) {
	server := newStrictServer(t)
	cacheAt(t, server.URL+"/some/prefix", true).store(t, 0)
	ended := false
	for at := 0; !ended; at += cutStep {
		once := newLink(t, server.URL, func(conn int) (int, int, time.Duration) {
			if conn == 0 {
				return -1, at, 0
			}
			return -1, -1, 0
		})
		m := cacheAt(t, once.url(), false)
		m.fetch(t, true)
		m.wantWarnings(t, 0)
		ended = once.conns.Load() == 1 // past the end
		once.Close()
		if t.Failed() || at > 10_000 {
			t.Fatalf("cut at byte %d", at)
		}
		if at%(16*cutStep) != 0 && !ended {
			continue
		}
		always := newLink(t, server.URL, func(int) (int, int, time.Duration) { return -1, at, 0 })
		m = cacheAt(t, always.url(), false)
		// Each answer may come by a connection of its own, so that all of them
		// can be there long before the cut is past the end of their sum.
		if _, _, err := m.Fetch(t.Context(), cache.Digest{1}); err != nil {
			if !errors.Is(err, cache.ErrMiss) {
				t.Fatalf("always cut at byte %d: %v", at, err)
			}
			m.wantWarnings(t, 1)
		} else if ended || at > 200 {
			m.wantWarnings(t, 0)
		} else {
			t.Fatalf("always cut at byte %d, and fetched", at)
		}
		always.Close()
	}
}

// TestCutUploads cuts the first connection at each byte of what is sent: the
// second try sends it, and nothing half lies with the server.
func TestCutUploads(t *testing.T) {
	ended := false
	for at := 0; !ended; at += cutStep {
		server := newStrictServer(t)
		once := newLink(t, server.URL, func(conn int) (int, int, time.Duration) {
			if conn == 0 {
				return at, -1, 0
			}
			return -1, -1, 0
		})
		m := cacheAt(t, once.url(), true)
		m.store(t, 0)
		m.wantWarnings(t, 0)
		ended = once.conns.Load() == 1
		once.Close()
		cacheAt(t, server.URL+"/some/prefix", false).fetch(t, true)
		server.Close()
		if t.Failed() || at > 10_000 {
			t.Fatalf("cut at byte %d", at)
		}
	}
}

// TestLatency: what is slow and gets on is waited for, what does not is not.
func TestLatency(t *testing.T) {
	server := newStrictServer(t)
	cacheAt(t, server.URL+"/some/prefix", true).store(t, 200_000)
	slow := newLink(t, server.URL, func(int) (int, int, time.Duration) { return -1, -1, 20 * time.Millisecond })
	m := cacheAt(t, slow.url(), false)
	m.fetch(t, true)
	m.wantWarnings(t, 0)
	dead := newLink(t, server.URL, func(int) (int, int, time.Duration) { return -1, -1, time.Second })
	m = cacheWith(t, dead.url(), true, impatient())
	if err := m.fetch(t, false); err == nil || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("got %v", err)
	}
	m.store(t, 200_000)
	m.wantWarnings(t, 1)
}

// TestAnswers: what a server may answer.
func TestAnswers(t *testing.T) {
	good := newStrictServer(t)
	cacheAt(t, good.URL+"/some/prefix", true).store(t, 200_000)
	serve := func(w http.ResponseWriter, r *http.Request) { good.serve(w, r) }
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if len(header) == 2 {
				w.Header().Set(header[0], header[1])
			}
			w.WriteHeader(code)
		}
	}
	endless := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte{0})
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond) // which is what the test is about
		}
	}
	blobs := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, "/cas/") {
				h(w, r)
			} else {
				serve(w, r)
			}
		}
	}
	always := func(h http.HandlerFunc) []http.HandlerFunc { return []http.HandlerFunc{h} }
	once := func(h http.HandlerFunc) []http.HandlerFunc { return []http.HandlerFunc{h, serve} }
	for name, test := range map[string]struct {
		handlers []http.HandlerFunc // of the first request, the second …, and all that follow
		hit      bool
		warnings int
		requests int // where it is known, else 0
	}{
		"all well":            {always(serve), true, 0, 3},
		"500 once":            {once(status(500)), true, 0, 4},
		"503 always":          {always(status(503)), false, 1, 3},
		"501 always":          {always(status(501)), false, 1, 1},
		"429 once":            {once(status(429, "Retry-After", "1")), true, 0, 4},
		"429 for an hour":     {always(status(429, "Retry-After", "3600")), false, 1, 1},
		"401":                 {always(status(401)), false, 1, 1},
		"403":                 {always(status(403)), false, 1, 1},
		"404":                 {always(status(404)), false, 0, 1},
		"a page":              {always(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>log in</html>") }), false, 1, 1},
		"blobs 500":           {always(blobs(status(500))), false, 1, 0},
		"blobs lost":          {always(blobs(status(404))), false, 1, 0},
		"endless entry":       {always(endless), false, 1, 1},
		"endless blobs":       {always(blobs(endless)), false, 1, 0},
		"dripping entry":      {always(drip), false, 1, 3},
		"dripping blobs":      {always(blobs(drip)), false, 1, 0},
		"cut in the middle":   {once(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), true, 0, 4},
		"redirected for ever": {always(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }), false, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				n := int(requests.Add(1)) - 1
				test.handlers[min(n, len(test.handlers)-1)](w, r)
			}))
			t.Cleanup(server.Close)
			limits := patient()
			if strings.HasPrefix(name, "dripping") {
				limits = impatient()
			}
			m := cacheWith(t, server.URL+"/some/prefix", false, limits)
			m.fetch(t, test.hit)
			m.wantWarnings(t, test.warnings)
			if got := int(requests.Load()); test.requests != 0 && got != test.requests {
				t.Errorf("%d requests, want %d", got, test.requests)
			}
			if !test.hit && test.warnings == 1 && test.requests > 0 && name != "a page" && name != "endless entry" {
				m.fetch(t, false) // it is left alone
				if got := int(requests.Load()); got != test.requests {
					t.Errorf("it was asked again, %d times", got-test.requests)
				}
			}
		})
	}
}

// TestUploadAnswers: what a server may say to an upload keeps nobody from reading.
func TestUploadAnswers(t *testing.T) {
	for status, reads := range map[int]bool{403: true, 405: true, 413: true, 307: true, 507: false, 500: false, 401: false} {
		good := newStrictServer(t)
		cacheAt(t, good.URL+"/some/prefix", true).store(t, 0)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut {
				good.serve(w, r)
				return
			}
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
		}))
		m := cacheAt(t, server.URL+"/some/prefix", true)
		m.store(t, 200_000)
		m.wantWarnings(t, 1)
		other := cache.Digest{2}
		if _, _, err := m.Fetch(t.Context(), other); errors.Is(err, context.Canceled) || strings.Contains(err.Error(), fmt.Sprint(status)) == reads {
			t.Errorf("%d: then reading gives %v", status, err)
		}
		server.Close()
	}
}

// TestNobody: a server that is not there.
func TestNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	m := cacheAt(t, address, true)
	m.fetch(t, false)
	m.store(t, 0)
	m.wantWarnings(t, 1)
}
