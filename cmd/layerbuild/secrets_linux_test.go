package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSecretCancelled holds that a run's end ends the command and waits for no
// process that it started, which has its output, be it before or after its end.
func TestSecretCancelled(t *testing.T) {
	defer func(wait time.Duration) { waitForPipes = wait }(waitForPipes)
	waitForPipes = time.Hour
	for name, script := range map[string]string{
		"goes on": "sleep 600 & echo $$ $! > began; wait",
		"ended":   "sleep 600 & echo $$ $! > began",
	} {
		t.Run(name, func(t *testing.T) { testSecretCancelled(t, script) })
	}
}

func testSecretCancelled(t *testing.T, script string) {
	config := secretConfig(t, builder.Secret{Server: "a.example", Password: builder.PasswordSource{
		Command: []string{"sh", "-c", script}}})
	began := filepath.Join(config.Root, "began")
	if err := syscall.Mkfifo(began, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := secretLogins(ctx, config)[0]
	done := make(chan error, 1)
	go func() {
		_, err := l.Fetch()
		done <- err
	}()
	text, err := os.ReadFile(began) // once the command has it open
	if err != nil {
		t.Fatal(err)
	}
	var command, child int
	if _, err := fmt.Sscan(string(text), &command, &child); err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(child, syscall.SIGKILL)
	cancel()
	watchdog := time.After(time.Minute)
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-watchdog:
		t.Fatal("it waits")
	}
	for syscall.Kill(command, 0) == nil { // until it is waited for
		select {
		case <-watchdog:
			t.Fatal("the command goes on")
		default:
			runtime.Gosched()
		}
	}
}

// TestSecretFIFO holds that a FIFO which nobody writes to is refused.
func TestSecretFIFO(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l := secretLogins(t.Context(), secretConfig(t, builder.Secret{Server: "a.example", Password: builder.PasswordSource{File: fifo}}))[0]
	done := make(chan error, 1)
	go func() {
		_, err := l.Fetch()
		done <- err
	}()
	select {
	case err := <-done:
		var input *runtimes.InputError
		if !errors.As(err, &input) || !strings.HasSuffix(err.Error(), fifo+" cannot be read: it is no regular file") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for a writer")
	}
}
