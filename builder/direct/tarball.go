package direct

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/layerbuild/layerbuild/runtimes"
)

// tarballFetches is how many tarballs are fetched at once where the user does
// not say: most are small.
const tarballFetches = 16

// tarball is a package that was fetched.
type tarball struct {
	pkg    runtimes.Package
	file   ReadAtCloser
	nested map[string][]string // place → folders below it that are another package's
}

func (t *tarball) errorf(format string, args ...any) error {
	return &runtimes.PackageError{File: t.pkg.File.Name, Problem: fmt.Sprintf(format, args...)}
}

// broken turns an error of reading the tarball into the package's, unless it
// is this machine's.
func (t *tarball) broken(err error) error {
	var read *readError
	if errors.As(err, &read) {
		return fmt.Errorf("%s: %w", t.pkg.File.Name, read.err)
	}
	return t.errorf("broken tarball: %v", err)
}

// installTarballs lays npm packages out at their places, as `npm ci` with
// --ignore-scripts and --no-bin-links does.
func (e *Engine) installTarballs(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	nested, err := nestedPlaces(r)
	if err != nil {
		return err
	}
	tarballs, err := e.openTarballs(ctx, r, nested, p)
	defer func() {
		for _, t := range tarballs {
			if t != nil {
				t.file.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	if err := writeTarballs(ctx, buffered, tarballs, e.jobs(), p); err != nil {
		return err
	}
	return buffered.Flush()
}

// nestedPlaces lists, for each place, the places below it, by their paths from
// there.
func nestedPlaces(r runtimes.Recipe) (map[string][]string, error) {
	nested := make(map[string][]string)
	for _, pkg := range r.Packages {
		switch {
		case pkg.Missing != "":
			return nil, fmt.Errorf("%s %s has no file: %s", pkg.Name, pkg.Version, pkg.Missing)
		case len(pkg.Places) == 0:
			return nil, fmt.Errorf("%s %s has no place in the layer", pkg.Name, pkg.Version)
		}
		for _, place := range pkg.Places {
			if err := checkUnpacked(place); err != nil {
				return nil, fmt.Errorf("the place %q of %s: %w", place, pkg.Name, err)
			}
			if _, twice := nested[place]; twice {
				return nil, fmt.Errorf("two packages are to be installed at %s", place)
			}
			nested[place] = nil
		}
	}
	for _, place := range slices.Sorted(maps.Keys(nested)) {
		for i := range place {
			if place[i] != '/' {
				continue
			}
			if _, ok := nested[place[:i]]; ok {
				nested[place[:i]] = append(nested[place[:i]], place[i+1:])
			}
		}
	}
	return nested, nil
}

// openTarballs fetches the recipe's files. Those that were opened are returned
// with an error too.
func (e *Engine) openTarballs(ctx context.Context, r runtimes.Recipe, nested map[string][]string, p runtimes.Progress) ([]*tarball, error) {
	tarballs := make([]*tarball, len(r.Packages))
	return tarballs, e.openAll(ctx, r.Packages, tarballFetches, p, func(ctx context.Context, i int) error {
		f, err := e.file(ctx, r, r.Packages[i], p)
		if err == nil {
			tarballs[i] = &tarball{pkg: r.Packages[i], file: f, nested: nested}
		}
		return err
	})
}

// unpacking is a tarball on its way.
type unpacking struct {
	*tarball
	room int64
	done chan struct{} // closed once the rest is set
	tree unpacked
	err  error
}

// writeTarballs unpacks the tarballs and writes their files in the order of
// packages. Like [inflater], it unpacks ahead only as far as there is room.
func writeTarballs(ctx context.Context, w io.Writer, tarballs []*tarball, jobs int, p runtimes.Progress) error {
	room := semaphore.NewWeighted(maxAhead)
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *unpacking)
	order := make(chan *unpacking, 1024)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		for _, t := range tarballs {
			u := &unpacking{tarball: t, room: t.room(), done: make(chan struct{})}
			if err := room.Acquire(ctx, u.room); err != nil {
				return context.Cause(ctx)
			}
			for _, c := range []chan *unpacking{order, work} {
				select {
				case c <- u:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for range jobs {
		g.Go(func() error {
			for u := range work {
				u.tree, u.err = u.unpack(ctx, u.room)
				close(u.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		tw := tar.NewWriter(w)
		done := int64(0)
		for u := range order {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-u.done:
			}
			if u.err != nil {
				return u.err
			}
			if err := u.write(ctx, tw, u.tree); err != nil {
				return err
			}
			u.tree = unpacked{}
			room.Release(u.room)
			done++
			p(runtimes.Update{Phase: "unpack", Item: u.pkg.Name, Done: done, Total: int64(len(tarballs))})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return tw.Close()
	})
	return g.Wait()
}
