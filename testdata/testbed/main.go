// Testbed puts up what layerbuild's container tests run against, from package
// registries alone, and takes it down again.
//
// Terms: the *testbed* is a BuildKit daemon, an image registry on loopback
// that stands for the public ones, and *stand-in images* laid out as Lambda's
// are. A *part* is a thing that takes long to make (the daemon's programs, an
// image for one architecture); parts are kept in the *cache folder* under the
// hash of their recipe. The *state folder*, inside it, holds what belongs to
// the running testbed: socket, certificates, logs, process records.
//
//	go -C testdata/testbed run . up      make what is missing, start what is down
//	go -C testdata/testbed run . env     print the variables of the running testbed
//	go -C testdata/testbed run . status  say what runs and where its logs are
//	go -C testdata/testbed run . down    end the processes, keep the cache
//	go -C testdata/testbed run . tools   make the package managers that tests compare with
//
// See doc/testbed.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sync/singleflight"
)

const usage = `usage: go -C testdata/testbed run . up|env|status|down|tools`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "testbed: error:", err)
	if errors.Is(err, errUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

var errUsage = errors.New(usage)

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	verb, args := args[0], args[1:]
	if verb == serveVerb { // the registry process, started by up
		if len(args) != 2 {
			return errUsage
		}
		return serveRegistry(ctx, args[0], args[1])
	}
	if len(args) != 0 {
		return errUsage
	}
	tb, err := newTestbed()
	if err != nil {
		return err
	}
	switch verb {
	case "up":
		return tb.locked(func() error { return tb.up(ctx) })
	case "down":
		return tb.locked(func() error { return tb.down(ctx) })
	case "tools":
		return tb.locked(func() error { return tb.makeTools(ctx) })
	case "env":
		return tb.printEnv(os.Stdout)
	case "status":
		return tb.status(os.Stdout)
	}
	return errUsage
}

// A testbed knows its places and its settings; what runs is read from the
// state folder each time, since every verb is a process of its own.
type testbed struct {
	cache        string // parts, BuildKit's and the registry's data
	state        string
	registryAddr string // wished address; another is taken if it is not free
	tlsAddr      string // wished address of BuildKit's TLS port; port 0 is any
	standIns     bool   // false: Amazon's own images, straight from their registry
	archs        []arch
	making       singleflight.Group // of images, by the name of their parts
	fetching     sync.Mutex
}

func newTestbed() (*testbed, error) {
	dir := os.Getenv("LAYERBUILD_TESTBED_DIR")
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding the cache folder: %w; set LAYERBUILD_TESTBED_DIR", err)
		}
		dir = filepath.Join(user, "layerbuild-testbed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	tb := &testbed{
		cache:        dir,
		state:        filepath.Join(dir, "state"),
		registryAddr: getenv("LAYERBUILD_TESTBED_REGISTRY", "127.0.0.1:5000"),
		tlsAddr:      getenv("LAYERBUILD_TESTBED_TLS", "127.0.0.1:0"),
	}
	switch images := os.Getenv("TEST_IMAGES"); images {
	case "":
		tb.standIns = true
	case "aws":
	default:
		return nil, fmt.Errorf("TEST_IMAGES=%s: want aws, or nothing for the stand-in images", images)
	}
	tb.archs, err = wantedArchs(os.Getenv("LAYERBUILD_TESTBED_ARCHS"))
	if err != nil {
		return nil, err
	}
	// Linux refuses longer socket paths, with a message that does not say so.
	if n := len(tb.socket()); n > 107 {
		return nil, fmt.Errorf("socket path %s is %d bytes long, Linux allows 107: set LAYERBUILD_TESTBED_DIR to a shorter folder", tb.socket(), n)
	}
	return tb, nil
}

func getenv(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// locked runs f alone: two test runs on one machine share the testbed, and
// the second waits until the first has put it up.
func (tb *testbed) locked(f func() error) error {
	if os.Geteuid() != 0 {
		return errors.New("the testbed needs root: it installs packages, mounts and runs containers")
	}
	if err := os.MkdirAll(tb.state, 0o700); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(tb.state, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		say("waiting for another testbed command to finish")
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return fmt.Errorf("locking %s: %w", lock.Name(), err)
		}
	}
	return f()
}
