package cache

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/layerbuild/layerbuild/cache/disk"
)

// TrimOptions say what Trim leaves.
type TrimOptions struct {
	MaxSize   int64         // bytes; below 0: no limit
	UnusedFor time.Duration // what was not used for so long goes in any case; 0: nothing does
	DryRun    bool          // remove nothing, only say what would go
}

// Trimmed is what Trim removed, and what it left.
type Trimmed struct {
	Removed struct {
		Entries     int   `json:"entries"`
		Values      int   `json:"values"`
		Blobs       int   `json:"blobs"`
		Quarantined int   `json:"quarantined"`
		Bytes       int64 `json:"bytes"`
	} `json:"removed"`
	Bytes int64 `json:"bytes"` // that are left, of those that count
	Over  int64 `json:"over"`  // bytes above MaxSize, which are in use
}

// trimEvery is how often builds trim.
const trimEvery = time.Hour

// Tidy trims the cache to a size in bytes, if this process has written to it
// and nobody has trimmed it for an hour. It is for the end of a build.
func (c *Cache) Tidy(ctx context.Context, maxSize int64) error {
	if !c.local.TrimDue(trimEvery) {
		return nil
	}
	_, err := c.Trim(ctx, TrimOptions{MaxSize: maxSize})
	return err
}

// Trim removes what was used least recently, until the cache has the size that
// opts allow. What a process on this machine uses stays, whatever its size.
// Blobs go with the last entry that names them; a blob that no entry names goes
// by its own last use.
func (c *Cache) Trim(ctx context.Context, opts TrimOptions) (Trimmed, error) {
	var t Trimmed
	before, err := c.local.UnusedBefore()
	if err != nil {
		return t, err
	}
	now := time.Now()
	all, err := c.survey(ctx)
	if err != nil {
		return t, err
	}
	bad, err := c.local.Bad()
	if err != nil {
		return t, err
	}
	for _, it := range all {
		t.Bytes += it.size
	}
	for _, f := range bad {
		t.Bytes += f.Size
	}
	tr := trimming{c: c, opts: opts, Trimmed: &t, before: before}
	if opts.UnusedFor > 0 {
		tr.old = now.Add(-opts.UnusedFor)
	}
	for _, f := range bad { // of no use but to people
		if tr.over() || f.Modified.Before(tr.old) {
			if !opts.DryRun && c.local.RemoveBad(f) != nil {
				continue
			}
			t.Removed.Quarantined++
			tr.took(f.Size)
		}
	}
	if err := tr.items(ctx, all); err != nil {
		return t, err
	}
	if tr.over() {
		t.Over = t.Bytes - opts.MaxSize
	}
	if opts.DryRun {
		return t, nil
	}
	return t, c.local.Trimmed(ctx)
}

// trimming is a Trim under way.
type trimming struct {
	*Trimmed
	c      *Cache
	opts   TrimOptions
	before time.Time // what was used since may be in use
	old    time.Time // what was not used since goes in any case
}

func (t *trimming) over() bool { return t.opts.MaxSize >= 0 && t.Bytes > t.opts.MaxSize }

func (t *trimming) took(size int64) {
	t.Bytes -= size
	t.Removed.Bytes += size
}

// items removes what is to go, the least recently used first. A blob comes
// after the entries that name it, since it was used when they were.
func (t *trimming) items(ctx context.Context, all []*item) error {
	records := make(map[string]*item)
	for _, it := range all {
		if it.kind == kindStamp {
			records["cas"+it.name[len("stamp"):]] = it
		}
	}
	slices.SortStableFunc(all, func(a, b *item) int {
		return cmp.Or(a.used.Compare(b.used), cmp.Compare(rank(a), rank(b)), cmp.Compare(a.name, b.name))
	})
	for _, it := range all {
		if it.kind == kindStamp || it.named > 0 || it.gone || !t.over() && !it.used.Before(t.old) {
			continue
		}
		if err := t.item(ctx, it, records); err != nil {
			return err
		}
	}
	return t.records(ctx, records)
}

// item removes one name, unless it is in use, and with an entry its blobs that
// no other one names.
func (t *trimming) item(ctx context.Context, it *item, records map[string]*item) error {
	removed, err := t.remove(ctx, it)
	if err != nil || !removed {
		return err
	}
	it.gone = true
	t.took(it.size)
	if record := records[it.name]; record != nil {
		t.took(record.size)
		delete(records, it.name)
	}
	switch it.kind {
	case kindEntry:
		t.Removed.Entries++
	case kindBlob:
		t.Removed.Blobs++
	default:
		t.Removed.Values++
	}
	for _, b := range it.blobs {
		if b.named--; b.named == 0 {
			if err := t.item(ctx, b, records); err != nil {
				return err
			}
		}
	}
	return nil
}

// rank puts entries before their blobs where both were last used at one time.
func rank(it *item) int {
	if it.kind == kindBlob {
		return 1
	}
	return 0
}

// remove removes one name, unless it is in use.
func (t *trimming) remove(ctx context.Context, it *item) (bool, error) {
	if !it.used.Before(t.before) {
		return false, nil
	}
	if t.opts.DryRun {
		return true, nil
	}
	removed, err := t.c.local.Remove(ctx, it.name, t.before)
	if errors.Is(err, fs.ErrPermission) {
		return false, nil // another user's
	}
	return removed, err
}

// records removes the stamps whose blobs are not there.
func (t *trimming) records(ctx context.Context, records map[string]*item) error {
	for blob, it := range records {
		_, err := t.c.local.Stat(ctx, blob)
		if t.opts.DryRun || !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		removed, err := t.remove(ctx, it)
		if err != nil {
			return err
		}
		if removed {
			t.took(it.size)
		}
	}
	return nil
}

// A NotCacheError says that a folder is no cache.
type NotCacheError = disk.NotStoreError

// Clear removes all of the cache, whoever uses it: what is gone is a miss. The
// names are of those parts that stayed because another process would fail
// without them. A folder that is no cache is a [*NotCacheError].
func (c *Cache) Clear() (kept []string, err error) { return c.local.Clear() }
