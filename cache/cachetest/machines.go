package cachetest

import (
	"crypto/sha256"
	"io"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
)

// Machines has one machine put an entry into a remote and another fetch it. Each
// has a backend of its own from open.
func Machines(t *testing.T, open func() cache.Backend) {
	machine := func() *cache.Cache {
		local, err := cache.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { local.Close() })
		local.Connect([]cache.Remote{{Name: "shared", Backend: open(), Pull: true, Push: true}}, cache.DefaultLimits(), func(text string) {
			t.Errorf("warning: %s", text)
		})
		return local
	}
	first, second := machine(), machine()
	entry := cache.Entry{Key: sha256.Sum256([]byte("key")), Blobs: map[string]cache.Blob{}}
	if _, _, err := second.Fetch(t.Context(), entry.Key); err == nil {
		t.Fatal("the remote has what nobody put there")
	}
	for role, data := range map[string]string{"archive": strings.Repeat("zip ", 100_000), "files": "a list"} {
		blob, err := first.PutBlob(t.Context(), strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		entry.Blobs[role] = blob
	}
	if err := first.Store(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	if err := first.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, _, err := second.Fetch(t.Context(), entry.Key)
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range entry.Blobs {
		if got.Blobs[role] != want {
			t.Errorf("%s: %v; want %v", role, got.Blobs[role], want)
		}
		f, err := second.OpenBlob(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, f); err != nil || n != want.Size {
			t.Errorf("%s: %d bytes, %v", role, n, err)
		}
		f.Close()
	}
}
