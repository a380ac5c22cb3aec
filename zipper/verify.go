package zipper

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/flate"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Verify reads an archive of size bytes and compares it with what Write said
// about it. The contents are inflated by the standard library, which shares
// no code with the compressor, unless info says that Write has done that: then
// the archive's SHA-256 shows that they are what was inflated. Nothing is taken from the archive's own
// headers: every one is made anew from info and has to be equal byte for byte,
// so that whichever of an entry's two headers a reader believes, it sees the
// same. An error that means a difference wraps ErrCorrupt and names the entry.
func Verify(ctx context.Context, r io.ReaderAt, size int64, info Info, opts Options) error {
	v := &verifier{r: r, entries: info.Entries, headers: info.Verified}
	if err := v.layOut(size, &info); err != nil {
		return err
	}
	var sum [sha256.Size]byte
	err := v.run(ctx, opts.workers(), func(ctx context.Context) error {
		h := sha256.New()
		n, err := io.Copy(h, &contextReader{ctx, io.NewSectionReader(r, 0, size)})
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if n < size {
			return corrupt("it ends after %d of %d bytes", n, size)
		}
		h.Sum(sum[:0])
		return nil
	})
	if err != nil {
		return err
	}
	// Asked last: all other findings say more than this one.
	if sum != info.SHA256 {
		return corrupt("its SHA-256 is %x, not %x", sum, info.SHA256)
	}
	return nil
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}

func corruptEntry(e *EntryInfo, format string, args ...any) error {
	return corrupt("entry %q: %w", e.Name, fmt.Errorf(format, args...))
}

// A verifier compares an archive with what it should hold.
type verifier struct {
	r       io.ReaderAt
	entries []EntryInfo
	headers bool    // whether of the records only the headers are looked at
	offsets []int64 // where each entry's record starts, and where the last one ends
}

// layOut finds out from info alone where everything has to be, and refuses an
// info that Write cannot have returned.
func (v *verifier) layOut(size int64, info *Info) error {
	offset, unzipped, length := int64(0), int64(0), int64(endLen)
	v.offsets = make([]int64, 0, len(v.entries)+1)
	for i := range v.entries {
		e := &v.entries[i]
		if err := checkName(e.Name); err != nil {
			return corruptEntry(e, "info: %w", err)
		}
		if i > 0 && e.Name <= v.entries[i-1].Name {
			return corruptEntry(e, "info: not in order after %q", v.entries[i-1].Name)
		}
		if !e.possible() {
			return corruptEntry(e, "info: %d bytes cannot be archived as %d by method %d", e.Size, e.Compressed, e.Method)
		}
		v.offsets = append(v.offsets, offset)
		offset += e.record()
		unzipped += e.Size
		length += centralLen + int64(len(e.Name))
	}
	v.offsets = append(v.offsets, offset)
	if unzipped != info.Unzipped {
		return corrupt("info: %d bytes of content, its entries have %d", info.Unzipped, unzipped)
	}
	if info.Size != size || info.Size != offset+length {
		return corrupt("it has %d bytes, should have %d, its entries and directory have %d", size, info.Size, offset+length)
	}
	return nil
}

// possible reports whether Write can have archived an entry of these sizes
// by this method.
func (e *EntryInfo) possible() bool {
	return e.Size >= 0 && e.Size <= maxSize && e.Compressed >= 0 && e.Compressed <= e.Size &&
		(e.Method == Deflate) == (e.Compressed < e.Size) && (e.Method == Store || e.Method == Deflate)
}

// A span is a run of entries that are verified in one go.
type span struct{ first, end int }

// run verifies the directory and all entries, with another task beside them.
func (v *verifier) run(ctx context.Context, workers int, beside func(context.Context) error) error {
	g, ctx := errgroup.WithContext(ctx)
	spans := make(chan span)
	g.Go(func() error {
		defer close(spans)
		for _, s := range v.spans() {
			select {
			case spans <- s:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		if err := v.directory(); err != nil {
			return err
		}
		return beside(ctx)
	})
	for range workers {
		g.Go(func() error {
			c := newChecker(v)
			for s := range spans {
				if err := c.span(ctx, s); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// spans cuts the archive into tasks: runs of entries of up to unitSize bytes,
// and larger entries by themselves. The largest come first, because one entry
// cannot be inflated by more than one worker.
func (v *verifier) spans() []span {
	var all []span
	for first := 0; first < len(v.entries); {
		end := first + 1
		for end < len(v.entries) && v.offsets[end+1]-v.offsets[first] <= unitSize {
			end++
		}
		all = append(all, span{first, end})
		first = end
	}
	slices.SortStableFunc(all, func(a, b span) int { return cmp.Compare(v.length(b), v.length(a)) })
	return all
}

func (v *verifier) length(s span) int64 { return v.offsets[s.end] - v.offsets[s.first] }

// directory compares all that follows the last entry's data.
func (v *verifier) directory() error {
	start := v.offsets[len(v.entries)]
	want, err := appendDirectory(nil, v.entries, start)
	if err != nil {
		return corrupt("info: %w", err)
	}
	got := make([]byte, len(want))
	if err := v.readAt(got, start); err != nil {
		return err
	}
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for i := range v.entries {
		n := centralLen + len(v.entries[i].Name)
		if !bytes.Equal(got[at:at+n], want[at:at+n]) {
			return corruptEntry(&v.entries[i], "its header in the central directory is not as it should be")
		}
		at += n
	}
	return corrupt("the end record is not as it should be")
}

// readAt fills p from the archive.
func (v *verifier) readAt(p []byte, offset int64) error {
	n, err := v.r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return corrupt("it ends after %d bytes", offset+int64(n))
	}
	return fmt.Errorf("read archive: %w", err)
}

// A checker is what one worker needs to verify entries.
type checker struct {
	v        *verifier
	records  []byte // of a span
	header   []byte // as it should be
	content  []byte // a piece of content
	inflater io.ReadCloser
	sha      hash.Hash
}

func newChecker(v *verifier) *checker {
	return &checker{v: v, content: make([]byte, 32<<10)}
}

// span verifies a span, out of memory unless it is one large entry.
func (c *checker) span(ctx context.Context, s span) error {
	if c.v.length(s) > unitSize {
		return c.large(ctx, s.first)
	}
	n := int(c.v.length(s))
	c.records = slices.Grow(c.records[:0], n)[:n]
	if err := c.v.readAt(c.records, c.v.offsets[s.first]); err != nil {
		return err
	}
	data := bytes.NewReader(nil)
	rest := c.records
	for i := s.first; i < s.end; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &c.v.entries[i]
		record := rest[:e.record()]
		rest = rest[len(record):]
		header := record[:len(record)-int(e.Compressed)]
		if err := c.checkHeader(e, header); err != nil {
			return err
		}
		if c.v.headers {
			continue
		}
		data.Reset(record[len(header):])
		if err := c.checkData(ctx, e, data); err != nil {
			return err
		}
	}
	return nil
}

// large verifies one entry without holding it in memory.
func (c *checker) large(ctx context.Context, i int) error {
	e := &c.v.entries[i]
	header := make([]byte, e.record()-e.Compressed)
	if err := c.v.readAt(header, c.v.offsets[i]); err != nil {
		return err
	}
	if err := c.checkHeader(e, header); err != nil {
		return err
	}
	if c.v.headers {
		return nil
	}
	section := io.NewSectionReader(c.v.r, c.v.offsets[i]+int64(len(header)), e.Compressed)
	return c.checkData(ctx, e, bufio.NewReaderSize(section, 128<<10))
}

func (c *checker) checkHeader(e *EntryInfo, got []byte) error {
	if c.header = appendLocal(c.header[:0], e); !bytes.Equal(got, c.header) {
		return corruptEntry(e, "its local header is not as it should be")
	}
	return nil
}

// A source is compressed data. Because it has ReadByte, the inflater takes no
// byte more than it needs, and what is left can be seen.
type source interface {
	io.Reader
	io.ByteReader
}

// checkData compares an entry's data with its info. It never inflates much
// more than the size stated there.
func (c *checker) checkData(ctx context.Context, e *EntryInfo, data source) error {
	content := io.Reader(data)
	if e.Method == Deflate {
		if c.inflater == nil {
			c.inflater = flate.NewReader(data)
		} else if err := c.inflater.(flate.Resetter).Reset(data, nil); err != nil {
			return corruptEntry(e, "inflate: %w", err)
		}
		content = c.inflater
	}
	if c.sha == nil {
		c.sha = sha256.New()
	}
	c.sha.Reset()
	crc, size := uint32(0), int64(0)
	for {
		n, err := content.Read(c.content)
		size += int64(n)
		c.sha.Write(c.content[:n])
		crc = crc32.Update(crc, crc32.IEEETable, c.content[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			if _, ok := errors.AsType[flate.CorruptInputError](err); ok || err == io.ErrUnexpectedEOF {
				return corruptEntry(e, "after %d bytes of content: %w", size, err)
			}
			return entryError(e.Name, "read archive", err)
		}
		if size > e.Size {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return c.compare(e, data, crc, size)
}

// compare judges what checkData has read.
func (c *checker) compare(e *EntryInfo, data source, crc uint32, size int64) error {
	if size != e.Size {
		return corruptEntry(e, "its content has %d bytes or more, not %d", size, e.Size)
	}
	if _, err := data.ReadByte(); err != io.EOF {
		return corruptEntry(e, "there is data after its end")
	}
	if crc != e.CRC32 {
		return corruptEntry(e, "its CRC-32 is %08x, not %08x", crc, e.CRC32)
	}
	if sum := c.sha.Sum(nil); !bytes.Equal(sum, e.SHA256[:]) {
		return corruptEntry(e, "its SHA-256 is %x, not %x", sum, e.SHA256)
	}
	return nil
}

// A contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
