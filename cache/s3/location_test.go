package s3

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
		"s3://bucket":                 {Bucket: "bucket"},
		"s3://bucket/":                {Bucket: "bucket"},
		"s3://bucket/a/b/":            {Bucket: "bucket", Prefix: "a/b"},
		"s3://my.bucket/a%20b":        {Bucket: "my.bucket", Prefix: "a b"},
		"s3://b?region=eu-central-1":  {Bucket: "b", Region: "eu-central-1"},
		"s3://b?endpoint=minio:9000":  {Bucket: "b", Endpoint: "https://minio:9000"},
		"s3://b?endpoint=http://m:90": {Bucket: "b", Endpoint: "http://m:90"},
		"s3://b?pathStyle=false":      {Bucket: "b", Style: StyleHost},
		"s3://b/p?region=x&pathStyle=true&endpoint=https%3A%2F%2Fm": {
			Bucket: "b", Prefix: "p", Region: "x", Endpoint: "https://m", Style: StylePath},
	} {
		if got, err := parse(t, address); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", address, got, err, want)
		}
	}
}

func TestParseLocationRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"s3:///prefix":                             "not of the form",
		"s3:bucket":                                "not of the form",
		"http://bucket":                            "not of the form",
		"s3://bucket#part":                         "not of the form",
		"s3://key:planted@bucket":                  "no login",
		"s3://b/a/../c":                            "..",
		"s3://b?regoin=x":                          `no parameter "regoin"`,
		"s3://b?region=x&region=y":                 "twice",
		"s3://b?pathStyle=yes":                     "true or false",
		"s3://b?endpoint=ftp://m":                  "not of the form",
		"s3://b?endpoint=":                         "not of the form",
		"s3://b?endpoint=https://u:planted@m":      "login",
		"s3://b?endpoint=https://u:planted@m:port": "not an address",
	} {
		_, err := parse(t, address)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", address, err, want)
		} else if strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the error holds the password: %v", address, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		at           Location
		key, address string
	}{
		{Location{Bucket: "b", Region: "r"}, "ac/x", "s3://b"},
		{Location{Bucket: "b", Prefix: "p/q"}, "p/q/ac/x", "s3://b/p/q"},
	} {
		if key, address := test.at.key("ac/x"), test.at.String(); key != test.key || address != test.address {
			t.Errorf("%+v: %s, %s; want %s, %s", test.at, key, address, test.key, test.address)
		}
	}
}
