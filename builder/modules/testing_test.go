package modules

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
)

// downloads is a direct.Downloads in memory.
type downloads struct {
	mu    sync.Mutex
	files map[string][]byte
}

type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }

func (d *downloads) Open(_ context.Context, sum string) (direct.ReadAtCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, ok := d.files[sum]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return inMemory{bytes.NewReader(data)}, nil
}

func (d *downloads) Save(_ context.Context, sum string, fetch func(io.Writer) error) (direct.ReadAtCloser, error) {
	var b bytes.Buffer
	if err := fetch(&b); err != nil {
		return nil, err
	}
	if got := hexSum(b.String()); got != sum {
		return nil, &runtimes.DigestError{Want: sum, Got: got}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = make(map[string][]byte)
	}
	d.files[sum] = b.Bytes()
	return inMemory{bytes.NewReader(b.Bytes())}, nil
}

func hexSum(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// repository is a Maven repository on loopback: path → content, or an answer.
type repository struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func serve(t testing.TB, files map[string]string, answers map[string]int) *repository {
	t.Helper()
	r := &repository{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.asked = append(r.asked, req.URL.Path[1:])
		r.mu.Unlock()
		if code, ok := answers[req.URL.Path[1:]]; ok {
			w.WriteHeader(code)
			return
		}
		content, ok := files[req.URL.Path[1:]]
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = io.WriteString(w, content)
	}))
	t.Cleanup(r.Close)
	return r
}

// paths lists what was asked for, sorted.
func (r *repository) paths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(slices.Values(r.asked))
}

// resolver is a real one, whose downloads are kept in memory.
func resolver(t testing.TB) (*Resolver, *downloads) {
	t.Helper()
	client, err := direct.NewClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	d := &downloads{}
	return &Resolver{Repositories: &direct.Engine{Client: client, Downloads: d}}, d
}

// question asks for modules on Java 17, of the repositories.
func question(requirements []string, repositories ...*repository) runtimes.Question {
	java := runtimes.Info{Name: "java17", Family: "java", Version: "17"}
	q := runtimes.Question{
		Ecosystem: "maven", Name: "app/gradle.lockfile", Requirements: requirements,
		Options: []string{"gradle"}, Places: []runtimes.Place{{Runtime: java, Arch: runtimes.X86_64}},
	}
	for _, r := range repositories {
		q.Indexes = append(q.Indexes, r.URL)
	}
	return q
}

// answer is what a resolution says: requirement → SHA-256, with the file's name
// where it has one.
func answer(pinned []runtimes.Pinned) map[string]string {
	m := make(map[string]string, len(pinned))
	for _, p := range pinned {
		m[p.Requirement] = p.SHA256[0]
		if p.File != "" {
			m[p.Requirement] += " " + p.File
		}
	}
	return m
}
