package builder

import (
	"context"
	"fmt"
	"slices"

	"github.com/layerbuild/layerbuild/builder/inspect"
)

// What became of a layer since a revision.
const (
	LayerAdded     = "added"
	LayerRemoved   = "removed"
	LayerChanged   = "changed"
	LayerUnchanged = "unchanged" // nothing that decides its bytes
)

// Compared is what an archive was compared with.
type Compared struct {
	Name string `json:"name"` // a file or a revision
	// Layer is what became of the layer since a revision; "" for a file.
	Layer string `json:"layer,omitempty"`
	// Target is what the layer was at the revision, where it had another runtime.
	Target *TargetID `json:"target,omitempty"`
	// Planned says that there is no such archive any more: packages and versions
	// are those that would be installed, sizes are not known.
	Planned bool             `json:"planned,omitempty"`
	ZipSize int64            `json:"size,omitempty"`
	Size    int64            `json:"unzippedSize,omitempty"`
	Files   int              `json:"files,omitempty"`
	Count   int              `json:"packages"` // how many
	Changes []inspect.Change `json:"changes"`
}

// was is the project at a revision, beside what it is now.
type was struct {
	*run
	name    string               // of the revision
	targets map[string]*resolved // what each target was, by what it is now
	gone    []*resolved          // what is no more
}

// was resolves what this builder has, which is of the revision name, of the
// targets that opts selects. Now are all targets that there are now.
func (b *Builder) was(ctx context.Context, opts Options, now []target, name string) (*was, error) {
	r, err := b.prepare(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", name, err)
	}
	r.readOnly = true
	then := r.all
	r.chosen = slices.DeleteFunc(slices.Clone(r.all), func(t target) bool {
		i := slices.IndexFunc(now, func(n target) bool { return n.id.String() == today(t.id, then, now) })
		if i >= 0 {
			t = now[i]
		}
		return !opts.selects(t)
	})
	all, err := r.resolveAll(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", name, err)
	}
	w := &was{run: r, name: name, targets: make(map[string]*resolved)}
	for _, res := range all {
		if id := today(res.id, then, now); id != "" {
			w.targets[id] = res
		} else {
			w.gone = append(w.gone, res)
		}
	}
	return w, nil
}

// today is what a target is called now: the same, or what has its layer and
// architecture for another runtime, if nothing else has; else "".
func today(id TargetID, then, now []target) string {
	if slices.ContainsFunc(now, func(t target) bool { return t.id.String() == id.String() }) {
		return id.String()
	}
	// akin are the targets of its layer and architecture that the other side has not.
	akin := func(of, other []target) (all []string) {
		for _, t := range of {
			same := func(o target) bool { return o.id.String() == t.id.String() }
			if t.id.Layer == id.Layer && slices.Equal(t.id.Arches, id.Arches) && !slices.ContainsFunc(other, same) {
				all = append(all, t.id.String())
			}
		}
		return all
	}
	if come := akin(now, then); len(come) == 1 && len(akin(then, now)) == 1 {
		return come[0]
	}
	return ""
}

// compare compares an archive with what its target was.
func (w *was) compare(ctx context.Context, in *Inspected) (*Compared, error) {
	then := w.targets[in.TargetID.String()]
	if then == nil {
		return &Compared{Name: w.name, Layer: LayerAdded, Changes: []inspect.Change{}}, nil
	}
	c, err := w.compareWith(ctx, in, then)
	if err != nil {
		return nil, fmt.Errorf("at %s: %w", w.name, err)
	}
	c.Layer = LayerChanged
	if then.key != "" && then.key == in.Key {
		c.Layer = LayerUnchanged
	}
	if then.id.String() != in.TargetID.String() {
		c.Target = &then.id
	}
	return c, nil
}

func (w *was) compareWith(ctx context.Context, in *Inspected, then *resolved) (*Compared, error) {
	if then.key != "" && then.key == in.Key {
		return in.compare(in, w.name), nil
	}
	before, err := w.inspectCached(ctx, then)
	if err != nil {
		return nil, err
	}
	if before != nil {
		return in.compare(before, w.name), nil
	}
	planned := inspect.Planned(then.family(), known(then))
	return &Compared{Name: w.name, Planned: true, Count: planned.Count(), Changes: inspect.Compare(planned, in.Inventory, true)}, nil
}

// family is that of a target's runtimes.
func (res *resolved) family() string {
	if len(res.layer.Runtimes) > 0 {
		return res.layer.Runtimes[0].Family
	}
	return inspect.Files
}

// removed says what was in the layers that are no more.
func (w *was) removed(ctx context.Context) (all []*Inspected, err error) {
	for _, then := range w.gone {
		nothing := &inspect.Inventory{Packages: []inspect.Package{}, Largest: []inspect.File{}}
		in := &Inspected{TargetID: then.id, Inventory: nothing}
		before, err := w.inspectCached(ctx, then)
		switch {
		case err != nil:
			return nil, fmt.Errorf("at %s: %w", w.name, err)
		case before != nil:
			in.Against = in.compare(before, w.name)
		default:
			planned := inspect.Planned(then.family(), known(then))
			in.Against = &Compared{Name: w.name, Planned: true, Count: planned.Count()}
		}
		in.Against.Layer, in.Against.Changes = LayerRemoved, []inspect.Change{} // all is gone
		all = append(all, in)
	}
	return all, nil
}
