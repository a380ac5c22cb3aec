package builder

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/zipper"
)

// listedFile is a line of the file list blob: a file of the archive, and what
// another archive needs to take its data from there.
type listedFile struct {
	Path       string       `json:"path"`
	Mode       string       `json:"mode"` // "0644", "0755" or "link"
	Size       int64        `json:"size"`
	SHA256     cache.Digest `json:"sha256"` // of the content; of a link, its target
	Compressed int64        `json:"compressed"`
	Method     uint16       `json:"method"` // of compression, as in zip archives
	CRC32      string       `json:"crc32"`  // 8 hex digits
}

// encodeFiles lists the files of an archive, in its order.
func encodeFiles(entries []zipper.EntryInfo) ([]byte, error) {
	var list bytes.Buffer
	lines := json.NewEncoder(&list)
	lines.SetEscapeHTML(false)
	for _, e := range entries {
		mode := fmt.Sprintf("%#o", e.Mode.Perm())
		if e.Mode&fs.ModeSymlink != 0 {
			mode = "link"
		}
		err := lines.Encode(listedFile{e.Name, mode, e.Size, e.SHA256, e.Compressed, e.Method, fmt.Sprintf("%08x", e.CRC32)})
		if err != nil {
			return nil, err
		}
	}
	return list.Bytes(), nil
}

// decodeFiles reads what encodeFiles wrote.
func decodeFiles(list []byte) ([]zipper.EntryInfo, error) {
	var entries []zipper.EntryInfo
	lines := json.NewDecoder(bytes.NewReader(list))
	for {
		var f listedFile
		if err := lines.Decode(&f); err == io.EOF {
			return entries, nil
		} else if err != nil {
			return nil, err
		}
		e := zipper.EntryInfo{Name: f.Path, Size: f.Size, Compressed: f.Compressed, Method: f.Method, SHA256: f.SHA256}
		switch f.Mode {
		case "0644":
			e.Mode = 0o644
		case "0755":
			e.Mode = 0o755
		case "link":
			e.Mode = fs.ModeSymlink | 0o777
		default:
			return nil, fmt.Errorf("%s: mode %q", f.Path, f.Mode)
		}
		crc, err := hex.DecodeString(f.CRC32)
		if err != nil || len(crc) != 4 {
			return nil, fmt.Errorf("%s: CRC-32 %q", f.Path, f.CRC32)
		}
		e.CRC32 = uint32(crc[0])<<24 | uint32(crc[1])<<16 | uint32(crc[2])<<8 | uint32(crc[3])
		entries = append(entries, e)
	}
}

// earlier opens the archive that was last put where this target's belongs, for
// the zipper to take from it what has not changed. It is nil where there is
// none, where anything about it is in doubt, and where the cache is not to be
// used: that costs time and changes no byte.
func (r *run) earlier(ctx context.Context, res *resolved) (from *zipper.Earlier, done func()) {
	none := func() {}
	if r.opts.NoCache {
		return nil, none
	}
	key, err := cache.ParseDigest(r.lastKey(ctx, res))
	if err != nil {
		return nil, none
	}
	// One that was built here: its contents would be held against their hashes,
	// but how a stranger compressed them would become part of what is built, and
	// signed, here.
	entry, err := r.Cache.LookupOwn(ctx, key)
	if err != nil {
		return nil, none
	}
	// Here and now: fetching it from a remote could take longer than it saves.
	if err := r.Cache.Check(ctx, entry); err != nil {
		return nil, none
	}
	entries, err := r.earlierEntries(ctx, entry)
	if err != nil {
		return nil, none
	}
	archive, err := r.Cache.OpenBlob(ctx, entry.Blobs[roleArchive])
	if err != nil {
		return nil, none
	}
	return &zipper.Earlier{Archive: archive, Entries: entries}, func() { archive.Close() }
}

// earlierEntries says what an archive in the cache holds, if this version of
// the zipper has made it.
func (r *run) earlierEntries(ctx context.Context, entry cache.Entry) ([]zipper.EntryInfo, error) {
	input, err := r.readBlob(ctx, entry.Blobs[roleKeyInput])
	if err != nil {
		return nil, err
	}
	in, err := readKeyInput(input)
	if err != nil {
		return nil, err
	}
	if in.Zip != zipper.Version {
		return nil, errors.New("another version of the zipper made it")
	}
	list, err := r.readBlob(ctx, entry.Blobs[roleFiles])
	if err != nil {
		return nil, err
	}
	return decodeFiles(list)
}

// readBlob reads a small blob, verified.
func (r *run) readBlob(ctx context.Context, b cache.Blob) ([]byte, error) {
	f, err := r.Cache.OpenBlob(ctx, b)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
