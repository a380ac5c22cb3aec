package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// uploadsAtOnce is how many entries one remote is sent at a time.
const uploadsAtOnce = 4

// existsFrom is the size of a blob from which a remote is asked first whether
// it has it. A smaller one is sent as soon as asked for.
const existsFrom = 64 << 10

// errLeft ends uploads that the build will not wait for any longer.
var errLeft = errors.New("the build does not wait for it any longer")

// Uploads says how far the uploads of a run are.
type Uploads struct {
	Entries, EntriesDone int   // how many, sent or given up
	Bytes, BytesDone     int64 // of the entries' blobs
}

// Pending is how many entries are still under way.
func (u Uploads) Pending() int { return u.Entries - u.EntriesDone }

// uploads sends entries to the remotes, beside the build.
type uploads struct {
	cache *Cache

	// Uploads to a required remote end with all; the others' end earlier
	// where the build is done and waits no longer.
	all    context.Context
	end    context.CancelCauseFunc
	others context.Context
	leave  context.CancelCauseFunc

	mu       sync.Mutex
	idle     chan struct{} // closed while nothing is under way
	state    Uploads
	places   map[*remote]*semaphore.Weighted
	pending  map[*remote]int
	required []error // of required remotes
}

func newUploads(c *Cache) *uploads {
	u := &uploads{
		cache: c, idle: make(chan struct{}),
		places: make(map[*remote]*semaphore.Weighted), pending: make(map[*remote]int),
	}
	close(u.idle)
	u.all, u.end = context.WithCancelCause(context.Background())
	u.others, u.leave = context.WithCancelCause(u.all)
	for _, r := range c.remotes {
		u.places[r] = semaphore.NewWeighted(uploadsAtOnce)
	}
	return u
}

// push sends an entry that was built to every remote that takes it.
func (c *Cache) push(s stored) {
	for _, r := range c.remotes {
		if r.Push {
			c.uploads.add(r, s)
		}
	}
}

// add begins to send an entry to a remote.
func (u *uploads) add(r *remote, s stored) {
	u.mu.Lock()
	if u.state.Pending() == 0 {
		u.idle = make(chan struct{})
	}
	u.state.Entries++
	u.pending[r]++
	for _, b := range s.entry.Blobs {
		u.state.Bytes += b.Size
	}
	u.mu.Unlock()
	ctx := u.others
	if r.Required {
		ctx = u.all
	}
	go func() {
		err := u.places[r].Acquire(ctx, 1)
		if err == nil {
			err = u.cache.send(ctx, r, s, u.moved)
			u.places[r].Release(1)
		}
		u.ended(r, err)
	}()
}

func (u *uploads) moved(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.BytesDone += n
}

func (u *uploads) ended(r *remote, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.EntriesDone++
	u.pending[r]--
	if err != nil && r.Required {
		u.required = append(u.required, err)
	}
	if u.state.Pending() == 0 {
		close(u.idle)
	}
}

// Uploads says how far the uploads are.
func (c *Cache) Uploads() Uploads {
	if c.uploads == nil {
		return Uploads{}
	}
	c.uploads.mu.Lock()
	defer c.uploads.mu.Unlock()
	return c.uploads.state
}

// Flush waits until what was stored lies in the remotes, too. What is left when
// Limits.Finish has passed is given up, with a warning for each remote, but for
// required ones: there each transfer has its own limits alone. Nothing may be
// stored meanwhile or later. The error is a required remote's, or the context's.
func (c *Cache) Flush(ctx context.Context) error {
	if c.uploads == nil {
		return nil
	}
	u := c.uploads
	defer u.end(nil)
	u.mu.Lock()
	idle := u.idle
	u.mu.Unlock()
	giveUp := time.AfterFunc(c.limits.Finish, u.giveUp)
	defer giveUp.Stop()
	select {
	case <-idle:
	case <-ctx.Done():
		giveUp.Stop() // whoever gave up needs no warning that not all was sent
		u.end(ctx.Err())
		<-idle
		return ctx.Err()
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.required) > 0 {
		return u.required[0]
	}
	return nil
}

// giveUp ends the uploads to remotes that are not required.
func (u *uploads) giveUp() {
	u.mu.Lock()
	left := maps.Clone(u.pending)
	u.mu.Unlock()
	for _, r := range u.cache.remotes {
		if left[r] > 0 && !r.Required && r.usable(true) == nil {
			r.warn(fmt.Sprintf("the cache %s: not all was uploaded within %v of the build's end; layers left out: %d", r.Name, r.limits.Finish, left[r]))
		}
	}
	u.leave(errLeft)
}

// send puts an entry's blobs and then the entry into a remote. moved is told
// how many bytes need no sending any more.
func (c *Cache) send(ctx context.Context, r *remote, s stored, moved func(int64)) error {
	e := s.entry
	for _, role := range slices.Sorted(maps.Keys(e.Blobs)) {
		b := e.Blobs[role]
		if err := c.sendBlob(ctx, r, b); err != nil {
			return err
		}
		moved(b.Size)
	}
	data := s.shared()
	_, err := try(ctx, r, true, func(ctx context.Context, p *pace) (struct{}, error) {
		body := &sending{ReadSeeker: bytes.NewReader(data), size: int64(len(data)), p: p}
		return struct{}{}, r.Backend.Put(ctx, entryName(e.Key), body.size, body)
	})
	return err
}

// sendBlob puts a blob into a remote, unless it has it.
func (c *Cache) sendBlob(ctx context.Context, r *remote, b Blob) error {
	if b.Size >= existsFrom && !r.isMistaken(b.name()) {
		size, err := try(ctx, r, true, func(ctx context.Context, _ *pace) (int64, error) {
			return r.Backend.Stat(ctx, b.name())
		})
		if err == nil && size == b.Size {
			return nil
		}
		if failed := (*RemoteError)(nil); errors.As(err, &failed) || ctx.Err() != nil {
			return err
		}
	}
	_, err := try(ctx, r, true, func(ctx context.Context, p *pace) (struct{}, error) {
		f, err := c.openLocal(ctx, b)
		if err != nil {
			return struct{}{}, &localError{err}
		}
		defer f.Close()
		return struct{}{}, r.Backend.Put(ctx, b.name(), b.Size, &sending{ReadSeeker: f, size: b.Size, p: p})
	})
	return err
}

// sending tells a pace what was read for being sent.
type sending struct {
	io.ReadSeeker
	size int64
	at   int64
	p    *pace
}

func (s *sending) Read(b []byte) (int, error) {
	n, err := s.ReadSeeker.Read(b)
	s.at += int64(n)
	s.p.moved(n)
	if s.at == s.size {
		s.p.sent()
	}
	return n, err
}

func (s *sending) Seek(offset int64, whence int) (int64, error) {
	at, err := s.ReadSeeker.Seek(offset, whence)
	s.at = at
	return at, err
}
