//go:build e2e

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// tlsProxy is a company's proxy: it ends every TLS connection with a
// certificate of its own authority, reads what is asked, and asks upstream for
// one host. No other host is there.
type tlsProxy struct {
	*httptest.Server
	ca   string // the authority's certificate, a PEM file
	host string

	cert tls.Certificate
	to   *http.Transport
	up   string // address of the upstream, which speaks HTTP

	mu     sync.Mutex
	asked  []string // hosts that somebody wanted to be connected to
	logins []string // hosts that were sent a login
}

func newTLSProxy(t *testing.T, host, upstream string) *tlsProxy {
	t.Helper()
	p := &tlsProxy{host: host, up: upstream, to: &http.Transport{}, ca: filepath.Join(t.TempDir(), "ca.pem")}
	ca, cert := proxyAuthority(t, host, "files.public.example", "public.example")
	if err := os.WriteFile(p.ca, ca, 0o644); err != nil {
		t.Fatal(err)
	}
	p.cert = cert
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.stop)
	return p
}

func (p *tlsProxy) stop() {
	p.CloseClientConnections()
	p.Close()
	p.to.CloseIdleConnections()
}

func (p *tlsProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	p.mu.Lock()
	p.asked = append(p.asked, r.URL.Hostname())
	p.mu.Unlock()
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the client is gone
	}
	defer conn.Close()
	if _, err := buffered.WriteString("HTTP/1.1 200 Connection established\r\n\r\n"); err != nil || buffered.Flush() != nil {
		return
	}
	p.relay(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{p.cert}}), r.URL.Hostname())
}

// relay answers the requests of one connection.
func (p *tlsProxy) relay(conn *tls.Conn, host string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if r.Header.Get("Authorization") != "" {
			p.mu.Lock()
			p.logins = append(p.logins, host)
			p.mu.Unlock()
		}
		resp := &http.Response{StatusCode: http.StatusBadGateway, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
		if host == p.host {
			r.URL.Scheme, r.URL.Host, r.RequestURI = "http", p.up, ""
			if answer, err := p.to.RoundTrip(r); err == nil {
				resp = answer
			}
		}
		err = resp.Write(conn)
		resp.Body.Close()
		if err != nil {
			return
		}
	}
}

// seen returns the hosts that were asked for and those that got a login, each
// once, and forgets them.
func (p *tlsProxy) seen() (asked, logins []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked, logins = slices.Compact(slices.Sorted(slices.Values(p.asked))), slices.Compact(slices.Sorted(slices.Values(p.logins)))
	p.asked, p.logins = nil, nil
	return asked, logins
}

// proxyAuthority makes an authority and a certificate of it for hosts.
func proxyAuthority(t *testing.T, hosts ...string) (ca []byte, server tls.Certificate) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	caKey, key := newKey(), newKey()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "company authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: root.NotBefore, NotAfter: root.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &caKey.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, root, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}), tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: key}
}
