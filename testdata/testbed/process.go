package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is the record of a background process, kept in the state folder.
type process struct {
	PID    int    `json:"pid"`
	Birth  string `json:"birth"`  // tells it from a later process with its id
	Addr   string `json:"addr"`   // loopback address it listens on
	Config string `json:"config"` // what it was started with; another needs a restart
}

func (tb *testbed) record(name string) string { return filepath.Join(tb.state, name+".json") }

// remember writes the record whole or not at all: a process without one
// could not be ended any more.
func (tb *testbed) remember(name string, p process) error {
	data, err := json.Marshal(p)
	if err != nil {
		return err
	}
	temp := tb.record(name) + ".tmp"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	return os.Rename(temp, tb.record(name))
}

// recorded returns the record of the process, the zero one if there is none.
// An unreadable record is none: up then starts afresh.
func (tb *testbed) recorded(name string) process {
	var p process
	data, err := os.ReadFile(tb.record(name))
	if err != nil || json.Unmarshal(data, &p) != nil {
		return process{}
	}
	return p
}

func (p process) alive() bool { return p.PID > 0 && birth(p.PID) == p.Birth }

// birth tells a process from all others there were: which boot it belongs to
// and when in it it started. A dead one, or one that nobody has waited for
// yet, has none.
func birth(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "none"
	}
	// The second field is the program's name, in brackets, and may hold anything.
	_, rest, _ := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), " ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return "none"
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "none"
	}
	return strings.TrimSpace(string(boot)) + " " + fields[19]
}

// start starts a process that outlives this one, and waits until probe finds
// it ready.
func (tb *testbed) start(ctx context.Context, name, addr, config string, argv []string, probe func(context.Context) error) error {
	log, err := os.Create(tb.log(name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	p := process{PID: cmd.Process.Pid, Birth: birth(cmd.Process.Pid), Addr: addr, Config: config}
	if err := tb.remember(name, p); err != nil {
		cmd.Process.Kill()
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	if err := wait(ctx, exited, probe); err != nil {
		return logged(fmt.Errorf("starting %s: %w", name, err), log.Name())
	}
	return nil
}

// wait asks until probe succeeds, the process has exited or a minute is over.
func wait(ctx context.Context, exited <-chan error, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("it exited at once")
		case <-ctx.Done():
			return fmt.Errorf("not ready in time: %w", err)
		}
	}
}

// stop ends the process gently, after 15 seconds by force.
func (tb *testbed) stop(ctx context.Context, name string) error {
	p := tb.recorded(name)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if !p.alive() {
			break
		}
		if err := syscall.Kill(p.PID, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping %s (process %d): %w", name, p.PID, err)
		}
		for end := time.Now().Add(15 * time.Second); p.alive() && time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	if p.alive() {
		return fmt.Errorf("stopping %s: process %d stays", name, p.PID)
	}
	return nil
}

func (tb *testbed) forget(name string) error {
	if err := os.Remove(tb.record(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// freeAddr returns the first address that nobody listens on, or else any free
// port of the last one's host.
func freeAddr(wished ...string) (string, error) {
	host, _, err := net.SplitHostPort(wished[len(wished)-1])
	if err != nil {
		return "", err
	}
	for _, addr := range append(wished, net.JoinHostPort(host, "0")) {
		if addr == "" {
			continue
		}
		l, lerr := net.Listen("tcp", addr)
		if lerr != nil {
			err = lerr
			continue
		}
		defer l.Close()
		return l.Addr().String(), nil
	}
	return "", err
}
