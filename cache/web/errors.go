package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A StatusError is an answer that is not the one hoped for.
type StatusError struct {
	Remote string // the address, without a login
	Op     string // "get", "stat" or "put"
	Status int    // of HTTP
	Sent   bool   // a login was sent
	After  time.Duration
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s: %s: %d %s", e.Remote, e.Op, e.Status, http.StatusText(e.Status))
	switch {
	case e.Status/100 == 3:
		return s + ": an upload was redirected, which is not followed"
	case e.Status == http.StatusUnauthorized && e.Sent:
		return s + ": the login is wrong or has expired"
	case e.Status == http.StatusUnauthorized:
		return s + ": it wants a login, and none is known for it"
	case e.Status == http.StatusForbidden && e.Op == "put":
		return s + ": the login may not write there"
	case e.Status == http.StatusMethodNotAllowed && e.Op == "put":
		return s + ": the server takes no uploads there"
	}
	return s
}

// HTTPStatusCode tells what may be tried again from what may not.
func (e *StatusError) HTTPStatusCode() int { return e.Status }

// RetryAfter is how long the server asks to be left in peace, or 0.
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// retryAfter reads the header, which has seconds or a date.
func retryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// explain takes the address off an error of net/http: behind a redirect it may
// hold a signature. The context's error wins, however it shows.
func (b *Backend) explain(ctx context.Context, op string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if address := (*url.Error)(nil); errors.As(err, &address) {
		err = address.Err
	}
	return fmt.Errorf("%s: %s: %w", b, op, err)
}
