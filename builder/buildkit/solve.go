package buildkit

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/secrets/secretsprovider"

	"github.com/layerbuild/layerbuild/runtimes"
)

// solveRequest is what one solve needs beyond a connection.
type solveRequest struct {
	recipe   runtimes.Recipe
	graph    *graph
	secrets  map[string][]byte // by ID
	w        io.Writer
	progress runtimes.Progress // may be nil
}

// solve runs the graph and writes its result. A daemon that lost sight of the
// session (it checks every few seconds, and a starved client misses its turn)
// is asked once more.
func (e *Engine) solve(ctx context.Context, c connection, q solveRequest) error {
	out := &output{w: q.w}
	err := e.solveOnce(ctx, c, q, out)
	if err != nil && ctx.Err() == nil && out.n == 0 && strings.Contains(err.Error(), "no active session") {
		err = e.solveOnce(ctx, c, q, &output{w: q.w})
	}
	return err
}

func (e *Engine) solveOnce(ctx context.Context, c connection, q solveRequest, out *output) error {
	opt := client.SolveOpt{
		LocalMounts: q.graph.locals,
		Exports: []client.ExportEntry{{
			Type:   client.ExporterTar,
			Output: func(map[string]string) (io.WriteCloser, error) { return out, nil },
		}},
	}
	if e.HostNetwork {
		opt.AllowedEntitlements = []string{hostNetwork}
	}
	opt.Session = []session.Attachable{registryLogins()}
	if len(q.secrets) > 0 {
		opt.Session = append(opt.Session, secretsprovider.FromMap(q.secrets))
	}

	// Solve blocks unless somebody reads its status to the end, whatever
	// became of ctx; it closes the channel itself.
	status := make(chan *client.SolveStatus)
	d := newDisplay(q.graph, q.progress)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		for s := range status {
			d.update(s)
		}
	}()
	_, err := c.Solve(ctx, q.graph.definition, opt, status)
	<-shown
	writeErr := out.close()

	switch {
	case err == nil:
		return writeErr
	case ctx.Err() != nil:
		return ctx.Err()
	case writeErr != nil:
		return writeErr // the daemon only saw that we hung up
	}
	return c.place.solveError(err, q.recipe, d.failed(), e.Logins)
}

// output hands the tar on to w until it is closed: the session, which runs in
// the background, must not write after Install has returned.
type output struct {
	w io.Writer

	mu     sync.Mutex
	n      int64
	err    error
	closed bool
}

// hostNetwork is what a solve must be allowed for steps in the host's network.
const hostNetwork = "network.host"

var errClosed = errors.New("the install has ended")

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, errClosed
	}
	n, err := o.w.Write(p)
	o.n += int64(n)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// Close is called by the session at the end of the tar; solveOnce decides by
// itself when nothing more may come.
func (o *output) Close() error { return nil }

// close ends writing and returns the writer's own error.
func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	return o.err
}
