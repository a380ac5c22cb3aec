//go:build e2e

package web

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/cachetest"
	"github.com/layerbuild/layerbuild/testdata/webserver"
)

// TestNginx runs the suite against nginx, as doc/ci.md sets it up.
func TestNginx(t *testing.T) {
	cachetest.TestBackend(t, func(t *testing.T) cache.Backend {
		server, err := webserver.Start(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		u, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		return New(u, ci, nil)
	})
}

func ci(context.Context) (string, error) {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(webserver.User+":"+webserver.Password)), nil
}

// TestNginxReadOnly: who has no login reads and cannot write, which is told once
// and keeps nobody from reading.
func TestNginxReadOnly(t *testing.T) {
	server, err := webserver.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	name := "cas/" + strings.Repeat("ab", 32)
	if err := New(u, ci, nil).Put(t.Context(), name, 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	b := New(u, nil, nil)
	var refused *StatusError
	if err := b.Put(t.Context(), name, 1, strings.NewReader("y")); !errors.As(err, &refused) || refused.Status != 401 {
		t.Errorf("Put: %v", err)
	}
	if size, err := b.Stat(t.Context(), name); err != nil || size != 1 {
		t.Errorf("Stat: %d, %v", size, err)
	}
}
