package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

// askLimit bounds how long init asks package indexes, in all: what it learns only
// makes a better choice.
const askLimit = 30 * time.Second

// asker asks package indexes what a lock file leaves to them, as build would.
// Once one cannot be asked, none is asked any more.
func (s *starting) asker(ctx context.Context) func(runtimes.Target) (runtimes.Recipe, error) {
	var gone error
	said := false
	return func(t runtimes.Target) (runtimes.Recipe, error) {
		if t.Runtime.Family == "java" { // a jar is for every runtime
			return runtimes.Recipe{}, errors.ErrUnsupported
		}
		if gone != nil {
			return runtimes.Recipe{}, gone
		}
		if !said && isTerminal(s.ui.stderr) {
			said = true
			s.ui.message("layerbuild: note: asking package indexes what fits")
		}
		recipe, err := s.try(ctx, t)
		if input := (*runtimes.InputError)(nil); err == nil || errors.As(err, &input) && ctx.Err() == nil {
			return recipe, err
		}
		if gone = err; ctx.Err() != nil {
			gone = fmt.Errorf("no answer within %s", askLimit)
		}
		s.ui.message(fmt.Sprintf("layerbuild: note: runtimes are chosen without package indexes, and may lack packages: %v", gone))
		return recipe, gone
	}
}

// try has the recipe of a layer made that is not configured yet.
func (s *starting) try(ctx context.Context, t runtimes.Target) (runtimes.Recipe, error) {
	wd, err := os.Getwd()
	if err != nil {
		return runtimes.Recipe{}, err
	}
	l := builder.Layer{Name: "init", Path: t.Path, Runtimes: []runtimes.Info{t.Runtime}, Architectures: []runtimes.Arch{t.Arch}}
	config := &builder.Config{Root: wd, Layers: []builder.Layer{l}}
	b, closeBuilder, err := s.sel.newBuilder(ctx, config, func(builder.Event) {})
	if err != nil {
		return runtimes.Recipe{}, err
	}
	recipe, err := b.Try(ctx, l)
	return recipe, errors.Join(err, closeBuilder())
}
