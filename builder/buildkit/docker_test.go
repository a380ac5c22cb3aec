package buildkit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dockerFiles makes a configuration folder of Docker's command line.
func dockerFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func contextID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func metaOf(name, host string) (file, content string) {
	return "contexts/meta/" + contextID(name) + "/meta.json",
		`{"Name":"` + name + `","Metadata":{},"Endpoints":{"docker":{"Host":"` + host + `","SkipTLSVerify":false}}}`
}

func testCertificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
}

func TestFindDocker(t *testing.T) {
	files := map[string]string{"config.json": `{"auths":{},"currentContext":"desktop"}`}
	for name, host := range map[string]string{
		"desktop": "unix:///home/me/desktop.sock",
		"remote":  "tcp://docker.example:2376",
		"plain":   "tcp://docker.example",
		"far":     "ssh://me@docker.example",
	} {
		file, content := metaOf(name, host)
		files[file] = content
	}
	files["contexts/meta/"+contextID("broken")+"/meta.json"] = "{"
	files["contexts/tls/"+contextID("remote")+"/docker/ca.pem"] = testCertificate(t)
	full := dockerFiles(t, files)
	empty := t.TempDir()
	certs := dockerFiles(t, map[string]string{"ca.pem": testCertificate(t)})
	bad := dockerFiles(t, map[string]string{"ca.pem": "none"})

	for _, tt := range []struct {
		name, address, folder string
		env                   [3]string // DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CERT_PATH
		want, why             string    // why holds the error where want is ""
	}{
		{"nothing", "docker://", empty, [3]string{}, "docker+unix:///var/run/docker.sock", "Docker's default socket"},
		{"host", "docker://", full, [3]string{"unix:///x.sock", "remote"}, "docker+unix:///x.sock", "DOCKER_HOST"},
		{"host without scheme", "docker://", empty, [3]string{"docker.example:99"}, "docker+tcp://docker.example:99", "DOCKER_HOST"},
		{"host with certificates", "docker://", empty, [3]string{"tcp://docker.example", "", certs}, "docker+tcp://docker.example:2376 TLS", "DOCKER_HOST"},
		{"current context", "docker://", full, [3]string{}, "docker+unix:///home/me/desktop.sock", "Docker's context desktop"},
		{"context of environment", "docker://", full, [3]string{"", "remote"}, "docker+tcp://docker.example:2376 TLS", "Docker's context remote"},
		{"default context", "docker://", full, [3]string{"", "default"}, "docker+unix:///var/run/docker.sock", "Docker's default socket"},
		{"named context", "docker://plain", full, [3]string{"unix:///x.sock"}, "docker+tcp://docker.example:2375", "Docker's context plain"},
		{"socket", "docker+unix:///y.sock", full, [3]string{"unix:///x.sock"}, "docker+unix:///y.sock", ""},
		{"tcp", "docker+tcp://docker.example", empty, [3]string{"", "", certs}, "docker+tcp://docker.example:2376 TLS", ""},
		{"no such context", "docker://none", full, [3]string{}, "", `no context "none"`},
		{"broken context", "docker://broken", full, [3]string{}, "", "meta.json"},
		{"ssh", "docker://far", full, [3]string{}, "docker+ssh://me@docker.example", "Docker's context far"},
		{"ssh with a password", "docker+ssh://me:secret@docker.example", empty, [3]string{}, "", `"ssh://***@docker.example" is no address for ssh`},
		{"pipe", "docker://", empty, [3]string{"npipe:////./pipe/docker"}, "", "cannot reach Docker by npipe://"},
		{"no host", "docker://", empty, [3]string{"tcp://:1"}, "", "names no host"},
		{"no certificate", "docker://", empty, [3]string{"tcp://docker.example", "", bad}, "", "no certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("DOCKER_CONFIG", tt.folder)
			t.Setenv("DOCKER_TLS_VERIFY", "")
			for i, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CERT_PATH"} {
				t.Setenv(name, tt.env[i])
			}
			host, err := dockerAt(tt.address)
			if tt.want == "" {
				if err == nil || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("got %v, %v; want an error that says %q", host, err, tt.why)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := host.shown()
			if host.tls != nil {
				got += " TLS"
				if host.tls.ServerName != "docker.example" || host.tls.InsecureSkipVerify {
					t.Errorf("TLS would verify %q, skip %v", host.tls.ServerName, host.tls.InsecureSkipVerify)
				}
			}
			if got != tt.want || host.why != tt.why {
				t.Errorf("got %s (%s), want %s (%s)", got, host.why, tt.want, tt.why)
			}
		})
	}
}
