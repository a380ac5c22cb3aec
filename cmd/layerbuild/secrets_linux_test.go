package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// TestSecretCancelled holds that a run's end ends the command, also one that
// leaves another process with its output.
func TestSecretCancelled(t *testing.T) {
	config := secretConfig(t, builder.Secret{Server: "a.example", Password: builder.PasswordSource{
		Command: []string{"sh", "-c", "sleep 600 & echo $! > began; wait"}}})
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
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the command goes on")
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
