//go:build e2e

package resolver

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

func TestPrivateIndex(t *testing.T) {
	const password = "hush;:@#&%/+ '\"\\ é"
	m := newMachine(t, aWheel("app", "1.0", "old"), aWheel("lib", "1.0"))
	if _, err := m.index.AddSdist(wheelhouse.Sdist{Name: "old", Version: "1.0", Files: map[string]string{"old.egg-info/requires.txt": "lib"}}); err != nil {
		t.Fatal(err)
	}
	private, err := m.index.Private("joe", password)
	if err != nil {
		t.Fatal(err)
	}
	defer private.Close()
	bundle := filepath.Join(t.TempDir(), "company.pem")
	if err := os.WriteFile(bundle, private.CA, 0o644); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(private.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, host := runtimes.Server(address)
	good := runtimes.Login{Scheme: "https", Host: host, User: "joe", Password: password, From: "pip.conf"}
	bad := good
	bad.Password = "hush"
	q := m.question("app")
	q.Indexes = []string{private.URL + "/simple/"}
	use := func(bundle string, logins ...runtimes.Login) {
		t.Helper()
		client, err := direct.NewClient(bundle, logins)
		if err != nil {
			t.Fatal(err)
		}
		m.CABundle, m.Logins, m.Engine.Client = bundle, logins, client
	}
	resolve := func() error {
		t.Helper()
		_, err := m.Resolve(t.Context(), q, m.uv, nil, nil)
		return err
	}

	use(bundle, good)
	got, _ := m.versions(t, q, nil)
	equal(t, got, []string{"app==1.0", "lib==1.0", "old==1.0"})
	holdsNot(t, m.Folder, password)

	// uv is there by now, so it is uv that is refused.
	if err := os.RemoveAll(filepath.Join(m.Folder, "uv-cache")); err != nil {
		t.Fatal(err)
	}
	var login *runtimes.LoginError
	use(bundle)
	if err := resolve(); !errors.As(err, &login) || login.Host != host || login.From != "" {
		t.Errorf("without a password: %v", err)
	}
	use(bundle, bad)
	if err := resolve(); !errors.As(err, &login) || login.Host != host || login.From != "pip.conf" {
		t.Errorf("with a wrong password: %v", err)
	}
	var authority x509.UnknownAuthorityError
	use("", good)
	if err := resolve(); !errors.As(err, &authority) {
		t.Errorf("without the authority: %v", err)
	}
}

// holdsNot looks for a secret in every file below folder.
func holdsNot(t *testing.T, folder, secret string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(url.QueryEscape(secret))) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files were searched, %v", files, err)
	}
}

// The index that Python's tools use by default has all of this, and uv for
// this machine.
func TestDefaultIndex(t *testing.T) {
	client, err := direct.NewClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	const version = "0.13.9"
	index := direct.Index{Client: client}
	files, err := index.Files(t.Context(), runtimes.FileRequest{Ecosystem: "pypi", Name: "uv", Version: version})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = runtimes.File{Name: files[i].Name, SHA256: files[i].SHA256} // as layerbuild.lock has them
	}
	m := &machine{
		Resolver: &Resolver{Engine: &direct.Engine{Downloads: &downloads{}, Client: client}, Folder: t.TempDir()},
		uv:       runtimes.Tool{Version: version, Files: files},
	}
	q := runtimes.Question{Ecosystem: "pypi", Name: "requirements.txt", Places: []runtimes.Place{onLambda("python3.11", runtimes.X86_64)}, Requirements: []string{"docopt==0.6.2", "pandas<3", "requests[socks]"}}
	got, answer := m.versions(t, q, nil)
	for _, want := range []string{"docopt", "numpy", "pandas", "pysocks", "urllib3"} {
		if !slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, want+"==") }) {
			t.Errorf("without %s: %q", want, got)
		}
	}
	if again, _ := m.versions(t, q, answer); !slices.Equal(again, got) {
		t.Errorf("again it is %q, not %q", again, got)
	}

	files, err = index.Files(t.Context(), runtimes.FileRequest{Ecosystem: "pypi", Name: "docopt", Version: "0.6.2"})
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	got, _ = m.versions(t, runtimes.Question{Ecosystem: "pypi", Name: "docopt 0.6.2", Build: true, Sdist: &files[0], Places: []runtimes.Place{onLambda("python3.11", runtimes.X86_64)}}, nil)
	for _, want := range []string{"setuptools", "wheel"} {
		if !slices.ContainsFunc(got, func(r string) bool { return strings.HasPrefix(r, want+"==") }) {
			t.Errorf("the build is without %s: %q", want, got)
		}
	}
}
