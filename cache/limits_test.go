package cache

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestAttemptEnds: own work that has begun is waited for when somebody ends the
// attempt, and what hangs outside is left behind.
func TestAttemptEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	written := false
	_, err := attempt(ctx, DefaultLimits(), func(_ context.Context, p *pace) (struct{}, error) {
		p.stop()
		cancel()
		time.Sleep(parting / 10) // a disk that takes its time
		written = true
		return struct{}{}, nil
	})
	if err != nil || !written {
		t.Errorf("own work: %v, ended %v", err, written)
	}

	ctx, cancel = context.WithCancel(t.Context())
	hangs, ended := make(chan struct{}), make(chan struct{})
	_, err = attempt(ctx, DefaultLimits(), func(context.Context, *pace) (struct{}, error) {
		defer close(ended)
		cancel()
		<-hangs
		return struct{}{}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("what hangs: %v", err)
	}
	close(hangs)
	<-ended
}
