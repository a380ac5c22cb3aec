package runtimes

import (
	"net/url"
	"testing"
)

func TestFindLogin(t *testing.T) {
	at := func(path, password string) Login {
		return Login{Scheme: "https", Host: "npm.example", Path: path, Password: password}
	}
	lacking := at("/team/a/", "lacking")
	lacking.Lacks = "TOKEN"
	for _, test := range []struct {
		name, url string
		logins    []Login
		want      string
	}{
		{"the longest path", "https://npm.example/team/a/pkg", []Login{at("/", "all"), at("/team/", "team"), at("/team/a/", "a")}, "a"},
		{"whatever comes first", "https://npm.example/team/a/pkg", []Login{at("/team/a/", "a"), at("/team/", "team"), at("/", "all")}, "a"},
		{"another path", "https://npm.example/team/b/pkg", []Login{at("/team/a/", "a"), at("/team/", "team")}, "team"},
		{"whole words", "https://npm.example/team/ab", []Login{at("/", "all"), at("/team/a/", "a")}, "all"},
		{"the registry itself", "https://npm.example/team/a", []Login{at("/team/b/", "b"), at("/team/a/", "a")}, "a"},
		{"of equal paths the first", "https://npm.example/team/a/", []Login{at("/team/a/", "first"), at("/team/a/", "second")}, "first"},
		{"tarballs may be elsewhere", "https://npm.example/files/x.tgz", []Login{at("/team/a/", "a"), at("/team/b/", "b")}, "a"},
		{"one for all, which is stronger", "https://npm.example/team/a/", []Login{at("", "secrets"), at("/team/a/", "a")}, "secrets"},
		{"what is not there does not win", "https://npm.example/team/a/", []Login{at("/", "all"), lacking}, "all"},
		{"another server", "https://other.example/team/a/", []Login{at("/team/a/", "a")}, ""},
	} {
		u, err := url.Parse(test.url)
		if err != nil {
			t.Fatal(err)
		}
		l, _ := FindLogin(test.logins, u)
		if l.Password != test.want {
			t.Errorf("%s: %q, want %q", test.name, l.Password, test.want)
		}
		fetched, err := FetchLogins(test.logins, []string{test.url})
		if err != nil || len(fetched) != len(test.logins) {
			t.Errorf("%s: fetched %d, %v", test.name, len(fetched), err)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	for in, want := range map[string]string{
		"https://me:secret@index.example/simple/x?token=secret#sha256=0": "https://index.example/simple/x",
		"https://token@index.example/":                                   "https://index.example/",
		"://secret":                                                      "(an address that cannot be read)",
	} {
		if got := WithoutSecrets(in); got != want {
			t.Errorf("WithoutSecrets(%q) = %q, want %q", in, got, want)
		}
	}
}
