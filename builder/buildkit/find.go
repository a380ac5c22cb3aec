package buildkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// place is where a daemon is, or may be.
type place struct {
	address string      // as it may be given to the engine
	why     string      // who named it
	docker  *dockerHost // the engine whose BuildKit it is, or nil
	socket  string      // of a daemon that the engine started, or ""
}

func (p *place) String() string {
	if p.why == "" {
		return redact(p.address)
	}
	return redact(p.address) + " (" + p.why + ")"
}

// find is where the engine's daemon is. Without an address the places where
// daemons listen by custom are asked one after the other, and the first that
// answers stays the engine's. A daemon that is the engine's to start runs
// when find returns.
func (e *Engine) find(ctx context.Context) (*place, error) {
	e.finding.Lock()
	defer e.finding.Unlock()
	if e.found != nil {
		return e.found, nil
	}
	var p *place
	var err error
	if e.Address != "" {
		p, err = e.open(ctx, e.Address, e.AddressFrom)
	} else {
		p, err = e.search(ctx, usual(runFolders()...))
	}
	if err != nil {
		return nil, err
	}
	e.found = p
	return p, nil
}

// search asks the addresses one after the other.
func (e *Engine) search(ctx context.Context, addresses []string) (*place, error) {
	var failed []string
	for _, address := range addresses {
		p, err := e.open(ctx, address, "found")
		if err == nil {
			err = e.answers(ctx, p)
		}
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, strings.TrimPrefix(err.Error(), "cannot reach BuildKit at "))
	}
	if failed == nil {
		return nil, &runtimes.UnreachableError{Err: errors.New("no BuildKit was found")}
	}
	return nil, &runtimes.UnreachableError{Err: errors.New("no BuildKit was found that answers: " + strings.Join(failed, "; "))}
}

// open says where address leads to. It dials nothing, but starts a daemon
// where that is asked for.
func (e *Engine) open(ctx context.Context, address, why string) (*place, error) {
	if err := CheckAddress(address); err != nil {
		return nil, &runtimes.InputError{
			Problem: fmt.Sprintf("%q is no address of BuildKit", redact(address)), Err: err,
			Hint: "for example --builder unix:///run/buildkit/buildkitd.sock, tcp://builder.example:1234 or docker://",
		}
	}
	if address == ownDaemon {
		return e.startOwn(ctx, why)
	}
	if !strings.HasPrefix(address, "docker://") && !strings.HasPrefix(address, "docker+") {
		return &place{address: address, why: why}, nil
	}
	docker, err := dockerAt(address)
	if err != nil {
		return nil, &runtimes.UnreachableError{Address: redact(address), Err: err}
	}
	p := &place{address: docker.shown(), why: why, docker: docker}
	if docker.why != "" {
		p.why = strings.TrimPrefix(why+", "+docker.why, ", ")
	}
	return p, nil
}

// answers returns an error that names the place where it does not.
func (e *Engine) answers(ctx context.Context, p *place) error {
	c, err := e.connect(ctx, p)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.workers(ctx)
	return err
}

// usual lists the addresses where a daemon may be that nobody named, the
// preferred one first: BuildKit's own sockets in the system's and the user's
// run folder, where its documentation and nerdctl's set-up scripts put them;
// then Docker; then a daemon of our own. It only looks what is there.
func usual(folders ...string) []string {
	var all []string
	for _, folder := range folders {
		for _, name := range socketFolders {
			socket := filepath.Join(folder, name, "buildkitd.sock")
			if folder != "" && isSocket(socket) {
				all = append(all, "unix://"+socket)
			}
		}
	}
	// A defect of Docker's configuration is for open to report. Nobody is asked
	// for a password of ssh without having named it.
	if docker, err := findDocker(""); err != nil || docker.network == "tcp" || docker.network == "unix" && isSocket(docker.address) {
		all = append(all, "docker://")
	}
	if canStart() == nil {
		all = append(all, ownDaemon)
	}
	return all
}

// Usual lists, for people, where an engine without an address looks for a
// daemon, whether or not something is there.
func Usual() []string {
	var all []string
	for _, folder := range runFolders() {
		for _, name := range socketFolders {
			if folder != "" {
				all = append(all, "unix://"+filepath.Join(folder, name, "buildkitd.sock"))
			}
		}
	}
	return append(all, "docker://", ownDaemon)
}

// socketFolders are what BuildKit's documentation and nerdctl's set-up scripts
// call the folders of sockets.
var socketFolders = []string{"buildkit", "buildkit-default"}

// runFolders are the system's and the user's, which may be "".
func runFolders() []string { return []string{"/run", os.Getenv("XDG_RUNTIME_DIR")} }

func isSocket(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().Type() == os.ModeSocket
}
