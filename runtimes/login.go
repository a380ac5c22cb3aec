package runtimes

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Login is a user's name and password for one server. It is kept apart from
// the addresses of package indexes, so that those can be shown, hashed and
// handed on.
type Login struct {
	Scheme   string // "https" or "http"
	Host     string // in lower case, with the port where it is not the scheme's own
	AnyPort  bool   // the login is for every port of Host, which then has none
	User     string
	Password string
	Secret   Secret // gives the password once it is needed; nil where Password is it
	Bearer   bool   // Password is a token, sent as one, and there is no User
	From     string // where the user put it, for messages: a file or a variable
}

// Secret is a password that is fetched when somebody needs it, at most once.
type Secret interface {
	Password() (string, error)
}

// Fetch returns l with its password.
func (l Login) Fetch() (Login, error) {
	if l.Secret == nil {
		return l, nil
	}
	password, err := l.Secret.Password()
	if err != nil {
		return Login{}, err
	}
	l.Password, l.Secret = password, nil
	return l, nil
}

// FetchLogins returns logins with the passwords of those that are for the
// servers of addresses.
func FetchLogins(logins []Login, addresses []string) ([]Login, error) {
	logins = slices.Clone(logins)
	for _, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			continue // whoever asks there says what is wrong
		}
		i := slices.IndexFunc(logins, func(l Login) bool { return l.isFor(u) })
		if i < 0 {
			continue
		}
		if logins[i], err = logins[i].Fetch(); err != nil {
			return nil, err
		}
	}
	return logins, nil
}

// String says whose login it is; no verb but %#v shows the password.
func (l Login) String() string { return "login for " + l.Scheme + "://" + l.Host }

// Format implements [fmt.Formatter].
func (l Login) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(l.String())) }

// MarshalJSON refuses: a login belongs into no file.
func (l Login) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("%v: a login is never written", l)
}

// Server gives a URL's scheme and host in the form that [Login] has them in.
func Server(u *url.URL) (scheme, host string) {
	scheme, host = strings.ToLower(u.Scheme), strings.ToLower(u.Hostname())
	port := u.Port()
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		return scheme, host
	}
	return scheme, net.JoinHostPort(host, port)
}

// FindLogin returns the first login that is for u's server.
func FindLogin(logins []Login, u *url.URL) (Login, bool) {
	for _, l := range logins {
		if l.isFor(u) {
			return l, true
		}
	}
	return Login{}, false
}

func (l Login) isFor(u *url.URL) bool {
	scheme, host := Server(u)
	return l.Scheme == scheme && (l.Host == host || l.AnyPort && l.Host == strings.ToLower(u.Hostname()))
}

// LoginError says that a server wants a login, or refuses the one it got.
type LoginError struct {
	Host   string
	Status int    // 401, 403, or a proxy's 407
	From   string // where the refused login comes from; "" where none was sent
}

func (e *LoginError) Error() string {
	answer := fmt.Sprintf("(%d %s)", e.Status, http.StatusText(e.Status))
	switch {
	case e.From == "" && e.Status == http.StatusForbidden:
		return fmt.Sprintf("%s forbids it %s, and no user and password are known for it", e.Host, answer)
	case e.From == "":
		return fmt.Sprintf("%s wants a user and a password %s, and none is known for it", e.Host, answer)
	}
	return fmt.Sprintf("%s refuses the user or password %s that %s has for it", e.Host, answer, e.From)
}
