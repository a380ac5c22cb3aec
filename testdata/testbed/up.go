package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// up makes what is missing and starts what is down. It may be called at any
// time: what is there and well is left alone.
func (tb *testbed) up(ctx context.Context) error {
	start := time.Now()
	if err := os.RemoveAll(tb.temp()); err != nil {
		return err
	}
	if err := tb.installTools(ctx); err != nil {
		return err
	}
	for _, a := range tb.archs {
		if a.foreign() {
			if err := registerQemu(a); err != nil {
				return err
			}
		}
	}
	programs, dirs, err := tb.makeParts(ctx)
	if err != nil {
		return err
	}
	mirror := ""
	if tb.standIns {
		if mirror, err = tb.startRegistry(ctx); err != nil {
			return err
		}
		for i, im := range images {
			if err := tb.push(ctx, mirror, im, dirs[i]); err != nil {
				return fmt.Errorf("pushing %s: %w", im, err)
			}
		}
	}
	if err := tb.startBuildkitd(ctx, programs, mirror); err != nil {
		return err
	}
	var env strings.Builder
	if err := tb.printEnv(&env); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tb.state, "env"), []byte(env.String()), 0o644); err != nil {
		return err
	}
	say("up after %.1fs; BUILDKIT_HOST=unix://%s", time.Since(start).Seconds(), tb.socket())
	return nil
}

// makeParts makes everything that takes long, side by side: the images wait
// for the network and one processor each, the compiler for all of them. dirs
// has a folder for each image and architecture.
func (tb *testbed) makeParts(ctx context.Context) (programs string, dirs [][]string, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		programs, err = tb.buildPrograms(ctx)
		return err
	})
	if tb.standIns {
		dirs = make([][]string, len(images))
		for i, im := range images {
			dirs[i] = make([]string, len(tb.archs))
			for j, a := range tb.archs {
				g.Go(func() (err error) {
					dirs[i][j], err = tb.makeImage(ctx, im, a)
					return err
				})
			}
		}
	}
	err = g.Wait()
	return programs, dirs, err
}

// down ends what up started. What was built and fetched stays.
func (tb *testbed) down(ctx context.Context) error {
	for _, name := range []string{daemon, "registry"} {
		if err := tb.stop(ctx, name); err != nil {
			return err
		}
		if err := tb.forget(name); err != nil {
			return err
		}
	}
	tb.cleanAfter(ctx)
	if err := os.Remove(filepath.Join(tb.state, "env")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	say("down")
	return nil
}

// printEnv writes the variables of the running testbed as a shell reads them.
func (tb *testbed) printEnv(w io.Writer) error {
	p := tb.recorded(daemon)
	if !p.alive() {
		return errors.New("the testbed is not up: run go -C testdata/testbed run . up")
	}
	env := [][2]string{
		{"LAYERBUILD_TESTBED", "1"},
		{"BUILDKIT_HOST", "unix://" + tb.socket()},
		{"LAYERBUILD_TEST_BUILDKIT_TLS_ADDR", "tcp://" + p.Addr},
		{"LAYERBUILD_TEST_BUILDKIT_TLS_DIR", filepath.Join(tb.state, "tls")},
	}
	if tb.standIns {
		r := tb.recorded("registry")
		if !r.alive() {
			return errors.New("the testbed's registry is down: run go -C testdata/testbed run . up")
		}
		env = append(env, [2]string{"LAYERBUILD_TEST_REGISTRY", r.Addr})
	}
	for _, e := range env {
		if _, err := fmt.Fprintf(w, "export %s=%s\n", e[0], quote(e[1])); err != nil {
			return err
		}
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// status says what runs, where, and where to look when something is wrong.
func (tb *testbed) status(w io.Writer) error {
	for _, name := range []string{daemon, "registry"} {
		p := tb.recorded(name)
		state := "down"
		if p.alive() {
			state = fmt.Sprintf("process %d at %s", p.PID, p.Addr)
		}
		if _, err := fmt.Fprintf(w, "%-10s %s (log: %s)\n", name, state, tb.log(name)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%-10s %s\n", "cache", tb.cache)
	return err
}
