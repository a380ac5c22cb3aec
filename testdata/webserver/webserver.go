// Package webserver runs Debian's nginx for tests, as doc/ci.md sets it up to be
// a remote cache, and as a server of files that wants a password.
package webserver

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed nginx.conf
var config string

// Config is the server's configuration, as doc/ci.md has it.
func Config() string { return config }

// A Server is an nginx of one test's own. Below URL it takes what is put there.
type Server struct {
	URL    string // http://127.0.0.1:port
	Folder string // of what was put there
	cmd    *exec.Cmd
}

// The login that writing needs.
const (
	User     = "ci"
	Password = "planted-word-7f3a"
)

// private is the configuration of a server that shows what lies in
// /srv/layerbuild/layers to nobody without a login.
const private = `server {
    listen 80;
    root /srv/layerbuild/layers;
    client_body_temp_path /srv/layerbuild/uploads;
    auth_basic "packages";
    auth_basic_user_file /etc/nginx/layerbuild.passwd;
}
`

// Start starts a server in an empty folder dir. Stop it.
func Start(dir string) (*Server, error) { return start(dir, config, Password) }

// StartPrivate starts a server in an empty folder dir that shows what is put
// into its Folder to User alone, by a password. Stop it.
func StartPrivate(dir, password string) (*Server, error) { return start(dir, private, password) }

func start(dir, config, password string) (*Server, error) {
	program, err := find()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	l.Close()
	s := &Server{URL: "http://" + addr, Folder: filepath.Join(dir, "layers")}
	text := strings.NewReplacer(
		"listen 80;", "listen "+addr+";",
		"/srv/layerbuild", dir,
		"/etc/nginx/layerbuild.passwd", filepath.Join(dir, "passwd"),
	).Replace(config)
	text = fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n%s%s}\n",
		dir, scratch(dir), text)
	for name, content := range map[string]string{
		"nginx.conf": text,
		"passwd":     User + ":{PLAIN}" + password + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	for _, sub := range []string{"layers", "uploads"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
			return nil, err
		}
	}
	s.cmd = exec.Command(program, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	var said strings.Builder
	s.cmd.Stderr = &said
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return s, nil
		}
		if time.Now().After(deadline) {
			s.Stop()
			return nil, fmt.Errorf("nginx does not answer: %w\n%s", err, &said)
		}
	}
}

// scratch has nginx keep in dir what it else makes below /var/lib/nginx at its
// start, a folder that only its installation makes.
func scratch(dir string) string {
	var b strings.Builder
	for _, module := range []string{"proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&b, "%s_temp_path %s;\n", module, filepath.Join(dir, module))
	}
	return b.String()
}

// Stop ends the server.
func (s *Server) Stop() {
	s.cmd.Process.Kill() // it fails only where nginx has ended
	s.cmd.Wait()
}

// find returns nginx's path: the testbed's, or the machine's own.
func find() (string, error) {
	for _, name := range []string{filepath.Join(os.Getenv("LAYERBUILD_TEST_STORES"), "usr/sbin/nginx"), "nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New(`there is no nginx: eval "$(go -C testdata/testbed run . env)", or install it`)
}
