package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// certified serves an index by TLS with a certificate for loopback that is
// valid from begin to end, and returns its server and the authority's file.
func certified(t *testing.T, index *wheelhouse.Index, begin, end time.Time) (*httptest.Server, string) {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().AddDate(-50, 0, 0), NotAfter: time.Now().AddDate(50, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "index"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: begin, NotAfter: end,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(c, parent *x509.Certificate, k, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, k.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	authorityKey, leafKey := key(), key()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(authority, authority, authorityKey, authorityKey)})
	if err := os.WriteFile(ca, text, 0o666); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(index.Config.Handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // that clients hang up is the test
	server.TLS = &tls.Config{Certificates: []tls.Certificate{{
		Certificate: [][]byte{sign(leaf, authority, leafKey, authorityKey)}, PrivateKey: leafKey,
	}}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, ca
}

// wrongTimes are the validities of certificates that a machine does not take
// for its clock: that clock may be what is wrong.
func wrongTimes() map[string][2]time.Time {
	now := time.Now()
	return map[string][2]time.Time{
		"expired":       {now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)},
		"not yet valid": {now.AddDate(1, 0, 0), now.AddDate(2, 0, 0)},
	}
}

// TestWrongClock: where a certificate is not valid at this time, the machine's
// clock is what to look at first.
func TestWrongClock(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	defer index.Close()
	for name, times := range wrongTimes() {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t, index, "api==1.0", "core==1.0")
			wrongClock(t, r, index, times, "--engine", "direct")
			now := time.Now()
			server, ca := certified(t, index, now.AddDate(0, 0, -1), now.AddDate(0, 0, 1))
			r.env = []string{"PIP_INDEX_URL=" + server.URL + "/simple/", "SSL_CERT_FILE=" + ca}
			r.run(0, "build", "--engine", "direct")
			wantOutputs(t, r)
		})
	}
}

// wrongClock builds with an index whose certificate is valid at other times,
// and wants the failure explained and nothing left.
func wrongClock(t *testing.T, r *runner, index *wheelhouse.Index, times [2]time.Time, args ...string) {
	t.Helper()
	server, ca := certified(t, index, times[0], times[1])
	host := strings.TrimPrefix(server.URL, "https://")
	r.env = []string{"PIP_INDEX_URL=" + server.URL + "/simple/", "SSL_CERT_FILE=" + ca}
	stdout, stderr := r.run(exitFailed, append([]string{"build"}, args...)...)
	for _, want := range []string{"layerbuild: error: ", host, "certificate has expired or is not yet valid", "layerbuild: hint: see whether this machine's clock is right"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in %s", want, stderr)
		}
	}
	if len(r.outputs()) > 0 || len(r.temporaries()) > 0 || stdout != "" {
		t.Errorf("stdout %q, %d outputs, left behind: %v", stdout, len(r.outputs()), r.temporaries())
	}
}
