package jvm

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bundle is the machine's own authorities: real certificates of all kinds.
func bundle(t *testing.T) string {
	t.Helper()
	for _, file := range systemRoots {
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	t.Fatal("this machine has no certificate authorities")
	return ""
}

func TestTrustStore(t *testing.T) {
	file := bundle(t)
	first, err := TrustStore(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := TrustStore(file)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("the second one differs, or %v", err)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	once, err := keyStore(pem)
	if err != nil || len(once) != len(first) {
		t.Errorf("a bundle that is the system's own gives %d bytes, want %d: %v", len(first), len(once), err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := TrustStore(empty + "x"); err == nil {
		t.Error("a bundle that is not there")
	}
	if _, err := keyStore([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")); err == nil {
		t.Error("a bundle without any certificate")
	}
}

func TestOptions(t *testing.T) {
	for name, test := range map[string]struct {
		store string
		p     Proxies
		want  string
	}{
		"nothing":     {"", Proxies{No: "a.example"}, ""},
		"trust store": {"/x.jks", Proxies{}, "-Djavax.net.ssl.trustStore=/x.jks -Djavax.net.ssl.trustStoreType=JKS"},
		"proxy": {"", Proxies{HTTPS: "http://proxy.example:3128", No: "a.example, .b.example,10.0.0.0/8,*.c.example"},
			"-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128 " +
				"-Dhttp.nonProxyHosts=localhost|127.*|[::1]|a.example|*.a.example|*.b.example|*.c.example -Daether.connector.http.useSystemProperties=true"},
		"proxy with a login": {"", Proxies{HTTP: "me:p%40w@proxy.example"},
			"-Dhttp.proxyHost=proxy.example -Dhttp.proxyPort=80 -Dhttp.proxyUser=me -Dhttp.proxyPassword=p@w " +
				"-Dhttp.nonProxyHosts=localhost|127.*|[::1] -Daether.connector.http.useSystemProperties=true"},
	} {
		got, err := Options(test.store, test.p)
		const always = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
		if err != nil || strings.Join(got, " ") != strings.TrimSpace(always+" "+test.want) {
			t.Errorf("%s: %q, %v\nwant %s", name, strings.Join(got, " "), err, test.want)
		}
	}
	for _, address := range []string{"http://me:x%20y@proxy.example", "http://:3128", "http://%zz"} {
		if got, err := Options("", Proxies{HTTPS: address}); err == nil || strings.Contains(err.Error(), "x y") {
			t.Errorf("%s: %q, %v", address, got, err)
		}
	}
}
