package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// screen reads what a terminal is sent, and tells when a text has come.
type screen struct {
	t    *testing.T
	data chan []byte
	seen bytes.Buffer
}

func watch(t *testing.T, master *os.File) *screen {
	s := &screen{t: t, data: make(chan []byte)}
	go func() {
		defer close(s.data)
		for {
			buf := make([]byte, 4096)
			n, err := master.Read(buf)
			if err != nil {
				return // the other end is closed
			}
			s.data <- buf[:n]
		}
	}()
	return s
}

func (s *screen) until(text string) {
	s.t.Helper()
	watchdog := time.After(time.Minute)
	for !strings.Contains(s.seen.String(), text) {
		select {
		case data, ok := <-s.data:
			if !ok {
				s.t.Fatalf("no %q in %q", text, &s.seen)
			}
			s.seen.Write(data)
		case <-watchdog:
			s.t.Fatalf("no %q in %q", text, &s.seen)
		}
	}
}

func TestProgressLive(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("CI", "")
	master, slave := openTerminal(t)
	s := watch(t, master)
	ui := newUI(&bytes.Buffer{}, slave)
	if !ui.live {
		t.Fatal("not live on a terminal")
	}
	p := newProgress(ui)
	defer p.close()
	p.report(builder.Event{Kind: builder.Noted, Text: "before all"})
	s.until("layerbuild: note: before all\r\n")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Started, Text: "direct"})
	s.until("api (python3.13, arm64): starting (")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Progressed,
		Update: runtimes.Update{Phase: "zip", Done: 10, Total: 2000}})
	// 60 columns are too few for the whole line.
	s.until("api (python3.13, arm64): compressing, 10 B of 2.0 kB (")
	p.report(builder.Event{Target: workerTarget, Kind: builder.Started, Text: "direct"})
	p.report(builder.Event{Target: workerTarget, Kind: builder.Progressed,
		Update: runtimes.Update{Phase: "install", Item: strings.Repeat("long ", 20)}})
	s.until("…")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Warned, Text: "in between"})
	s.until("layerbuild: warning: api (python3.13, arm64): in between\r\n")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Finished})
	s.until("layerbuild: api (python3.13, arm64): built in ")
	p.close() // with a target that still runs, as after Ctrl-C
	ui.message("the end")
	s.until("the end\r\n")
	if strings.Contains(s.seen.String(), "\x1b[3") {
		t.Errorf("coloured: %q", &s.seen)
	}
}

func TestNotLive(t *testing.T) {
	_, slave := openTerminal(t)
	for _, env := range []struct{ term, ci string }{{"dumb", ""}, {"xterm", "true"}} {
		t.Setenv("TERM", env.term)
		t.Setenv("CI", env.ci)
		if newUI(slave, slave).live {
			t.Errorf("live with %+v", env)
		}
	}
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	if newUI(slave, slave).colour {
		t.Error("coloured with NO_COLOR")
	}
}
