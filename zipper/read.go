package zipper

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ErrRefused is wrapped by the errors of Open, and of reading an entry, that
// mean that the archive is damaged, made to deceive, over a limit, or of a
// kind that is not read. Other errors are the reader's own.
var ErrRefused = errors.New("archive refused")

// Limits bound what Open accepts. A field of 0 or less means the
// default.
type Limits struct {
	// Entries is how many there may be; by default 131,072.
	Entries int
	// Directory is how many bytes the central directory may have; by default
	// 64 MiB. Open needs up to about three times as much memory.
	Directory int64
	// Unzipped is how many bytes all entries together may state as their
	// size; by default 1 GiB. No more than an entry states is ever inflated.
	Unzipped int64
	// Ratio is how many times the archive's own size that sum may be; by
	// default 200. It does not count below 16 MiB. Deflate cannot reach 1,032.
	Ratio int64
}

// ratioFrom is how much content is no bomb, whatever it was inflated from.
const ratioFrom = 16 << 20

func (l Limits) withDefaults() Limits {
	if l.Entries <= 0 {
		l.Entries = 1 << 17
	}
	if l.Directory <= 0 {
		l.Directory = 64 << 20
	}
	if l.Unzipped <= 0 {
		l.Unzipped = 1 << 30
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	return l
}

// An Archive is a zip file that Open found sound. Its methods, and those of
// its entries, may be called from several goroutines at a time.
type Archive struct {
	Entries  []ArchiveEntry // in the order of the central directory
	Unzipped int64          // the sum of the entries' sizes
	Comment  string         // bytes, of any encoding
	// Zip64 is whether the zip64 extension is used, which Write never does.
	Zip64 bool

	r io.ReaderAt
}

// An ArchiveEntry is what an archive says of one of its entries.
type ArchiveEntry struct {
	// Name is as Write would take it: relative, in UTF-8, without ".."
	// and the like. A folder's name, and no other, ends in a slash.
	Name string
	// Mode is what the archive states, set-id bits and device files
	// included; 0644, or 0755 for folders, where it states no Unix mode.
	Mode       fs.FileMode
	Size       int64  // bytes of content
	Compressed int64  // bytes of data in the archive
	Method     uint16 // Store or Deflate
	CRC32      uint32 // IEEE, of the content

	flags  uint16
	offset int64 // of the local header
	data   int64 // of the data
	a      *Archive
}

// Open reads the directory of a zip file of any origin, size bytes of r. It
// accepts only what all readers of zip files understand alike, be it by the
// directory, by the local headers or as a stream: every byte of the file
// belongs to one header, one entry's data or a comment, both headers of an
// entry agree, and all names are files and folders of one tree. Anything else
// is an error that wraps ErrRefused and names the entry and the reason. What
// the contents are is found out by [ArchiveEntry.Open].
//
// doc/zip.md lists what is refused.
func Open(r io.ReaderAt, size int64, limits Limits) (*Archive, error) {
	o := opener{r: r, size: size, limits: limits.withDefaults(), a: &Archive{r: r}}
	if err := o.readEnd(); err != nil {
		return nil, err
	}
	if err := o.readDirectory(); err != nil {
		return nil, err
	}
	if err := checkNames(o.a.Entries); err != nil {
		return nil, err
	}
	if err := o.checkLayout(); err != nil {
		return nil, err
	}
	return o.a, nil
}

// An opener is what Open needs while it reads.
type opener struct {
	r      io.ReaderAt
	size   int64
	limits Limits
	a      *Archive

	start   int64 // of the central directory
	length  int64 // of the central directory
	records int64 // how many headers it has
}

// readAt fills p from the archive.
func (o *opener) readAt(p []byte, offset int64) error {
	n, err := o.r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return refused("it ends after %d of %d bytes", offset+int64(n), o.size)
	}
	return fmt.Errorf("read archive: %w", err)
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrRefused, fmt.Errorf(format, args...))
}

func (e *ArchiveEntry) refused(format string, args ...any) error {
	return refused("entry %q: %w", e.Name, fmt.Errorf(format, args...))
}
