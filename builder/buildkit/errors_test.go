package buildkit

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/llb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	ones  = strings.Repeat("1", 64)
	as    = strings.Repeat("a", 64)
	numpy = "b64d8d4d17135e00c8e346e0a738deb17e754230d7e0810ac5012750bbd85a5a"
)

// recorded reads what a tool printed.
func recorded(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(data), "\n"), "\n")
}

func TestPackageMismatch(t *testing.T) {
	packages := []runtimes.Package{
		{Name: "other", File: runtimes.File{Name: "other.whl", SHA256: ones}},
		{Name: "numpy", File: runtimes.File{
			Name: "numpy-2.2.6.whl", SHA256: as, URL: "https://me:secret@files.example/numpy-2.2.6.whl",
		}},
	}
	for _, tt := range []struct {
		file     string
		packages []runtimes.Package
		want     error
	}{
		{"uv-mismatch.txt", packages, &runtimes.DigestError{
			What: "numpy-2.2.6.whl", Want: as, Got: numpy, From: "https://***@files.example/numpy-2.2.6.whl",
		}},
		{"uv-mismatch.txt", nil, &runtimes.DigestError{What: "numpy==2.2.6", Want: as, Got: numpy}},
		{"uv-mismatch-url.txt", nil, &runtimes.DigestError{
			What: "tampered @ https://files.example/tampered-1.0-py3-none-any.whl", Want: as,
			Got: "76608a6be70b3868769dd45d3fb1fcdc21894cdc5c487979bfd1407e36610b29",
		}},
		{"pip-mismatch.txt", nil, &runtimes.DigestError{
			What: "six==1.17.0", Want: as, Got: "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",
		}},
		{"uv-unreachable.txt", packages, nil},
	} {
		got := packageMismatch(recorded(t, tt.file), tt.packages)
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.file, got, tt.want)
		}
	}

	// What build.py says of a source.
	source := []runtimes.Package{{Name: "demo", File: runtimes.File{Name: "demo-1.tar.gz", SHA256: as, URL: "https://files.example/demo-1.tar.gz"}}}
	lines := []string{"fetching demo-1.tar.gz from files.example", "error: demo-1.tar.gz does not match its locked SHA-256 " + as + ": got " + ones}
	want := &runtimes.DigestError{What: "demo-1.tar.gz", Want: as, Got: ones, From: source[0].File.URL}
	if got := packageMismatch(lines, source); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	lines = []string{"error: demo-1.tar.gz cannot be fetched: <urlopen error [Errno 111] Connection refused> for url https://me:secret@i.example/simple/"}
	var network *runtimes.NetworkError
	if err := lostFile(lines, runtimes.Recipe{}, errors.New("exit code: 1")); !errors.As(err, &network) || network.URL != "demo-1.tar.gz from https://***@i.example/simple/" {
		t.Errorf("got %v", err)
	}
}

// TestSolveError maps texts that a daemon gave.
func TestSolveError(t *testing.T) {
	p := &place{address: "tcp://me:secret@builder.example:1234"}
	r := runtimes.Recipe{Container: &runtimes.Container{Image: "public.example/python:3.11@sha256:" + ones}}
	pull := failure{name: "image …", image: true}
	for _, tt := range []struct {
		name    string
		err     error
		failure failure
		want    error
	}{
		{
			"image is not there",
			errors.New("failed to solve: failed to load cache key: public.example/python:3.11@sha256:" + ones + ": not found"),
			pull,
			&runtimes.DigestError{What: "image public.example/python:3.11", Want: ones},
		}, {
			"image is another",
			errors.New(`failed to solve: failed to load cache key: failed commit on ref "index-sha256:` + ones +
				`": unexpected commit digest sha256:` + as + `, expected sha256:` + ones + `: failed precondition`),
			pull,
			&runtimes.DigestError{What: "image public.example/python:3.11", Want: ones, Got: as},
		}, {
			"layer is not there",
			errors.New("failed to solve: failed to copy: public.example/python@sha256:" + as + ": not found"),
			pull,
			&runtimes.NetworkError{
				URL: r.Container.Image,
				Err: errors.New("failed to copy: public.example/python@sha256:" + as + ": not found"),
			},
		}, {
			"image is for other machines",
			errors.New("failed to solve: failed to load cache key: no match for platform in manifest: not found"),
			pull,
			&runtimes.InputError{
				Problem: "image " + r.Container.Image + " is not for the daemon's platform",
				Err:     errors.New("no match for platform in manifest: not found"),
			},
		}, {
			"no registry",
			errors.New(`failed to solve: failed to load cache key: failed to do request: Head "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused`),
			pull,
			&runtimes.NetworkError{
				URL: r.Container.Image,
				Err: errors.New(`failed to do request: Head "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused`),
			},
		}, {
			"registry that is unavailable",
			status.Error(codes.Unavailable, "unexpected status from HEAD request: 503 Service Unavailable"),
			pull,
			&runtimes.NetworkError{
				URL: r.Container.Image,
				Err: errors.New("unexpected status from HEAD request: 503 Service Unavailable"),
			},
		}, {
			"step",
			errors.New(`failed to solve: process "/bin/get https://me:secret@index.example" did not complete successfully: exit code: 3`),
			failure{name: "get the tool", step: true, lines: []string{"no"}},
			&runtimes.InstallError{Step: "get the tool", Lines: []string{"no"}, Err: errors.New("exit code: 3")},
		}, {
			"step, as older daemons say it",
			errors.New("failed to solve: rpc error: code = Unknown desc = executor failed running [/bin/get https://me:secret@index.example]: exit code: 3"),
			failure{name: "get the tool", step: true, lines: []string{"no"}},
			&runtimes.InstallError{Step: "get the tool", Lines: []string{"no"}, Err: errors.New("exit code: 3")},
		}, {
			"host's network forbidden",
			errors.New("failed to solve: granting entitlement network.host is not allowed by build daemon configuration"),
			failure{},
			&runtimes.InputError{Problem: "the daemon does not allow steps in its host's network"},
		}, {
			"step with a wrong wheel",
			errors.New(`failed to solve: process "install" did not complete successfully: exit code: 1`),
			failure{name: "install", step: true, lines: recorded(t, "uv-mismatch.txt")},
			&runtimes.DigestError{What: "numpy==2.2.6", Want: as, Got: numpy},
		}, {
			"lost daemon",
			status.Error(codes.Unavailable, "error reading from server: EOF"),
			failure{},
			&runtimes.UnreachableError{
				Address: "tcp://***@builder.example:1234", Err: errors.New("the connection was lost: error reading from server: EOF"),
			},
		}, {
			"anything else",
			errors.New("failed to solve: no space left on device"),
			failure{name: "inputs of: x"},
			errors.New("no space left on device"),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := p.solveError(tt.err, r, tt.failure, nil)
			if reflect.TypeOf(got) != reflect.TypeOf(tt.want) || got.Error() != tt.want.Error() {
				t.Errorf("got %T %[1]v\nwant %T %[2]v", got, tt.want)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	r := runtimes.Recipe{Container: smallContainer()}
	for _, tt := range []struct {
		engine *Engine
		want   string
	}{
		{&Engine{Address: "unix:///nowhere/buildkitd.sock"}, "no such file"},
		{&Engine{Address: "tcp://" + listener.Addr().String()}, "connection refused"},
		{&Engine{Address: "tcp://127.0.0.1:1", TLS: TLS{CACert: "/nowhere/ca.pem"}}, "/nowhere/ca.pem"},
	} {
		_, pingErr := tt.engine.Ping(t.Context())
		_, resolveErr := tt.engine.ResolveImage(t.Context(), "public.example/python:3.11")
		installErr := tt.engine.Install(t.Context(), r, nil, nil)
		for _, err := range []error{pingErr, resolveErr, installErr} {
			var unreachable *runtimes.UnreachableError
			if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want an UnreachableError that says %q", tt.engine.Address, err, tt.want)
			}
		}
	}
}

func TestNoAddress(t *testing.T) {
	for address, want := range map[string]string{
		"unix://":                "names no place",
		"docker+unix://":         "names no place",
		"docker://":              "",
		"http://builder.example": "must start with one of unix://, tcp://",
		"builder.example:1234":   "must start with one of unix://, tcp://",
	} {
		err := CheckAddress(address)
		if want == "" && err == nil {
			continue
		}
		if want == "" || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", address, err, want)
		}
	}
	e := Engine{Address: "builder.example:1234"}
	var input *runtimes.InputError
	if _, err := e.Ping(t.Context()); !errors.As(err, &input) {
		t.Errorf("got %v, want an InputError", err)
	}
}

func TestCancelledBefore(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	e := Engine{Address: "tcp://" + listener.Addr().String()}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCABundle(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.pem")
	if err := os.WriteFile(large, make([]byte, maxSecret+1), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{large: "at most 512000", "/nowhere/ca.pem": "no such file"} {
		e := Engine{Address: "unix:///nowhere", CABundle: path}
		err := e.Install(t.Context(), runtimes.Recipe{Container: smallContainer()}, nil, nil)
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"plain text, me@home.example":                      "plain text, me@home.example",
		"https://index.example/simple":                     "https://index.example/simple",
		"https://me:secret@index.example/simple":           "https://***@index.example/simple",
		"at https://token@a.example and http://b:c@d":      "at https://***@a.example and http://***@d",
		"https://index.example/a@b":                        "https://index.example/a@b",
		"https://me:s@cret@index.example/a":                "https://***@index.example/a",
		`"https://index.example" "x@y"`:                    `"https://index.example" "x@y"`,
		"INDEX=https://__token__:pypi-x%40y@index.example": "INDEX=https://***@index.example",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestProxyFromEnvironment(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
	t.Setenv("no_proxy", "localhost")
	if p := proxyFromEnvironment(); p != nil {
		t.Errorf("got %+v of an environment without proxies", p)
	}
	t.Setenv("https_proxy", "http://proxy.example:3128")
	want := llb.ProxyEnv{HTTPSProxy: "http://proxy.example:3128", NoProxy: "localhost"}
	if p := proxyFromEnvironment(); p == nil || *p != want {
		t.Errorf("got %+v, want %+v", p, want)
	}
}
