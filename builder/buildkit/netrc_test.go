package buildkit

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestNetrc(t *testing.T) {
	logins := []runtimes.Login{
		{Scheme: "https", Host: "a.example", User: "me", Password: "p;w:#1"},
		{Scheme: "https", Host: "b.example:8443", User: "you", Password: "pw"},
		{Scheme: "https", Host: "unused.example", User: "x", Password: "y"},
		{Scheme: "https", Host: "spaced.example", User: "x", Password: "a b"},
		{Scheme: "https", Host: "token.example", User: "token"},
	}
	for _, test := range []struct {
		name    string
		indexes []string
		files   []string
		want    string
		err     string
	}{
		{name: "none"},
		{name: "unknown servers", indexes: []string{"", "https://z.example/simple"}, files: []string{"https://f.example/f.whl", ""}},
		{name: "two", indexes: []string{"https://b.example:8443/simple", "https://A.example/simple"}, files: []string{"https://a.example:443/f.whl"},
			want: "machine a.example\nlogin me\npassword p;w:#1\nmachine b.example\nlogin you\npassword pw\n"},
		{name: "another port", indexes: []string{"https://a.example/simple"}, files: []string{"https://a.example:1/f.whl"}, err: "a.example has several servers"},
		{name: "another scheme", files: []string{"http://a.example/f.whl", "https://a.example/f.whl"}, err: "a.example has several servers"},
		{name: "a space", indexes: []string{"https://spaced.example/"}, err: "cannot be given to a container"},
		{name: "no password", indexes: []string{"https://token.example/"}, err: "cannot be given to a container"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := runtimes.Recipe{Indexes: test.indexes}
			for _, f := range test.files {
				r.Packages = append(r.Packages, runtimes.Package{File: runtimes.File{URL: f}})
			}
			got, err := netrcOf(r, logins)
			var input *runtimes.InputError
			if errors.As(err, &input) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("got %v", err)
			}
			if string(got) != test.want || (got == nil) != (test.want == "") {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// later is a password that is not known yet.
type later struct {
	password string
	err      error
	fetched  int
}

func (l *later) Password() (string, error) {
	l.fetched++
	return l.password, l.err
}

// TestNetrcSecret holds that choosing an engine fetches no password, and that
// installing fetches those that a recipe needs before it asks the daemon.
func TestNetrcSecret(t *testing.T) {
	needed, unused := &later{password: "a b"}, &later{err: errors.New("fetched")}
	failing := &later{err: &runtimes.InputError{Problem: "it is not set"}}
	e := &Engine{Logins: []runtimes.Login{
		{Scheme: "https", Host: "a.example", User: "me", Secret: needed},
		{Scheme: "https", Host: "b.example", User: "me", Secret: unused},
		{Scheme: "https", Host: "c.example", User: "me", Secret: failing},
		{Scheme: "https", Host: "d.example", User: "me", Secret: needed},
		{Scheme: "https", Host: "d.example:1", User: "me", Secret: unused},
	}}
	for _, test := range []struct{ index, file, accepts, install string }{
		{"https://a.example/simple", "", "", "cannot be given to a container"},
		{"https://c.example/simple", "", "", "it is not set"},
		{"https://d.example/", "https://d.example:1/f.whl", "several servers", "fetched"},
	} {
		r := runtimes.Recipe{Indexes: []string{test.index}, Container: &runtimes.Container{Steps: []runtimes.Step{{Netrc: []string{"NETRC"}}}}}
		r.Packages = []runtimes.Package{{File: runtimes.File{URL: test.file}}}
		before := needed.fetched + failing.fetched
		if err := e.Accepts(r); (err != nil) != (test.accepts != "") || err != nil && !strings.Contains(err.Error(), test.accepts) {
			t.Errorf("%s: accepts: %v", test.index, err)
		}
		if needed.fetched+failing.fetched != before {
			t.Errorf("%s: a password was fetched to choose an engine", test.index)
		}
		if err := e.Install(t.Context(), r, nil, nil); err == nil || !strings.Contains(err.Error(), test.install) {
			t.Errorf("%s: install: %v", test.index, err)
		}
	}
	if unused.fetched != 1 { // by the last one
		t.Errorf("a password that nobody needed was fetched")
	}
}

// TestNetworkCause reads what uv 0.13.9, pip 23 to 26 and Maven 3.9 printed.
func TestNetworkCause(t *testing.T) {
	e := &Engine{Logins: []runtimes.Login{{Scheme: "https", Host: "a.example", User: "me", Password: "pw", From: "pip.conf"}}}
	for _, test := range []struct{ name, lines, want string }{
		{"another failure", "Fetching https://a.example/simple/\nerror: no space left", ""},
		{"uv, refused", "  cause: Because demo was not found\n\nhint: An index URL (https://a.example/simple) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)",
			"a.example refuses the user or password (401 Unauthorized) that pip.conf has for it"},
		{"uv, a file", "  cause: HTTP status client error (403 Forbidden) for url (https://f.example:8443/demo.whl)",
			"f.example:8443 forbids it (403 Forbidden), and no user and password are known for it"},
		{"uv, untrusted", "error: Failed to fetch: `https://b.example/simple/demo/`\n  Caused by: invalid peer certificate: UnknownIssuer",
			"the certificate of b.example is not trusted: x509: certificate signed by unknown authority"},
		{"uv, expired", "error: Failed to fetch: `https://b.example/simple/demo/`\n  cause: invalid peer certificate: certificate expired: verification time 1795625358 (UNIX), but certificate is not valid after 1764089357",
			"x509: certificate has expired or is not yet valid: that of b.example"},
		{"uv, too early", "error: Failed to fetch: `https://b.example/simple/demo/`\n  cause: invalid peer certificate: certificate not valid yet: verification time 1795625362 (UNIX), but certificate is not valid before 1827161357",
			"x509: certificate has expired or is not yet valid: that of b.example"},
		{"pip, expired", "Could not fetch URL https://b.example/simple/uv/: There was a problem confirming the ssl certificate: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1006) - skipping",
			"x509: certificate has expired or is not yet valid: that of b.example"},
		{"a proxy", "  cause: tunnel error: proxy authorization required", "the proxy wants a user and a password (407 Proxy Authentication Required), and none is known for it"},
		{"pip, refused", "ERROR: No matching distribution found for uv==0.13.9\nCould not fetch URL https://b.example/simple/uv/: 401 Client Error: Unauthorized for url: https://b.example/simple/uv/ - skipping",
			"b.example wants a user and a password (401 Unauthorized), and none is known for it"},
		{"a source, refused", "demo-1.tar.gz: 401 Unauthorized for url https://a.example/simple/\nerror: demo-1.tar.gz cannot be fetched: 401 Unauthorized for url https://a.example/simple/",
			"a.example refuses the user or password (401 Unauthorized) that pip.conf has for it"},
		{"a source, untrusted", "demo-1.tar.gz: <urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)> for url https://b.example/simple/",
			"the certificate of b.example is not trusted: x509: certificate signed by unknown authority"},
		{"Maven, refused", "[ERROR] Could not transfer artifact x:y:pom:1 from/to central (https://b.example/m2): status code: 401, reason phrase: Unauthorized (401)",
			"b.example wants a user and a password (401 Unauthorized), and none is known for it"},
		{"Maven, forbidden", "[ERROR] Could not transfer artifact x:y:pom:1 from/to central (https://b.example/m2): status code: 403, reason phrase: Forbidden (403)",
			"b.example forbids it (403 Forbidden), and no user and password are known for it"},
		{"Maven, untrusted", "[ERROR] Could not transfer artifact x:y:pom:1 from/to central (https://b.example/m2): PKIX path building failed: unable to find valid certification path to requested target",
			"the certificate of b.example is not trusted: x509: certificate signed by unknown authority"},
		{"pip, untrusted", "Could not fetch URL https://b.example/simple/uv/: There was a problem confirming the ssl certificate: [SSL: CERTIFICATE_VERIFY_FAILED] - skipping",
			"the certificate of b.example is not trusted: x509: certificate signed by unknown authority"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := networkCause(strings.Split(test.lines, "\n"), e.Logins)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			var authority x509.UnknownAuthorityError
			if strings.Contains(test.want, "not trusted") != errors.As(err, &authority) {
				t.Error("the hint about certificates would not be found")
			}
			var invalid x509.CertificateInvalidError
			if strings.Contains(test.want, "not yet valid") != errors.As(err, &invalid) {
				t.Error("the hint about the clock would not be found")
			}
		})
	}
}

// TestLostFile reads what uv 0.13.9 printed when a download broke off.
func TestLostFile(t *testing.T) {
	lines := strings.Split("Resolved 2 packages in 16ms\nerror: Failed to download `core==1.0`\n  cause: Failed to write to the distribution cache\n"+
		"  cause: error decoding response body\n  cause: request or response body error\n  cause: error reading a body from connection\n"+
		"  cause: end of file before message length reached", "\n")
	core := runtimes.Package{Name: "core", Version: "1.0", File: runtimes.File{Name: "core-1.0.whl", URL: "https://me:secret@files.example/core-1.0.whl"}}
	exit := errors.New("exit code: 1")
	for _, test := range []struct {
		name   string
		lines  []string
		recipe runtimes.Recipe
		want   string
	}{
		{"from the lock file's address", lines, runtimes.Recipe{Packages: []runtimes.Package{core}}, "fetch https://***@files.example/core-1.0.whl: exit code: 1"},
		{"from a mirror", lines, runtimes.Recipe{Packages: []runtimes.Package{core}, Mirrored: true, Indexes: []string{"https://mirror.example/simple/"}},
			"fetch core-1.0.whl from https://mirror.example/simple/: exit code: 1"},
		{"of no package of ours", lines, runtimes.Recipe{}, "exit code: 1"},
		{"Maven", []string{"[ERROR] Failed to execute goal: Could not find artifact x:y:jar:1 in central (https://b.example/m2) -> [Help 1]"}, runtimes.Recipe{},
			"fetch x:y:jar:1 from https://b.example/m2: exit code: 1"},
		{"another cause", lines[:3], runtimes.Recipe{Packages: []runtimes.Package{core}}, "exit code: 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := lostFile(test.lines, test.recipe, exit).Error(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
