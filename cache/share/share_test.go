package share

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
)

func TestBackend(t *testing.T) {
	cachetest.TestBackend(t, func(t *testing.T) cache.Backend { return New(t.TempDir()) })
}

var name = "ac/" + strings.Repeat("ab", 32)

// TestNotMounted: a folder that is not there is no empty one, and is not made.
func TestNotMounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "share")
	b := New(dir)
	_, get := b.Get(t.Context(), name)
	_, stat := b.Stat(t.Context(), name)
	put := b.Put(t.Context(), name, 1, strings.NewReader("x"))
	for _, err := range []error{get, stat, put} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is the share mounted?") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
}

// TestLeftovers: what a dead process left goes after a day, what a living one
// writes stays.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o777); err != nil {
		t.Fatal(err)
	}
	for file, age := range map[string]time.Duration{"dead": staleAfter + time.Hour, "alive": time.Hour} {
		path := filepath.Join(tmp, file)
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(path, then, then); err != nil {
			t.Fatal(err)
		}
	}
	if err := New(dir).Put(t.Context(), name, 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) != 1 || left[0].Name() != "alive" {
		t.Errorf("tmp/ holds %v, %v", left, err)
	}
}

// TestLocalLayout: a local cache folder can be read as a share.
func TestLocalLayout(t *testing.T) {
	dir := t.TempDir()
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	blob, err := c.PutBlob(t.Context(), strings.NewReader("a blob"))
	if err != nil {
		t.Fatal(err)
	}
	if size, err := New(dir).Stat(t.Context(), "cas/"+blob.SHA256.String()); err != nil || size != blob.Size {
		t.Errorf("Stat: %d, %v", size, err)
	}
}
