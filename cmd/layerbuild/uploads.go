package main

import (
	"context"
	"time"

	"github.com/layerbuild/layerbuild/cache"
)

// uploads waits for what the remotes are still sent when the build is done, and
// says so where that takes long enough to be noticed.
func (p *progress) uploads(ctx context.Context, store *cache.Cache) error {
	if store.Uploads().Pending() == 0 || p.ui.quiet {
		return store.Flush(ctx)
	}
	if p.live != nil {
		line := p.live.add(func(width int) string { return clip("uploading"+left(store.Uploads()), width) })
		defer line.remove()
		return store.Flush(ctx)
	}
	saying := time.AfterFunc(time.Second, func() { p.say("uploading%s", left(store.Uploads())) })
	defer saying.Stop()
	return store.Flush(ctx)
}

// left says how much of the uploads is to be done.
func left(u cache.Uploads) string {
	return plural(u.Pending(), " %d layer", " %d layers") + counts{u.BytesDone, u.Bytes}.amount() + " sent"
}
