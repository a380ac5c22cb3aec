// Package verdaccio runs Verdaccio, an npm registry, for tests: one of private
// packages, which it shows to nobody without a login.
package verdaccio

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What is installed: npm's lock file holds all of it by its hashes.
var (
	//go:embed package.json
	manifest []byte
	//go:embed package-lock.json
	lock []byte
)

// Scope is that of the private packages. All others, but layerbuild's own, are
// those of the registry that this machine's npm is configured with.
const Scope = "@acme"

// User is the one who may read and publish.
const User = "ci"

// config is Verdaccio's, for a folder, the registry behind it, and Scope.
const config = `storage: %[1]s/storage
auth: {htpasswd: {file: %[1]s/htpasswd}}
uplinks: {machine: {url: %[2]q, timeout: 60s}}
packages:
  '%[3]s/*': {access: $authenticated, publish: $authenticated}
  'layerbuild': {access: $all, publish: $authenticated}
  '@layerbuild/*': {access: $all, publish: $authenticated}
  '**': {access: $all, publish: $authenticated, proxy: machine}
max_body_size: 100mb
log: {type: file, path: %[1]s/log, level: warn}
`

// A Server is a registry of one test's own.
type Server struct {
	URL      string // http://127.0.0.1:port
	Token    string // of User
	Password string // of User
	dir      string
	npm      string
	cmd      *exec.Cmd
}

// Start starts a registry in an empty folder, with the Node.js of tools, the
// folder that LAYERBUILD_TEST_TOOLS names. Stop it.
func Start(dir, tools string) (*Server, error) {
	s := &Server{Password: rand.Text(), dir: dir, npm: filepath.Join(tools, "node/bin/npm")}
	program, err := s.install()
	if err != nil {
		return nil, err
	}
	machine, err := exec.Command(s.npm, "config", "get", "registry").Output()
	if err != nil {
		return nil, fmt.Errorf("npm config get registry: %w", err)
	}
	text := fmt.Sprintf(config, dir, strings.TrimSpace(string(machine)), Scope)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	s.URL = "http://" + addr
	s.cmd = exec.Command(filepath.Join(tools, "node/bin/node"), program, "--config", filepath.Join(dir, "config.yaml"), "--listen", addr)
	var said bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &said, &said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%w\n%s", err, &said)
	}
	return s, nil
}

// Stop ends the registry.
func (s *Server) Stop() {
	s.cmd.Process.Kill() // it fails only where it has ended
	s.cmd.Wait()
}

// install returns the program, which is installed once for its lock file.
func (s *Server) install() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	parent := filepath.Join(cache, "layerbuild-testbed")
	dir := filepath.Join(parent, "verdaccio-"+hex.EncodeToString(sum[:8]))
	program := filepath.Join(dir, "node_modules/verdaccio/bin/verdaccio")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(parent, "verdaccio-*.tmp")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	for name, data := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(temp, name), data, 0o644); err != nil {
			return "", err
		}
	}
	npm := exec.Command(s.npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = temp
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci of verdaccio: %w\n%s", err, out)
	}
	err = os.Rename(temp, dir)
	if _, there := os.Stat(program); there == nil { // another test may have been faster
		return program, nil
	}
	return "", err
}

// enter waits for the registry and makes the user, who gets a token.
func (s *Server) enter() error {
	body, err := json.Marshal(map[string]string{"name": User, "password": s.Password})
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		req, err := http.NewRequest(http.MethodPut, s.URL+"/-/user/org.couchdb.user:"+User, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			if time.Now().After(deadline) {
				return fmt.Errorf("verdaccio does not answer: %w", err)
			}
			continue
		}
		defer resp.Body.Close()
		var answer struct{ Token string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			return fmt.Errorf("verdaccio answers %s: %w", resp.Status, err)
		}
		if s.Token = answer.Token; s.Token == "" {
			return errors.New("verdaccio gives no token: " + resp.Status)
		}
		return nil
	}
}

// Publish publishes the package that is a folder or an archive.
func (s *Server) Publish(path string) error {
	npmrc := filepath.Join(s.dir, "npmrc")
	login := fmt.Sprintf("%s/:_authToken=%s\n", strings.TrimPrefix(s.URL, "http:"), s.Token)
	if err := os.WriteFile(npmrc, []byte(login), 0o600); err != nil {
		return err
	}
	npm := exec.Command(s.npm, "publish", path, "--access", "public", "--registry", s.URL, "--userconfig", npmrc)
	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm publish: %w\n%s", err, out)
	}
	return nil
}
