package runtimes

import (
	"errors"
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
	Path     string // where on the server it is meant for, as npm's are: "/npm/"; "" for all of it
	User     string
	Password string
	Secret   Secret // gives the password once it is needed; nil where Password is it
	Bearer   bool   // Password is a token, sent as one, and there is no User
	From     string // where the user put it, for messages: a file or a variable

	// Lacks is a variable that From names in the password's place and that is
	// not set: there is no login then, but people can be told why.
	Lacks string
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
		i := pick(logins, u)
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

// FindLogin returns the first login that is for u's server. If that one is meant
// for a path, the one whose path is the longest that u has wins, as in npm.
func FindLogin(logins []Login, u *url.URL) (Login, bool) {
	i := pick(logins, u)
	if i < 0 {
		return Login{}, false
	}
	return logins[i], true
}

func pick(logins []Login, u *url.URL) int {
	best := slices.IndexFunc(logins, func(l Login) bool { return l.Lacks == "" && l.isFor(u) })
	if best < 0 || logins[best].Path == "" {
		return best
	}
	at := strings.TrimRight(u.Path, "/") + "/"
	length := 0
	for i, l := range logins {
		if l.Lacks == "" && l.isFor(u) && strings.HasPrefix(at, l.Path) && len(l.Path) > length {
			best, length = i, len(l.Path)
		}
	}
	return best
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
	Token  bool   // the refused login is a token
	Lacks  string // a variable that is not set, for which no login was sent though From has one
	Of     string // whose registry the server is: OfImages, or by the name of a [Runtime]; "" where that is not known
}

// OfImages is the registries of container images.
const OfImages = "images"

// Refused is the error for a server that answered u with a status, by what
// logins have for it.
func Refused(logins []Login, u *url.URL, status int) *LoginError {
	_, host := Server(u)
	e := &LoginError{Host: host, Status: status}
	l, known := FindLogin(logins, u)
	if i := slices.IndexFunc(logins, func(l Login) bool { return l.isFor(u) }); !known && i >= 0 {
		l = logins[i]
	}
	e.From, e.Token, e.Lacks = l.From, l.Bearer, l.Lacks
	return e
}

// RefusedBy says of a LoginError in err whose registry refused, and returns err.
func RefusedBy(runtime string, err error) error {
	if login := (*LoginError)(nil); errors.As(err, &login) {
		login.Of = runtime
	}
	return err
}

func (e *LoginError) Error() string {
	answer := fmt.Sprintf("(%d %s)", e.Status, http.StatusText(e.Status))
	switch {
	case e.Lacks != "":
		return fmt.Sprintf("%s wants a login %s, and %s has one with the variable %s, which is not set", e.Host, answer, e.From, e.Lacks)
	case e.From == "" && e.Status == http.StatusForbidden:
		return fmt.Sprintf("%s forbids it %s, and no user and password are known for it", e.Host, answer)
	case e.From == "":
		return fmt.Sprintf("%s wants a user and a password %s, and none is known for it", e.Host, answer)
	case e.Token:
		return fmt.Sprintf("%s refuses the token %s that %s has for it", e.Host, answer, e.From)
	}
	return fmt.Sprintf("%s refuses the user or password %s that %s has for it", e.Host, answer, e.From)
}

// WithoutSecrets drops the parts of an address that may hold credentials, for
// messages: the user, and the query with its tokens.
func WithoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(an address that cannot be read)"
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}
