package cache_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
)

// patient are limits that nothing reaches which gets on at all.
func patient() cache.Limits {
	return cache.Limits{
		Answer: time.Minute, Window: time.Minute, Progress: 1 << 10,
		Tries: 3, Backoff: time.Millisecond, Patience: time.Minute, Finish: time.Minute,
	}
}

// impatient are for what never answers.
func impatient() cache.Limits {
	l := patient()
	l.Answer, l.Window, l.Finish = 200*time.Millisecond, 200*time.Millisecond, time.Second
	return l
}

// warnings collects what a cache warns of.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

// want checks that there was one warning with a text, or none where that is "".
func (w *warnings) want(t *testing.T, text string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if text == "" && len(w.said) > 0 || text != "" && (len(w.said) != 1 || !strings.Contains(w.said[0], text)) {
		t.Errorf("warnings %q, want one with %q", w.said, text)
	}
}

// A machine is a cache with a folder of its own.
type machine struct {
	*cache.Cache
	dir string
	warnings
}

func newMachine(t *testing.T, remotes ...cache.Remote) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	limits := patient()
	for _, r := range remotes {
		if r.Backend == (stuck{}) {
			limits = impatient()
		}
	}
	c, err := cache.Open(m.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.Connect(remotes, limits, m.add)
	m.Cache = c
	return m
}

// store keeps an entry that is the same for one seed, and waits for its uploads.
func (m *machine) store(t *testing.T, seed byte) cache.Entry {
	t.Helper()
	e := cache.Entry{Key: cache.Digest{seed}, Blobs: make(map[string]cache.Blob)}
	for role, size := range map[string]int{"archive": 100_000, "files": 1000, "keyinput": 10} {
		var err error
		if e.Blobs[role], err = m.PutBlob(t.Context(), bytes.NewReader(bytes.Repeat([]byte{seed}, size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Store(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e
}

// wantFetched checks that a machine gets an entry, whole, from a remote.
func (m *machine) wantFetched(t *testing.T, e cache.Entry, from string) {
	t.Helper()
	_, got, err := m.Fetch(t.Context(), e.Key)
	if err != nil || got != from {
		t.Errorf("fetched from %q, %v; want %q", got, err, from)
		return
	}
	here, err := m.Lookup(t.Context(), e.Key)
	if err != nil {
		t.Error(err)
		return
	}
	if err := m.Check(t.Context(), here); err != nil {
		t.Error(err)
	}
}

func (m *machine) wantMiss(t *testing.T, key cache.Digest, reason string) {
	t.Helper()
	_, _, err := m.Fetch(t.Context(), key)
	if !errors.Is(err, cache.ErrMiss) || !strings.Contains(err.Error(), reason) {
		t.Errorf("got %v, want a miss with %q", err, reason)
	}
	if _, err := m.Lookup(t.Context(), key); err == nil {
		t.Error("yet it is here now")
	}
}

func flush(t *testing.T, m *machine) {
	t.Helper()
	if err := m.Flush(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestChain(t *testing.T) {
	near, far, readOnly := new(cachetest.Mem), new(cachetest.Mem), new(cachetest.Mem)
	builds := newMachine(t, cache.Remote{Name: "far", Backend: far, Push: true}, cache.Remote{Name: "ro", Backend: readOnly, Pull: true})
	e := builds.store(t, 1)
	flush(t, builds)
	builds.want(t, "")

	// Another machine finds it in the second remote, and fills the first.
	restores := newMachine(t,
		cache.Remote{Name: "near", Backend: near, Pull: true, Push: true},
		cache.Remote{Name: "far", Backend: far, Pull: true})
	if at, err := restores.Peek(t.Context(), e.Key); err != nil || at != "far" {
		t.Errorf("Peek: %q, %v", at, err)
	}
	if _, err := restores.Lookup(t.Context(), e.Key); err == nil {
		t.Error("Peek moved the entry")
	}
	restores.wantFetched(t, e, "far")
	flush(t, restores)
	restores.want(t, "")

	newMachine(t, cache.Remote{Name: "near", Backend: near, Pull: true}).wantFetched(t, e, "near")
	absent := newMachine(t, cache.Remote{Name: "ro", Backend: readOnly, Pull: true})
	if _, _, err := absent.Fetch(t.Context(), e.Key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is nowhere: %v", err)
	}
	absent.want(t, "")
	if _, _, err := newMachine(t).Fetch(t.Context(), e.Key); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without remotes: %v", err)
	}
}

// TestLostBlob: a blob that was lost here comes back from a remote, where
// somebody needs it; damaged ones, too.
func TestLostBlob(t *testing.T) {
	shared := new(cachetest.Mem)
	m := newMachine(t, cache.Remote{Name: "shared", Backend: shared, Pull: true, Push: true})
	e := m.store(t, 1)
	flush(t, m)
	blob := e.Blobs["archive"].SHA256.String()
	path := filepath.Join(m.dir, "cas", blob[:2], blob)
	out := filepath.Join(t.TempDir(), "out.zip")
	for _, damage := range []func() error{
		func() error { return os.Remove(path) },
		func() error { return os.WriteFile(path, []byte("damaged"), 0o666) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Deliver(t.Context(), e.Blobs["archive"], out); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unknown := cache.Blob{SHA256: e.Blobs["archive"].SHA256, Size: -1}
	if _, err := m.OpenBlob(t.Context(), unknown); !errors.Is(err, cache.ErrMiss) {
		t.Errorf("a blob of unknown size: %v", err)
	}
}

// A crooked backend gives other bytes than it has.
type crooked struct {
	cache.Backend
	bend func(name string, data []byte) []byte // nil: there is nothing
}

func (c crooked) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := c.Backend.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if data = c.bend(name, bytes.Clone(data)); data == nil {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// TestWrongContent: whatever a remote has wrong is a miss that says why, with one
// warning; and what this machine then builds and uploads sets it right.
func TestWrongContent(t *testing.T) {
	entries := func(bend func([]byte) []byte) func(string, []byte) []byte {
		return func(name string, data []byte) []byte {
			if strings.HasPrefix(name, "ac/") {
				return bend(data)
			}
			return data
		}
	}
	archives := func(bend func([]byte) []byte) func(string, []byte) []byte {
		return func(name string, data []byte) []byte {
			if len(data) == 100_000 {
				return bend(data)
			}
			return data
		}
	}
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
	half := func(data []byte) []byte { return data[:len(data)/2] }
	long := func(data []byte) []byte { return append(data, "more"...) }
	none := func([]byte) []byte { return nil }
	page := func([]byte) []byte { return []byte("<html>please log in</html>") }
	for name, test := range map[string]struct {
		bend   func(string, []byte) []byte
		reason string
	}{
		"entry flipped":  {entries(flip), "checksum"},
		"entry cut":      {entries(half), "checksum"},
		"entry long":     {entries(long), "checksum"},
		"entry a page":   {entries(page), "is not an entry"},
		"entry huge":     {entries(func([]byte) []byte { return make([]byte, 2<<20) }), "larger than"},
		"blob flipped":   {archives(flip), "whose SHA-256 is"},
		"blob cut":       {archives(half), "holds 50000 bytes"},
		"blob long":      {archives(long), "more than the 100000 bytes"},
		"blob lost":      {archives(none), "lacks its blob \"archive\""},
		"blob is a page": {archives(page), "whose SHA-256 is"},
	} {
		t.Run(name, func(t *testing.T) {
			shared := new(cachetest.Mem)
			first := newMachine(t, cache.Remote{Name: "shared", Backend: shared, Push: true})
			e := first.store(t, 1)
			e2 := first.store(t, 2)
			flush(t, first)

			m := newMachine(t, cache.Remote{Name: "shared", Backend: crooked{shared, test.bend}, Pull: true})
			m.wantMiss(t, e.Key, test.reason)
			m.wantMiss(t, e2.Key, test.reason)
			m.want(t, "the cache shared serves what is wrong, which is not used: ")
		})
	}
}

// TestRepair: what was found wrong is sent anew, though it is there by its size.
func TestRepair(t *testing.T) {
	shared := new(cachetest.Mem)
	remote := cache.Remote{Name: "shared", Backend: shared, Pull: true, Push: true}
	first := newMachine(t, remote)
	e := first.store(t, 1)
	flush(t, first)
	name := "cas/" + e.Blobs["archive"].SHA256.String()
	if err := shared.Put(t.Context(), name, 100_000, bytes.NewReader(make([]byte, 100_000))); err != nil {
		t.Fatal(err)
	}
	second := newMachine(t, remote)
	second.wantMiss(t, e.Key, "whose SHA-256 is")
	second.store(t, 1)
	flush(t, second)
	newMachine(t, remote).wantFetched(t, e, "shared")
}

// TestOtherVersion: an entry of another layerbuild is a miss and no defect.
func TestOtherVersion(t *testing.T) {
	shared := new(cachetest.Mem)
	key := cache.Digest{1}
	sealed := fmt.Sprintf("layerbuild entry 2 %x\nnew", sha256.Sum256([]byte("entry 2\nnew")))
	if err := shared.Put(t.Context(), "ac/"+key.String(), int64(len(sealed)), strings.NewReader(sealed)); err != nil {
		t.Fatal(err)
	}
	m := newMachine(t, cache.Remote{Name: "shared", Backend: shared, Pull: true})
	m.wantMiss(t, key, "in shared: is of another format version")
	m.want(t, "")
}

// A stuck backend heeds no context, as a dead network file system.
type stuck struct{ cache.Backend }

func (stuck) Get(context.Context, string) (io.ReadCloser, error)      { select {} }
func (stuck) Stat(context.Context, string) (int64, error)             { select {} }
func (stuck) Put(context.Context, string, int64, io.ReadSeeker) error { select {} }

// TestStuck: nothing waits for what never answers, and it is asked thrice.
func TestStuck(t *testing.T) {
	m := newMachine(t, cache.Remote{Name: "dead", Backend: stuck{}, Pull: true, Push: true})
	m.wantMiss(t, cache.Digest{1}, "no answer within 200ms")
	m.wantMiss(t, cache.Digest{2}, "no answer")
	m.store(t, 1)
	flush(t, m)
	m.want(t, "the cache dead: no answer within 200ms; it is left alone for the rest of this run")
}

// TestStuckUpload: uploads that do not end are given up.
func TestStuckUpload(t *testing.T) {
	m := newMachine(t, cache.Remote{Name: "dead", Backend: stuck{}, Push: true})
	m.store(t, 1)
	flush(t, m)
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.said) != 1 || !strings.Contains(m.said[0], "the cache dead: ") {
		t.Errorf("warnings %q", m.said)
	}
}

// TestRequired: a remote that is required fails the build, in both directions.
func TestRequired(t *testing.T) {
	var failed *cache.RemoteError
	m := newMachine(t, cache.Remote{Name: "dead", Backend: stuck{}, Pull: true, Required: true})
	if _, _, err := m.Fetch(t.Context(), cache.Digest{1}); !errors.As(err, &failed) || errors.Is(err, cache.ErrMiss) {
		t.Errorf("Fetch: %v", err)
	}
	if _, err := m.Peek(t.Context(), cache.Digest{1}); !errors.As(err, &failed) {
		t.Errorf("Peek: %v", err)
	}
	m.want(t, "")
	m = newMachine(t, cache.Remote{Name: "dead", Backend: stuck{}, Push: true, Required: true})
	m.store(t, 1)
	if err := m.Flush(t.Context()); !errors.As(err, &failed) {
		t.Errorf("Flush: %v", err)
	}
	m.want(t, "")
}

// TestCanceled: the end of a command ends its transfers, with its own error.
func TestCanceledTransfers(t *testing.T) {
	m := newMachine(t, cache.Remote{Name: "dead", Backend: stuck{}, Pull: true, Push: true})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := m.Fetch(ctx, cache.Digest{1}); !errors.Is(err, context.Canceled) || errors.Is(err, cache.ErrMiss) {
		t.Errorf("Fetch: %v", err)
	}
	m.store(t, 1)
	if err := m.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush: %v", err)
	}
	m.want(t, "")
}
