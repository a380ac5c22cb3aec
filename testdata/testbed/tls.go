package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// certFiles are the files of buildkitd's TLS port. The client's are ca.pem,
// cert.pem and key.pem of dir, the names that BuildKit's own tools use.
type certFiles struct {
	ca, serverCert, serverKey string
}

// makeCerts returns the certificates in dir, made new where they are missing
// or about to expire, and a fingerprint that changes with them.
func makeCerts(dir string) (certFiles, string, error) {
	files := certFiles{
		ca:         filepath.Join(dir, "ca.pem"),
		serverCert: filepath.Join(dir, "server-cert.pem"),
		serverKey:  filepath.Join(dir, "server-key.pem"),
	}
	if fp, ok := fingerprint(files.ca); ok {
		return files, fp, nil
	}
	// The CA is written last: where it is, all are.
	if err := os.RemoveAll(dir); err != nil {
		return files, "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return files, "", err
	}
	ca := template("layerbuild testbed CA")
	ca.IsCA = true
	ca.KeyUsage |= x509.KeyUsageCertSign
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, "", err
	}
	server := template("buildkitd")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	client := template("layerbuild")
	client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, c := range []struct {
		cert, key string
		template  *x509.Certificate
	}{
		{files.serverCert, files.serverKey, server},
		{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), client},
	} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return files, "", err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return files, "", err
		}
		if err := writePEM(c.key, "PRIVATE KEY", der, 0o600); err != nil {
			return files, "", err
		}
		if err := sign(c.cert, c.template, ca, key, caKey); err != nil {
			return files, "", err
		}
	}
	if err := sign(files.ca, ca, ca, caKey, caKey); err != nil {
		return files, "", err
	}
	fp, _ := fingerprint(files.ca)
	return files, fp, nil
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		SerialNumber:          big.NewInt(now.UnixNano()),
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
}

func sign(file string, cert, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		return err
	}
	return writePEM(file, "CERTIFICATE", der, 0o644)
}

func writePEM(file, kind string, der []byte, perm os.FileMode) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), perm)
}

// fingerprint returns the certificate's hash, and false if it is missing or
// good for less than a week.
func fingerprint(file string) (string, bool) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", false
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return "", false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || time.Until(cert.NotAfter) < 7*24*time.Hour {
		return "", false
	}
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:]), true
}
