package cache

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// A Stamp is what the file system says of a file without reading it. Two
// equal stamps of one path mean that the file was not changed in between, as
// far as anything but hashing can tell. Windows gives no ctime and no inode.
type Stamp struct {
	Size    int64  `json:"size"`
	MtimeNs int64  `json:"mtime"`
	CtimeNs int64  `json:"ctime,omitempty"`
	Inode   uint64 `json:"inode,omitempty"`
}

// StampOf returns the stamp of the file at path. It is for comparing with one
// that Deliver returned: only those are safe to record (see settled).
func StampOf(path string) (Stamp, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Stamp{}, err
	}
	return stampOf(info), nil
}

func stampOfFile(f *os.File) (Stamp, error) {
	info, err := f.Stat()
	if err != nil {
		return Stamp{}, err
	}
	if !info.Mode().IsRegular() {
		return Stamp{}, fmt.Errorf("%s is not a regular file", f.Name())
	}
	return stampOf(info), nil
}

// A file system's clock has ticks, from nanoseconds to FAT's two seconds. A
// write in the tick of the recorded mtime leaves the stamp as it was, which
// git calls racily clean. So a stamp is recorded only of a file whose mtime
// lay at least settleTime back when its hashing began: whatever is written
// after that gets another mtime. That files of ours need not wait so long,
// their mtime is set back before they get their name.
const settleTime = 2 * time.Second

// settle sets the mtime of a file that is complete, and that only its writer
// knows, into the past.
func settle(f *os.File) error {
	t := time.Now().Add(-2 * settleTime)
	return os.Chtimes(f.Name(), t, t)
}

// settleNow does the same for a file that people see: make and its like must
// find it newer than what it was made from. A time of our own, to the
// nanosecond, is none that a later write in the same tick gets, where the file
// system keeps it; where it does not, the file is dated back.
func settleNow(f *os.File) error {
	t := time.Now()
	if err := os.Chtimes(f.Name(), t, t); err != nil {
		return err
	}
	if s, err := stampOfFile(f); err == nil && s.MtimeNs == t.UnixNano() && t.Nanosecond()%int(time.Millisecond) != 0 {
		return nil
	}
	return settle(f)
}

// settled reports whether every write after the moment hashed shows in a
// stamp that was s then.
func settled(s Stamp, hashed time.Time) bool {
	return hashed.Sub(time.Unix(0, s.MtimeNs)) >= settleTime
}

// unwritten reports whether two stamps of one open file allow that it was
// written in between. Its ctime and link count change whenever another
// process puts the same blob in its place, which is no matter.
func unwritten(before, after Stamp) bool {
	return before.Size == after.Size && before.MtimeNs == after.MtimeNs
}

// A stampRecord is a blob's stamp as it was at its last full hash. It names
// the blob, so that records that changed places are worth nothing.
type stampRecord struct {
	SHA256 Digest `json:"sha256"`
	Stamp
}

func stampName(d Digest) string { return "stamp/" + d.String() }

// maxStamp is more than any record takes.
const maxStamp = 1 << 10

// verified reports whether s is the stamp that was recorded for a blob.
func (c *Cache) verified(d Digest, s Stamp) bool {
	f, err := c.local.Open(stampName(d))
	if err != nil {
		return false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxStamp))
	if err != nil {
		return false
	}
	var rec stampRecord
	if json.Unmarshal(data, &rec) != nil {
		return false
	}
	return rec == stampRecord{d, s}
}

// recordStamp keeps the stamp of a blob's file that was hashed in full,
// beginning at the moment hashed. It is not synced, and its errors are
// nobody's matter: a record that is lost costs one more hash.
func (c *Cache) recordStamp(d Digest, s Stamp, hashed time.Time) {
	if !settled(s, hashed) {
		return
	}
	data, err := json.Marshal(stampRecord{d, s})
	if err != nil {
		return
	}
	c.putUnsynced(stampName(d), data)
}

// putUnsynced stores data that may be lost with the power.
func (c *Cache) putUnsynced(name string, data []byte) error {
	t, err := c.local.NewTemp()
	if err != nil {
		return err
	}
	defer t.Abort()
	if _, err := t.Write(data); err != nil {
		return err
	}
	return t.Commit(name)
}

// hashFile hashes what is in f, from its start, whatever its offset.
func hashFile(ctx context.Context, f *os.File) (Blob, error) {
	h := newHash()
	n, err := io.CopyBuffer(h, &ctxio.Reader{Ctx: ctx, R: io.NewSectionReader(f, 0, 1<<62)}, make([]byte, copyBuffer))
	if err != nil {
		return Blob{}, err
	}
	return Blob{h.digest(), n}, nil
}
