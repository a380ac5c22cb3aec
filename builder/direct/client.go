package direct

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxIdle is how long a body may give nothing before its server counts as
// stalled.
const maxIdle = 30 * time.Second

// errStalled ends a request whose body stopped coming.
var errStalled = errors.New("the server stopped sending")

// NewClient returns a client for package indexes. It trusts the system's
// certificates and those in caBundle, a PEM file, if that is not "". Proxies
// come from the environment. Each login is sent to its server alone, also
// where a redirect leads elsewhere.
func NewClient(caBundle string, logins []runtimes.Login) (*http.Client, error) {
	return newClient(caBundle, logins, maxIdle)
}

func newClient(caBundle string, logins []runtimes.Login, idle time.Duration) (*http.Client, error) {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 15 * time.Second
	t.ResponseHeaderTimeout = 30 * time.Second
	t.MaxIdleConnsPerHost = 16
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusProxyAuthRequired {
			return nil
		}
		refused := &runtimes.LoginError{Host: "the proxy " + proxy.Host, Status: resp.StatusCode}
		if proxy.User != nil {
			refused.From = "the proxy's address"
		}
		return refused
	}
	roots, err := Roots(caBundle)
	if err != nil {
		return nil, err
	}
	if roots != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: &transport{t, logins, idle}}, nil
}

// Roots returns the system's certificate authorities and those in caBundle, a
// PEM file; nil, which stands for the system's, where that is "".
func Roots(caBundle string) (*x509.CertPool, error) {
	if caBundle == "" {
		return nil, nil
	}
	data, err := os.ReadFile(caBundle)
	if err != nil {
		return nil, runtimes.UnreadableCABundle(err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, &runtimes.InputError{File: caBundle, Problem: "no certificate in the CA bundle",
			Hint: "it must be a PEM file; openssl x509 -inform der -in FILE makes one of DER"}
	}
	return roots, nil
}

// transport names the client, logs in and watches over the bodies. A limit on the whole
// request would not do: a large file may take its time.
type transport struct {
	http.RoundTripper
	logins []runtimes.Login
	idle   time.Duration
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	req = req.Clone(ctx)
	req.Header.Set("User-Agent", "layerbuild")
	// net/http takes Authorization along to some other hosts after a redirect:
	// which server gets which login is decided here alone, for each request.
	req.Header.Del("Authorization")
	login, known := runtimes.FindLogin(t.logins, req.URL)
	if known {
		var err error
		if login, err = login.Fetch(); err != nil {
			cancel(nil)
			return nil, &localError{err}
		}
		if login.Bearer {
			req.Header.Set("Authorization", "Bearer "+login.Password)
		} else {
			req.SetBasicAuth(login.User, login.Password)
		}
	}
	resp, err := t.RoundTripper.RoundTrip(req)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
		resp.Body.Close()
		cancel(nil)
		return nil, runtimes.Refused(t.logins, req.URL, resp.StatusCode)
	}
	resp.Body = &watched{ReadCloser: resp.Body, ctx: ctx, cancel: cancel, idle: t.idle}
	return resp, nil
}

// watched is a body whose every read must end in time.
type watched struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	idle   time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	timer := time.AfterFunc(w.idle, func() { w.cancel(errStalled) })
	n, err := w.ReadCloser.Read(p)
	timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(w.ctx), errStalled) {
		err = errStalled
	}
	return n, err
}

func (w *watched) Close() error {
	w.cancel(nil)
	return w.ReadCloser.Close()
}
