// Package indexes finds out where a person has told pip and uv to take
// packages from: in the environment, in their configuration files, and in
// .netrc.
//
// The terms:
//
//   - An index is the address of a simple repository. The default index takes
//     the place of the ecosystem's own; extra indexes come beside it.
//   - A login is a user and password for the server of an index. It never
//     stays in an index's address.
//
// It lies below the Python plugin because what pip and uv read is Python's
// business, and beside it because a plugin sees the project alone, never the
// machine.
package indexes

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Machine is where to look.
type Machine struct {
	Getenv func(string) string
	Home   string // the user's folder, "" where there is none
	Root   string // what absolute system paths are below; "" but in tests

	// Project is the folder of the project, and Layers those of its layers: as
	// uv does, the nearest uv.toml or pyproject.toml counts. Layers only give
	// their indexes' names and logins: their lock files name the addresses.
	Project string
	Layers  []string

	// Logins are stronger than all that is found: for one https server, or for
	// every https port of a host, and for http only where an index has it.
	Logins []runtimes.Login
}

// ThisMachine is the machine that runs the program.
func ThisMachine(project string, layers []string) Machine {
	home, err := os.UserHomeDir()
	if err != nil {
		home = "" // then there are no files of the user's
	}
	return Machine{Getenv: os.Getenv, Home: home, Project: project, Layers: layers}
}

// Configured is what was found.
type Configured struct {
	// Indexes has the default index first, "" standing for the ecosystem's
	// own, then the extra ones; it is empty where nobody configured any. The
	// addresses hold no logins.
	Indexes []string

	// Logins has Machine's first, then those that are for one exact server,
	// then those of .netrc, which are for a host.
	Logins []runtimes.Login

	// Certificates is the file of certificate authorities that pip is told to
	// trust, or "".
	Certificates string
}

// setting is an index as it was found.
type setting struct {
	name    string // uv's name of it, or ""
	address string
	from    string // for messages
}

// found collects the settings of all sources, the strongest first.
type found struct {
	defaults []setting
	extras   []setting
	named    []setting // of which only names and logins count
	cert     string
}

// Find reads everything. Its error is a [*runtimes.InputError].
func Find(m Machine) (Configured, error) {
	var f found
	f.environment(m)
	if err := f.uvFiles(m); err != nil {
		return Configured{}, err
	}
	if err := f.pipFiles(m); err != nil {
		return Configured{}, err
	}
	netrc, err := readNetrc(m)
	if err != nil {
		return Configured{}, err
	}
	return f.combine(m, netrc)
}

// environment reads the variables of both tools.
func (f *found) environment(m Machine) {
	for _, name := range []string{"UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"} {
		if v := strings.TrimSpace(m.Getenv(name)); v != "" {
			f.defaults = append(f.defaults, parseNamed(v, name))
		}
	}
	for _, name := range []string{"UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"} {
		for v := range strings.FieldsSeq(m.Getenv(name)) {
			f.extras = append(f.extras, parseNamed(v, name))
		}
	}
	f.cert = m.Getenv("PIP_CERT")
}

// parseNamed reads uv's form of an index, which may name it: name=address.
func parseNamed(v, from string) setting {
	if name, rest, ok := strings.Cut(v, "="); ok && !strings.ContainsAny(name, "/:") {
		return setting{name, rest, from}
	}
	return setting{"", v, from}
}

// combine drops what is said twice and takes the logins out of the addresses.
func (f *found) combine(m Machine, netrc []runtimes.Login) (Configured, error) {
	c := Configured{Certificates: f.cert}
	all := slices.Concat(f.defaults, f.extras, f.named)
	var nameless []runtimes.Login // with a user alone: perhaps a token
	given := slices.Clone(m.Logins)
	for i, s := range all {
		u, err := parse(s)
		if err != nil {
			if i >= len(f.defaults)+len(f.extras) {
				continue // whatever it is, nothing is asked of it
			}
			return Configured{}, err
		}
		l := loginOf(m, s, u)
		switch {
		case l.Password != "":
			c.addLogin(l)
		case l.User != "":
			nameless = append(nameless, l)
		}
		if known, ok := m.givenFor(u); ok && l.Scheme == "http" {
			known.Scheme, known.Host, known.AnyPort = l.Scheme, l.Host, false
			given = append(given, known)
		}
		if known, ok := findHost(netrc, l); ok {
			c.addLogin(known)
		}
		u.User = nil
		all[i].address = u.String()
	}
	for _, l := range slices.Concat(nameless, netrc) {
		c.addLogin(l)
	}
	c.Logins = slices.Concat(given, c.Logins)
	extras := all[len(f.defaults) : len(f.defaults)+len(f.extras)]
	switch {
	case len(f.defaults) > 0:
		c.addIndex(all[0].address) // the stronger source hides the weaker
	case len(extras) > 0:
		c.addIndex("")
	}
	for _, s := range extras {
		c.addIndex(s.address)
	}
	return c, nil
}

func (c *Configured) addIndex(address string) {
	same := func(other string) bool { return strings.TrimSuffix(other, "/") == strings.TrimSuffix(address, "/") }
	if !slices.ContainsFunc(c.Indexes, same) {
		c.Indexes = append(c.Indexes, address)
	}
}

// addLogin keeps the first login of each server.
func (c *Configured) addLogin(l runtimes.Login) {
	if !slices.ContainsFunc(c.Logins, func(o runtimes.Login) bool {
		return o.Scheme == l.Scheme && o.Host == l.Host && o.AnyPort == l.AnyPort
	}) {
		c.Logins = append(c.Logins, l)
	}
}

// parse reads an index's address.
func parse(s setting) (*url.URL, error) {
	problem := &runtimes.InputError{Hint: "it must look like https://packages.example/simple"}
	u, err := url.Parse(s.address)
	switch {
	case err != nil: // whose text shows the address, which may hold a password
		problem.Problem = fmt.Sprintf("%s: the address of a package index cannot be read", s.from)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		problem.Problem = fmt.Sprintf("%s: a package index is reached by https or http only", s.from)
	default:
		return u, nil
	}
	return nil, problem
}

// loginOf is what an index's address and uv's variables say of its login; a
// part of it, or all, may be empty.
func loginOf(m Machine, s setting, u *url.URL) runtimes.Login {
	l := runtimes.Login{User: u.User.Username(), From: s.from}
	l.Scheme, l.Host = runtimes.Server(u)
	l.Password, _ = u.User.Password()
	if s.name == "" {
		return l
	}
	prefix := "UV_INDEX_" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, s.name)
	if user := m.Getenv(prefix + "_USERNAME"); user != "" {
		l.User = user
	}
	if password := m.Getenv(prefix + "_PASSWORD"); password != "" {
		l.Password, l.From = password, prefix+"_PASSWORD"
	}
	return l
}

// givenFor returns the login that is given for u's host and port, whatever the
// scheme.
func (m Machine) givenFor(u *url.URL) (runtimes.Login, bool) {
	port := u.Port()
	if port == "" && u.Scheme == "http" {
		port = "80"
	}
	host := u.Host
	if port != "" {
		host = net.JoinHostPort(u.Hostname(), port)
	}
	return runtimes.FindLogin(m.Logins, &url.URL{Scheme: "https", Host: host})
}

// findHost returns what .netrc has for the host of l and, where l names one,
// for its user, as a login for l's server alone.
func findHost(netrc []runtimes.Login, l runtimes.Login) (runtimes.Login, bool) {
	u := url.URL{Host: l.Host}
	for _, n := range netrc {
		if n.Host == u.Hostname() && (l.User == "" || l.User == n.User) {
			n.Scheme, n.Host, n.AnyPort = l.Scheme, l.Host, false
			return n, true
		}
	}
	return runtimes.Login{}, false
}

// read returns a configuration file's content, nil where there is none. A
// file that this user may not read is another user's business.
func read(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), isFolder(name):
		return nil, nil
	}
	return nil, &runtimes.InputError{File: name, Err: err}
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// configFolders lists the folders of the user's and the system's
// configuration, the user's first.
func (m Machine) configFolders() []string {
	var folders []string
	if dir := m.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		folders = append(folders, dir)
	} else if m.Home != "" {
		if runtime.GOOS == "darwin" {
			folders = append(folders, filepath.Join(m.Home, "Library", "Application Support"))
		}
		folders = append(folders, filepath.Join(m.Home, ".config"))
	}
	return folders
}

// system makes a path of the system's.
func (m Machine) system(path string) string { return filepath.Join(m.Root, filepath.FromSlash(path)) }
