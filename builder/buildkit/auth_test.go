package buildkit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestRefusedImage(t *testing.T) {
	empty, known := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(known, "config.json"), []byte(`{"auths": {"images.example:5000": {"auth": "bWU6cHc="}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	before := config.Dir()
	t.Cleanup(func() { config.SetDir(before) })
	const image = "images.example:5000/team/build:1"
	for _, test := range []struct{ name, docker, image, text, want string }{
		{"a registry", empty, image,
			"failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://images.example:5000/token: 401 Unauthorized",
			"pull image " + image + ": images.example:5000 wants a user and a password (401 Unauthorized), and none is known for it"},
		{"without tokens", empty, image, "images.example:5000/team/build:1: failed to resolve source metadata: pulling failed: no basic auth credentials",
			"pull image " + image + ": images.example:5000 wants a user and a password (401 Unauthorized), and none is known for it"},
		{"a wrong login", known, image, "unexpected status from HEAD request to https://images.example:5000/v2/team/build/manifests/1: 403 Forbidden",
			"pull image " + image + ": images.example:5000 refuses the user or password (403 Forbidden) that " + filepath.Join(known, "config.json") + " has for it"},
		{"Docker Hub", known, "library/secret:1", "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
			"pull image library/secret:1: docker.io wants a user and a password (401 Unauthorized), and none is known for it"},
		{"another error", known, image, "unexpected status from HEAD request to https://images.example:5000/v2/team/build/manifests/1: 500 Internal Server Error", ""},
		{"a port", known, image, "dial tcp 10.0.0.1:401: connection refused", ""},
	} {
		config.SetDir(test.docker)
		got := ""
		if err := refusedImage(test.text, test.image); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if test.want == "" {
			continue
		}
		err := imageError(errors.New(test.text), test.image+"@sha256:"+strings.Repeat("0", 64))
		if login, ok := errors.AsType[*runtimes.LoginError](err); !ok || login.Of != runtimes.OfImages {
			t.Errorf("%s: of a pinned image: %v", test.name, err)
		}
	}
}
