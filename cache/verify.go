package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/cache/disk"
)

// A Report is what Verify found.
type Report struct {
	Entries int      `json:"entries"`
	Values  int      `json:"values"`
	Blobs   int      `json:"blobs"`
	Bytes   int64    `json:"bytes"`  // of the blobs
	Others  int      `json:"others"` // of another format version, left alone
	Defects []Defect `json:"defects"`
}

// A Defect is one thing that was not what it says it is.
type Defect struct {
	Name   string `json:"name"` // "ac/<hex>" or "cas/<hex>"
	Reason string `json:"reason"`
}

// Verify hashes every blob, whatever its stamp, and reads every entry and
// value. What is defective is moved aside, so that a second Verify finds it
// no more. The error is for what kept it from looking.
func (c *Cache) Verify(ctx context.Context) (Report, error) {
	return c.VerifyShowing(ctx, func(int, int) {})
}

// VerifyShowing is Verify that tells how far it is: how many names of how many.
func (c *Cache) VerifyShowing(ctx context.Context, show func(done, of int)) (Report, error) {
	var r Report
	var names []string
	for _, space := range []string{"cas", "ac"} { // an entry is right if its blobs are
		for name, err := range c.local.Names(space) {
			if err != nil {
				return r, err
			}
			names = append(names, name)
		}
	}
	for i, name := range names {
		show(i, len(names))
		verify := c.verifySealed
		if disk.Space(name) == "cas" {
			verify = c.verifyBlob
		}
		if err := r.add(name, verify(ctx, name, &r)); err != nil {
			return r, err
		}
	}
	show(len(names), len(names))
	return r, nil
}

// add counts the outcome of one name, unless it ends all.
func (r *Report) add(name string, err error) error {
	switch {
	case err == nil, errors.Is(err, os.ErrNotExist): // or gone since it was listed
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errVersion):
		r.Others++
		return nil
	}
	r.Defects = append(r.Defects, Defect{name, err.Error()})
	return nil
}

func (c *Cache) verifyBlob(ctx context.Context, name string, r *Report) error {
	sum, err := ParseDigest(name[len("cas/"):])
	if err != nil {
		return err
	}
	f, err := c.local.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	before, err := stampOfFile(f)
	if err != nil {
		return err
	}
	began := time.Now()
	got, err := hashFile(ctx, f)
	if err != nil {
		return err
	}
	r.Blobs++
	r.Bytes += got.Size
	return c.checked(Blob{sum, -1}, f, got, before, began)
}

func (c *Cache) verifySealed(ctx context.Context, name string, r *Report) error {
	key, err := ParseDigest(name[len("ac/"):])
	if err != nil {
		return err
	}
	return c.inspect(ctx, name, maxValue, func(data []byte) error {
		kind, payload, err := unseal(data)
		if err != nil {
			return err
		}
		if kind == kindValue {
			r.Values++
			_, err := verifyValue(name, payload)
			return err
		}
		s, err := decodeStored(key, data)
		if err != nil {
			return err
		}
		r.Entries++
		for role, b := range s.entry.Blobs {
			size, err := c.local.Stat(ctx, b.name())
			if err != nil {
				return fmt.Errorf("lacks its blob %q: %v", role, err)
			}
			if size != b.Size {
				return fmt.Errorf("gives blob %q %d bytes; it has %d", role, b.Size, size)
			}
		}
		return nil
	})
}
