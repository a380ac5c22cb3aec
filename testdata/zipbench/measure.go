package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// A Sample is one run of one contender.
type Sample struct {
	Seconds float64 `json:"seconds"` // wall time of the process
	CPU     float64 `json:"cpu"`     // seconds, user and system
	Peak    float64 `json:"peak"`    // resident memory in MiB
}

// run has another process of this program, launch, run a command in dir. Linux
// counts a process's memory from before its exec, when it was still its
// parent: this program has read whole archives, launch has done nothing and
// holds about 5 MiB, which is the least that can be measured.
func run(ctx context.Context, dir string, args []string) (s Sample, err error) {
	exe, err := os.Executable()
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, exe, append([]string{"launch"}, args...)...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("%v in %s: %w", args, dir, err)
	}
	return s, json.Unmarshal(out, &s)
}

// launch runs the command that its arguments are and prints a Sample.
func launch(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: zipbench launch COMMAND…")
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stderr = os.Stderr // what it says on stdout nobody wants
	begin := time.Now()
	err := cmd.Run()
	wall := time.Since(begin)
	if err != nil {
		return err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell what a process used")
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return json.NewEncoder(os.Stdout).Encode(Sample{wall.Seconds(), cpu.Seconds(), float64(usage.Maxrss) / 1024})
}
