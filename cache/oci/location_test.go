package oci

import (
	"net/url"
	"strings"
	"testing"
)

func parse(t *testing.T, address string) (Location, error) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return ParseLocation(u)
}

func TestParseLocation(t *testing.T) {
	for address, want := range map[string]Location{
		"oci://ghcr.example/owner/cache":           {Registry: "ghcr.example", Repository: "owner/cache"},
		"oci://registry.example:5443/cache/":       {Registry: "registry.example:5443", Repository: "cache"},
		"oci://localhost:5000/cache":               {Registry: "localhost:5000", Repository: "cache", PlainHTTP: true},
		"oci://127.0.0.2/cache":                    {Registry: "127.0.0.2", Repository: "cache", PlainHTTP: true},
		"oci://[::1]:5000/cache":                   {Registry: "[::1]:5000", Repository: "cache", PlainHTTP: true},
		"oci://localhost:5443/c?plainHTTP=false":   {Registry: "localhost:5443", Repository: "c"},
		"oci://registry.example/c?plainHTTP=true":  {Registry: "registry.example", Repository: "c", PlainHTTP: true},
		"oci://localhost.example/cache":            {Registry: "localhost.example", Repository: "cache"},
		"oci://127.0.0.1.example/cache":            {Registry: "127.0.0.1.example", Repository: "cache"},
		"oci://10.0.0.1:5000/cache":                {Registry: "10.0.0.1:5000", Repository: "cache"},
		"oci://1.dkr.ecr.eu-north-1.x.example/a-b": {Registry: "1.dkr.ecr.eu-north-1.x.example", Repository: "a-b"},
	} {
		if got, err := parse(t, address); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", address, got, err, want)
		}
	}
}

func TestParseLocationRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"oci://registry.example":               "not of the form",
		"oci:///cache":                         "not of the form",
		"https://registry.example/cache":       "not of the form",
		"oci://registry.example/Cache":         "in lower case",
		"oci://registry.example/cache:tag":     "without a tag",
		"oci://registry.example/a/../b":        "not of the form",
		"oci://user:planted@registry.example/": "no login",
		"oci://registry.example/c?plain=1":     `no parameter "plain"`,
		"oci://registry.example/c?plainHTTP=":  "true or false",
	} {
		_, err := parse(t, address)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", address, err, want)
		} else if strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the error holds the password: %v", address, err)
		}
	}
}
