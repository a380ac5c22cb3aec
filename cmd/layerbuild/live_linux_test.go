package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// openTerminal returns both ends of a pseudo-terminal.
func openTerminal(t *testing.T, columns uint16) (master, slave *os.File) {
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
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// screen reads what a terminal is sent, as it comes.
type screen struct {
	t    *testing.T
	more chan struct{} // something came, or the end

	mu   sync.Mutex
	text string
	end  bool
}

func watch(t *testing.T, master *os.File) *screen {
	s := &screen{t: t, more: make(chan struct{}, 1)}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.text += string(buf[:n])
			s.end = err != nil // the other end is closed
			s.mu.Unlock()
			select {
			case s.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *screen) seen() (text string, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text, s.end
}

// when waits until what was sent is as wanted.
func (s *screen) when(what string, wanted func(text string) bool) {
	s.t.Helper()
	watchdog := time.After(time.Minute)
	for {
		text, end := s.seen()
		if wanted(text) {
			return
		}
		if end {
			s.t.Fatalf("no %s in …%q", what, text[max(0, len(text)-2000):])
		}
		select {
		case <-s.more:
		case <-watchdog:
			s.t.Fatalf("no %s in …%q", what, text[max(0, len(text)-2000):])
		}
	}
}

func (s *screen) until(text string) {
	s.t.Helper()
	s.when(text, func(seen string) bool { return strings.Contains(seen, text) })
}

func TestProgressLive(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	t.Setenv("TERM", "xterm")
	t.Setenv("CI", "")
	master, slave := openTerminal(t, 60)
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
	s.until("api (python3.13, arm64)")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Progressed,
		Update: runtimes.Update{Phase: "zip", Done: 10, Total: 2000}})
	s.until("compressing 10 B/2.0 kB")
	p.report(builder.Event{Target: workerTarget, Kind: builder.Started, Text: "direct"})
	p.report(builder.Event{Target: workerTarget, Kind: builder.Progressed,
		Update: runtimes.Update{Phase: "install", Item: strings.Repeat("long ", 20)}})
	s.until("…")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Warned, Text: "in between"})
	s.until("layerbuild: warning: api (python3.13, arm64): in between\r\n")
	p.report(builder.Event{Target: apiTarget, Kind: builder.Finished})
	s.until("built\r\n")
	p.close() // with a target that still runs, as after Ctrl-C
	ui.message("the end")
	s.until("the end\r\n")
	if text, _ := s.seen(); strings.Contains(text, "\x1b[3") {
		t.Errorf("coloured: %q", text)
	}
}

func TestNotLive(t *testing.T) {
	_, slave := openTerminal(t, 80)
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
