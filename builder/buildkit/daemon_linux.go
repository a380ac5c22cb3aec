package buildkit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// daemon is a running buildkitd that is ours alone.
type daemon struct {
	socket  string
	log     string
	slot    *os.File // the lock of its folder
	process *os.Process
	done    chan struct{} // closed when it has ended
	err     error         // how, set before
}

// ownSupported tells why no daemon can be started on this system, or nil.
func ownSupported() error {
	if os.Geteuid() != 0 {
		return errors.New("starting buildkitd needs root; a rootless one that already runs needs none")
	}
	return nil
}

// inNamespaces is how buildkitd is started: as the first process of its own
// process and mount namespaces, so that its containers and mounts end with it
// even when it is killed. $0 is the program.
const inNamespaces = `mount -t proc proc /proc && exec "$0" "$@"`

// maxSocket is the longest path of a socket that Linux takes.
const maxSocket = 107

func startDaemon(p programs, folder string) (*daemon, error) {
	slot, dir, err := takeSlot(folder)
	if err != nil {
		return nil, err
	}
	d := &daemon{
		socket: filepath.Join(dir, "buildkitd.sock"), log: filepath.Join(dir, "log"),
		slot: slot, done: make(chan struct{}),
	}
	if err := d.start(p, filepath.Join(dir, "root")); err != nil {
		slot.Close()
		return nil, err
	}
	return d, nil
}

// takeSlot finds a folder in folder that no other process uses: a daemon's
// data serves the next one, but never two at a time.
func takeSlot(folder string) (lock *os.File, dir string, err error) {
	for n := 1; ; n++ {
		dir := filepath.Join(folder, strconv.Itoa(n))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, "", err
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, "", err
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, dir, nil
		}
		lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, "", fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
	}
}

func (d *daemon) start(p programs, root string) error {
	if len(d.socket) > maxSocket {
		return fmt.Errorf("the path of its socket, %s, is too long for Linux: use another cache folder", d.socket)
	}
	if err := os.Remove(d.socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // a killed one left it
	}
	log, err := os.Create(d.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", inNamespaces, p.buildkitd,
		"--root", root, "--addr", "unix://"+d.socket,
		"--containerd-worker=false", "--oci-worker=true", "--oci-worker-binary", p.runc,
		// Containers in the host's network need no set-up of another one.
		"--oci-worker-net=host", "--allow-insecure-entitlement", hostNetwork)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
		Setsid:       true, // a terminal's Ctrl-C is for us: we end it in order
	}
	started := make(chan error)
	go func() {
		// Linux sends the death signal when the thread ends that started the
		// process, so that thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		d.err = cmd.Wait()
		d.slot.Close()
		close(d.done)
	}()
	if err := <-started; err != nil {
		return err
	}
	d.process = cmd.Process
	return nil
}

// stopTime is how long a daemon may take to end in order.
const stopTime = 10 * time.Second

// stop ends the daemon in order, or else by force.
func (d *daemon) stop() error {
	if err := d.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-d.done:
	case <-time.After(stopTime):
		d.kill()
	}
	return nil
}

// kill ends the daemon and all that it started.
func (d *daemon) kill() {
	_ = d.process.Kill() // fails only where it has ended
	<-d.done
}

// said is what the daemon printed last, to follow an error.
func (d *daemon) said() string {
	data, err := os.ReadFile(d.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return ": " + last
	}
	return ""
}
