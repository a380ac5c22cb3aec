package zipper

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"hash/crc32"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// An Earlier is an archive that Write has made, under the same Version, for
// another Write to take entries from: those whose content has the size and
// the SHA-256 of one to be archived, whatever their name. They need not be
// compressed again, and the bytes are the same as if they had been.
//
// Contents are read and hashed all the same. A file of more than one block is
// read twice where an earlier one has its size but not its content.
//
// What the archive holds is trusted, so it has to be what Entries says; with
// Options.Verify, only what inflates to the right content is taken. Where
// something is amiss, the entry is compressed.
type Earlier struct {
	Archive io.ReaderAt
	Entries []EntryInfo // as of Info, all of them in their order
}

// A place is where an earlier archive has the record of a file.
type place struct {
	info   *EntryInfo
	offset int64
}

// data reads a record's data.
func (p *place) data(archive io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(archive, p.offset+p.info.record()-p.info.Compressed, p.info.Compressed)
}

// An earlier is an Earlier by content. The zero value has none.
type earlier struct {
	archive io.ReaderAt
	records []place           // of files that have content, in their order
	files   map[contentID]int // which of the records; one where there are several
	sizes   map[int64]bool    // of files of several blocks
	big     map[int]*place    // by entry of the new archive: files of several blocks
	spliced atomic.Int64      // bytes of content found
}

type contentID struct {
	sha  [sha256.Size]byte
	size int64
}

func newEarlier(from *Earlier) *earlier {
	if from == nil {
		return new(earlier)
	}
	e := &earlier{
		archive: from.Archive,
		records: make([]place, 0, len(from.Entries)),
		files:   make(map[contentID]int, len(from.Entries)),
		sizes:   make(map[int64]bool),
		big:     make(map[int]*place),
	}
	offset := int64(0)
	for i := range from.Entries {
		info := &from.Entries[i]
		if !info.possible() {
			break // and nothing after it can be found
		}
		if info.Mode.IsRegular() && info.Size > 0 {
			e.files[info.contentID()] = len(e.records)
			e.records = append(e.records, place{info, offset})
			if info.Size > blockSize {
				e.sizes[info.Size] = true
			}
		}
		offset += info.record()
	}
	return e
}

func (e *EntryInfo) contentID() contentID { return contentID{e.SHA256, e.Size} }

// spliceSmall appends the record of a small file as an earlier archive's, if
// that has its content, and completes its info.
func (w *worker) spliceSmall(out []byte, info *EntryInfo, content []byte) ([]byte, bool) {
	e := w.p.earlier
	from, follows := w.nextEarlier(info.contentID())
	if from == nil || from.info.CRC32 != info.CRC32 {
		return nil, false
	}
	record, ok := w.ahead.read(e.archive, from.offset, int(from.info.record()), follows)
	if !ok {
		return nil, false
	}
	start := len(record) - int(from.info.Compressed)
	header, data := record[:start], record[start:]
	if w.header = appendLocal(w.header[:0], from.info); !bytes.Equal(header, w.header) {
		return nil, false
	}
	if w.p.opts.Verify {
		if from.info.Method == Store && !bytes.Equal(data, content) {
			return nil, false
		}
		if from.info.Method == Deflate && w.proof.check(data, nil, content, true) != nil {
			return nil, false
		}
	}
	info.Method, info.Compressed = from.info.Method, from.info.Compressed
	e.spliced.Add(info.Size)
	return append(appendLocal(out, info), data...), true
}

// nextEarlier returns a record of the earlier archive that has a content, or nil,
// and whether it follows the one before, as most do.
func (w *worker) nextEarlier(id contentID) (from *place, follows bool) {
	e, i := w.p.earlier, w.follows
	follows = i < len(e.records) && e.records[i].info.contentID() == id
	if !follows {
		at, ok := e.files[id]
		if !ok {
			w.follows++ // as if one file had been changed
			return nil, false
		}
		i = at
	}
	w.follows = i + 1
	return &e.records[i], follows
}

// A readAhead reads records of an archive. Most lie one after another, so it
// reads more than it is asked for.
type readAhead struct {
	buf    []byte // what it has read
	offset int64  // of buf in the archive
}

const aheadSize = 64 << 10

// read returns n bytes of the archive, until the next call, or reports that it
// cannot.
func (r *readAhead) read(archive io.ReaderAt, offset int64, n int, follows bool) ([]byte, bool) {
	if at := offset - r.offset; at < 0 || at+int64(n) > int64(len(r.buf)) {
		size := n
		if follows {
			size = max(n, aheadSize)
		}
		r.buf = slices.Grow(r.buf[:0], size)[:size]
		m, _ := archive.ReadAt(r.buf, offset) // an error shows in what is lacking
		r.buf, r.offset = r.buf[:m], offset
	}
	at := int(offset - r.offset)
	if at+n > len(r.buf) {
		return nil, false
	}
	return r.buf[at : at+n], true
}

// spliceBig looks for files of several blocks in the earlier archive. It has
// to be known before a file is cut whether it will be, so those that may be
// there are hashed first.
func (p *packer) spliceBig(ctx context.Context) error {
	if len(p.earlier.sizes) == 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.workers())
	for i := range p.entries {
		if p.entries[i].isBig() && p.earlier.sizes[p.entries[i].Size] {
			g.Go(func() error {
				from := p.findBig(ctx, i)
				p.mu.Lock()
				defer p.mu.Unlock()
				p.earlier.big[i] = from
				return ctx.Err()
			})
		}
	}
	return g.Wait()
}

// findBig returns where the earlier archive has an entry's content, and then
// completes its info. Whatever goes wrong is left for packing to find again.
func (p *packer) findBig(ctx context.Context, i int) *place {
	e, info := &p.entries[i], &p.infos[i]
	r, err := e.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	sha, crc, buf := sha256.New(), uint32(0), make([]byte, 256<<10)
	for left := e.Size; left > 0; {
		if ctx.Err() != nil {
			return nil
		}
		n := min(left, int64(len(buf)))
		data, err := readExactly(r, buf, n, false)
		if err != nil {
			return nil
		}
		sha.Write(data)
		crc = crc32.Update(crc, crc32.IEEETable, data)
		left -= n
	}
	if n, err := fill(r, buf[:1]); n > 0 || err != nil {
		return nil
	}
	id := contentID{size: e.Size}
	sha.Sum(id.sha[:0])
	at, ok := p.earlier.files[id]
	if !ok {
		return nil
	}
	from := &p.earlier.records[at]
	if from.info.CRC32 != crc || !p.sound(ctx, from) {
		return nil
	}
	info.CRC32, info.SHA256 = crc, id.sha
	info.Method, info.Compressed = from.info.Method, from.info.Compressed
	p.earlier.spliced.Add(info.Size)
	return from
}

// sound reports whether an earlier record is what its info says: its header,
// and with Options.Verify its data.
func (p *packer) sound(ctx context.Context, from *place) bool {
	want := appendLocal(nil, from.info)
	got := make([]byte, len(want))
	if n, _ := p.earlier.archive.ReadAt(got, from.offset); n < len(got) || !bytes.Equal(got, want) {
		return false
	}
	if !p.opts.Verify {
		return true
	}
	c := newChecker(nil)
	return c.checkData(ctx, from.info, bufio.NewReaderSize(from.data(p.earlier.archive), 128<<10)) == nil
}
