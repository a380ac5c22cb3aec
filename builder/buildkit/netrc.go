package buildkit

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Accepts says why r cannot be installed in a container, as far as that is
// known without asking the daemon: a login may be one that no netrc can hold,
// and what comes from the project may be too large. A password that is yet to be
// fetched is not looked at: [Engine.Install] does that.
func (e *Engine) Accepts(r runtimes.Recipe) error {
	if r.Container != nil {
		if err := checkInputs(r.Container.Steps); err != nil {
			return err
		}
	}
	if _, err := e.loginFiles(r, e.Logins); err != nil {
		return err
	}
	_, err := netrcFor(r, e.Logins)
	return err
}

// netrcFor is r's netrc, nil where no step takes one.
func netrcFor(r runtimes.Recipe, logins []runtimes.Login) ([]byte, error) {
	if r.Container != nil && !slices.ContainsFunc(r.Container.Steps, func(s runtimes.Step) bool { return len(s.Netrc) > 0 }) {
		return nil, nil
	}
	return netrcOf(r, logins)
}

// asked are the addresses that r's steps may ask.
func asked(r runtimes.Recipe) []string {
	var all []string
	for _, index := range r.Indexes {
		all = append(all, address(index))
	}
	for _, p := range r.Packages {
		all = append(all, p.File.URL)
	}
	return all
}

// netrcOf writes the logins for the servers that r's steps ask as a netrc, the
// form that pip and uv both read. It is nil where none is needed.
//
// A netrc knows no ports and no schemes. So that a login reaches its own
// server alone, a host must have one login for all that r takes from it.
func netrcOf(r runtimes.Recipe, logins []runtimes.Login) ([]byte, error) {
	type server struct {
		login runtimes.Login
		known bool
	}
	// A token is npm's, and no netrc can hold one.
	passwords := slices.DeleteFunc(slices.Clone(logins), func(l runtimes.Login) bool { return l.Bearer })
	hosts := make(map[string]server)
	var order []string
	see := func(address string) error {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" {
			return nil // whoever asks there says what is wrong
		}
		var s server
		s.login, s.known = runtimes.FindLogin(passwords, u)
		host := strings.ToLower(u.Hostname())
		first, again := hosts[host]
		if !again {
			hosts[host] = s
			order = append(order, host)
			return nil
		}
		if first.known != s.known || first.login.User != s.login.User || first.login.Password != s.login.Password || first.login.Secret != s.login.Secret {
			return &runtimes.InputError{
				Problem: fmt.Sprintf("%s has several servers, by ports or schemes, with several logins; a container can be given one", host),
				Hint:    "use --engine direct",
			}
		}
		return nil
	}
	for _, address := range asked(r) {
		if err := see(address); err != nil {
			return nil, err
		}
	}
	slices.Sort(order)
	var b strings.Builder
	for _, host := range order {
		s := hosts[host]
		if !s.known {
			continue
		}
		if !netrcWord(s.login.User) || s.login.Secret == nil && !netrcWord(s.login.Password) {
			return nil, &runtimes.InputError{
				Problem: fmt.Sprintf("the user or password that %s has for %s cannot be given to a container", s.login.From, host),
				Hint:    "it may hold neither spaces, quotes, backslashes nor letters beyond ASCII, and none may be empty; or use --engine direct",
			}
		}
		fmt.Fprintf(&b, "machine %s\nlogin %s\npassword %s\n", host, s.login.User, s.login.Password)
	}
	if b.Len() == 0 {
		return nil, nil
	}
	return []byte(b.String()), nil
}

// netrcWord tells whether every reader of netrc files takes s for the same
// word: they differ in how quotes and backslashes are read.
func netrcWord(s string) bool {
	return s != "" && s[0] != '#' && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("\"'\\", r)
	})
}
