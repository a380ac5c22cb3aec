package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/layerbuild/layerbuild/builder/inspect"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// DirectUpload is the size in bytes of an archive, zipped, that Lambda's API
// takes itself; a larger one is uploaded to S3 first. (Lambda's quotas say 50 MB.)
const DirectUpload = 50_000_000

// Inspected is an archive, and what it holds.
type Inspected struct {
	TargetID        // nothing where it is not known whose it is
	File     string `json:"file,omitempty"` // its path; "" where it was read from the cache
	Key      string `json:"key,omitempty"`
	ZipSize  int64  `json:"size"` // bytes
	*inspect.Inventory
	Against *Compared `json:"against,omitempty"`
}

// InspectFile says what is in a zip file, whoever made it. Where the manifest of
// a layer lies beside it, that fills in what packages do not say themselves.
func InspectFile(ctx context.Context, file string) (*Inspected, error) {
	if err := regular(file); err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var id TargetID
	var known []inspect.Known
	m, _, err := manifestBeside(file)
	if err == nil {
		if sum, err := fileSum(file); err == nil && sum == m.Archive.SHA256 {
			id = TargetID{m.Name, m.Runtimes, m.Architectures}
			for _, p := range m.Packages {
				known = append(known, inspect.Known{Name: p.Name, Version: p.Version, File: p.File})
			}
		}
	}
	in, err := inspectZip(ctx, f, known)
	if err != nil {
		return nil, err
	}
	in.File, in.TargetID = file, id
	if id.Layer != "" {
		in.Key = m.Key
	}
	return in, nil
}

// inspectZip says what is in an open file.
func inspectZip(ctx context.Context, f *os.File, known []inspect.Known) (*Inspected, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	z, spool, err := readZip(ctx, f)
	switch {
	case errors.Is(err, zipper.ErrRefused):
		return nil, &runtimes.InputError{File: f.Name(), Err: err, Hint: "not every program reads such a file in the same way: make it anew; layerbuild zip packs a folder"}
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	defer spool.Close()
	return &Inspected{ZipSize: info.Size(), Inventory: inspect.Take(z.Tree, z.Compressed, known)}, ctx.Err()
}

// Inspect says what is in the layers that opts selects, of what the cache or the
// output folder has of them. Nothing is built.
func (b *Builder) Inspect(ctx context.Context, opts Options) ([]*Inspected, error) {
	r, all, err := b.look(ctx, opts)
	if err != nil {
		return nil, err
	}
	return r.inspectAll(ctx, all)
}

// InspectAgainst also compares the layers with what earlier has: a Builder of the
// same project as it was at a revision, which name names. Layers that are no more
// come last.
func (b *Builder) InspectAgainst(ctx context.Context, opts Options, earlier *Builder, name string) ([]*Inspected, error) {
	now := expand(b.Config, b.Config.Output, b.Indexes)
	before, err := earlier.was(ctx, opts, now, name)
	if err != nil {
		return nil, err
	}
	// A layer may be named that is no more.
	named := len(opts.Layers) > 0
	opts.Layers = slices.DeleteFunc(slices.Clone(opts.Layers), func(layer string) bool {
		is := Options{Layers: []string{layer}}.selects
		return !slices.ContainsFunc(now, is) && slices.ContainsFunc(before.all, is)
	})
	var found []*Inspected
	is := len(before.gone) == 0 || slices.ContainsFunc(now, opts.selects)
	if is && (!named || len(opts.Layers) > 0) {
		if found, err = b.Inspect(ctx, opts); err != nil {
			return nil, err
		}
	}
	for _, in := range found {
		if in.Against, err = before.compare(ctx, in); err != nil {
			return nil, err
		}
	}
	removed, err := before.removed(ctx)
	if err != nil {
		return nil, err
	}
	if found = append(found, removed...); len(found) == 0 && ctx.Err() == nil {
		return nil, errNoneSelected()
	}
	return found, ctx.Err()
}

func (r *run) inspectAll(ctx context.Context, all []*resolved) (found []*Inspected, err error) {
	for _, res := range all {
		in, err := r.inspect(ctx, res)
		if err != nil {
			return nil, err
		}
		found = append(found, in)
	}
	return found, ctx.Err()
}

// inspect says what is in a target's archive: that of its key, or, where no cache
// has it, what was delivered last.
func (r *run) inspect(ctx context.Context, res *resolved) (*Inspected, error) {
	in, err := r.inspectCached(ctx, res)
	if in == nil && err == nil {
		in, err = InspectFile(ctx, res.zip)
		if input := (*runtimes.InputError)(nil); errors.As(err, &input) {
			if _, missing := os.Stat(res.zip); errors.Is(missing, fs.ErrNotExist) {
				return nil, &runtimes.InputError{Problem: res.id.String() + " is in no cache and not in " + r.output, Hint: "build it: layerbuild build " + res.layer.Name}
			}
		}
		if err == nil && in.Key != res.key {
			r.report(Event{Target: res.id, Kind: Warned, Text: "what was delivered is shown; since then something has changed: build it, or see layerbuild why " + res.layer.Name})
		}
	}
	if err != nil {
		return nil, err
	}
	in.TargetID = res.id
	return in, nil
}

// inspectCached says what is in the archive of a target's key, nil where no
// cache has it.
func (r *run) inspectCached(ctx context.Context, res *resolved) (*Inspected, error) {
	key, err := keyDigest(res.key)
	if err != nil || res.key == "" {
		return nil, nil // what the key is hangs on something that was not asked yet
	}
	got, err := r.lookup(ctx, key)
	if errors.Is(err, cache.ErrMiss) && r.Cache.Pulls() {
		got, err = r.fetch(ctx, res, key)
	}
	if errors.Is(err, cache.ErrMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := r.Cache.OpenBlob(ctx, got.entry.Blobs[roleArchive])
	if errors.Is(err, cache.ErrMiss) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := inspectZip(ctx, f, known(res))
	if err == nil {
		in.Key = res.key
	}
	return in, err
}

// known are the packages that a target installs.
func known(res *resolved) (all []inspect.Known) {
	for _, p := range res.recipe.Packages {
		all = append(all, inspect.Known{Name: p.Name, Version: p.Version, File: p.File.Name})
	}
	return all
}

// CompareFile compares an archive with a zip file.
func (in *Inspected) CompareFile(ctx context.Context, file string) error {
	before, err := InspectFile(ctx, file)
	if err != nil {
		return err
	}
	in.Against = in.compare(before, file)
	return nil
}

func (in *Inspected) compare(before *Inspected, name string) *Compared {
	return &Compared{
		Name: name, ZipSize: before.ZipSize, Size: before.Size, Files: before.Files, Count: before.Count(),
		Changes: inspect.Compare(before.Inventory, in.Inventory, false),
	}
}
