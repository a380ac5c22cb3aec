package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
)

// An Entry is what came out for a key.
type Entry struct {
	Key   Digest          `json:"key"`
	Blobs map[string]Blob `json:"blobs"`          // by role: "archive", "keyinput", …
	Data  json.RawMessage `json:"data,omitempty"` // the builder's own facts: sizes, counts
}

// maxEntry bounds an entry. Whatever is larger belongs into a blob.
const maxEntry = 1 << 20

func entryName(key Digest) string { return "ac/" + key.String() }

// encodeEntry gives an entry its one form.
func encodeEntry(e Entry) ([]byte, error) {
	if e.Blobs == nil {
		e.Blobs = map[string]Blob{}
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	data := seal(kindEntry, payload)
	if len(data) > maxEntry {
		return nil, fmt.Errorf("entry %s takes %d bytes; %d are allowed", e.Key, len(data), maxEntry)
	}
	return data, nil
}

// decodeEntry reads the entry of a key.
func decodeEntry(key Digest, data []byte) (Entry, error) {
	kind, payload, err := unseal(data)
	if err != nil {
		return Entry{}, err
	}
	if kind != kindEntry {
		return Entry{}, fmt.Errorf("is a %s instead of an entry", kind)
	}
	var e Entry
	if err := json.Unmarshal(payload, &e); err != nil {
		return Entry{}, err
	}
	if e.Key != key {
		return Entry{}, fmt.Errorf("is the entry of another key, %s", e.Key)
	}
	for role, b := range e.Blobs {
		if b.Size < 0 {
			return Entry{}, fmt.Errorf("gives blob %q the size %d", role, b.Size)
		}
	}
	// One entry, one form: nothing that this version does not know, nothing
	// said twice. Signatures rest on it.
	if again, err := encodeEntry(e); err != nil || !bytes.Equal(again, data) {
		return Entry{}, errors.New("is not in its canonical form")
	}
	return e, nil
}

// Lookup returns the entry of a key that the local folder has, unless it was
// fetched from a remote and is of nobody who is trusted. It does not look at the
// blobs: each is verified when it is opened or delivered, or all by Check.
func (c *Cache) Lookup(ctx context.Context, key Digest) (Entry, error) {
	s, err := c.stored(ctx, key)
	if err != nil {
		return Entry{}, c.defect(entryName(key), entryName(key), err)
	}
	if s.fetched {
		if err := accepts(c.trusted, s); err != nil {
			return Entry{}, miss(entryName(key), err)
		}
	}
	return s.entry, nil
}

var errFetched = errors.New("was fetched from a remote")

// LookupOwn is Lookup for what was built with this folder: what was fetched is
// a miss, whoever signed it.
func (c *Cache) LookupOwn(ctx context.Context, key Digest) (Entry, error) {
	s, err := c.stored(ctx, key)
	if err != nil {
		return Entry{}, c.defect(entryName(key), entryName(key), err)
	}
	if s.fetched {
		return Entry{}, miss(entryName(key), errFetched)
	}
	return s.entry, nil
}

// stored reads what the local folder has for a key.
func (c *Cache) stored(ctx context.Context, key Digest) (s stored, err error) {
	err = c.readSealed(ctx, entryName(key), maxStored, func(data []byte) (err error) {
		s, err = decodeStored(key, data)
		return err
	})
	return s, err
}

// readSealed reads what lies under a name in "ac/", to be used: see inspect.
func (c *Cache) readSealed(ctx context.Context, name string, limit int64, decode func([]byte) error) error {
	if err := c.inspect(ctx, name, limit, decode); err != nil {
		return err
	}
	if !c.local.Use(ctx, name) {
		return fs.ErrNotExist // trimmed since, and its blobs with it
	}
	return nil
}

// inspect reads what lies under a name in "ac/" and sets it aside if decode
// finds it defective.
func (c *Cache) inspect(ctx context.Context, name string, limit int64, decode func([]byte) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := c.local.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > limit {
		err = fmt.Errorf("is larger than %d bytes", limit)
	} else {
		data := make([]byte, info.Size())
		if _, err := io.ReadFull(f, data); err != nil {
			return err
		}
		err = decode(data)
	}
	if err != nil && !errors.Is(err, errVersion) {
		if !c.local.Holds(name, f) {
			return fs.ErrNotExist // replaced or trimmed since
		}
		return c.quarantine(name, f, err)
	}
	return err
}

// Check verifies the blobs of an entry in the local folder: those with the given roles, or all.
func (c *Cache) Check(ctx context.Context, e Entry, roles ...string) error {
	if len(roles) == 0 {
		roles = slices.Sorted(maps.Keys(e.Blobs))
	}
	for _, role := range roles {
		b, ok := e.Blobs[role]
		if !ok {
			return miss(entryName(e.Key), fmt.Errorf("has no blob %q", role))
		}
		f, err := c.openLocal(ctx, b)
		if err != nil {
			return fmt.Errorf("blob %q of %s: %w", role, entryName(e.Key), err)
		}
		f.Close()
	}
	return nil
}

// Store keeps an entry, and begins to send it to the remotes that take what is
// built. Its blobs must have been stored before, so that no process ever sees an
// entry whose blobs are still to come.
func (c *Cache) Store(ctx context.Context, e Entry) error {
	s, err := newStored(e, c.signers)
	if err != nil {
		return fmt.Errorf("storing entry %s: %w", e.Key, err)
	}
	if err := c.storeLocal(ctx, s); err != nil {
		return err
	}
	c.push(s)
	return nil
}

// storeLocal keeps an entry in the local folder.
func (c *Cache) storeLocal(ctx context.Context, s stored) error {
	e := s.entry
	for _, role := range slices.Sorted(maps.Keys(e.Blobs)) {
		b := e.Blobs[role]
		c.local.Use(ctx, b.name()) // no trimming takes it from now on
		size, err := c.local.Stat(ctx, b.name())
		if err == nil && size != b.Size {
			err = fmt.Errorf("%s has %d bytes instead of %d", b.name(), size, b.Size)
		}
		if err != nil {
			return fmt.Errorf("storing entry %s: blob %q: %w", e.Key, role, err)
		}
	}
	data := s.local()
	if _, err := decodeStored(e.Key, data); err != nil {
		return fmt.Errorf("storing entry %s: what was written %w", e.Key, err) // a role that is not UTF-8
	}
	return c.local.Put(ctx, entryName(e.Key), int64(len(data)), bytes.NewReader(data))
}
