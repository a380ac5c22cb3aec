package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// exitText is the exit code in the error of a command that ran.
func exitText(err error) string {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err.Error()
	}
	return strconv.Itoa(exit.ExitCode())
}

func TestEnd(t *testing.T) {
	var (
		input       = &runtimes.InputError{File: "uv.lock", Line: 3, Problem: "cut in half", Hint: "restore it"}
		digest      = &runtimes.DigestError{What: "numpy.whl", Want: "aa", Got: "bb"}
		unreachable = &runtimes.UnreachableError{Address: "tcp://builder.example:1234", Err: syscall.ECONNREFUSED}
		install     = &runtimes.InstallError{Step: "install 3 packages", Lines: []string{"no space", "giving up"}, Err: errors.New("exit code 1")}
	)
	for _, test := range []struct {
		name string
		err  error
		code int
		want []string // in stderr
	}{
		{"nothing", nil, 0, nil},
		{"other", errors.New("broken"), 1, []string{"layerbuild: error: broken\n"}},
		{"input", fmt.Errorf("api: %w", input), 2, []string{"error: api: uv.lock:3: cut in half\nlayerbuild: hint: restore it\n"}},
		{"no file", &runtimes.InputError{File: "none.yaml", Problem: "cannot be read", Err: syscall.ENOENT}, 2, []string{"hint: see whether none.yaml is there"}},
		{"folder", &runtimes.InputError{File: "uv.lock", Problem: "cannot be read", Err: syscall.EISDIR}, 2, []string{"hint: see whether uv.lock is there, a file"}},
		{"file", &runtimes.InputError{File: "pom.xml", Problem: "is no pom"}, 2, []string{"hint: correct pom.xml, or have what wrote it"}},
		{"digest", fmt.Errorf("api: %w", digest), 3, []string{"numpy.whl does not match", "hint: somebody changed"}},
		{"unreachable", unreachable, 4, []string{"error: cannot reach BuildKit at tcp://builder.example:1234", "hint: start BuildKit", "--engine direct"}},
		{"install", install, 1, []string{"install 3 packages: exit code 1\n  | no space\n  | giving up\nlayerbuild: hint: layerbuild build -v prints all"}},
		{"module", fmt.Errorf("api: %w", &runtimes.InstallError{Step: "build dyn 1.0", Lines: []string{"Traceback", "ModuleNotFoundError: No module named 'cffi.api'"}, Err: errors.New("exit code 1")}), 1,
			[]string{"hint: what a build needs beyond its pyproject.toml is listed under buildRequires, for example: buildRequires: {dyn: [cffi]}\n"}},
		{"package", &runtimes.PackageError{File: "x.whl", Problem: "path leads out"}, 1, []string{"hint: the file is the one that was locked"}},
		{"network", &runtimes.NetworkError{URL: "https://index.example", Err: syscall.ECONNREFUSED}, 1, []string{"hint: see whether the address"}},
		{"authority", &runtimes.NetworkError{URL: "https://index.example", Err: x509.UnknownAuthorityError{}}, 1, []string{"caBundle", "SSL_CERT_FILE"}},
		{"clock", &runtimes.NetworkError{URL: "https://index.example", Err: x509.CertificateInvalidError{Reason: x509.Expired}}, 1, []string{"hint: see whether this machine's clock is right"}},
		{"size", fmt.Errorf("api: %w", finding(check.Size)), 1, []string{"hint: leave packages out"}},
		{"link", fmt.Errorf("api: %w", finding(check.Link)), 1, []string{"hint: leave it out"}},
		{"disk", fmt.Errorf("write: %w", syscall.ENOSPC), 1, []string{"hint: the disk is full"}},
		{"read-only", &fs.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}, 1, []string{"hint: let this user write there"}},
		{"joined", errors.Join(input, errors.Join(digest, errors.New("more"))), 3, []string{
			"error: uv.lock:3", "hint: restore it\nlayerbuild: error: numpy.whl", "layerbuild: error: more\n"}},
		{"wrapped join", fmt.Errorf("%w and %w", digest, unreachable), 3, []string{"error: numpy.whl does not match its locked SHA-256 aa: got bb and cannot"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := newUI(&stdout, &stderr).end(context.Background(), test.err)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("no %q in:\n%s", want, &stderr)
				}
			}
			if stdout.Len() > 0 || len(test.want) == 0 && stderr.Len() > 0 {
				t.Errorf("printed %q and %q", &stdout, &stderr)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var stdout, stderr bytes.Buffer
	code := newUI(&stdout, &stderr).end(ctx, fmt.Errorf("solve: %w", context.Canceled))
	if code != 130 || stderr.String() != "layerbuild: interrupted\n" {
		t.Errorf("exit code %d, %q", code, &stderr)
	}
	// What was finished before the signal came is a success.
	if code := newUI(&stdout, &stderr).end(ctx, nil); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func finding(id string) error {
	rule, _ := check.RuleOf(id)
	return &check.FindingsError{Rule: rule, Findings: []check.Finding{{ID: id, Problem: "a problem"}}}
}
