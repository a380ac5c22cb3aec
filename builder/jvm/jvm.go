// Package jvm tells a Java VM what it does not find out by itself: which
// certificate authorities to trust, and which proxies to use.
package jvm

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/pavlo-v-chernykh/keystore-go/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// systemRoots is where systems keep their certificate authorities in one file,
// as crypto/x509 knows them.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/pki/tls/cacert.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// TrustStore writes the system's certificate authorities and those of caBundle,
// a PEM file, in the form that every Java reads (JKS). Java needs no password
// to trust it.
func TrustStore(caBundle string) ([]byte, error) {
	data, err := os.ReadFile(caBundle)
	if err != nil {
		return nil, runtimes.UnreadableCABundle(err)
	}
	for _, file := range systemRoots {
		if roots, err := os.ReadFile(file); err == nil {
			data = append(append(data, '\n'), roots...)
			break
		}
	}
	store, err := keyStore(data)
	if err != nil {
		return nil, &runtimes.InputError{File: caBundle, Problem: "cannot be used as a CA bundle", Err: err}
	}
	return store, nil
}

// keyStore holds the certificates in data, each once. What is no certificate
// that Java could use is passed over, as other tools do.
func keyStore(data []byte) ([]byte, error) {
	store := keystore.New(keystore.WithOrderedAliases())
	seen := make(map[string]bool)
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" || seen[string(block.Bytes)] {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			continue
		}
		seen[string(block.Bytes)] = true
		err := store.SetTrustedCertificateEntry(fmt.Sprintf("ca-%04d", len(seen)), keystore.TrustedCertificateEntry{
			CreationTime: time.Unix(0, 0),
			Certificate:  keystore.Certificate{Type: "X.509", Content: block.Bytes},
		})
		if err != nil {
			return nil, err
		}
	}
	if len(seen) == 0 {
		return nil, fmt.Errorf("it holds no certificate")
	}
	var b bytes.Buffer
	err := store.Store(&b, []byte("changeit")) // Java's own default; it protects nothing
	return b.Bytes(), err
}

// Proxies are what the environment says of proxies: addresses, and hosts
// without one.
type Proxies struct{ HTTP, HTTPS, No string }

// ProxiesFromEnvironment are those of the usual variables.
func ProxiesFromEnvironment() Proxies {
	get := func(name string) string { return cmp.Or(os.Getenv(name), os.Getenv(strings.ToLower(name))) }
	return Proxies{HTTP: get("HTTP_PROXY"), HTTPS: get("HTTPS_PROXY"), No: get("NO_PROXY")}
}

// Options are the VM's options: for a short run, for a trust store in a file, "" for its own, and
// for proxies. A proxy's password is among them.
func Options(trustStore string, p Proxies) ([]string, error) {
	// For a VM that runs for seconds, on a machine that may have few processors.
	options := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"}
	if trustStore != "" {
		options = append(options, "-Djavax.net.ssl.trustStore="+trustStore, "-Djavax.net.ssl.trustStoreType=JKS")
	}
	proxied := false
	for _, proxy := range []struct{ scheme, address string }{{"http", p.HTTP}, {"https", p.HTTPS}} {
		if proxy.address == "" {
			continue
		}
		more, err := proxyOptions(proxy.scheme, proxy.address)
		if err != nil {
			return nil, err
		}
		options = append(options, more...)
		proxied = true
	}
	if !proxied {
		return options, nil
	}
	if hosts := noProxy(p.No); hosts != "" {
		options = append(options, "-Dhttp.nonProxyHosts="+hosts)
	}
	// Maven's own transport obeys none of this unless it is told to.
	return append(options, "-Daether.connector.http.useSystemProperties=true"), nil
}

func proxyOptions(scheme, address string) ([]string, error) {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return nil, &runtimes.InputError{Problem: strings.ToUpper(scheme) + "_PROXY is not an address that can be used", Hint: "http://proxy.example:3128 is the form"}
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	prefix := "-D" + scheme + ".proxy"
	options := []string{prefix + "Host=" + u.Hostname(), prefix + "Port=" + port}
	if u.User == nil {
		return options, nil
	}
	password, _ := u.User.Password()
	if strings.ContainsAny(u.User.Username()+password, " \t\r\n'\"\\") {
		// The variable is split by a shell.
		return nil, &runtimes.InputError{Problem: "the proxy's password has a space, a quote or a backslash, which Java's options cannot hold",
			Hint: "take a password without them"}
	}
	return append(options, prefix+"User="+u.User.Username(), prefix+"Password="+password), nil
}

// noProxy writes what NO_PROXY says in Java's way, which knows no networks.
func noProxy(text string) string {
	hosts := []string{"localhost", "127.*", "[::1]"}
	for host := range strings.SplitSeq(text, ",") {
		host = strings.TrimSpace(host)
		switch {
		case host == "" || strings.ContainsAny(host, "/ '\"\\|"):
		case host == "*":
			hosts = append(hosts, "*")
		case strings.HasPrefix(host, "."):
			hosts = append(hosts, "*"+host)
		case strings.HasPrefix(host, "*."):
			hosts = append(hosts, host)
		default:
			hosts = append(hosts, host, "*."+host)
		}
	}
	return strings.Join(hosts, "|")
}
