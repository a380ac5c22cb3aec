package main

import (
	"context"
	"errors"
	"fmt"
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
	if err := os.WriteFile(tb.wgetrc(), []byte(wgetSettings), 0o644); err != nil {
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
	g.Go(func() error {
		if err := tb.makeServers(ctx); err != nil {
			return err
		}
		return tb.makeStores(ctx) // not beside the other: apt-get update locks its lists
	})
	if tb.standIns {
		dirs = make([][]string, len(images))
		for i, im := range images {
			wanted := tb.archsOf(im)
			dirs[i] = make([]string, len(wanted))
			for j, a := range wanted {
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
