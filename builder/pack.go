package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// build makes the archive of a resolved target and stores it under its key.
func (r *run) build(ctx context.Context, res *resolved, key cache.Digest) (*obtained, error) {
	if res.layer.Plain {
		return r.buildPlain(ctx, res, key)
	}
	engine, name, err := r.prepare(ctx, res)
	if err != nil {
		return nil, err
	}
	if err := writable(r.output); err != nil {
		return nil, err
	}
	r.report(Event{Target: res.id, Kind: Started, Text: name})
	recipe, held, err := r.withParts(ctx, engine, res)
	if err != nil {
		return nil, err
	}
	defer held.close()
	if err := r.noteEmulation(ctx, res, recipe.Container, whatRuns(recipe)); err != nil {
		return nil, err
	}
	recipe.Container = furnished(recipe.Container, recipe.Own)
	t, spool, err := r.install(ctx, engine, res, recipe)
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	if err := r.finish(res, t); err != nil {
		return nil, err
	}
	return r.pack(ctx, engine, name, res, key, t)
}

// pack adds to a layer's tree what is copied out of an image, and makes the archive,
// if its checks let it be made. The engine, which name names, is nil where the recipe
// needs none.
func (r *run) pack(ctx context.Context, engine Engine, name string, res *resolved, key cache.Digest, t runtimes.Tree) (*obtained, error) {
	copied, err := r.addCopied(ctx, engine, res, t)
	if err != nil {
		return nil, err
	}
	defer copied.Close()
	facts := check.Gather(t, UnzippedLimit)
	if err := r.refused(res, facts); err != nil {
		return nil, err
	}
	got, err := r.store(ctx, res, key, t, facts)
	if err != nil {
		return nil, err
	}
	got.engine = name
	return got, nil
}

// install runs the engine and reads what it yields.
func (r *run) install(ctx context.Context, engine Engine, res *resolved, recipe runtimes.Recipe) (t runtimes.Tree, spool *tree.Spool, err error) {
	pr, pw := io.Pipe()
	g, gctx := errgroup.WithContext(ctx)
	var installErr error
	g.Go(func() error {
		progress, end := res.timings.timeInstall(r.progress(res.id))
		installErr = engine.Install(gctx, recipe, pw, progress)
		end()
		pw.CloseWithError(installErr)
		return installErr
	})
	g.Go(func() (err error) {
		t, spool, err = tree.ReadTar(ctx, pr, "")
		pr.CloseWithError(err) // a reader that gave up must not hold up the engine
		return err
	})
	err = g.Wait()
	// An engine that was told to stop, or had its pipe closed, did not fail:
	// the reader did.
	stopped := errors.Is(installErr, io.ErrClosedPipe) || errors.Is(installErr, context.Canceled)
	if installErr != nil && !stopped && ctx.Err() == nil {
		err = r.inLock(installErr, res.lockFile) // the cause, not what the reader made of it
	}
	if err != nil && spool != nil {
		spool.Close()
		spool = nil
	}
	return t, spool, err
}

// inLock names the file that locks what a fetched file does not match: lockFile,
// where layerbuild.lock does not.
func (r *run) inLock(err error, lockFile string) error {
	digest, ok := errors.AsType[*runtimes.DigestError](err)
	if !ok {
		return err
	}
	if r.lock.holds(digest.Want) {
		lockFile = LockName
	}
	return fmt.Errorf("%s: %w", lockFile, err)
}

func (r *run) progress(id TargetID) runtimes.Progress {
	return func(u runtimes.Update) { r.report(Event{Target: id, Kind: Progressed, Update: u}) }
}

// finish turns an installed tree into the layer's.
func (r *run) finish(res *resolved, t runtimes.Tree) error {
	defer timed(&res.timings.Normalise)()
	plugin, err := r.plugin(res.combos[0].Runtime.Family)
	if err != nil {
		return err
	}
	notes, err := plugin.Normalise(*res.recipe, t)
	if err != nil {
		return err
	}
	for _, text := range notes {
		r.warn(res.id, text)
	}
	markPublished(*res.recipe, t)
	if err := addTo(t, res.include); err != nil {
		return &runtimes.InputError{File: r.Config.File, Line: res.layer.Line, Problem: "layer " + res.layer.Name, Err: err,
			Hint: "include it to another place, or leave the package's file out with excludeFiles"}
	}
	return nil
}

// store zips a tree into the cache, reads the archive back, and writes the
// entry last.
func (r *run) store(ctx context.Context, res *resolved, key cache.Digest, t runtimes.Tree, checked check.Facts) (*obtained, error) {
	w, info, err := r.archive(ctx, res, t)
	if err != nil {
		return nil, err
	}
	facts := entryFacts{UnzippedSize: info.Unzipped, Files: len(info.Entries), Packages: len(res.recipe.Packages), Check: checked}
	data, err := json.Marshal(facts)
	if err != nil {
		w.Abort()
		return nil, err
	}
	defer timed(&res.timings.Store)()
	got := &obtained{facts: facts, input: res.input, spliced: info.Spliced}
	got.entry = cache.Entry{Key: key, Data: data, Blobs: map[string]cache.Blob{roleArchive: w.Blob()}}
	if _, err = w.Commit(); err != nil {
		got.uncommitted = w
	} else {
		err = r.enter(ctx, got, info)
	}
	if err != nil {
		if ctx.Err() != nil {
			got.close()
			return nil, err
		}
		r.warn(res.id, fmt.Sprintf("the cache cannot keep this layer: %v", err))
	}
	return got, nil
}

// archive zips a tree into a blob. What the layer's earlier archive holds it
// takes from there; where that fails it starts again without.
func (r *run) archive(ctx context.Context, res *resolved, t runtimes.Tree) (*cache.BlobWriter, zipper.Info, error) {
	earlier, done := r.earlier(ctx, res)
	defer done()
	w, info, err := r.archiveFrom(ctx, res, t, earlier)
	if err != nil && earlier != nil && ctx.Err() == nil {
		w, info, err = r.archiveFrom(ctx, res, t, nil)
	}
	return w, info, err
}

func (r *run) archiveFrom(ctx context.Context, res *resolved, t runtimes.Tree, earlier *zipper.Earlier) (*cache.BlobWriter, zipper.Info, error) {
	w, err := r.Cache.NewBlob()
	if err != nil {
		return nil, zipper.Info{}, fmt.Errorf("store the archive: %w", err)
	}
	info, err := r.zip(ctx, res, w, t, earlier)
	if err != nil {
		w.Abort()
		return nil, info, fmt.Errorf("zip: %w", err)
	}
	return w, info, nil
}

// zip writes the archive, while all that is compressed, or taken from the
// earlier archive, is inflated again by another implementation, and then reads
// the file back.
func (r *run) zip(ctx context.Context, res *resolved, w *cache.BlobWriter, t runtimes.Tree, earlier *zipper.Earlier) (zipper.Info, error) {
	progress := r.progress(res.id)
	total := t.Size()
	entries := make([]zipper.Entry, 0, len(t))
	for name, f := range t {
		entries = append(entries, zipper.Entry{Name: name, Mode: f.Mode, Size: f.Size, Link: f.Link, Open: f.Open})
	}
	opts := zipper.Options{Workers: r.opts.Jobs, Verify: true, Earlier: earlier}
	opts.Progress = func(done int64) {
		progress(runtimes.Update{Phase: "zip", Done: done, Total: total})
	}
	end := timed(&res.timings.Zip)
	info, err := zipper.Write(ctx, w, entries, opts)
	end()
	if err != nil {
		return info, err
	}
	for _, e := range info.Entries {
		if f := t[e.Name]; f.Mode&fs.ModeSymlink == 0 && e.SHA256 != f.SHA256 {
			return info, fmt.Errorf("%s changed during the build", e.Name)
		}
	}
	progress(runtimes.Update{Phase: "verify"})
	defer timed(&res.timings.Verify)()
	return info, zipper.Verify(ctx, w, w.Size(), info, zipper.Options{Workers: r.opts.Jobs})
}

// enter stores the entry of an archive that is stored, after its other blobs.
func (r *run) enter(ctx context.Context, got *obtained, info zipper.Info) error {
	list, err := encodeFiles(info.Entries)
	if err != nil {
		return err
	}
	if got.entry.Blobs[roleFiles], err = r.Cache.PutBlob(ctx, bytes.NewReader(list)); err != nil {
		return err
	}
	if got.entry.Blobs[roleKeyInput], err = r.Cache.PutBlob(ctx, bytes.NewReader(got.input)); err != nil {
		return err
	}
	return r.Cache.Store(ctx, got.entry)
}
