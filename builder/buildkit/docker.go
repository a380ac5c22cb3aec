package buildkit

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client/connhelper/ssh"
)

// dockerSocket is where Docker's own programs look for the engine that nobody
// named.
const dockerSocket = "unix:///var/run/docker.sock"

// dockerHost is a Docker Engine, whose BuildKit is reached through its API.
type dockerHost struct {
	network, address string // as net.Dial wants them; or "ssh"
	tls              *tls.Config
	why              string // who named it
}

// shown is the host as an address of ours where there is one for it.
func (h *dockerHost) shown() string {
	if h.network == "unix" {
		return "docker+unix://" + h.address
	}
	return "docker+" + h.network + "://" + h.address
}

// findDocker finds the engine that Docker's command line would use: DOCKER_HOST,
// else the context that context, DOCKER_CONTEXT or Docker's configuration
// names, else the default socket. Nothing is dialed.
func findDocker(context string) (*dockerHost, error) {
	if host := os.Getenv("DOCKER_HOST"); host != "" && context == "" {
		return environmentHost(host, "DOCKER_HOST")
	}
	folder, err := dockerFolder()
	if err != nil {
		return nil, err
	}
	context = cmp.Or(context, os.Getenv("DOCKER_CONTEXT"))
	if context == "" {
		if context, err = currentContext(folder); err != nil {
			return nil, err
		}
	}
	if context == "" || context == "default" {
		if host := os.Getenv("DOCKER_HOST"); host != "" {
			return environmentHost(host, "DOCKER_HOST")
		}
		return parseDockerHost(dockerSocket, "Docker's default socket", nil)
	}
	return contextHost(folder, context)
}

// dockerFolder is where Docker's command line keeps its configuration.
func dockerFolder() (string, error) {
	if folder := os.Getenv("DOCKER_CONFIG"); folder != "" {
		return folder, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find Docker's configuration: %w", err)
	}
	return filepath.Join(home, ".docker"), nil
}

// currentContext is the one that "docker context use" chose, or "".
func currentContext(folder string) (string, error) {
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	err := readJSON(filepath.Join(folder, "config.json"), &config)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read Docker's configuration: %w", err)
	}
	return config.CurrentContext, nil
}

// contextHost reads a context as "docker context create" stores it.
func contextHost(folder, name string) (*dockerHost, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints struct {
			Docker struct {
				Host          string
				SkipTLSVerify bool
			} `json:"docker"`
		}
	}
	err := readJSON(filepath.Join(folder, "contexts", "meta", id, "meta.json"), &meta)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("docker has no context %q", name)
	}
	if err != nil {
		return nil, fmt.Errorf("read Docker's context %q: %w", name, err)
	}
	docker := meta.Endpoints.Docker
	if docker.Host == "" {
		docker.Host = dockerSocket
	}
	config, err := dockerTLS(filepath.Join(folder, "contexts", "tls", id, "docker"))
	if err != nil {
		return nil, fmt.Errorf("read the certificates of Docker's context %q: %w", name, err)
	}
	if docker.SkipTLSVerify {
		if config == nil {
			config = &tls.Config{}
		}
		config.InsecureSkipVerify = true // what the user told Docker
	}
	return parseDockerHost(docker.Host, "Docker's context "+name, config)
}

func readJSON(file string, into any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// environmentHost is an engine that a variable names, with the certificates
// that other variables name. With certificates the engine's own is verified,
// also where DOCKER_TLS_VERIFY does not ask for it.
func environmentHost(host, why string) (*dockerHost, error) {
	certs := os.Getenv("DOCKER_CERT_PATH")
	if strings.HasPrefix(host, "unix:") || strings.HasPrefix(host, "ssh:") || certs == "" && os.Getenv("DOCKER_TLS_VERIFY") == "" {
		return parseDockerHost(host, why, nil)
	}
	if certs == "" {
		var err error
		if certs, err = dockerFolder(); err != nil {
			return nil, err
		}
	}
	config, err := dockerTLS(certs)
	if err != nil {
		return nil, fmt.Errorf("read Docker's certificates: %w", err)
	}
	if config == nil {
		config = &tls.Config{} // the system's authorities
	}
	return parseDockerHost(host, why, config)
}

// dockerTLS reads the certificates in a folder, by the names that Docker gives
// them. It returns nil where there is none.
func dockerTLS(folder string) (*tls.Config, error) {
	var config *tls.Config
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	switch {
	case err == nil:
		config = &tls.Config{RootCAs: x509.NewCertPool()}
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("%s: no certificate", filepath.Join(folder, "ca.pem"))
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"))
	switch {
	case err == nil:
		if config == nil {
			config = &tls.Config{}
		}
		config.Certificates = []tls.Certificate{pair}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	return config, nil
}

// parseDockerHost reads an address in Docker's form. config is for tcp only.
func parseDockerHost(host, why string, config *tls.Config) (*dockerHost, error) {
	who := cmp.Or(why, "the address")
	scheme, rest, ok := strings.Cut(host, "://")
	if !ok {
		scheme, rest = "tcp", host // as Docker reads it
	}
	switch scheme {
	case "unix":
		if rest == "" {
			return nil, fmt.Errorf("%s: %q names no socket", who, host)
		}
		return &dockerHost{network: "unix", address: rest, why: why}, nil
	case "ssh":
		u, err := url.Parse(host)
		if err == nil {
			_, err = ssh.SpecFromURL(u)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no address for ssh: %w", who, redact(host), err)
		}
		return &dockerHost{network: "ssh", address: rest, why: why}, nil
	case "tcp", "http", "https":
		u, err := url.Parse(scheme + "://" + rest)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("%s: %q names no host", who, redact(host))
		}
		if scheme == "https" && config == nil {
			config = &tls.Config{}
		}
		port := "2375"
		if config != nil {
			port = "2376"
			if config.ServerName == "" {
				config.ServerName = u.Hostname()
			}
		}
		address := net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
		return &dockerHost{network: "tcp", address: address, tls: config, why: why}, nil
	}
	return nil, fmt.Errorf("%s: layerbuild cannot reach Docker by %s://; give it a unix socket, tcp or ssh", who, scheme)
}
