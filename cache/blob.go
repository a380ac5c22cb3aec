package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/cache/ctxio"
	"github.com/layerbuild/layerbuild/cache/disk"
	"github.com/layerbuild/layerbuild/cache/tempfile"
)

// copyBuffer is what is read at a time where megabytes are copied or hashed.
const copyBuffer = 256 << 10

type hasher struct{ hash.Hash }

func newHash() hasher { return hasher{sha256.New()} }

func (h hasher) digest() (d Digest) {
	h.Sum(d[:0])
	return d
}

// PutBlob stores what r yields.
func (c *Cache) PutBlob(ctx context.Context, r io.Reader) (Blob, error) {
	w, err := c.NewBlob()
	if err != nil {
		return Blob{}, err
	}
	defer w.Abort()
	if _, err := io.CopyBuffer(w, &ctxio.Reader{Ctx: ctx, R: r}, make([]byte, copyBuffer)); err != nil {
		return Blob{}, err
	}
	return w.Commit()
}

// A BlobWriter takes a blob that is being made. It hashes what is written,
// lets it be read back, and ends with Commit or Abort. Only ReadAt may be
// called by several at a time.
//
// Where the cache cannot be written, or no longer, a BlobWriter still takes all
// of it, in the system's temporary folder, so that it can be delivered; only
// Commit fails.
type BlobWriter struct {
	c    *Cache
	f    *os.File
	temp *disk.Temp     // f's place in the cache, or nil
	out  *tempfile.File // f's place outside, where temp is nil
	why  error          // why temp is nil
	hash hasher
	size int64
	done bool
}

// NewBlob begins a blob.
func (c *Cache) NewBlob() (*BlobWriter, error) {
	w := &BlobWriter{c: c, hash: newHash()}
	temp, err := c.local.NewTemp()
	if err == nil {
		w.temp, w.f = temp, temp.File
		return w, nil
	}
	w.why = err
	w.out, err = tempfile.New("")
	if err != nil {
		return nil, errors.Join(w.why, err)
	}
	w.f = w.out.File
	return w, nil
}

// Write appends p. It must not run while something is read back.
func (w *BlobWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	w.hash.Write(p[:n])
	w.size += int64(n)
	if err == nil || w.temp == nil || w.moveOut(err) != nil {
		return n, err
	}
	rest, err := w.Write(p[n:])
	return n + rest, err
}

// moveOut takes what was written out of a cache whose disk is full or fails.
func (w *BlobWriter) moveOut(why error) error {
	out, err := tempfile.New("")
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.NewSectionReader(w.f, 0, w.size))
	if err != nil || n != w.size {
		out.Close()
		return errors.Join(err, why)
	}
	w.temp.Abort()
	w.temp, w.out, w.f, w.why = nil, out, out.File, why
	return nil
}

// ReadAt reads back what was written.
func (w *BlobWriter) ReadAt(p []byte, off int64) (int, error) { return w.f.ReadAt(p, off) }

// Size returns how much was written.
func (w *BlobWriter) Size() int64 { return w.size }

// Blob returns the name of what was written so far.
func (w *BlobWriter) Blob() Blob { return Blob{w.hash.digest(), w.size} }

// Commit stores the blob, by giving the file it was written to its name, also
// where one of that name lies there: whoever makes a blob anew may have done so
// because that one cannot be read. If it fails the file is as it was, to be
// delivered or aborted.
func (w *BlobWriter) Commit() (Blob, error) {
	b := w.Blob()
	if w.done {
		return b, fmt.Errorf("storing %s: already ended", b.name())
	}
	if w.temp == nil {
		return b, fmt.Errorf("storing %s: %w", b.name(), w.why)
	}
	if err := w.publish(b); err != nil {
		return b, fmt.Errorf("storing %s: %w", b.name(), err)
	}
	w.Abort()
	return b, nil
}

func (w *BlobWriter) publish(b Blob) error {
	if err := settle(w.f); err != nil {
		return err
	}
	before, err := stampOfFile(w.f)
	if err != nil {
		return err
	}
	if before.Size != b.Size {
		return errors.New("somebody else wrote to its file")
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	w.c.local.Announce(context.Background(), b.name())
	if err := w.temp.Publish(b.name()); err != nil {
		return err
	}
	// Only now: the new name changed its ctime.
	if after, err := stampOfFile(w.f); err == nil && unwritten(before, after) {
		w.c.recordStamp(b.SHA256, after, time.Now())
	}
	return nil
}

// Abort ends the writer, and throws the file away unless it was committed.
// Once it has ended, Abort does nothing.
func (w *BlobWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	if w.temp != nil {
		w.temp.Abort()
		return
	}
	w.out.Close()
}

// OpenBlob opens a blob for reading, verified. One that is of a known size, as
// those of entries are, and that is lost here is asked of the remotes.
func (c *Cache) OpenBlob(ctx context.Context, b Blob) (*os.File, error) {
	f, err := c.openLocal(ctx, b)
	if errors.Is(err, ErrMiss) && c.refetch(ctx, b) {
		return c.openLocal(ctx, b)
	}
	return f, err
}

// openLocal opens a blob of the local folder for reading, verified.
func (c *Cache) openLocal(ctx context.Context, b Blob) (*os.File, error) {
	f, before, err := c.openUnverified(ctx, b)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	got := Blob{b.SHA256, before.Size}
	if !c.verified(b.SHA256, before) {
		got, err = hashFile(ctx, f)
	}
	if err == nil {
		err = c.checked(b, f, got, before, began)
	}
	if err != nil {
		f.Close()
		return nil, c.defect(b.name(), b.name(), err)
	}
	return f, nil
}

// openUnverified opens a blob's file and takes its stamp.
func (c *Cache) openUnverified(ctx context.Context, b Blob) (*os.File, Stamp, error) {
	if err := ctx.Err(); err != nil {
		return nil, Stamp{}, err
	}
	f, err := c.local.Open(b.name())
	if err != nil {
		return nil, Stamp{}, c.defect(b.name(), b.name(), err)
	}
	s, err := stampOfFile(f)
	if err != nil {
		f.Close()
		return nil, Stamp{}, c.defect(b.name(), b.name(), err)
	}
	c.local.Use(ctx, b.name()) // if it was trimmed meanwhile, it is open
	return f, s, nil
}

// checked draws the conclusions from a full hash of a blob's file, or from its
// having the recorded stamp. It had the stamp before when that began. The
// file is set aside, or its stamp is recorded.
func (c *Cache) checked(want Blob, f *os.File, got Blob, before Stamp, began time.Time) error {
	if got.SHA256 != want.SHA256 {
		return c.quarantine(want.name(), f, fmt.Errorf("holds %d bytes whose SHA-256 is %s", got.Size, got.SHA256))
	}
	if want.Size >= 0 && got.Size != want.Size {
		// The blob is right by its name, so the question was wrong.
		return fmt.Errorf("has %d bytes and not %d", got.Size, want.Size)
	}
	after, err := stampOfFile(f)
	if err != nil {
		return err
	}
	if !unwritten(before, after) {
		return errors.New("was written to while it was read")
	}
	if before == after && !c.verified(want.SHA256, after) {
		c.recordStamp(want.SHA256, after, began)
	}
	return nil
}

// quarantine sets a defective file aside and returns its defect, with what
// became of it.
func (c *Cache) quarantine(name string, f *os.File, defect error) error {
	if err := c.local.Quarantine(name, f); err != nil {
		return fmt.Errorf("%w (and cannot be moved aside: %v)", defect, err)
	}
	return fmt.Errorf("%w (moved aside to bad/)", defect)
}
