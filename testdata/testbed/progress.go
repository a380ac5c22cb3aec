package main

import (
	"fmt"
	"os"
	"time"
)

// say prints a line of progress. Everything goes to stderr: stdout is env's.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "testbed: "+format+"\n", args...)
}

// step announces work that takes long, does it and says how long it took.
func step(name string, work func() error) error {
	say("%s ...", name)
	start := time.Now()
	if err := work(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	say("%s: done in %.1fs", name, time.Since(start).Seconds())
	return nil
}
