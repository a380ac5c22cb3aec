package direct

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/layerbuild/layerbuild/runtimes"
)

const (
	maxTries      = uint(5)
	maxRetryAfter = 30 * time.Second // a server may ask for more: it gets this
	maxFile       = 2 << 30          // of a file whose size is not known
)

// statusError is an answer other than 200.
type statusError struct {
	code  int
	after *backoff.RetryAfterError // what the server asks for, or nil
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the server answers %d %s", e.code, http.StatusText(e.code))
}

// Unwrap lets package backoff see how long to wait.
func (e *statusError) Unwrap() error {
	if e.after == nil {
		return nil
	}
	return e.after
}

// newStatusError says what is wrong with the answer, and whether asking again
// may help.
func newStatusError(resp *http.Response, now time.Time) error {
	e := &statusError{code: resp.StatusCode}
	switch {
	case e.code == http.StatusTooManyRequests, e.code >= 500:
		if wait, ok := retryAfter(resp.Header.Get("Retry-After"), now); ok {
			e.after = &backoff.RetryAfterError{Duration: wait}
		}
		return e
	case e.code == http.StatusRequestTimeout:
		return e
	}
	return backoff.Permanent(e)
}

// retryAfter reads the header of that name, seconds or a date.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	var wait time.Duration
	if n, err := strconv.ParseInt(value, 10, 32); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	} else {
		return 0, false
	}
	return min(max(wait, 0), maxRetryAfter), true
}

// fetcher asks servers, again where that may help.
type fetcher struct {
	client     *http.Client
	newBackOff func() backoff.BackOff
	tries      uint // 0: maxTries
}

// try runs op, one attempt to fetch rawURL, until it succeeds, fails for good
// or has failed often enough. Errors of the network come back as a
// *runtimes.NetworkError.
func try[T any](ctx context.Context, f fetcher, rawURL string, op func() (T, error)) (T, error) {
	wait := backoff.BackOff(backoff.NewExponentialBackOff())
	if f.newBackOff != nil {
		wait = f.newBackOff()
	}
	result, err := backoff.Retry(ctx, op,
		backoff.WithBackOff(wait), backoff.WithMaxTries(cmp.Or(f.tries, maxTries)), backoff.WithMaxElapsedTime(0))
	if err == nil {
		return result, nil
	}
	var local *localError
	var digest *runtimes.DigestError
	switch {
	case ctx.Err() != nil:
		return result, context.Cause(ctx)
	case errors.As(err, &local):
		return result, local.err
	case errors.As(err, &digest):
		return result, err
	}
	return result, &runtimes.NetworkError{URL: runtimes.WithoutSecrets(rawURL), Err: bare(err)}
}

// localError is a failure of this machine: no network is to blame.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// get makes one request. The caller closes the body of a good answer.
func (f fetcher) get(ctx context.Context, rawURL string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, backoff.Permanent(bare(err))
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" || req.URL.Host == "" {
		return nil, backoff.Permanent(errors.New("not an http or https address"))
	}
	req.Header = header
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, final(err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, newStatusError(resp, time.Now())
	}
	return resp, nil
}

// final marks the errors that no second attempt heals.
func final(err error) error {
	var dns *net.DNSError
	var login *runtimes.LoginError
	if errors.As(err, &login) {
		return backoff.Permanent(login)
	}
	var local *localError
	if errors.As(err, &local) {
		return backoff.Permanent(local)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &dns) && dns.IsNotFound || errors.As(err, &certificate) {
		return backoff.Permanent(err)
	}
	return err
}

// bare removes what net/http wraps around an error: the URL, which may hold
// secrets.
func bare(err error) error {
	var wrapped *url.Error
	for errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return err
}

// elsewhere tells whether the file may be found at another address: this one
// does not have it, does not give it, or is not there.
func elsewhere(err error) bool {
	var login *runtimes.LoginError
	if errors.As(err, &login) {
		return login.Status != http.StatusProxyAuthRequired
	}
	var status *statusError
	if errors.As(err, &status) {
		return status.code == http.StatusNotFound || status.code == http.StatusGone
	}
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial"
}

// body copies an answer's body to w, at most limit bytes. Its two errors are
// kept apart: one of the network, one of w.
func body(w io.Writer, r io.Reader, limit int64, done func(int64)) (n int64, network, local error) {
	buf := make([]byte, 128<<10)
	for {
		k, err := r.Read(buf)
		if n += int64(k); n > limit {
			return n, nil, nil
		}
		if k > 0 {
			if _, err := w.Write(buf[:k]); err != nil {
				return n, nil, err
			}
			done(n)
		}
		if errors.Is(err, io.EOF) {
			return n, nil, nil
		}
		if err != nil {
			return n, err, nil
		}
	}
}
