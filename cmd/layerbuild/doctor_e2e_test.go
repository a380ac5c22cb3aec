//go:build e2e && linux

package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/testdata/webserver"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// TestDoctor breaks one thing after another, for real, and wants it named
// together with what to do.
func TestDoctor(t *testing.T) {
	builder := setting(t, "BUILDKIT_HOST")
	index, err := wheelhouse.Serve()
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	server, err := webserver.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	private, err := webserver.StartPrivate(t.TempDir(), "right-"+webserver.Password)
	if err != nil {
		t.Fatal(err)
	}
	defer private.Stop()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
	}))
	defer refusing.Close()
	withLogin := strings.Replace(private.URL, "http://", "http://ci:wrong-hush@", 1) + "/"

	for name, c := range map[string]struct {
		breaks func(t *testing.T, r *runner)
		config string
		code   int
		want   []string
	}{
		"nothing": {want: []string{"ok    engine  ", builder, "ok    platform", "x86_64: native", "ok    image registry  public.ecr.aws answers", "0 failures, "}},
		"no BuildKit": {
			breaks: func(_ *testing.T, r *runner) {
				r.env = append(r.env, "BUILDKIT_HOST=", "DOCKER_HOST=unix:///nowhere.sock", "PATH=/usr/bin:/bin")
			},
			want: []string{"ok    engine", "direct: no BuildKit was found; looked at unix:///run/buildkit/buildkitd.sock"},
		},
		"wrong BUILDKIT_HOST": {
			breaks: func(_ *testing.T, r *runner) { r.env = append(r.env, "BUILDKIT_HOST=unix:///nowhere.sock") },
			want:   []string{"warn  engine", "unix:///nowhere.sock", "fix: start BuildKit there, or correct BUILDKIT_HOST"},
		},
		"wrong BUILDKIT_HOST, needed": {
			breaks: func(_ *testing.T, r *runner) { r.env = append(r.env, "BUILDKIT_HOST=unix:///nowhere.sock") },
			config: "engine: buildkit\n", code: 1,
			want: []string{"fail  engine", "it is the engine that is asked for", "fix: start BuildKit"},
		},
		"builder of one architecture": {
			config: "builder: {architectures: {x86_64: \"tcp://127.0.0.1:1\"}}\n",
			want:   []string{"warn  platform", "x86_64: cannot reach BuildKit at tcp://127.0.0.1:1", "correct layerbuild.yaml, for x86_64"},
		},
		"read-only cache": {
			breaks: func(t *testing.T, r *runner) { readOnly(t, filepath.Join(r.data, "cache")) },
			want:   []string{"warn  cache", "cannot be written: read-only file system", "LAYERBUILD_CACHE_DIR"},
		},
		"read-only output": {
			breaks: func(t *testing.T, r *runner) { readOnly(t, filepath.Join(r.dir, ".layerbuild")) },
			code:   1,
			want:   []string{"fail  output", "cannot be written: read-only file system", "--output"},
		},
		"full disk": {
			breaks: func(t *testing.T, r *runner) { mount(t, filepath.Join(r.data, "tmp"), 2) },
			code:   1,
			want:   []string{"fail  temporary", "is on a full disk: ", "fix: free some space", "TMPDIR"},
		},
		"remote that refuses writes": {
			config: "cache: {remotes: [{url: \"" + server.URL + "/\", push: true}]}\n",
			want:   []string{"warn  remote", server.URL, "refuses what is pushed", "fix: give it a login that may write"},
		},
		"required remote that refuses writes": {
			config: "cache: {remotes: [{url: \"" + server.URL + "/\", push: true, required: true}]}\n",
			code:   1,
			want:   []string{"fail  remote", "refuses what is pushed"},
		},
		"proxy that refuses": {
			breaks: func(_ *testing.T, r *runner) {
				r.env = append(r.env, "HTTPS_PROXY="+strings.Replace(refusing.URL, "http://", "http://me:proxy-hush@", 1), "UV_DEFAULT_INDEX=https://index.example/simple")
			},
			code: 1,
			want: []string{"fail  python index", "https://index.example/simple does not answer: Forbidden, through the proxy " + refusing.URL, "fix: see whether the proxy lets"},
		},
		"no CA file": {
			config: "caBundle: none.pem\n", code: 1,
			want: []string{"fail  CA bundle", "there is no file", "fix: correct caBundle"},
		},
		"wrong login": {
			breaks: func(_ *testing.T, r *runner) { r.env = append(r.env, "UV_DEFAULT_INDEX="+withLogin) },
			code:   1,
			want:   []string{"fail  python index", "401", "fix: the password may be wrong or expired", "UV_DEFAULT_INDEX"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, index)
			r.t = t
			r.env = append(r.env, "UV_DEFAULT_INDEX="+index.SimpleURL(), "HOME="+t.TempDir(), "SSL_CERT_FILE=", "COLUMNS=")
			if c.breaks != nil {
				c.breaks(t, r)
			}
			r.write("layerbuild.yaml", c.config+r.read("layerbuild.yaml"))
			stdout, stderr := r.run(c.code, "doctor")
			flat := strings.Join(strings.Fields(stdout), " ")
			for _, text := range c.want {
				if !strings.Contains(flat, strings.Join(strings.Fields(text), " ")) {
					t.Errorf("no %q in\n%s%s", text, stdout, stderr)
				}
			}
			if strings.Contains(stdout+stderr, "hush") {
				t.Errorf("it shows a password:\n%s%s", stdout, stderr)
			}
			for _, line := range overlong(stdout, docWidth) {
				t.Error(line)
			}
		})
	}
}
