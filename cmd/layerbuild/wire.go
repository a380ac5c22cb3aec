package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// run has do work on what args and flags select, and shows its progress. The
// display is gone when it returns, so that results can be printed.
func (s *selection) run(ctx context.Context, ui *ui, args []string, do func(*builder.Builder, builder.Options) error) error {
	config, opts, err := s.resolve(args)
	if err != nil {
		return err
	}
	ui.project = config.Root
	show := newProgress(ui)
	defer show.close()
	b, closeBuilder, err := s.newBuilder(ctx, config, show.report)
	if err != nil {
		return err
	}
	defer closeBuilder()
	return errors.Join(do(b, opts), show.uploads(ctx, b.Cache))
}

// newBuilder joins the parts of layerbuild: the one list of plugins, engines
// and stores. What it returns must be closed.
func (s *selection) newBuilder(ctx context.Context, config *builder.Config, report func(builder.Event)) (*builder.Builder, func() error, error) {
	store, err := openStore(config)
	if err != nil {
		return nil, nil, err
	}
	store.Trust(config.Cache.Trust) // also for what earlier runs have fetched
	store.Warn(func(text string) { report(builder.Event{Kind: builder.Warned, Text: text}) })
	b := &builder.Builder{Config: config, Cache: store, Report: report}
	disconnect, err := s.connect(ctx, b, store.Dir())
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return b, func() error { return errors.Join(disconnect(), store.Close()) }, nil
}

// openStore opens the local cache.
func openStore(config *builder.Config) (*cache.Cache, error) {
	dir, err := cacheDir(config)
	if err != nil {
		return nil, err
	}
	store, err := cache.Open(dir)
	if err != nil {
		return nil, &runtimes.InputError{
			Problem: "the cache cannot be used", Err: err,
			Hint: "name another folder with LAYERBUILD_CACHE_DIR, or with cache in " + builder.ConfigName,
		}
	}
	return store, nil
}

// cacheDir is the local cache: the environment wins, as it belongs to the
// machine, then the configuration.
func cacheDir(config *builder.Config) (string, error) {
	if dir := cmp.Or(os.Getenv("LAYERBUILD_CACHE_DIR"), config.Cache.Folder); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", &runtimes.InputError{Problem: "there is no place for the cache", Err: err, Hint: "name one with LAYERBUILD_CACHE_DIR"}
	}
	return filepath.Join(dir, "layerbuild"), nil
}
