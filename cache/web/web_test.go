package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
)

// A strictServer is a cache server that checks what it is given, as bazel-remote
// does: a blob has the SHA-256 it lies under, and an action result can be parsed
// and names only blobs that are there, with their sizes.
type strictServer struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte // by path
}

func newStrictServer(t testing.TB) *strictServer {
	s := &strictServer{files: make(map[string][]byte)}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *strictServer) backend(t testing.TB, login Login) *Backend {
	t.Helper()
	u, err := url.Parse(s.URL + "/some/prefix/")
	if err != nil {
		t.Fatal(err)
	}
	return New(u, login, nil)
}

func (s *strictServer) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	data, ok := s.files[r.URL.Path]
	s.mu.Unlock()
	switch {
	case r.Method == http.MethodPut:
		s.put(w, r)
	case !ok:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data)
	}
}

func (s *strictServer) put(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sum := sha256.Sum256(data)
	s.mu.Lock()
	defer s.mu.Unlock()
	blob := strings.HasPrefix(r.URL.Path, "/some/prefix/cas/")
	switch {
	case blob && !strings.HasSuffix(r.URL.Path, hex.EncodeToString(sum[:])):
		http.Error(w, "not the SHA-256 of what was sent", http.StatusBadRequest)
	case blob:
		s.files[r.URL.Path] = data
	default:
		if err := s.checkAction(data); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// Servers add what they know of the worker, in a field of its own.
		data = protowire.AppendTag(data, 9, protowire.BytesType)
		s.files[r.URL.Path] = protowire.AppendBytes(data, []byte{})
	}
}

// fields reads a message of the kinds of fields that we write.
func fields(message []byte) (map[protowire.Number][][]byte, error) {
	all := make(map[protowire.Number][][]byte)
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		message = message[n:]
		n = protowire.ConsumeFieldValue(number, kind, message)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		value := message[:n]
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(value)
		}
		all[number] = append(all[number], value)
		message = message[n:]
	}
	return all, nil
}

func (s *strictServer) checkAction(data []byte) error {
	result, err := fields(data)
	if err != nil {
		return err
	}
	for number := range result {
		if number != 2 && number != 5 {
			return fmt.Errorf("field %d", number)
		}
	}
	for _, data := range result[2] {
		file, err := fields(data)
		if err != nil {
			return err
		}
		if len(file[1]) != 1 || len(file[1][0]) == 0 || len(file[2]) != 1 {
			return errors.New("an output file without path or digest")
		}
		digest, err := fields(file[2][0])
		if err != nil {
			return err
		}
		var size uint64
		if len(digest[2]) == 1 {
			size, _ = protowire.ConsumeVarint(digest[2][0])
		}
		if stored, ok := s.files["/some/prefix/cas/"+string(digest[1][0])]; !ok || uint64(len(stored)) != size {
			return fmt.Errorf("output file %s is not here with %d bytes", file[1][0], size)
		}
	}
	return nil
}

func TestBackend(t *testing.T) {
	cachetest.TestBackend(t, func(t *testing.T) cache.Backend { return newStrictServer(t).backend(t, nil) })
}

// TestStrict stores a real entry with a server that checks it, and gets it back
// by another cache.
func TestStrict(t *testing.T) {
	server := newStrictServer(t)
	open := func() *cache.Cache {
		c, err := cache.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		remote := cache.Remote{Name: server.URL, Backend: server.backend(t, nil), Pull: true, Push: true, Required: true}
		c.Connect([]cache.Remote{remote}, cache.DefaultLimits(), func(text string) { t.Error(text) })
		return c
	}
	first, second := open(), open()
	e := cache.Entry{Key: cache.Digest{1}, Blobs: make(map[string]cache.Blob)}
	for role, data := range map[string]string{"archive": strings.Repeat("zip", 100_000), "files": "", "keyinput": "{}"} {
		var err error
		if e.Blobs[role], err = first.PutBlob(t.Context(), strings.NewReader(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, from, err := second.Fetch(t.Context(), e.Key)
	if err != nil || from != server.URL || got.Blobs["archive"] != e.Blobs["archive"] {
		t.Fatalf("%+v, %q, %v", got, from, err)
	}
	if err := second.Check(t.Context(), got); err != nil {
		t.Error(err)
	}
}

// TestActionForm pins what lies with users' servers, byte by byte.
func TestActionForm(t *testing.T) {
	if got, want := encodeAction([]byte("a value")), "\x2a\x07a value"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := decodeAction([]byte("<html>please log in</html>")); !errors.Is(err, errNotAction) {
		t.Errorf("got %v", err)
	}
	if _, err := decodeAction(nil); !errors.Is(err, errNotAction) {
		t.Errorf("got %v", err)
	}
}

// FuzzDecodeAction: nothing makes it panic, and what was encoded comes back,
// with anything a server may append.
func FuzzDecodeAction(f *testing.F) {
	f.Add([]byte("a value"), []byte{})
	f.Add([]byte{}, []byte("\x4a\x00"))
	f.Add(encodeAction([]byte("x")), []byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, data, more []byte) {
		decodeAction(data)
		message := encodeAction(data)
		got, err := decodeAction(message)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%q came back as %q, %v", data, got, err)
		}
		decodeAction(append(message, more...))
	})
}

// TestLogin: the login goes with each request to the server, and to no other
// that it leads to.
func TestLogin(t *testing.T) {
	elsewhere := newStrictServer(t)
	elsewhere.files["/some/prefix/cas/"+strings.Repeat("ab", 32)] = []byte("a blob")
	var leaked []string
	handler := elsewhere.Config.Handler
	elsewhere.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, a)
		}
		handler.ServeHTTP(w, r)
	})
	var puts int
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer planted" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPut {
			puts++
		}
		http.Redirect(w, r, elsewhere.URL+r.URL.Path+"?signature=planted", http.StatusTemporaryRedirect)
	}))
	defer front.Close()
	at, _ := url.Parse(front.URL + "/some/prefix")
	at.User = url.UserPassword("planted", "planted")
	name := "cas/" + strings.Repeat("ab", 32)

	b := New(at, nil, nil)
	_, err := b.Get(t.Context(), name)
	var status *StatusError
	if !errors.As(err, &status) || status.Status != http.StatusUnauthorized || strings.Contains(err.Error(), "planted") {
		t.Errorf("without a login: %v", err)
	}
	b = New(at, func(context.Context) (string, error) { return "Bearer planted", nil }, nil)
	if size, err := b.Stat(t.Context(), name); err != nil || size != 6 {
		t.Errorf("Stat: %d, %v", size, err)
	}
	body, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err != nil || string(data) != "a blob" {
		t.Errorf("Get: %q, %v", data, err)
	}
	err = b.Put(t.Context(), name, 1, strings.NewReader("x"))
	if err == nil || puts != 1 || !strings.Contains(err.Error(), "redirected") || strings.Contains(err.Error(), "planted") {
		t.Errorf("Put: %v after %d requests", err, puts)
	}
	if len(leaked) > 0 {
		t.Errorf("the other server got %q", leaked)
	}
	elsewhere.Close()
	if _, err := b.Get(t.Context(), name); err == nil || strings.Contains(err.Error(), "planted") {
		t.Errorf("a redirect to nowhere: %v", err)
	}
}

// TestAddresses: what is no server's address is refused.
func TestAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://cache.example": true, "http://127.0.0.1:8080/layers/": true, "https://user:word@cache.example/x": true,
		"https://": false, "ftp://cache.example": false, "https://cache.example/?token=x": false, "https://cache.example/#x": false,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckAddress(u); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}
