package buildkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/client"

	// Connection helpers: each makes its scheme known to client.New.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"

	"github.com/layerbuild/layerbuild/runtimes"
)

// answerTime is how long a daemon may take to say that it is there.
const answerTime = 5 * time.Second

// schemes are those an address may have.
var schemes = []string{
	"unix", "tcp", "docker", "docker+unix", "docker+tcp", "docker+ssh", "buildkitd",
	"docker-container", "kube-pod", "nerdctl-container", "podman-container", "ssh",
}

// Worker is what a daemon says of the worker that runs our steps.
type Worker struct {
	Place     string   // where the daemon is and who named it, for people
	Version   string   // BuildKit's
	Platforms []string // "linux/amd64"; the machine's own first, then what it emulates
}

// Ping asks the daemon who it is. It returns a [*runtimes.UnreachableError]
// within a few seconds where nobody answers.
func (e *Engine) Ping(ctx context.Context) (Worker, error) {
	c, err := e.dial(ctx)
	if err != nil {
		return Worker{}, err
	}
	defer c.Close()
	workers, err := c.workers(ctx)
	if err != nil {
		return Worker{}, err
	}
	worker := Worker{Place: c.place.String(), Version: workers[0].BuildkitVersion.Version}
	for _, p := range workers[0].Platforms {
		name := p.OS + "/" + p.Architecture
		if p.Variant != "" {
			name += "/" + p.Variant
		}
		worker.Platforms = append(worker.Platforms, name)
	}
	return worker, nil
}

// connection is a client of the daemon at a place.
type connection struct {
	*client.Client
	place *place
}

// dial makes a client of the engine's daemon. It does not connect: only the
// first call does.
func (e *Engine) dial(ctx context.Context) (connection, error) {
	p, err := e.find(ctx)
	if err != nil {
		return connection{}, err
	}
	return e.connect(ctx, p)
}

func (e *Engine) connect(ctx context.Context, p *place) (connection, error) {
	address := p.address
	if p.socket != "" {
		address = "unix://" + p.socket
	}
	var opts []client.ClientOpt
	switch {
	case p.docker != nil:
		// The dialers know the way: BuildKit's default address stands for it.
		address, opts = "", p.docker.options()
	case e.TLS != (TLS{}) && strings.HasPrefix(address, "tcp://"):
		opts = e.TLS.options()
	}
	c, err := client.New(ctx, address, opts...)
	if err != nil {
		return connection{}, p.unreachable(err)
	}
	return connection{c, p}, nil
}

// CheckAddress tells what is wrong with an address, whether or not somebody
// answers there.
func CheckAddress(address string) error {
	if address == "" {
		return errors.New("no address given")
	}
	u, err := url.Parse(address)
	if err != nil || !slices.Contains(schemes, u.Scheme) { // host:port alone does not parse
		return fmt.Errorf("the address must start with one of %s://", strings.Join(schemes, "://, "))
	}
	if u.Host == "" && u.Path == "" && u.Scheme != "docker" && address != ownDaemon {
		return errors.New("the address names no place")
	}
	return nil
}

// dockerAt is the Docker Engine that address means: that of a socket, of a
// named context, or the one that Docker's command line would use. It is nil
// for an address of BuildKit itself.
func dockerAt(address string) (*dockerHost, error) {
	if host, ok := strings.CutPrefix(address, "docker+"); ok {
		return environmentHost(host, "")
	}
	if context, ok := strings.CutPrefix(address, "docker://"); ok {
		return findDocker(strings.Trim(context, "/"))
	}
	return nil, nil
}

func (t TLS) options() []client.ClientOpt {
	var opts []client.ClientOpt
	if t.CACert != "" {
		opts = append(opts, client.WithServerConfig(t.ServerName, t.CACert))
	} else {
		opts = append(opts, client.WithServerConfigSystem(t.ServerName))
	}
	if t.Cert != "" || t.Key != "" {
		opts = append(opts, client.WithCredentials(t.Cert, t.Key))
	}
	return opts
}

// workers lists the daemon's workers, at least one, each with a platform.
// client.New never fails on a dead address and Wait hides the reason, so this
// call is how a daemon is found to be there.
func (c connection) workers(ctx context.Context) ([]*client.WorkerInfo, error) {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	workers, err := c.ListWorkers(limited)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, c.place.unreachable(dialCause(err))
	}
	workers = slices.DeleteFunc(workers, func(w *client.WorkerInfo) bool { return len(w.Platforms) == 0 })
	if len(workers) == 0 {
		return nil, c.place.unreachable(errors.New("the daemon has no worker"))
	}
	return workers, nil
}

func (p *place) unreachable(err error) error {
	return &runtimes.UnreachableError{Address: redact(p.address), Err: err}
}
