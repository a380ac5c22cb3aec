package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

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

// Compared is what an archive was compared with.
type Compared struct {
	Name    string `json:"name"`              // a file or a revision
	Unknown string `json:"unknown,omitempty"` // why there is nothing to compare with
	// Planned says that there is no such archive any more: packages and versions
	// are those that would be installed, sizes are not known.
	Planned bool             `json:"planned,omitempty"`
	ZipSize int64            `json:"size,omitempty"`
	Size    int64            `json:"unzippedSize,omitempty"`
	Files   int              `json:"files,omitempty"`
	Count   int              `json:"packages"` // how many
	Changes []inspect.Change `json:"changes"`
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
	if known != nil {
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
// output folder has of them. Where earlier is not nil, they are compared with
// what earlier has, as in [Builder.Why]. Nothing is built.
func (b *Builder) Inspect(ctx context.Context, opts Options, earlier *Builder, against string) ([]*Inspected, error) {
	r, all, err := b.look(ctx, opts)
	if err != nil {
		return nil, err
	}
	var before *run
	var then map[string]*resolved
	if earlier != nil {
		if before, then, err = earlier.at(ctx, all, against); err != nil {
			return nil, err
		}
	}
	var found []*Inspected
	for _, res := range all {
		in, err := r.inspect(ctx, res)
		if err != nil {
			return nil, err
		}
		if earlier != nil {
			if in.Against, err = before.compared(ctx, in, then[res.id.String()], against); err != nil {
				return nil, err
			}
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

// compared compares an archive with that of the same target at a revision, which
// this run is of; then is nil where there was none.
func (r *run) compared(ctx context.Context, in *Inspected, then *resolved, name string) (*Compared, error) {
	if then == nil {
		return &Compared{Name: name, Unknown: "there was no such layer", Changes: []inspect.Change{}}, nil
	}
	if then.key != "" && then.key == in.Key {
		return in.compare(in, name), nil
	}
	before, err := r.inspectCached(ctx, then)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", name, err)
	}
	if before != nil {
		return in.compare(before, name), nil
	}
	c := &Compared{Name: name, Planned: true}
	family := inspect.Files
	if len(then.layer.Runtimes) > 0 {
		family = then.layer.Runtimes[0].Family
	}
	planned := inspect.Planned(family, known(then))
	c.Count, c.Changes = planned.Count(), inspect.Compare(planned, in.Inventory, true)
	return c, nil
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
