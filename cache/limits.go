package cache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Limits say how long a remote may keep a build waiting.
type Limits struct {
	Answer   time.Duration // until the first byte of an answer, connecting included
	Window   time.Duration // in which a transfer must get on by Progress bytes
	Progress int64         // bytes
	Tries    int           // of one operation, the first included
	Backoff  time.Duration // before the second try; it doubles, and half of it is chance
	Patience time.Duration // no try begins later than this after the first
	Finish   time.Duration // for uploads that are left when the build is done
}

// DefaultLimits are those that doc/cache.md states.
func DefaultLimits() Limits {
	return Limits{
		Answer:   15 * time.Second,
		Window:   10 * time.Second,
		Progress: 1 << 20,
		Tries:    3,
		Backoff:  500 * time.Millisecond,
		Patience: 30 * time.Second,
		Finish:   2 * time.Minute,
	}
}

// A SlowError ends what a remote took too long for. It may be tried again.
type SlowError struct{ What string }

func (e *SlowError) Error() string { return e.What }

// Timeout makes it what the standard library calls a time-out.
func (e *SlowError) Timeout() bool { return true }

// A pace watches over one attempt: the answer has to begin, and then bytes
// have to come, or the attempt's context ends.
type pace struct {
	limits Limits

	mu      sync.Mutex
	timer   *time.Timer
	late    string // what is said when the timer fires
	waiting bool   // for an answer to begin
	bytes   int64  // since the timer was set
	stopped bool
}

func newPace(limits Limits, cancel context.CancelCauseFunc) *pace {
	p := &pace{limits: limits, waiting: true, late: fmt.Sprintf("no answer within %v", limits.Answer)}
	p.mu.Lock() // the timer may fire before there is a p.timer
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(limits.Answer, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.stopped {
			cancel(&SlowError{p.late})
		}
	})
	return p
}

// moved tells that n bytes more were transferred.
func (p *pace) moved(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += int64(n)
	if p.stopped || n == 0 || !p.waiting && p.bytes < p.limits.Progress {
		return
	}
	p.late = fmt.Sprintf("less than %d bytes came in %v", p.limits.Progress, p.limits.Window)
	p.waiting, p.bytes = false, 0
	p.timer.Reset(p.limits.Window)
}

// sent tells that all was sent: what is left is an answer.
func (p *pace) sent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.late = fmt.Sprintf("no answer within %v after all was sent", p.limits.Answer)
	p.waiting = true
	p.timer.Reset(p.limits.Answer)
}

// stop ends the watch: the rest is this machine's own work. It must look at the
// attempt's context once more before it writes anything: only work that had
// begun when the context ended is waited for.
func (p *pace) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.timer.Stop()
}

// parting is how long an attempt whose context ended may take to return.
const parting = time.Second

// attempt has f do something that may hang, whatever f makes of its context: a
// read of a dead network file system heeds none. Where the context or the time
// limits end it and f still does not return, f is left behind; it must own what
// it uses. This machine's own work is always waited for, so that nobody writes
// into a folder whose cache is closed.
func attempt[T any](ctx context.Context, limits Limits, f func(ctx context.Context, p *pace) (T, error)) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type result struct {
		value T
		err   error
	}
	ended := make(chan result, 1)
	p := newPace(limits, cancel)
	go func() {
		defer p.stop()
		var r result
		r.value, r.err = f(ctx, p)
		ended <- r
	}()
	var r result
	select {
	case r = <-ended:
	case <-ctx.Done():
		var left <-chan time.Time // never, for own work
		if !p.over() {
			left = time.After(parting)
		}
		select {
		case r = <-ended:
		case <-left:
			r.err = context.Cause(ctx)
		}
	}
	// What the watch ended says so in its own words.
	var slow *SlowError
	if r.err != nil && errors.As(context.Cause(ctx), &slow) {
		r.err = slow
	}
	return r.value, r.err
}

// over tells whether what is left is this machine's own work.
func (p *pace) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}
