// Package cache keeps what was built, by the key of what it was built from.
//
// A blob is bytes, known by their SHA-256 and size. An entry says which blobs
// came out for a key. A value is a small answer kept for itself. All are
// stored as named bytes in a Backend, which is trusted with nothing: whatever
// is read is checked against its own checksum, and a blob is hashed in full
// before it is served, unless its file's stamp (size, times, inode) is the
// one recorded after the last full hash.
//
// Whatever is absent, damaged or not what it says it is, is a miss: a
// *MissError with the reason, which errors.Is finds to be ErrMiss. The only
// other error that reading gives is the context's. Errors of writing are for
// a warning: a build goes on without its cache.
//
// doc/cache.md describes the folder and the formats.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/layerbuild/layerbuild/cache/disk"
)

// A Backend stores named bytes and verifies nothing. Names are those that
// ValidName accepts; others are refused with an error.
//
// Get and Stat give an error that matches fs.ErrNotExist where there is
// nothing under a name. Put stores the whole of r from its start, which is
// size bytes, or fails and leaves what was there; r can seek so that a
// backend can send it again. Nobody sees half of what is being put. All are
// safe for concurrent use and end with the context.
type Backend interface {
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error
	Stat(ctx context.Context, name string) (int64, error)
}

// ValidName reports whether a Backend has to accept name: "ac/" or "cas/" and
// 64 lower-case hex digits. (The local folder knows a third space, "stamp/",
// that never leaves it.)
func ValidName(name string) bool {
	return disk.ValidName(name) && !strings.HasPrefix(name, "stamp/")
}

// A Digest is a SHA-256. Its text is 64 lower-case hex digits.
type Digest [sha256.Size]byte

// ParseDigest reads the text of a digest.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	err := d.UnmarshalText([]byte(s))
	return d, err
}

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText makes a digest a string in JSON, and a key of its objects.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is strict: one digest has one text.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != 2*len(d) || strings.ToLower(string(text)) != string(text) {
		return fmt.Errorf("not a SHA-256 in 64 lower-case hex digits: %q", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// A Blob names bytes by what they are.
type Blob struct {
	SHA256 Digest `json:"sha256"`
	Size   int64  `json:"size"` // -1 in a question: not known
}

func (b Blob) name() string { return "cas/" + b.SHA256.String() }

// ErrMiss is matched by every *MissError.
var ErrMiss = errors.New("cache miss")

// A MissError says that the cache does not have something, and why. The
// reason matches fs.ErrNotExist where it was simply never stored (or was
// trimmed); all others are defects that a user may want to hear of.
type MissError struct {
	Key    string // "ac/<hex>", "cas/<hex>" or "<kind> <key>" of a value
	Reason error
}

func (e *MissError) Error() string { return fmt.Sprintf("cache miss: %s: %v", e.Key, e.Reason) }

// Unwrap gives the reason.
func (e *MissError) Unwrap() error { return e.Reason }

// Is makes every miss an ErrMiss.
func (e *MissError) Is(target error) bool { return target == ErrMiss }

// miss is the error of reading key, unless it is the context's.
func miss(key string, reason error) error {
	if errors.Is(reason, context.Canceled) || errors.Is(reason, context.DeadlineExceeded) {
		return reason
	}
	return &MissError{Key: key, Reason: reason}
}

// defect is the miss of what the folder has under a name and cannot give. What
// is merely absent, or another version's, is no defect.
func (c *Cache) defect(name, key string, reason error) error {
	err := miss(key, reason)
	if !errors.Is(err, ErrMiss) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errVersion) || c.warn == nil {
		return err
	}
	if _, told := c.told.LoadOrStore(name, true); !told {
		c.warn(fmt.Sprintf("the cache holds what cannot be used: %s %v", name, reason))
	}
	return err
}

// A Cache is a local folder of entries, blobs and values, with remotes behind it
// once Connect was called. It is safe for concurrent use, by any number of
// processes.
type Cache struct {
	local   *disk.Store
	remotes []*remote    // in the order in which they are asked
	limits  Limits       // of the remotes
	uploads *uploads     // nil before Connect
	trusted []PublicKey  // whose entries are taken from remotes; none: anybody's
	signers []PrivateKey // what signs the entries that are built here

	warn func(text string) // nil: nobody is told of defects
	told sync.Map          // of names: each defect is told once
}

// Open returns the cache in the folder dir. Nothing is written before there
// is something to store, so a folder that cannot be written serves what it
// has.
func Open(dir string) (*Cache, error) {
	local, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	return &Cache{local: local}, nil
}

// Warn has warn told of what lies in the folder and cannot be used, because it is
// damaged or cannot be read: once for each name. It is called before the cache is
// used; warn must be safe for concurrent use.
func (c *Cache) Warn(warn func(text string)) { c.warn = warn }

// Close ends the uploads that are still under way, and removes this process's
// temporary files. Without it, or where the process dies, the next Open does.
func (c *Cache) Close() error {
	if c.uploads != nil {
		c.uploads.end(nil)
	}
	return c.local.Close()
}

// Dir returns the cache's folder.
func (c *Cache) Dir() string { return c.local.Dir() }

// Lock makes its caller the only one, among all processes on this folder,
// that builds key: it waits while somebody else holds the lock, and returns
// what gives it back. A dead process holds nothing. Look the key up again
// once the lock is held. Where Lock fails and the context has not ended (a
// folder that cannot be written), build without it: the lock saves work, and
// nothing depends on it.
func (c *Cache) Lock(ctx context.Context, key Digest) (unlock func(), err error) {
	return c.local.Lock(ctx, entryName(key))
}
