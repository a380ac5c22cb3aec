package git

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// store keeps files and values in memory.
type store struct {
	files  map[string][]byte
	values map[string][]byte
}

func (s store) Open(_ context.Context, sha256 string) (io.ReadCloser, error) {
	if data, ok := s.files[sha256]; ok {
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	return nil, fs.ErrNotExist
}

func (s store) Save(_ context.Context, sha256 string, data []byte) error {
	s.files[sha256] = data
	return nil
}

func (s store) GetValue(_ context.Context, kind, key string) ([]byte, error) {
	if data, ok := s.values[kind+key]; ok {
		return data, nil
	}
	return nil, fs.ErrNotExist
}

func (s store) PutValue(_ context.Context, kind, key string, data []byte) error {
	s.values[kind+key] = data
	return nil
}

// origin is a repository served by git itself.
type origin struct {
	folder string
	URL    string
	asked  atomic.Int64
	old    bool // it speaks the first protocol, which gives no commit by its name
	refuse atomic.Int64
}

func newOrigin(t *testing.T, old bool) *origin {
	o := &origin{folder: t.TempDir(), old: old}
	backend := strings.TrimSpace(o.git(t, "--exec-path")) + "/git-http-backend"
	if _, err := os.Stat(backend); err != nil {
		t.Fatal(err)
	}
	o.git(t, "init", "--quiet", "--initial-branch=main", "repo")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		if status := o.refuse.Load(); status != 0 {
			w.WriteHeader(int(status))
			return
		}
		if o.old {
			r.Header.Del("Git-Protocol")
		}
		(&cgi.Handler{
			Path: backend,
			Env: []string{
				"GIT_PROJECT_ROOT=" + o.folder, "GIT_HTTP_EXPORT_ALL=1",
				"GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"),
				"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
			},
		}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	o.URL = server.URL + "/repo/.git"
	return o
}

func (o *origin) git(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = o.folder
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.example", "GIT_COMMITTER_NAME=a",
		"GIT_COMMITTER_EMAIL=a@b.example", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// commit writes files and commits all that is there.
func (o *origin) commit(t *testing.T, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(o.folder, "repo", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	o.git(t, "-C", "repo", "add", "--all")
	o.git(t, "-C", "repo", "commit", "--quiet", "--message", "a commit")
	return strings.TrimSpace(o.git(t, "-C", "repo", "rev-parse", "HEAD"))
}

func (o *origin) request(commit string) runtimes.FileRequest {
	return runtimes.FileRequest{Ecosystem: "git", Name: o.URL, Version: commit}
}

// listing is what a file's archive holds, one line for each entry.
func listing(t *testing.T, f runtimes.File) string {
	t.Helper()
	r, err := f.Local.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, entry := range archive.File {
		text, err := fs.ReadFile(archive, entry.Name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%o %s %s %q\n", entry.Mode(), entry.Modified.UTC().Format("2006-01-02"), entry.Name, text)
	}
	return b.String()
}

func TestFetch(t *testing.T) {
	for name, old := range map[string]bool{"by its name": false, "with all branches": true} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, old)
			for link, to := range map[string]string{"link": "b.txt", "lost": "nowhere", "out": "../../etc/passwd", "loop": "loop"} {
				if err := os.Symlink(to, filepath.Join(o.folder, "repo", link)); err != nil {
					t.Fatal(err)
				}
			}
			first := o.commit(t, map[string]string{
				"b.txt": "b\r\n", "a/run.sh": "#!/bin/sh\n", ".gitattributes": "*.txt text eol=lf export-ignore\n*.sh filter=none\n",
			})
			if err := os.Chmod(filepath.Join(o.folder, "repo/a/run.sh"), 0o777); err != nil {
				t.Fatal(err)
			}
			second := o.commit(t, map[string]string{"b.txt": "changed\n"})

			r := &Repositories{Store: store{map[string][]byte{}, nil}, Values: store{nil, map[string][]byte{}}}
			files, err := r.Files(t.Context(), o.request(first))
			if err != nil {
				t.Fatal(err)
			}
			want := `644 1980-01-01 .gitattributes "*.txt text eol=lf export-ignore\n*.sh filter=none\n"
644 1980-01-01 a/run.sh "#!/bin/sh\n"
644 1980-01-01 b.txt "b\n"
644 1980-01-01 link "b\n"
`
			if got := listing(t, files[0]); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			asked := o.asked.Load()
			again, err := r.Files(t.Context(), o.request(first))
			if err != nil || again[0].SHA256 != files[0].SHA256 || listing(t, again[0]) != want {
				t.Errorf("again: %+v, %v", again, err)
			}
			if o.asked.Load() != asked {
				t.Error("the repository was asked again for a commit that is known")
			}
			files, err = r.Files(t.Context(), o.request(second))
			if err != nil {
				t.Fatal(err)
			}
			if got := listing(t, files[0]); !strings.Contains(got, `755 1980-01-01 a/run.sh`) || !strings.Contains(got, `b.txt "changed\n"`) {
				t.Errorf("the second commit holds\n%s", got)
			}
		})
	}
}

func TestFetchFails(t *testing.T) {
	o := newOrigin(t, true)
	commit := o.commit(t, map[string]string{"a": "a"})
	r := &Repositories{Store: store{map[string][]byte{}, nil}, Values: store{nil, map[string][]byte{}}}
	var input *runtimes.InputError
	var network *runtimes.NetworkError

	if _, err := r.Files(t.Context(), o.request(strings.Repeat("0", 39)+"1")); !errors.As(err, &input) || !strings.Contains(err.Error(), "has no commit") {
		t.Errorf("a commit that is not there: %v", err)
	}
	if _, err := r.Files(t.Context(), o.request("main")); !errors.As(err, &input) {
		t.Errorf("a branch: %v", err)
	}
	for _, address := range []string{"file:///etc", "ext::sh -c x", "--upload-pack=x", "https://-x", "/etc", "https://a b"} {
		if _, err := r.Files(t.Context(), runtimes.FileRequest{Ecosystem: "git", Name: address, Version: commit}); !errors.As(err, &input) {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, status := range []int64{http.StatusNotFound, http.StatusUnauthorized, http.StatusInternalServerError} {
		o.refuse.Store(status)
		if _, err := r.Files(t.Context(), o.request(commit)); !errors.As(err, &network) || network.URL != o.URL {
			t.Errorf("%d: %v", status, err)
		}
	}
	o.refuse.Store(0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Files(ctx, o.request(commit)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	o.git(t, "-C", "repo", "update-index", "--add", "--cacheinfo", "160000,"+commit+",vendor/other")
	o.git(t, "-C", "repo", "commit", "--quiet", "--message", "a submodule")
	commit = strings.TrimSpace(o.git(t, "-C", "repo", "rev-parse", "HEAD"))
	if _, err := r.Files(t.Context(), o.request(commit)); !errors.As(err, &input) || !strings.Contains(err.Error(), "submodule, vendor/other") {
		t.Errorf("a submodule: %v", err)
	}
}
