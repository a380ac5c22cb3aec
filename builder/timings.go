package builder

import (
	"fmt"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Timings says how long a target took, by phase. What a cache hit skipped, or
// an earlier target of the run did for this one, took no time.
type Timings struct {
	Resolve   time.Duration // lock file → key, the index and image digests asked
	Download  time.Duration // until the last file or image was there; packages are unpacked meanwhile
	Install   time.Duration // the rest of the engine's time, in a container that of the steps
	Export    time.Duration // until the tree of a container was here
	Normalise time.Duration // with the checks
	Zip       time.Duration // with inflating again what was compressed
	Verify    time.Duration // reading the archive back
	Store     time.Duration // into the cache
	Import    time.Duration // loading the modules, where that is asked for
	Deliver   time.Duration // into the output folder
}

// Phase is one row of [Timings].
type Phase struct {
	Name string
	Took time.Duration
}

// Phases lists all phases, in their order.
func (t Timings) Phases() []Phase {
	return []Phase{
		{"resolve", t.Resolve}, {"download", t.Download}, {"install", t.Install}, {"export", t.Export}, {"normalise", t.Normalise},
		{"zip", t.Zip}, {"verify", t.Verify}, {"store", t.Store}, {"import", t.Import}, {"deliver", t.Deliver},
	}
}

// MarshalJSON gives seconds.
func (t Timings) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range t.Phases() {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%q:%.6f", p.Name, p.Took.Seconds())
	}
	return append(b, '}'), nil
}

// timed adds the time until its result is called.
func timed(phase *time.Duration) (end func()) {
	begin := time.Now()
	return func() { *phase += time.Since(begin) }
}

// timeInstall splits the time of an engine's work by what it reports: up to
// the end of the last download it was downloading, and from the last start of an
// export on exporting.
func (t *Timings) timeInstall(progress runtimes.Progress) (watched runtimes.Progress, end func()) {
	begin := time.Now()
	var mu sync.Mutex
	last := begin
	var exported time.Time
	watched = func(u runtimes.Update) {
		if u.Phase == "download" || u.Phase == "pull" {
			mu.Lock()
			last = time.Now()
			mu.Unlock()
		}
		if u.Phase == "export" {
			mu.Lock()
			exported = time.Now()
			mu.Unlock()
		}
		progress(u)
	}
	return watched, func() {
		mu.Lock()
		defer mu.Unlock()
		t.Download += last.Sub(begin)
		if exported.IsZero() {
			t.Install += time.Since(last)
			return
		}
		t.Install += exported.Sub(last)
		t.Export += time.Since(exported)
	}
}
