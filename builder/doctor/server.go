package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Server is a package index or registry that builds ask.
type Server struct {
	Subject string // "python index"
	Of      string // the name of the [runtimes.Runtime] that it is for
	Address string
	Needed  bool // a layer of the configuration may need it
	Client  *http.Client

	// WhoAmI is a path below Address that wants a login, asked in its place
	// where there is one; "" where servers have none.
	WhoAmI string
}

// Check asks the server as a build would. Any answer is one, but for those that
// refuse and those that tell of a failure: there need be nothing at the address
// itself.
func (s Server) Check(clock *Clock) Check {
	return Check{Subject: s.Subject, Look: func(ctx context.Context) []Finding { return []Finding{s.look(ctx, clock)} }}
}

func (s Server) look(ctx context.Context, clock *Clock) Finding {
	shown := runtimes.WithoutSecrets(s.Address)
	start := time.Now()
	status, err := s.ask(ctx, clock)
	if err == nil && status < http.StatusInternalServerError {
		return Finding{Subject: s.Subject, Status: OK, Text: fmt.Sprintf("%s answers (%d ms)", shown, time.Since(start).Milliseconds())}
	}
	f := Finding{Subject: s.Subject, Status: Warn}
	if s.Needed {
		f.Status = Fail
	}
	if err == nil {
		f.Text = fmt.Sprintf("%s answers %d %s", shown, status, http.StatusText(status))
		f.Fix = "the server is ill: try later, or name another one (doc/networks.md)"
		return f
	}
	var login *runtimes.LoginError
	if errors.As(err, &login) {
		f.Text, f.Err = fmt.Sprintf("%s: %v", shown, login), runtimes.RefusedBy(s.Of, err)
		return f
	}
	f.Text = fmt.Sprintf("%s does not answer: %v", shown, bare(ctx, err))
	if proxy := proxyFor(s.Address); proxy != "" {
		f.Text += ", through the proxy " + proxy
		f.Fix = "see whether the proxy lets this machine through to that server, or name it in NO_PROXY"
	}
	f.Err = &runtimes.NetworkError{URL: shown, Err: err}
	return f
}

func (s Server) ask(ctx context.Context, clock *Clock) (status int, err error) {
	address, method := s.Address, http.MethodHead
	if s.WhoAmI != "" {
		if address, err = url.JoinPath(s.Address, s.WhoAmI); err != nil {
			return 0, err
		}
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, errors.New("the address cannot be read")
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 1<<16) // so that the connection serves again
	clock.saw(resp.Header.Get("Date"), time.Now())
	return resp.StatusCode, nil
}

// bare is an error without the address, which may hold secrets.
func bare(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("it takes too long")
	}
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}

func proxyFor(address string) string {
	req, err := http.NewRequest(http.MethodHead, address, nil)
	if err != nil {
		return ""
	}
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy == nil {
		return ""
	}
	return runtimes.WithoutSecrets(proxy.String())
}

// maxSkew is how far a clock may be off before certificates begin to be taken
// for expired, or for not valid yet, in practice.
const maxSkew = 5 * time.Minute

// Clock compares this machine's clock with what servers say.
type Clock struct {
	Built time.Time // no clock is right that is before it; zero where unknown

	mu   sync.Mutex
	skew time.Duration // this machine is ahead by it
	seen bool
}

// saw takes a server's Date. Of several the one that is nearest counts: one
// server's clock may be wrong.
func (c *Clock) saw(date string, now time.Time) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if skew := now.Sub(at); !c.seen || skew.Abs() < c.skew.Abs() {
		c.skew, c.seen = skew, true
	}
}

// Finding is to be asked for when the servers have been.
func (c *Clock) Finding(now time.Time) Finding {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := Finding{Subject: "clock", Status: OK, Text: now.UTC().Format(time.DateTime) + " UTC"}
	switch {
	case now.Before(c.Built):
		f.Status, f.Text = Fail, f.Text+" is before this layerbuild was made"
	case c.seen && c.skew.Abs() > maxSkew:
		way := "ahead of"
		if c.skew < 0 {
			way = "behind"
		}
		f.Status = Warn
		f.Text += fmt.Sprintf(" is %v %s what servers say", c.skew.Abs().Round(time.Minute), way)
	case c.seen:
		f.Text += ", as servers have it"
	}
	if f.Status != OK {
		f.Fix = "set the clock: certificates count as expired, or as not valid yet, by a wrong one"
	}
	return f
}

// Proxies shows the variables that name proxies, without logins. It checks that
// they can be read; whether a proxy answers is seen where servers are asked.
func Proxies(getenv func(string) string) []Finding {
	var all []Finding
	seen := make(map[string]bool)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		value := getenv(name)
		kind := strings.ToUpper(name)
		if value == "" || seen[kind] {
			continue
		}
		seen[kind] = true
		if kind == "NO_PROXY" {
			all = append(all, Finding{Subject: "proxy", Status: OK, Text: name + ": not for " + value})
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value // as net/http takes it
		}
		if u, err := url.Parse(value); err != nil || u.Host == "" {
			all = append(all, Finding{Subject: "proxy", Status: Fail, Text: name + " is no address", Fix: "for example " + name + "=http://proxy.example:3128"})
			continue
		}
		all = append(all, Finding{Subject: "proxy", Status: OK, Text: name + ": " + runtimes.WithoutSecrets(value)})
	}
	if all == nil {
		all = one("proxy", OK, "none (HTTPS_PROXY and HTTP_PROXY are not set)", "")
	}
	return all
}
