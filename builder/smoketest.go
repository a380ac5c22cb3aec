package builder

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/smoke"
	"github.com/layerbuild/layerbuild/runtimes"
)

// smokeTest loads the layer's packages in the image of each runtime and
// architecture that the target serves, where its configuration says so. What
// passed once is not loaded again; what failed is.
func (r *run) smokeTest(ctx context.Context, res *resolved, got *obtained) error {
	if !res.layer.Check.Import {
		return nil
	}
	defer timed(&res.timings.Import)()
	var errs []error
	for _, combo := range res.combos {
		if !combo.Runtime.Served() {
			continue // there is no image, and no language that is known
		}
		if err := r.smokeTestOn(ctx, res, got, combo); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

const smokeKind = "smoke/1"

func (r *run) smokeTestOn(ctx context.Context, res *resolved, got *obtained, combo runtimes.Target) error {
	image := combo.Runtime.Image
	pin := func() string { return r.lock.current().Images[image] }
	passed := func() (key string, ok bool) {
		skip := slices.Sorted(slices.Values(res.layer.Check.Skip))
		key = fmt.Sprintf("%s %s %s %s@%s %d %q", got.entry.Blobs[roleArchive].SHA256, combo.Runtime.Name, combo.Arch, image, pin(), smoke.Version, skip)
		_, err := r.Cache.GetValue(ctx, smokeKind, key)
		return key, err == nil
	}
	if _, ok := passed(); ok && pin() != "" {
		return nil
	}
	if err := r.readyToLoad(ctx, image, pin() == ""); err != nil {
		return err
	}
	key, ok := passed() // maybe with the image's digest from elsewhere
	if ok {
		return nil
	}
	probe := runtimes.Probe{Image: image + "@" + pin(), Arch: combo.Arch, Digest: got.entry.Blobs[roleArchive].SHA256.String()}
	if err := r.load(ctx, res, got, combo.Runtime, probe); err != nil {
		return err
	}
	_ = r.Cache.PutValue(ctx, smokeKind, key, []byte("{}")) // without it the next run loads once more
	return nil
}

// loads is why the smoke test needs a container.
const loads = "check: {import: true} loads the layer's modules in the runtime's image"

// readyToLoad makes sure that there is a BuildKit, and the image's digest.
func (r *run) readyToLoad(ctx context.Context, image string, unpinned bool) error {
	if r.opts.Engine == engineDirect {
		return &runtimes.InputError{
			Problem: "the direct engine runs nothing, and " + loads,
			Hint:    "leave out --engine direct, and name a BuildKit with --builder where none is found; or leave out check: {import: true}",
		}
	}
	if _, err := r.reach(); err != nil {
		return needed(err, loads)
	}
	if !unpinned {
		return nil
	}
	if r.opts.Locked {
		return &runtimes.InputError{File: LockName, Problem: "lacks the digest of " + image + ", in which check: {import: true} loads the layer's modules",
			Hint: "run: layerbuild lock, and commit " + LockName}
	}
	return r.pin(ctx, []runtimes.Need{{Image: image}})
}

// load runs the smoke test, and returns a [*smoke.FailedError] where something
// cannot be loaded.
func (r *run) load(ctx context.Context, res *resolved, got *obtained, info runtimes.Info, probe runtimes.Probe) error {
	archive, size, done, err := r.openArchive(ctx, got)
	if err != nil {
		return err
	}
	defer done()
	if got.engine == "" && !res.loading {
		res.loading = true
		r.report(Event{Target: res.id, Kind: Started, Text: "import"})
	}
	tree, err := zipTree(archive, size)
	if err != nil {
		return err
	}
	probe.Layer = tree
	return r.loadTree(ctx, res.id, info, probe, res.layer.Check.Skip)
}

// maxResults bounds what workers write, in bytes.
const maxResults = 64 << 20

// probe runs a probe and returns the results that it leaves.
func (b *Builder) probe(ctx context.Context, id TargetID, probe runtimes.Probe) ([]byte, error) {
	var out bytes.Buffer
	report := func(u runtimes.Update) {
		switch u.Phase {
		case "install":
			u.Phase = "load"
		case "export":
			return
		}
		b.report(Event{Target: id, Kind: Progressed, Update: u})
	}
	if err := b.Containers.Probe(ctx, probe, &out, report); err != nil {
		return nil, err
	}
	for files := tar.NewReader(&out); ; {
		header, err := files.Next()
		if err != nil {
			return nil, fmt.Errorf("no results: %w", err)
		}
		if strings.TrimPrefix(header.Name, "./") == "results" {
			return io.ReadAll(io.LimitReader(files, maxResults))
		}
	}
}

// openArchive opens an archive for reading, be it in the cache or not.
func (r *run) openArchive(ctx context.Context, got *obtained) (archive io.ReaderAt, size int64, done func(), err error) {
	if w := got.uncommitted; w != nil {
		return w, w.Size(), func() {}, nil
	}
	blob := got.entry.Blobs[roleArchive]
	f, err := r.Cache.OpenBlob(ctx, blob)
	if err != nil {
		return nil, 0, nil, err
	}
	return f, blob.Size, func() { f.Close() }, nil
}

// zipTree is what an archive of ours holds. Its files are inflated as they are
// read.
func zipTree(archive io.ReaderAt, size int64) (runtimes.Tree, error) {
	z, err := zip.NewReader(archive, size)
	if err != nil {
		return nil, err
	}
	tree := make(runtimes.Tree)
	for _, e := range z.File {
		f := runtimes.TreeFile{Mode: e.Mode(), Size: int64(e.UncompressedSize64), Open: e.Open}
		switch e.Mode().Type() {
		case fs.ModeDir:
			continue
		case fs.ModeSymlink:
			link, err := f.ReadAll(1 << 12)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", e.Name, err)
			}
			f = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: string(link)}
		}
		tree[e.Name] = f
	}
	return tree, nil
}

// lockImage pins the image in which the smoke test runs.
func (r *run) lockImage(ctx context.Context, combo runtimes.Target) error {
	if !combo.Runtime.Served() {
		return nil
	}
	return needed(r.pinReached(ctx, []runtimes.Need{{Image: combo.Runtime.Image}}), loads)
}
