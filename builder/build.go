package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// Build makes the layers that opts selects and puts them into the output
// folder. Where some fail the others are still built, and the errors are
// joined; a configuration or lock file that cannot be used stops all before
// anything is built.
func (b *Builder) Build(ctx context.Context, opts Options) (*Result, error) {
	begin := time.Now()
	r, err := b.newRun(ctx, opts)
	if err != nil {
		return nil, err
	}
	cache.ClearOutputs(r.output)
	all, err := r.resolveAll(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := refuseMissing(all); err != nil {
		return nil, err
	}
	for _, res := range all {
		for _, text := range res.notes {
			r.note(res.id, text)
		}
		for _, text := range res.warnings {
			r.warn(res.id, text)
		}
	}

	built := make([]Built, len(all))
	indexed := make([]IndexEntry, len(all))
	errs := make([]error, len(all))
	var g errgroup.Group
	g.SetLimit(min(r.opts.Jobs, 4)) // each build uses all processors by itself
	for _, group := range byKey(all) {
		g.Go(func() error {
			r.buildGroup(ctx, all, group, built, indexed, errs)
			return nil
		})
	}
	g.Wait()
	index := filepath.Join(r.output, indexFile)
	// Even where some failed or the user gave up: it must tell what lies beside
	// it now.
	indexErr := r.writeIndex(context.WithoutCancel(ctx), index, indexed)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := joinDistinct(append(errs, indexErr)); err != nil {
		return nil, err
	}
	return &Result{Layers: built, Index: index, Elapsed: time.Since(begin)}, nil
}

// byKey groups targets, by position, that share a key; the first builds for
// all.
func byKey(all []*resolved) [][]int {
	var groups [][]int
	at := make(map[string]int)
	for i, res := range all {
		if g, ok := at[res.key]; ok {
			groups[g] = append(groups[g], i)
			continue
		}
		at[res.key] = len(groups)
		groups = append(groups, []int{i})
	}
	return groups
}

// buildGroup obtains the archive of targets with one key and delivers it to
// each of them.
func (r *run) buildGroup(ctx context.Context, all []*resolved, group []int, built []Built, indexed []IndexEntry, errs []error) {
	leader := all[group[0]]
	var got *obtained
	var sharing []*resolved
	for _, member := range group {
		sharing = append(sharing, all[member])
	}
	for i, member := range group {
		begin := time.Now()
		res := all[member]
		res.sharing = sharing
		var err error
		hand := func() {
			if err == nil {
				err = r.pass(res, got.facts.Check)
			}
			if err == nil {
				err = r.smokeTest(ctx, res, got)
			}
			if err == nil {
				built[member], indexed[member], err = r.deliver(ctx, res, got)
			}
		}
		if i == 0 {
			got, err = r.obtain(ctx, res, r.opts.NoCache)
		}
		hand()
		if errors.Is(err, cache.ErrMiss) {
			// The entry was there, but a blob of it was not, or was damaged.
			// Any member may be the first to need it, where the outputs of
			// those before were in place.
			why := err.Error()
			if !errors.Is(err, fs.ErrNotExist) {
				why = "the cache had an archive that cannot be used" // and has said so
			}
			r.warn(res.id, "built again: "+why)
			got, err = r.obtain(ctx, res, true)
			hand()
		}
		if err != nil {
			errs[member] = attributed(res.id, err)
			if ctx.Err() == nil { // else it did not fail: the user gave up
				r.report(Event{Target: res.id, Kind: Failed, Err: err})
			}
			if got == nil || ctx.Err() != nil {
				break // there is nothing to hand to the others
			}
			continue
		}
		built[member].Elapsed = time.Since(begin)
		if r.opts.Timings {
			built[member].Timings = res.timings
		}
		if i > 0 {
			built[member].SameAs = &leader.id
		}
		r.report(Event{Target: res.id, Kind: Finished})
	}
	if got != nil {
		got.close()
	}
}

// attributed says whose error it is, unless it would stop any target.
func attributed(id TargetID, err error) error {
	var unreachable *runtimes.UnreachableError
	var input *runtimes.InputError
	if errors.As(err, &unreachable) || errors.As(err, &input) && input.File == LockName {
		return err
	}
	return fmt.Errorf("%s: %w", id, err)
}

// obtained is an entry for a key, from the cache or fresh.
type obtained struct {
	entry  cache.Entry
	facts  entryFacts
	engine string // "" for a hit
	from   string // the remote that a hit was fetched from
	input  []byte // what the key hashes, nil for a hit

	spliced int64 // bytes of content whose compressed form an earlier archive had

	// uncommitted holds an archive that the cache could not keep.
	uncommitted *cache.BlobWriter
}

func (o *obtained) close() {
	if o.uncommitted != nil {
		o.uncommitted.Abort()
	}
}

// obtain looks the key up, here and in the remotes, and, for a miss, builds.
// Among all processes on one cache folder only one fetches or builds a key.
func (r *run) obtain(ctx context.Context, res *resolved, fresh bool) (*obtained, error) {
	key, err := keyDigest(res.key)
	if err != nil {
		return nil, err
	}
	if !fresh {
		got, err := r.lookup(ctx, key)
		if errors.Is(err, cache.ErrMiss) && r.Cache.Pulls() {
			got, err = r.fetch(ctx, res, key)
		}
		if err == nil || !errors.Is(err, cache.ErrMiss) {
			return got, err
		}
	}
	end := timed(&res.timings.Resolve)
	err = r.complete(ctx, res, r.project)
	end()
	if err != nil {
		return nil, err
	}
	if res.key != key.String() {
		forgetMemo(ctx, r.Cache, res.memo)
		return nil, changedDuringBuild(res.lockFile)
	}
	unlock, err := r.alone(ctx, res, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	earlier, err := r.lookup(ctx, key)
	if err == nil && !fresh {
		return earlier, nil
	}
	if !fresh {
		if text := r.missText(ctx, res); text != "" {
			r.note(res.id, "built anew: "+text)
		}
	}
	got, err := r.build(ctx, res, key)
	if err == nil && earlier != nil && !sameArchive(earlier.entry, got.entry) {
		r.warn(res.id, fmt.Sprintf("not reproducible: key %.12s gave archive %.12s before and %.12s now; please report this",
			res.key, earlier.entry.Blobs[roleArchive].SHA256, got.entry.Blobs[roleArchive].SHA256))
	}
	return got, err
}

// alone waits until no other process is at work on a key. The error is the
// context's.
func (r *run) alone(ctx context.Context, res *resolved, key cache.Digest) (unlock func(), err error) {
	patience := time.AfterFunc(time.Second, func() {
		r.note(res.id, "waiting for another layerbuild, which builds the same layer")
	})
	unlock, err = r.Cache.Lock(ctx, key)
	patience.Stop()
	if err == nil {
		return unlock, nil
	}
	// A folder that cannot be locked cannot be written either: build alone and
	// say what is wrong when storing fails.
	return func() {}, ctx.Err()
}

// fetch asks the remotes, unless another process was faster.
func (r *run) fetch(ctx context.Context, res *resolved, key cache.Digest) (*obtained, error) {
	unlock, err := r.alone(ctx, res, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if got, err := r.lookup(ctx, key); err == nil || !errors.Is(err, cache.ErrMiss) {
		return got, err
	}
	defer timed(&res.timings.Download)()
	_, from, err := r.Cache.Fetch(ctx, key)
	if err != nil {
		return nil, err
	}
	got, err := r.lookup(ctx, key)
	if err == nil {
		got.from = from
	}
	return got, err
}

// changedDuringBuild says that the files that made a key are not those that
// are there now.
func changedDuringBuild(name string) error {
	return fmt.Errorf("%s changed during the build; build again", name)
}

func sameArchive(a, b cache.Entry) bool { return a.Blobs[roleArchive] == b.Blobs[roleArchive] }

func (r *run) lookup(ctx context.Context, key cache.Digest) (*obtained, error) {
	entry, err := r.Cache.Lookup(ctx, key)
	if err != nil {
		return nil, err
	}
	got := &obtained{entry: entry}
	if err := json.Unmarshal(entry.Data, &got.facts); err != nil {
		return nil, &cache.MissError{Key: key.String(), Reason: err}
	}
	if !got.facts.Check.Current() {
		return nil, &cache.MissError{Key: key.String(), Reason: errors.New("another version of layerbuild has checked it")}
	}
	for _, role := range []string{roleArchive, roleKeyInput, roleFiles} {
		if _, ok := entry.Blobs[role]; !ok {
			return nil, &cache.MissError{Key: key.String(), Reason: fmt.Errorf("the entry has no %s", role)}
		}
	}
	return got, nil
}

// writeIndex brings layers.json up to date with what was delivered, and removes
// the archives of targets that the configuration no longer has: a deploy tool
// would go on publishing them.
func (r *run) writeIndex(ctx context.Context, file string, indexed []IndexEntry) error {
	delivered := slices.DeleteFunc(indexed, func(e IndexEntry) bool { return e.File == "" })
	if len(delivered) == 0 {
		return nil
	}
	expected := make(map[string]bool)
	for _, t := range r.all {
		expected[filepath.Base(t.zip)] = true
	}
	keep := func(e IndexEntry) bool { return expected[e.File] || r.isOthers(ctx, e) }
	// Two processes that build different layers each keep what the other wrote.
	defer r.exclusively(ctx, file)()
	var gone []IndexEntry
	err := updateFile(file, func(old []byte) (data []byte, err error) {
		data, gone, err = mergeIndex(old, delivered, keep)
		return data, err
	})
	if err != nil {
		return err
	}
	for _, e := range gone {
		r.removeStale(ctx, e)
	}
	return nil
}
