package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"time"

	"github.com/layerbuild/layerbuild/cache/disk"
)

// Usage says what a cache's folder holds. Sizes are in bytes, as files have
// them.
type Usage struct {
	Folder      string   `json:"folder"`
	Bytes       int64    `json:"bytes"` // that count against a limit: all below but what is temporary or another's
	Entries     Part     `json:"entries"`
	Values      Part     `json:"values"`
	Blobs       Part     `json:"blobs"`
	Stamps      Part     `json:"stamps"`
	Unnamed     Part     `json:"unnamed"` // blobs that no entry names, such as downloads; part of Blobs
	Others      Part     `json:"others"`  // of other format versions, or damaged
	Quarantined Part     `json:"quarantined"`
	Temporary   Part     `json:"temporary"`
	Tools       Part     `json:"tools"`     // of build tools and daemons, which only Clear removes
	Processes   int      `json:"processes"` // that are at work on the folder now
	Trimmed     JSONTime `json:"trimmed,omitzero"`
}

// Part is a number of files and their size in bytes.
type Part struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (p *Part) add(size int64) {
	p.Files++
	p.Bytes += size
}

// JSONTime is a time that JSON shows in whole seconds, UTC.
type JSONTime struct{ time.Time }

// MarshalJSON follows RFC 3339.
func (t JSONTime) MarshalJSON() ([]byte, error) {
	return t.UTC().Truncate(time.Second).MarshalJSON()
}

// Usage looks through the folder. It reads entries, and of everything else no
// more than its size.
func (c *Cache) Usage(ctx context.Context) (Usage, error) {
	u := Usage{Folder: c.Dir()}
	all, err := c.survey(ctx)
	if err != nil {
		return u, err
	}
	for _, it := range all {
		switch it.kind {
		case kindEntry:
			u.Entries.add(it.size)
		case kindValue:
			u.Values.add(it.size)
		case kindBlob:
			u.Blobs.add(it.size)
			if it.named == 0 {
				u.Unnamed.add(it.size)
			}
		case kindStamp:
			u.Stamps.add(it.size)
		default:
			u.Others.add(it.size)
		}
		u.Bytes += it.size
	}
	beside, err := c.local.Beside()
	if err != nil {
		return u, err
	}
	u.Quarantined, u.Temporary, u.Tools = Part(beside.Bad), Part(beside.Temp), Part(beside.Tools)
	u.Bytes += u.Quarantined.Bytes
	u.Processes = c.local.Processes()
	u.Trimmed = JSONTime{c.local.LastTrim()}
	return u, nil
}

// The kinds of what a survey finds beside those of "ac/".
const (
	kindBlob  = "blob"
	kindStamp = "stamp"
)

// An item is one name in the folder.
type item struct {
	name  string
	kind  string // "" in "ac/" for what is not understood
	size  int64
	used  time.Time // of a blob: also by the entries that name it
	blobs []*item   // of an entry: those that are there
	named int       // of a blob: by how many entries
	gone  bool      // it was removed
}

// survey lists all names with their sizes and last uses, and which entries
// name which blobs. A name that goes while it is listed is passed over.
func (c *Cache) survey(ctx context.Context) ([]*item, error) {
	var all []*item
	blobs := make(map[string]*item)
	for _, space := range []string{"cas", "stamp", "ac"} {
		for name, err := range c.local.Names(space) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			it, err := c.surveyed(ctx, name, blobs)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			all = append(all, it)
		}
	}
	return all, nil
}

func (c *Cache) surveyed(ctx context.Context, name string, blobs map[string]*item) (*item, error) {
	used, err := c.local.Mark(name)
	if err != nil {
		return nil, err
	}
	size, err := c.local.Size(name)
	if err != nil {
		return nil, err
	}
	it := &item{name: name, size: size, used: used}
	switch disk.Space(name) {
	case "cas":
		it.kind = kindBlob
		blobs[name] = it
	case "stamp":
		it.kind = kindStamp
	case "ac":
		var refs map[string]Blob
		it.kind, refs = c.peek(name)
		for _, b := range refs {
			if blob := blobs[b.name()]; blob != nil {
				it.blobs = append(it.blobs, blob)
				blob.named++
				if blob.used.Before(used) {
					blob.used = used
				}
			}
		}
	}
	return it, nil
}

// peek says of what kind a name in "ac/" is, and which blobs it names. Values,
// which may be large, are not read.
func (c *Cache) peek(name string) (kind string, refs map[string]Blob) {
	f, err := c.local.Open(name)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	head := make([]byte, 256)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", nil
	}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte(sealWord+" "+kindValue+" ")):
		return kindValue, nil
	case !bytes.HasPrefix(head, []byte(sealWord+" ")):
		return "", nil
	}
	data, err := readAll(f, maxStored)
	if err != nil {
		return "", nil
	}
	if refs = References(data); refs == nil {
		return "", nil
	}
	return kindEntry, refs
}

// readAll reads a file from its start, which must have no more than limit
// bytes.
func readAll(f *os.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errors.New("too large")
	}
	return data, err
}

// A Listed is an entry with what the folder says of it.
type Listed struct {
	Entry
	Bytes int64 // of its blobs
	Used  time.Time
}

// Entries yields every entry, without using it. What is not understood is
// passed over.
func (c *Cache) Entries(ctx context.Context) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for name, err := range c.local.Names("ac") {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Listed{}, err)
				return
			}
			l, ok := c.listed(ctx, name)
			if ok && !yield(l, nil) {
				return
			}
		}
	}
}

func (c *Cache) listed(ctx context.Context, name string) (l Listed, ok bool) {
	if kind, _ := c.peek(name); kind != kindEntry {
		return l, false
	}
	key, err := ParseDigest(name[len("ac/"):])
	if err != nil {
		return l, false
	}
	err = c.inspect(ctx, name, maxStored, func(data []byte) error {
		s, err := decodeStored(key, data)
		l.Entry = s.entry
		return err
	})
	if err != nil {
		return l, false
	}
	for _, b := range l.Blobs {
		l.Bytes += b.Size
	}
	l.Used, err = c.local.Mark(name)
	return l, err == nil
}

// Values yields the keys and values of a kind, without using them.
func (c *Cache) Values(ctx context.Context, kind string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for name, err := range c.local.Names("ac") {
			if err != nil || ctx.Err() != nil {
				return
			}
			var key string
			var value []byte
			if k, _ := c.peek(name); k != kindValue {
				continue
			}
			err := c.inspect(ctx, name, maxValue, func(data []byte) (err error) {
				key, value, err = valueOf(name, kind, data)
				return err
			})
			if err == nil && value != nil && !yield(key, value) {
				return
			}
		}
	}
}
