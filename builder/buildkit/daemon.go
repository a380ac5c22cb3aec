package buildkit

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// ownDaemon is the address of a daemon that the engine starts itself.
const ownDaemon = "buildkitd://"

// startTime is how long an own daemon may take until it answers.
const startTime = 30 * time.Second

// programs are what a daemon is started from.
type programs struct{ buildkitd, runc string }

func findPrograms() (p programs, err error) {
	if p.buildkitd, err = exec.LookPath("buildkitd"); err != nil {
		return p, err
	}
	// BuildKit's releases bring a runc by another name.
	if p.runc, err = exec.LookPath("buildkit-runc"); err != nil {
		p.runc, err = exec.LookPath("runc")
	}
	return p, err
}

// canStart tells why no daemon can be started here, or nil.
func canStart() error {
	if err := ownSupported(); err != nil {
		return err
	}
	_, err := findPrograms()
	return err
}

// startOwn starts a daemon, which ends with the engine or, whatever ends it,
// with this process.
func (e *Engine) startOwn(ctx context.Context, why string) (*place, error) {
	p := &place{address: ownDaemon, why: strings.TrimPrefix(why+", started by layerbuild", ", ")}
	if err := canStart(); err != nil {
		return nil, p.unreachable(err)
	}
	found, err := findPrograms()
	if err != nil {
		return nil, p.unreachable(err)
	}
	if e.DaemonFolder == "" {
		return nil, p.unreachable(errors.New("the engine has no folder for it"))
	}
	d, err := startDaemon(found, e.DaemonFolder)
	if err != nil {
		return nil, p.unreachable(fmt.Errorf("start %s: %w", found.buildkitd, err))
	}
	p.socket = d.socket
	if err := e.await(ctx, p, d); err != nil {
		d.kill()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, p.unreachable(fmt.Errorf("start %s: %w%s", found.buildkitd, err, d.said()))
	}
	e.daemon = d
	return p, nil
}

// await returns when the daemon answers.
func (e *Engine) await(ctx context.Context, p *place, d *daemon) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if isSocket(d.socket) {
			// A client of its own for each try: it waits longer after each failure.
			if err := e.answers(ctx, p); err == nil {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-d.done:
			return fmt.Errorf("it ended at once: %w", d.err)
		case <-ctx.Done():
			return fmt.Errorf("no answer within %v", startTime)
		}
	}
}

// Close ends the daemon that the engine started, where it did.
func (e *Engine) Close() error {
	var errs []error
	for _, other := range e.ByArch {
		errs = append(errs, other.Close())
	}
	e.finding.Lock()
	defer e.finding.Unlock()
	if e.daemon != nil {
		errs = append(errs, e.daemon.stop())
		e.daemon, e.found = nil, nil
	}
	return errors.Join(errs...)
}
