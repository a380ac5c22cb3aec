package main

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	apiTarget    = builder.TargetID{Layer: "api", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}}
	workerTarget = builder.TargetID{Layer: "worker", Runtimes: []string{"python3.13"}, Arches: []string{"arm64"}}
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// tell reports the events of a build of two targets, one of which fails.
func tell(p *progress, c *clock) {
	report := func(id builder.TargetID, kind builder.EventKind, text string, u runtimes.Update) {
		p.report(builder.Event{Target: id, Kind: kind, Text: text, Update: u, Err: errors.New("broken")})
	}
	none := runtimes.Update{}
	report(apiTarget, builder.Started, "direct", none)
	report(builder.TargetID{}, builder.Noted, "no container engine", none)
	report(builder.TargetID{}, builder.Noted, "no container engine", none)
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "download", Item: "a.whl", Done: 10, Total: 2000})
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "download", Item: "b.whl", Done: 500, Total: 1000})
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "open", Item: "c", Done: 1, Total: 3})
	c.advance(16 * time.Second)
	p.beat()
	report(workerTarget, builder.Started, "buildkit", none)
	report(workerTarget, builder.Progressed, "", runtimes.Update{Phase: "install", Item: "install 3 packages"})
	report(workerTarget, builder.Progressed, "", runtimes.Update{Phase: "install", Item: "install 3 packages", Log: "Resolved 3 packages"})
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "download", Item: "a.whl", Done: 2000, Total: 2000})
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "download", Item: "b.whl", Done: 1000, Total: 1000})
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "install", Item: "a", Done: 256, Total: 300})
	c.advance(time.Second)
	p.beat()
	report(apiTarget, builder.Progressed, "", runtimes.Update{Phase: "zip", Done: 1500, Total: 3000})
	report(apiTarget, builder.Warned, "two packages own one path", none)
	c.advance(15 * time.Second)
	p.beat()
	report(apiTarget, builder.Finished, "", none)
	report(workerTarget, builder.Failed, "", none)
	report(builder.TargetID{Layer: "hit"}, builder.Finished, "", none)
}

func TestProgressPlain(t *testing.T) {
	for _, mode := range []string{"", "quiet", "verbose"} {
		t.Run("mode="+mode, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			ui := newUI(&stdout, &stderr)
			ui.quiet, ui.verbose = mode == "quiet", mode == "verbose"
			c := &clock{t: time.Unix(0, 0)}
			p := newProgress(ui)
			p.now = c.now
			tell(p, c)
			p.close()
			p.close()
			golden(t, "testdata/progress"+strings.TrimSuffix("_"+mode, "_")+".golden", stderr.String())
			if stdout.Len() > 0 {
				t.Errorf("on stdout: %s", &stdout)
			}
		})
	}
}
