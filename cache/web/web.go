// Package web keeps named bytes with an HTTP server, in the layout of Bazel's
// remote cache: GET, HEAD and PUT below /ac/ and /cas/. Servers made for it and
// any that take PUT (WebDAV) serve it.
//
// A blob is /cas/<hex> as it is. What lies in /ac/<hex> is wrapped, see
// action.go. The package verifies nothing and tries nothing twice: that is for
// package cache and its remotes.
package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/cache"
)

// maxAction bounds what lies below /ac/, which is read as a whole: an entry has
// at most 1 MiB, and what is said of its blobs a second time less.
const maxAction = 4 << 20

// buffer is what a connection reads or writes at a time: layers are large.
const buffer = 256 << 10

// A Login gives the value of the Authorization header, "" for none. It is asked
// for each request, and its errors show nothing of a password.
type Login func(ctx context.Context) (string, error)

// A Backend is a cache.Backend on an HTTP server. It is safe for concurrent use.
type Backend struct {
	base   string // without a slash at its end
	host   string // that the login is for, with its scheme
	login  Login
	client *http.Client
}

// CheckAddress says why an address is no such server's. A login in it is allowed
// and shown by no error.
func CheckAddress(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return errors.New("not of the form https://cache.example/path")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return errors.New("an address of this kind has no ? and no #")
	}
	return nil
}

// New returns the backend at an address, which CheckAddress accepted and from
// which a login was taken off. Servers are trusted whose authority is in roots,
// or the system's where that is nil; login may be nil. Nothing is asked yet.
func New(at *url.URL, login Login, roots *x509.CertPool) *Backend {
	bare := *at
	bare.User = nil
	if login == nil {
		login = func(context.Context) (string, error) { return "", nil }
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 5 * time.Second
	t.MaxIdleConnsPerHost = 16
	t.DisableCompression = true // nothing there gets smaller
	t.ReadBufferSize, t.WriteBufferSize = buffer, buffer
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &Backend{
		base:   strings.TrimRight(bare.String(), "/"),
		host:   origin(&bare),
		login:  login,
		client: &http.Client{Transport: t, CheckRedirect: checkRedirect},
	}
}

// origin is what a login belongs to.
func origin(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

// String is the server's address.
func (b *Backend) String() string { return b.base }

// checkRedirect lets what is read lie elsewhere, but not where TLS ends. What is
// put goes nowhere but where the user said.
func checkRedirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) >= 5:
		return errors.New("stopped after 5 redirects")
	case via[0].Method == http.MethodPut:
		return fmt.Errorf("an upload was redirected to %s, which is not followed", req.URL.Host)
	case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("redirected from https to plain http at %s", req.URL.Host)
	}
	if origin(req.URL) != origin(via[0].URL) {
		req.Header.Del("Authorization") // net/http would take it along to subdomains
	}
	return nil
}

// do sends one request and returns an answer of status 200, or of 201 to 204
// for a PUT.
func (b *Backend) do(ctx context.Context, method, op, name string, size int64, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.base+"/"+name, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "layerbuild")
	if method == http.MethodPut {
		req.ContentLength = size
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	authorization, err := b.login(ctx)
	if err != nil {
		return nil, err
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return nil, b.explain(ctx, op, err)
	}
	if resp.StatusCode == http.StatusOK || method == http.MethodPut && resp.StatusCode > 200 && resp.StatusCode <= 204 {
		return resp, nil
	}
	discard(resp.Body)
	if method != http.MethodPut && (resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone) {
		return nil, &fs.PathError{Op: op, Path: b.base + "/" + name, Err: fs.ErrNotExist}
	}
	return nil, &StatusError{Remote: b.base, Op: op, Status: resp.StatusCode, Sent: authorization != "", After: retryAfter(resp.Header)}
}

// discard reads what little a body may hold, so that its connection is used
// again.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 4<<10)
	body.Close()
}

func check(ctx context.Context, name string) error {
	if !cache.ValidName(name) {
		return fmt.Errorf("bad name %q", name)
	}
	return ctx.Err()
}

func isAction(name string) bool { return strings.HasPrefix(name, "ac/") }

// Get implements cache.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := check(ctx, name); err != nil {
		return nil, err
	}
	resp, err := b.do(ctx, http.MethodGet, "get", name, 0, nil)
	if err != nil {
		return nil, err
	}
	body := &answer{resp.Body, ctx, b}
	if !isAction(name) {
		return body, nil
	}
	defer body.Close()
	message, err := io.ReadAll(io.LimitReader(body, maxAction+1))
	if err != nil {
		return nil, err
	}
	data, err := decodeAction(message)
	if len(message) > maxAction {
		err = fmt.Errorf("is larger than %d bytes", maxAction)
	}
	if err != nil {
		// What is there is wrong; that is for package cache to say.
		data = message[:min(len(message), maxAction)]
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// answer explains what cuts a body short.
type answer struct {
	io.ReadCloser
	ctx context.Context
	b   *Backend
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = a.b.explain(a.ctx, "get", err)
	}
	return n, err
}

// Stat implements cache.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (int64, error) {
	if err := check(ctx, name); err != nil {
		return 0, err
	}
	if isAction(name) { // whose length is not that of what it wraps
		r, err := b.Get(ctx, name)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		return io.Copy(io.Discard, r)
	}
	resp, err := b.do(ctx, http.MethodHead, "stat", name, 0, nil)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	if resp.ContentLength < 0 {
		return 0, fmt.Errorf("%s: stat: the server does not tell the size", b)
	}
	return resp.ContentLength, nil
}

// Put implements cache.Backend.
func (b *Backend) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	if err := check(ctx, name); err != nil {
		return err
	}
	// What is too short would only be noticed when the rest has been sent.
	end, err := r.Seek(0, io.SeekEnd)
	if err == nil && end != size {
		err = fmt.Errorf("putting %s: it has %d bytes where %d were announced", name, end, size)
	}
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if isAction(name) {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		message := encodeAction(data)
		if len(message) > maxAction {
			return fmt.Errorf("putting %s: it takes %d bytes; %d are allowed", name, len(message), maxAction)
		}
		size, r = int64(len(message)), bytes.NewReader(message)
	}
	body := &upload{ctx: ctx, r: r}
	var from io.Reader = body
	if size == 0 {
		from = http.NoBody
	}
	resp, err := b.do(ctx, http.MethodPut, "put", name, size, from)
	if failed := body.end(); failed != nil {
		err = failed // which is why the rest went wrong
	}
	if err == nil {
		discard(resp.Body)
	}
	return err
}

// upload is the body of a request. It is no more than a reader, so that
// net/http sends nothing twice by itself, and touches r no more once it ended:
// net/http may still want to read when an answer is there. It ends with its
// context, of which net/http learns too late to send no more.
type upload struct {
	ctx   context.Context
	mu    sync.Mutex
	r     io.Reader
	err   error // of r
	ended bool
}

func (u *upload) Read(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return 0, errors.New("the request is over")
	}
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := u.r.Read(p)
	if u.ctx.Err() != nil {
		n, err = 0, u.ctx.Err()
	}
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}

func (u *upload) end() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ended = true
	return u.err
}
