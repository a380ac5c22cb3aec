package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// Fetch looks a key up in the remotes, in their order, and brings the first
// entry that is found, with all its blobs, into the local folder; the remotes
// before that one get it, too, where they take anything. It returns the name of
// the remote that had it.
//
// What no remote has, or has wrong, is a miss, as is what lies with a remote
// that fails; only where a required one fails is the error a *RemoteError.
// Nobody is asked where there are no remotes: errors.Is(err, fs.ErrNotExist).
func (c *Cache) Fetch(ctx context.Context, key Digest) (Entry, string, error) {
	name := entryName(key)
	var reasons []error
	for i, r := range c.remotes {
		if !r.Pull {
			continue
		}
		s, err := c.fetchEntry(ctx, r, key)
		if err == nil {
			for _, nearer := range c.remotes[:i] {
				if nearer.Push {
					c.uploads.add(nearer, s)
				}
			}
			return s.entry, r.Name, nil
		}
		if err := c.fetchFailed(ctx, r, name, err, &reasons); err != nil {
			return Entry{}, "", err
		}
	}
	return Entry{}, "", miss(name, absentUnless(reasons))
}

// Peek says which remote has an entry for a key, and moves nothing.
func (c *Cache) Peek(ctx context.Context, key Digest) (remote string, err error) {
	name := entryName(key)
	var reasons []error
	for _, r := range c.remotes {
		if !r.Pull {
			continue
		}
		_, err := c.remoteEntry(ctx, r, key)
		if err == nil {
			return r.Name, nil
		}
		if err := c.fetchFailed(ctx, r, name, err, &reasons); err != nil {
			return "", err
		}
	}
	return "", miss(name, absentUnless(reasons))
}

// fetchFailed collects why one remote did not help, and returns an error that
// ends the whole search.
func (c *Cache) fetchFailed(ctx context.Context, r *remote, name string, err error, reasons *[]error) error {
	var failed *RemoteError
	var wrong *mistake
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &failed) && r.Required:
		return failed
	case errors.As(err, &wrong):
		r.mistook(wrong)
		what := ""
		if wrong.name != name {
			what = wrong.name + " "
		}
		*reasons = append(*reasons, fmt.Errorf("in %s: %s%w", r.Name, what, wrong.err))
	case errors.As(err, &failed): // which was told when it happened
		*reasons = append(*reasons, err)
	case !errors.Is(err, fs.ErrNotExist):
		*reasons = append(*reasons, err)
	}
	return nil
}

// absentUnless is the reason of a miss: that there is nothing, unless there
// were others.
func absentUnless(reasons []error) error {
	if len(reasons) == 0 {
		return fs.ErrNotExist
	}
	return errors.Join(reasons...)
}

// fetchEntry brings the entry of a key and its blobs into the local folder.
func (c *Cache) fetchEntry(ctx context.Context, r *remote, key Digest) (stored, error) {
	s, err := c.remoteEntry(ctx, r, key)
	if err != nil {
		return stored{}, err
	}
	e := s.entry
	g, gctx := errgroup.WithContext(ctx)
	for _, role := range slices.Sorted(maps.Keys(e.Blobs)) {
		g.Go(func() error {
			b := e.Blobs[role]
			if size, err := c.local.Stat(gctx, b.name()); err == nil && size == b.Size {
				return nil // verified when it is used, as always
			}
			err := c.fetchBlob(gctx, r, b)
			if errors.Is(err, fs.ErrNotExist) {
				return &mistake{entryName(key), fmt.Errorf("lacks its blob %q, %s", role, b.name())}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return stored{}, err
	}
	return s, c.storeLocal(ctx, s)
}

// remoteEntry reads the entry of a key that a remote has, and that is of
// somebody who is trusted.
func (c *Cache) remoteEntry(ctx context.Context, r *remote, key Digest) (stored, error) {
	name := entryName(key)
	data, err := try(ctx, r, false, func(ctx context.Context, p *pace) ([]byte, error) {
		body, err := r.Backend.Get(ctx, name)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		data, err := io.ReadAll(io.LimitReader(&paced{body, p}, maxStored+1))
		if err == nil && len(data) > maxStored {
			err = &mistake{name, fmt.Errorf("is larger than %d bytes", maxStored)}
		}
		return data, err
	})
	if err != nil {
		return stored{}, err
	}
	s, err := decodeStored(key, data)
	if err == nil {
		s.fetched = true
		err = accepts(c.trusted, s)
	}
	switch {
	case errors.Is(err, errVersion):
		return stored{}, fmt.Errorf("in %s: %w", r.Name, err) // of another layerbuild, and no mistake
	case err != nil:
		return stored{}, &mistake{name, err}
	}
	return s, nil
}

// fetchBlob brings a blob into the local folder, verified.
func (c *Cache) fetchBlob(ctx context.Context, r *remote, want Blob) error {
	_, err := try(ctx, r, false, func(ctx context.Context, p *pace) (struct{}, error) {
		return struct{}{}, c.receive(ctx, r, want, p)
	})
	return err
}

func (c *Cache) receive(ctx context.Context, r *remote, want Blob, p *pace) error {
	body, err := r.Backend.Get(ctx, want.name())
	if err != nil {
		return err
	}
	defer body.Close()
	w, err := c.NewBlob()
	if err != nil {
		return &localError{err}
	}
	defer w.Abort()
	source := &ctxio.Reader{Ctx: ctx, R: io.LimitReader(&paced{body, p}, want.Size+1)}
	if _, err := io.CopyBuffer(w, source, make([]byte, copyBuffer)); err != nil {
		if source.Err == nil {
			return &localError{err}
		}
		return err
	}
	p.stop()
	if got := w.Blob(); got != want {
		if got.Size > want.Size {
			return &mistake{want.name(), fmt.Errorf("has more than the %d bytes it should have", want.Size)}
		}
		return &mistake{want.name(), fmt.Errorf("holds %d bytes whose SHA-256 is %s", got.Size, got.SHA256)}
	}
	if err := ctx.Err(); err != nil {
		return err // nobody waits any more
	}
	if _, err := w.Commit(); err != nil {
		return &localError{err}
	}
	return nil
}

// refetch brings back a blob that an entry of the local folder names and that
// is not there, or damaged. It tells whether a remote had it.
func (c *Cache) refetch(ctx context.Context, b Blob) bool {
	if b.Size < 0 { // no entry's: a download, say, which no remote has
		return false
	}
	for _, r := range c.remotes {
		if !r.Pull {
			continue
		}
		err := c.fetchBlob(ctx, r, b)
		if err == nil {
			return true
		}
		if wrong := (*mistake)(nil); errors.As(err, &wrong) {
			r.mistook(wrong)
		}
	}
	return false
}

// paced tells a pace what was read.
type paced struct {
	r io.Reader
	p *pace
}

func (r *paced) Read(b []byte) (int, error) {
	n, err := r.r.Read(b)
	r.p.moved(n)
	return n, err
}
