//go:build unix

package git

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLeftRunning: what git has started and what holds its output open is not waited
// for: neither an ssh that never gets an answer, by who gives up, nor the connection
// that an ssh keeps for the next time, by who has what git printed.
func TestLeftRunning(t *testing.T) {
	for name, test := range map[string]struct {
		end    string // of a git that has started something
		cancel bool
		said   string
		err    error
	}{
		"stopped": {"wait\n", true, "", context.Canceled},
		"ended":   {"echo done\n", false, "done\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			child := filepath.Join(dir, "child")
			t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
			// The file has its name once it is whole.
			script := "#!/bin/sh\nsleep 60 &\necho $! >" + child + ".new\nmv " + child + ".new " + child + "\n" + test.end
			if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { endChild(t, child) })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			type result struct {
				said []byte
				err  error
			}
			ended := make(chan result, 1)
			go func() {
				said, err := (repository{folder: dir}).run(ctx, nil, "fetch")
				ended <- result{said, err}
			}()
			for started := false; test.cancel && !started; time.Sleep(10 * time.Millisecond) {
				_, err := os.Stat(child)
				started = err == nil
			}
			if test.cancel {
				cancel()
			}
			select {
			case got := <-ended:
				if !errors.Is(got.err, test.err) || string(got.said) != test.said {
					t.Errorf("got %q, %v, want %q, %v", got.said, got.err, test.said, test.err)
				}
			case <-time.After(40 * time.Second):
				t.Error("it is still waited for")
			}
		})
	}
}

// endChild ends the process whose number a file has.
func endChild(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it fails only where it has ended
	}
}
