package main

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// secretConfig is a project with the given secrets.
func secretConfig(t *testing.T, secrets ...builder.Secret) *builder.Config {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"crlf": "from-file\r\n", "empty": "\n", "two": "hush\nhush\n", "large": strings.Repeat("hush", maxSecret),
		"marked": "\ufefffrom-file\n", "print": "#!/bin/sh\necho from-command\necho hush >&2\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return &builder.Config{File: "sub/layerbuild.yaml", Root: root, Secrets: secrets}
}

func TestSecretSources(t *testing.T) {
	t.Setenv("LAYERBUILD_TEST_SET", "from-env")
	t.Setenv("LAYERBUILD_TEST_EMPTY", "")
	config := secretConfig(t)
	if err := os.Symlink("crlf", filepath.Join(config.Root, "link")); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(elsewhere, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sh := func(script string) builder.PasswordSource {
		return builder.PasswordSource{Command: []string{"sh", "-c", script}}
	}
	file := func(name string) builder.PasswordSource {
		return builder.PasswordSource{File: filepath.Join(config.Root, name)}
	}
	for _, test := range []struct {
		name       string
		source     builder.PasswordSource
		want, from string
		err        string
	}{
		{name: "variable", source: builder.PasswordSource{Env: "LAYERBUILD_TEST_SET"}, want: "from-env", from: "LAYERBUILD_TEST_SET"},
		{name: "no variable", source: builder.PasswordSource{Env: "LAYERBUILD_TEST_UNSET"}, err: "LAYERBUILD_TEST_UNSET is not set"},
		{name: "empty variable", source: builder.PasswordSource{Env: "LAYERBUILD_TEST_EMPTY"}, err: "LAYERBUILD_TEST_EMPTY is empty"},
		{name: "file", source: file("crlf"), want: "from-file", from: "crlf"},
		{name: "file elsewhere", source: builder.PasswordSource{File: elsewhere}, err: elsewhere + " is empty"},
		{name: "byte order mark", source: file("marked"), want: "from-file", from: "marked"},
		{name: "link", source: file("link"), want: "from-file", from: "link"},
		{name: "device", source: builder.PasswordSource{File: os.DevNull}, err: os.DevNull + " cannot be read: it is no regular file"},
		{name: "empty file", source: file("empty"), err: "empty is empty"},
		{name: "two lines", source: file("two"), err: "two gives several lines or control characters"},
		{name: "large file", source: file("large"), err: "large gives more than 65536 bytes"},
		{name: "folder", source: file("."), err: ". cannot be read: it is no regular file"},
		{name: "command", source: builder.PasswordSource{Command: []string{"./print"}}, want: "from-command", from: "the command ./print"},
		{name: "its folder", source: sh("cat crlf"), want: "from-file", from: "the command sh"},
		{name: "its arguments", source: builder.PasswordSource{Command: []string{"printf", "%s", "$HOME ; *"}}, want: "$HOME ; *", from: "the command printf"},
		{name: "its input", source: sh("cat; echo none"), want: "none", from: "the command sh"},
		{name: "no output", source: sh("echo hush >&2"), err: "the command sh is empty"},
		{name: "failed", source: sh("echo hush; echo try again hush >&2; exit 3"), err: "the command sh failed: exit status 3: try again ***"},
		{name: "failed, words in words", source: sh("echo hush hush-tail; echo hush-tail >&2; exit 3"), err: "the command sh failed: exit status 3: ***"},
		{name: "failed, at the cut", source: sh("echo hush-tail; printf '%04090d hush-tail and more' 0 >&2; exit 3"),
			err: "the command sh failed: exit status 3: " + strings.Repeat("0", 4090) + " *** a"},
		{name: "failed, cut in a word", source: sh("echo hush-tail; printf 'no %069625d,hush-tail' 0 >&2; exit 3"),
			err: "the command sh failed: exit status 3: no"},
		{name: "failed in silence", source: sh("echo hush; exit 3"), err: "the command sh failed: exit status 3"},
		{name: "no command", source: builder.PasswordSource{Command: []string{"./none", "hush"}}, err: "the command ./none failed: fork/exec ./none: no such file or directory"},
		{name: "endless", source: sh("yes hush | head -c 1000000"), err: "the command sh gives more than 65536 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config.Secrets = []builder.Secret{{Server: "a.example", Line: 7, User: "ci", Password: test.source}}
			l := secretLogins(t.Context(), config)[0]
			got, err := l.Fetch()
			if test.err == "" {
				if err != nil || got.Password != test.want || l.From != "secrets in layerbuild.yaml ("+test.from+")" {
					t.Errorf("got %q, %v from %s", got.Password, err, l.From)
				}
				return
			}
			var input *runtimes.InputError
			if !errors.As(err, &input) || input.Hint == "" || err.Error() != "sub/layerbuild.yaml:7: the password for a.example: "+test.err {
				t.Errorf("got %v", err)
			}
			if strings.Contains(err.Error()+input.Hint, "hush") {
				t.Errorf("it shows the password: %v", err)
			}
		})
	}
}

// TestSecretServers holds which servers get a secret.
func TestSecretServers(t *testing.T) {
	t.Setenv("LAYERBUILD_TEST_SET", "pw")
	source := builder.PasswordSource{Env: "LAYERBUILD_TEST_SET"}
	var secrets []builder.Secret
	for _, server := range []string{"a.example", "a.example:8443", "b.example:443", "[::1]", "[::1]:8443"} {
		secrets = append(secrets, builder.Secret{Server: server, User: server, Password: source})
	}
	logins := secretLogins(t.Context(), secretConfig(t, secrets...))
	for address, want := range map[string]string{
		"https://a.example/":      "a.example",
		"https://A.example:1/":    "a.example",
		"https://a.example:8443/": "a.example:8443",
		"http://a.example/":       "",
		"https://b.example/":      "b.example:443",
		"https://b.example:1/":    "",
		"https://[::1]/":          "[::1]",
		"https://[::1]:8443/":     "[::1]:8443",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if l, _ := runtimes.FindLogin(logins, u); l.User != want {
			t.Errorf("%s: %q, want %q", address, l.User, want)
		}
	}
}
