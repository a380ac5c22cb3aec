//go:build e2e

package jvm

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Java itself must read what is written, without a password.
func TestJavaReadsTrustStore(t *testing.T) {
	keytool, err := exec.LookPath("keytool")
	if err != nil {
		t.Fatalf("this test needs a Java on this machine: %v", err)
	}
	data, err := TrustStore(bundle(t))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "store.jks")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(keytool, "-list", "-keystore", file)
	cmd.Stdin = strings.NewReader("\n")
	out, err := cmd.CombinedOutput()
	pem, _ := os.ReadFile(bundle(t))
	certificates := bytes.Count(pem, []byte("BEGIN CERTIFICATE"))
	if got := bytes.Count(out, []byte("trustedCertEntry")); err != nil || got != certificates {
		t.Errorf("keytool lists %d of %d: %v\n%.500s", got, certificates, err, out)
	}
}
