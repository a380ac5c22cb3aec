//go:build e2e

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A cloud is moto, which answers as AWS does to whoever uses it as a proxy. It
// keeps what it is given in memory.
type cloud struct {
	t     *testing.T
	proxy string // its address
	ca    string // certificate of what it says to be AWS
	cas   string // that, and what Node.js trusts beside its own list here
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(moto(t), "lib/python3*/site-packages/moto/moto_proxy/ca.crt"))
	if err != nil || len(found) != 1 {
		t.Fatalf("moto's certificate: %q, %v", found, err)
	}
	return &cloud{t: t, proxy: startMoto(t, "moto_proxy"), ca: found[0], cas: trusting(t, found[0])}
}

// moto is the folder that it is installed in.
func moto(t *testing.T) string {
	return filepath.Join(setting(t, "LAYERBUILD_TEST_TOOLS"), "venv-moto")
}

// startMoto starts one of moto's programs and returns its address.
func startMoto(t *testing.T, program string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	_, port, _ := net.SplitHostPort(address)
	cmd := exec.Command(filepath.Join(moto(t), "bin", program), "-p", port)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return "http://" + address
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v\n%s", program, err, &log)
		}
	}
}

// of is c for another test.
func (c *cloud) of(t *testing.T) *cloud {
	other := *c
	other.t = t
	return &other
}

// trusting adds a certificate to those that Node.js has beside its own list.
func trusting(t *testing.T, ca string) string {
	t.Helper()
	var all []byte
	for _, file := range []string{ca, os.Getenv("NODE_EXTRA_CA_CERTS")} {
		if file == "" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(append(all, data...), '\n')
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, all, 0o666); err != nil {
		t.Fatal(err)
	}
	return file
}

// env is what makes the Serverless Framework take c for AWS. Nothing else
// knows the variable of the proxy, so registries are reached as ever.
func (c *cloud) env() []string {
	return []string{"proxy=" + c.proxy, "NODE_EXTRA_CA_CERTS=" + c.cas,
		"AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION=us-east-1"}
}

// A published layer is what Lambda says of a layer's newest version.
type published struct {
	LayerName             string
	LatestMatchingVersion struct {
		LayerVersionArn string
		Content         struct{ CodeSha256 string }
	}
}

// layers are those that Lambda has.
func (c *cloud) layers() []published {
	c.t.Helper()
	data := c.ask(http.MethodGet, "https://lambda.us-east-1.amazonaws.com/2018-10-31/layers")
	var list struct{ Layers []published }
	if err := json.Unmarshal(data, &list); err != nil {
		c.t.Fatalf("%v: %s", err, data)
	}
	return list.Layers
}

// ask returns what c answers to a request.
func (c *cloud) ask(method, address string) []byte {
	c.t.Helper()
	pool := x509.NewCertPool()
	cert, err := os.ReadFile(c.ca)
	if err != nil || !pool.AppendCertsFromPEM(cert) {
		c.t.Fatalf("%s: %v", c.ca, err)
	}
	proxy, err := url.Parse(c.proxy)
	if err != nil {
		c.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	// It wants a signature, and does not look at it.
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
	resp, err := client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s: %s, %v: %s", method, address, resp.Status, err, data)
	}
	return data
}

// layer is the one layer whose name holds the text: moto, other than AWS,
// makes the name up for what CloudFormation has published.
func (c *cloud) layer(text string) published {
	c.t.Helper()
	var found []published
	for _, l := range c.layers() {
		if strings.Contains(l.LayerName, text) {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		c.t.Fatalf("%d layers have %q in their names: %v", len(found), text, found)
	}
	return found[0]
}
