// Package buildkit installs recipes in containers, on a BuildKit daemon.
//
// The terms:
//
//   - The daemon is a buildkitd that somebody else started; it has a worker,
//     which runs containers for its own platform.
//   - A step of a recipe becomes one LLB exec; LLB is BuildKit's language, a
//     graph whose nodes ("vertices") the daemon caches by digest.
//   - A solve is one request to the daemon: it runs the whole graph and sends
//     the output folder back as a tar.
//
// This is the only package that imports BuildKit.
package buildkit

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Engine follows recipes on one BuildKit daemon. Its methods may be called
// concurrently; each opens a connection of its own.
type Engine struct {
	// Address says where the daemon is: unix:///run/buildkit/buildkitd.sock,
	// tcp://host:port, docker:// for the BuildKit of Docker itself, or one
	// that BuildKit's connection helpers know: docker-container://,
	// podman-container://, nerdctl-container://, kube-pod://, ssh://. Without
	// it the daemon is looked for where daemons listen by custom. buildkitd://
	// is a daemon that the engine starts; then it must be closed.
	Address string

	// AddressFrom says who named Address, in messages.
	AddressFrom string

	// TLS is for tcp:// only, other addresses have their own protection. Its
	// zero value means a connection in clear.
	TLS TLS

	// CABundle is the path of a PEM file with the certificate authorities
	// that the steps' tools are to trust, or "". Steps see it as a secret: it
	// is in no layer and in no cache key.
	CABundle string

	// Logins are for package indexes. Steps see those that their recipe needs
	// as a secret, in a netrc or in the files that package managers read: they
	// are in no graph and in no cache.
	Logins []runtimes.Login

	// NPM is the address of npm's own registry, which Node.js recipes do not
	// name.
	NPM string

	// ByArch are engines for steps that must run on a certain architecture;
	// for others this one emulates it, if it can.
	ByArch map[runtimes.Arch]*Engine

	// HostNetwork gives the steps the daemon's own network. The daemon must
	// allow it.
	HostNetwork bool

	// NoCache runs every step anew, with empty package manager caches.
	NoCache bool

	// DaemonFolder is where a daemon that the engine starts keeps its data.
	DaemonFolder string

	finding sync.Mutex
	found   *place
	daemon  *daemon // started by the engine, or nil
}

// TLS holds the paths of PEM files, and the name that the daemon's
// certificate is for where it is not the address's host. Without CACert the
// system's authorities are trusted.
type TLS struct{ CACert, Cert, Key, ServerName string }

// Install runs r's steps on the daemon and writes the output folder to w as a
// tar. Owners and times in it are as the steps left them.
//
// What w was given is worth nothing when an error is returned. The errors are
// [*runtimes.UnreachableError], [*runtimes.DigestError],
// [*runtimes.NetworkError] and [*runtimes.InstallError] where they apply, and
// ctx.Err() after a cancellation.
func (e *Engine) Install(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	if r.Container == nil {
		return fmt.Errorf("install in a container: the recipe lacks %d pins", len(r.Needs))
	}
	if other := e.ByArch[r.Container.Arch]; other != nil {
		return other.Install(ctx, r, w, p)
	}
	bundle, err := e.readCABundle()
	if err != nil {
		return err
	}
	logins, err := runtimes.FetchLogins(e.Logins, append(asked(r), e.NPM))
	if err != nil {
		return err
	}
	netrc, err := netrcFor(r, logins)
	if err != nil {
		return err
	}
	files, err := e.loginFiles(r, logins)
	if err != nil {
		return err
	}
	c, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, err := c.workers(ctx)
	if err != nil {
		return err
	}
	platform, err := c.place.platformOf(workers, r.Container.Arch)
	if err != nil {
		return err
	}
	o := graphOptions{
		platform: llb.Platform(platform),
		proxy:    proxyFromEnvironment(),
		caBundle: bundle != nil,
		netrc:    netrc != nil,
		hostNet:  e.HostNetwork,
		noCache:  e.NoCache,
	}
	secrets := make(map[string][]byte)
	o.loginFiles = make(map[string]bool)
	for path, data := range files {
		o.loginFiles[path] = true
		secrets[loginFileID(path)] = data
	}
	if holdsLogin(o.proxy) {
		o.secretEnv = proxySecrets(o.proxy, secrets)
		o.proxy = nil
	}
	if err := e.addJava(r.Container.Steps, secrets); err != nil {
		return err
	}
	o.trustStore, o.javaOptions = secrets[trustStoreID] != nil, secrets[javaOptionsID] != nil
	g, err := newGraph(ctx, r.Container, o)
	if err != nil {
		return err
	}
	if bundle != nil {
		secrets[caBundleID] = bundle
	}
	if netrc != nil {
		secrets[netrcID] = netrc
	}
	return e.solve(ctx, c, solveRequest{recipe: r, graph: g, secrets: secrets, w: w, progress: p})
}

// ociArch names Lambda's architectures as images do.
var ociArch = map[runtimes.Arch]string{runtimes.X86_64: "amd64", runtimes.ARM64: "arm64"}

// Emulates tells whether steps that must run on an architecture would be
// emulated. The error says why they cannot run.
func (e *Engine) Emulates(ctx context.Context, arch runtimes.Arch) (bool, error) {
	if other := e.ByArch[arch]; other != nil {
		return other.Emulates(ctx, arch)
	}
	c, err := e.dial(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	workers, err := c.workers(ctx)
	if err != nil {
		return false, err
	}
	p, err := c.place.platformOf(workers, arch)
	return err == nil && p.Architecture != workers[0].Platforms[0].Architecture, err
}

// platformOf is the platform that steps run on: the first worker's own, unless
// they must run on a certain one.
func (p *place) platformOf(workers []*client.WorkerInfo, arch runtimes.Arch) (ocispecs.Platform, error) {
	if arch == "" {
		return workers[0].Platforms[0], nil
	}
	for _, w := range workers {
		for _, platform := range w.Platforms {
			if platform.OS == "linux" && platform.Architecture == ociArch[arch] {
				return platform, nil
			}
		}
	}
	return ocispecs.Platform{}, &runtimes.InputError{
		Problem: fmt.Sprintf("BuildKit at %s runs nothing for %s, and what must be built is built on the architecture it is for", p, arch),
		Hint:    fmt.Sprintf("name a builder of that architecture (builder: architectures: {%s: …} in layerbuild.yaml, or --builder), or have this one emulate it (Debian: qemu-user-static and binfmt-support)", arch),
	}
}

// maxSecret is BuildKit's own limit of a secret's size.
const maxSecret = 500 << 10

// readCABundle returns nil where there is no bundle.
func (e *Engine) readCABundle() ([]byte, error) {
	if e.CABundle == "" {
		return nil, nil
	}
	data, err := os.ReadFile(e.CABundle)
	if err != nil {
		return nil, runtimes.UnreadableCABundle(err)
	}
	if len(data) > maxSecret {
		return nil, &runtimes.InputError{
			File:    e.CABundle,
			Problem: fmt.Sprintf("the CA bundle has %d bytes; BuildKit passes on at most %d", len(data), maxSecret),
			Hint:    "leave out the authorities that the package indexes do not need",
		}
	}
	return data, nil
}
