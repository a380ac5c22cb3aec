package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// part returns the folder of the part with this name and key. Where it is
// missing, create fills a temporary folder, which gets its name only when it
// is whole: what was interrupted is never taken for finished.
func (tb *testbed) part(name, key string, create func(dir string) error) (string, error) {
	dir := tb.partDir(name, key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(tb.temp(), 0o755); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(tb.temp(), name+"-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(temp)
	// Others than root read the root folders, through a chroot's eyes too.
	if err := os.Chmod(temp, 0o755); err != nil {
		return "", err
	}
	if err := create(temp); err != nil {
		return "", err
	}
	if err := os.Rename(temp, dir); err != nil {
		return "", err
	}
	return dir, nil
}

func (tb *testbed) partDir(name, key string) string {
	return filepath.Join(tb.cache, name+"-"+key[:16])
}

// temp is the folder of unfinished parts. Under the lock there is nobody
// else's in it, so up clears what a killed one left.
func (tb *testbed) temp() string { return filepath.Join(tb.cache, "tmp") }

func (tb *testbed) log(name string) string { return filepath.Join(tb.state, name+".log") }

// command runs a program that may mount and start others; its output goes to
// the log of that name. It gets process and mount namespaces of its own, so
// that whatever ends it, nothing that it started or mounted stays.
func (tb *testbed) command(ctx context.Context, name string, argv ...string) error {
	log, err := os.Create(tb.log(name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout = log
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	if err := cmd.Run(); err != nil {
		return logged(err, log.Name())
	}
	return nil
}

// logged adds to err where the log is and its last lines.
func logged(err error, log string) error {
	data, rerr := os.ReadFile(log)
	if rerr != nil {
		return fmt.Errorf("%w (log: %s)", err, log)
	}
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	lines = lines[max(0, len(lines)-12):]
	return fmt.Errorf("%w\n\t%s\n(log: %s)", err, strings.Join(lines, "\n\t"), log)
}
