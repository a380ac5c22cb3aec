package cache

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// A Remote is a backend beyond the local folder, and what it is used for.
type Remote struct {
	Name     string // its address as it may be shown: without a login
	Backend  Backend
	Pull     bool // entries are looked for there
	Push     bool // what was built is put there
	Required bool // where it fails, so does the build
}

// A RemoteError says that a remote failed: not that it lacks something.
type RemoteError struct {
	Remote string // its name
	Err    error
}

func (e *RemoteError) Error() string {
	text := e.Err.Error()
	if strings.HasPrefix(text, e.Remote) { // a backend may say whose error it is
		return "the cache " + text
	}
	return fmt.Sprintf("the cache %s: %s", e.Remote, text)
}

// Unwrap gives the reason.
func (e *RemoteError) Unwrap() error { return e.Err }

// remote is a Remote in use.
type remote struct {
	Remote
	limits Limits
	warn   func(string)

	mu       sync.Mutex
	left     error           // why it is asked no more, or nil
	unfed    error           // why nothing is put there any more, or nil
	told     bool            // that it serves what is wrong
	mistaken map[string]bool // names under which something wrong was found
}

// Connect gives the cache its remotes, in the order in which they are asked. It
// is called before the cache is used. A remote that fails is left alone for the
// rest of the run, and warn is told, once; warn must be safe for concurrent use.
func (c *Cache) Connect(remotes []Remote, limits Limits, warn func(string)) {
	c.limits = limits
	for _, r := range remotes {
		c.remotes = append(c.remotes, &remote{Remote: r, limits: limits, warn: warn, mistaken: make(map[string]bool)})
	}
	c.uploads = newUploads(c)
}

// Pulls tells whether Fetch has anybody to ask.
func (c *Cache) Pulls() bool {
	return slices.ContainsFunc(c.remotes, func(r *remote) bool { return r.Pull })
}

// Pushes tells whether what is stored is sent to anybody.
func (c *Cache) Pushes() bool {
	return slices.ContainsFunc(c.remotes, func(r *remote) bool { return r.Push })
}

// usable returns why a remote is not to be asked, or given anything, any more.
func (r *remote) usable(put bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == nil && put {
		return r.unfed
	}
	return r.left
}

// try has op ask a remote, and again where that may help. It gives what op
// gave; fs.ErrNotExist, which is an answer; the context's error; or a
// *RemoteError, and then the remote is left alone.
func try[T any](ctx context.Context, r *remote, put bool, op func(ctx context.Context, p *pace) (T, error)) (T, error) {
	var none T
	if err := r.usable(put); err != nil {
		return none, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = r.limits.Backoff
	wait.Multiplier = 2
	result, err := backoff.Retry(ctx, func() (T, error) {
		v, err := attempt(ctx, r.limits, op)
		switch {
		case err == nil:
			return v, nil
		case !retryable(err):
			return v, backoff.Permanent(err)
		}
		if after := retryAfter(err); after > 0 {
			err = errors.Join(err, &backoff.RetryAfterError{Duration: after})
		}
		return v, err
	}, backoff.WithBackOff(wait), backoff.WithMaxTries(uint(r.limits.Tries)), backoff.WithMaxElapsedTime(r.limits.Patience))
	if permanent := (*backoff.PermanentError)(nil); errors.As(err, &permanent) {
		err = permanent.Err // of the last try, which Retry leaves in its cover
	}
	switch {
	case err == nil:
		return result, nil
	case ctx.Err() != nil:
		return none, ctx.Err()
	case errors.Is(err, fs.ErrNotExist), errors.As(err, new(*mistake)), errors.As(err, new(*localError)):
		return none, err
	}
	return none, r.leave(put, withoutDelay(err))
}

// withoutDelay takes off what was joined for the backoff's sake.
func withoutDelay(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if all := joined.Unwrap(); len(all) == 2 && errors.As(all[1], new(*backoff.RetryAfterError)) {
			return all[0]
		}
	}
	return err
}

// leave has a remote alone from now on. What was refused may only mean that
// nobody may put something there.
func (r *remote) leave(put bool, err error) error {
	failed := &RemoteError{Remote: r.Name, Err: err}
	r.mu.Lock()
	first := r.left == nil && (!put || r.unfed == nil)
	what := "it is left alone for the rest of this run"
	if put && refused(err) {
		r.unfed = failed
		what = "nothing more is put there in this run"
	} else {
		r.left = failed
	}
	r.mu.Unlock()
	if first && !r.Required {
		r.warn(fmt.Sprintf("%v; %s", failed, what))
	}
	return failed
}

// A mistake is what a remote has and should not have: bytes that are not what
// their name says. It is a miss.
type mistake struct {
	name string
	err  error
}

func (e *mistake) Error() string { return e.err.Error() }
func (e *mistake) Unwrap() error { return e.err }

// mistook remembers a mistake, so that a new upload replaces it, and warns of
// the first.
func (r *remote) mistook(m *mistake) {
	r.mu.Lock()
	first := !r.told
	r.told = true
	r.mistaken[m.name] = true
	r.mu.Unlock()
	if first {
		r.warn(fmt.Sprintf("the cache %s serves what is wrong, which is not used: %s %v", r.Name, m.name, m.err))
	}
}

func (r *remote) isMistaken(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mistaken[name]
}

// A localError is one of this machine's own, in the middle of a transfer.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// statusOf is the HTTP status that an error of a backend has, or 0.
func statusOf(err error) int {
	var answered interface{ HTTPStatusCode() int }
	if errors.As(err, &answered) {
		return answered.HTTPStatusCode()
	}
	return 0
}

// refused tells whether a server answered that it does not take something.
func refused(err error) bool {
	status := statusOf(err)
	return status >= 300 && status < 500 && status != http.StatusUnauthorized && !retryable(err) ||
		errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// retryable tells whether an operation may succeed when it is tried again.
func retryable(err error) bool {
	switch status := statusOf(err); {
	case status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return true
	case status >= 500:
		return status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported &&
			status != http.StatusInsufficientStorage
	case status != 0:
		return false
	}
	if errors.As(err, new(*localError)) || errors.As(err, new(*mistake)) {
		return false
	}
	// Of what a network can do most passes; but no name and no certificate comes
	// by waiting.
	if lookup := (*net.DNSError)(nil); errors.As(err, &lookup) {
		return !lookup.IsNotFound
	}
	return !errors.As(err, new(*tls.CertificateVerificationError)) && !errors.Is(err, fs.ErrNotExist) &&
		!errors.As(err, new(*fs.PathError)) && !errors.As(err, new(*os.LinkError))
}

// retryAfter is how long a server asks to be left in peace, or 0.
func retryAfter(err error) time.Duration {
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		return asks.RetryAfter()
	}
	return 0
}
