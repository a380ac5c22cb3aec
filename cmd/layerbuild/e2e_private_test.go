//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// private is a project that needs a package of a registry which shows it to
// nobody without a login.
type private struct {
	*runner
	pkg, url string   // the package and its registry
	secrets  []string // what must be nowhere
	began    time.Time
}

// newPrivate is an empty project. In the end the secrets are looked for in all
// that the daemon has written.
func newPrivate(t *testing.T, pkg, url, user, password string) *private {
	t.Helper()
	encode := base64.StdEncoding.EncodeToString
	p := &private{pkg: pkg, url: url, began: time.Now(), secrets: []string{
		password, encode([]byte(password)), encode([]byte(user + ":" + password)),
	}}
	p.runner = &runner{t: t}
	p.runner = p.machine(t.TempDir())
	t.Cleanup(func() { searchDaemon(t, p.began, p.secrets) })
	return p
}

// machine is one with an empty cache, for the project in dir.
func (p *private) machine(dir string) *runner {
	p.t.Helper()
	r := &runner{t: p.t, dir: dir, data: p.t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		p.t.Fatal(err)
	}
	return r
}

// fails has a build fail, with no output written.
func (p *private) fails(r *runner, wants []string, args ...string) {
	p.t.Helper()
	before := r.outputs()
	stdout, stderr := r.run(1, append([]string{"build"}, args...)...)
	if stdout != "" || len(r.temporaries()) > 0 {
		p.t.Errorf("%q: stdout %q, temporary %v", args, stdout, r.temporaries())
	}
	equalFolders(p.t, r.outputs(), before)
	for _, want := range append(wants, p.pkg, p.url) {
		if !strings.Contains(stderr, want) {
			p.t.Errorf("%q: no %q in\n%s", args, want, stderr)
		}
	}
	p.nowhere("the output", []byte(stderr))
}

// builds has a build succeed, and returns its archives.
func (p *private) builds(r *runner, args ...string) map[string][]byte {
	p.t.Helper()
	stdout, stderr := r.run(0, append([]string{"build", "-v"}, args...)...)
	p.nowhere("the output", []byte(stdout+stderr))
	archives := r.outputs()
	for name, data := range archives {
		p.nowhere(name, data)
	}
	for _, name := range args {
		if archive, ok := archives[name+".zip"]; ok {
			p.nowhere("the content of "+name, unzipped(p.t, archive))
		}
	}
	return archives
}

// unzipped is all that an archive holds.
func unzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for _, f := range z.File {
		all.WriteString(f.Name + "\n")
		content, err := f.Open()
		if err == nil {
			_, err = all.ReadFrom(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

// nowhere fails where data shows a secret.
func (p *private) nowhere(where string, data []byte) {
	p.t.Helper()
	for _, secret := range p.secrets {
		if bytes.Contains(data, []byte(secret)) {
			p.t.Errorf("%s shows the login", where)
		}
	}
}

// searched looks for the login in what a machine keeps, and in the project.
func (p *private) searched(r *runner) {
	p.t.Helper()
	for _, dir := range []string{r.data, r.dir} {
		for name, data := range readFolder(p.t, dir) {
			p.nowhere(filepath.Join(dir, name), data)
		}
	}
}

// searchDaemon looks for secrets in what the testbed's BuildKit has written
// since a time: its history and other records, contents, and the files that
// steps have made.
func searchDaemon(t *testing.T, since time.Time, secrets []string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "layerbuild-testbed", "buildkit")
	if _, err := os.Stat(filepath.Join(dir, "history.db")); err != nil {
		t.Fatalf("the daemon's data are not in the testbed's folder: %v", err)
	}
	searched := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // other builds go on
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.ModTime().Before(since) {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil // likewise
		}
		searched++
		for _, secret := range secrets {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s shows the login", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if searched == 0 {
		t.Error("nothing of the daemon was searched")
	}
	t.Logf("%d files of the daemon were searched", searched)
}
