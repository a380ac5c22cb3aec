package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// Deliver writes a blob to path, as a compiler writes its output: whole or
// not at all, with the mode that the umask leaves, in place of what is there.
// It shares the blob's storage where the file system can (a reflink), else
// copies and hashes what it copies; it never links, so no edit of the output
// reaches the cache. As long as StampOf(path) gives the stamp it returned,
// path holds the blob. A blob that is lost here is asked of the remotes.
func (c *Cache) Deliver(ctx context.Context, b Blob, path string) (Stamp, error) {
	s, err := c.deliver(ctx, b, path)
	if errors.Is(err, ErrMiss) && c.refetch(ctx, b) {
		return c.deliver(ctx, b, path)
	}
	return s, err
}

func (c *Cache) deliver(ctx context.Context, b Blob, path string) (Stamp, error) {
	f, before, err := c.openUnverified(ctx, b)
	if err != nil {
		return Stamp{}, err
	}
	defer f.Close()
	out, err := newOutput(path)
	if err != nil {
		return Stamp{}, err
	}
	defer out.abort()

	began := time.Now()
	got := Blob{b.SHA256, before.Size}
	if !c.verified(b.SHA256, before) || reflink(out.f, f) != nil {
		got, err = out.fill(ctx, f)
		if errors.Is(err, errSource) {
			return Stamp{}, c.defect(b.name(), b.name(), err)
		}
		if err != nil {
			return Stamp{}, err
		}
	}
	// What was read for the output says as much of the blob.
	if err := c.checked(b, f, got, before, began); err != nil {
		return Stamp{}, c.defect(b.name(), b.name(), err)
	}
	return out.publish()
}

// Deliver writes what was written so far to path, as Cache.Deliver does. It is
// the way out where the blob cannot be committed.
func (w *BlobWriter) Deliver(ctx context.Context, path string) (Stamp, error) {
	out, err := newOutput(path)
	if err != nil {
		return Stamp{}, err
	}
	defer out.abort()
	got, err := out.fill(ctx, w.f)
	if err != nil {
		return Stamp{}, err
	}
	if want := w.Blob(); got != want {
		return Stamp{}, fmt.Errorf("writing %s: read back SHA-256 %s of %d bytes instead of %s of %d",
			path, got.SHA256, got.Size, want.SHA256, want.Size)
	}
	return out.publish()
}

// errSource is the error of filling an output where reading failed and not
// writing.
var errSource = errors.New("cannot be read")

// fill writes all of src to the output and returns what it wrote.
func (o *output) fill(ctx context.Context, src *os.File) (Blob, error) {
	if reflink(o.f, src) == nil {
		return hashFile(ctx, o.f)
	}
	h := newHash()
	r := &ctxio.Reader{Ctx: ctx, R: io.NewSectionReader(src, 0, 1<<62)}
	n, err := io.CopyBuffer(io.MultiWriter(o.f, h), r, make([]byte, copyBuffer))
	if r.Err != nil {
		return Blob{}, fmt.Errorf("%w: %w", errSource, r.Err)
	}
	if err != nil {
		return Blob{}, fmt.Errorf("writing %s: %w", o.path, err)
	}
	return Blob{h.digest(), n}, nil
}

// publish gives the output its name. It is not synced, as no compiler's is: a
// file that the power took has another stamp.
func (o *output) publish() (Stamp, error) {
	if err := settleNow(o.f); err != nil {
		return Stamp{}, err
	}
	before, err := stampOfFile(o.f)
	if err != nil {
		return Stamp{}, err
	}
	if runtime.GOOS == "windows" { // where no open file is renamed, and no stamp changes with the name
		o.f.Close()
		err := os.Rename(o.f.Name(), o.path)
		o.done = err == nil
		return before, err
	}
	if err := os.Rename(o.f.Name(), o.path); err != nil {
		return Stamp{}, err
	}
	o.done = true
	after, err := stampOfFile(o.f)
	if err != nil {
		return Stamp{}, err
	}
	if !unwritten(before, after) {
		return Stamp{}, fmt.Errorf("%s was written to by somebody else", o.path)
	}
	return after, nil
}

func (o *output) abort() {
	o.f.Close()
	if !o.done {
		os.Remove(o.f.Name())
	}
}
