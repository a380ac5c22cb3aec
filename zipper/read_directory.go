package zipper

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
)

// The flags that an entry may have: how hard deflate tried, which says
// nothing, a data descriptor, and UTF-8. The others mean encryption, patches,
// or nothing known.
const (
	flagLevel      = uint16(3 << 1)
	flagDescriptor = uint16(1 << 3)
	flagsEncrypted = uint16(1<<0 | 1<<6 | 1<<13)
)

// Extra fields that change what an entry is.
const (
	extraZip64 = 0x0001
	extraPath  = 0x7075 // another name, in UTF-8
)

// readDirectory reads the headers of the central directory.
func (o *opener) readDirectory() error {
	d := directory{o: o, left: o.length}
	d.r = bufio.NewReaderSize(io.NewSectionReader(o.r, o.start, o.length), 64<<10)
	o.a.Entries = make([]ArchiveEntry, o.records)
	for i := range o.a.Entries {
		if err := d.readHeader(&o.a.Entries[i]); err != nil {
			return err
		}
	}
	if d.left > 0 {
		return refused("%d bytes follow the %d headers of its directory", d.left, o.records)
	}
	if n := o.a.Unzipped; n > ratioFrom && n/o.limits.Ratio > o.size {
		return refused("%d bytes of content in %d: more than %d times as much", n, o.size, o.limits.Ratio)
	}
	return nil
}

// A directory is a central directory while it is read.
type directory struct {
	o    *opener
	r    *bufio.Reader
	left int64
	buf  []byte
}

// next returns the next n bytes, until it is called again.
func (d *directory) next(n int) ([]byte, error) {
	if int64(n) > d.left {
		return nil, refused("its directory ends in the middle of a header")
	}
	d.left -= int64(n)
	if cap(d.buf) < n {
		d.buf = make([]byte, n)
	}
	b := d.buf[:n]
	if _, err := io.ReadFull(d.r, b); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, refused("it ends within its directory")
	} else if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return b, nil
}

// readHeader reads one header and checks what can be checked of it alone.
func (d *directory) readHeader(e *ArchiveEntry) error {
	b, err := d.next(centralLen)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if le.Uint32(b) != centralSignature {
		return refused("something in its directory is no header")
	}
	creator := le.Uint16(b[4:])
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	disk, attributes := le.Uint16(b[34:]), le.Uint32(b[38:])
	e.a, e.flags, e.Method, e.CRC32 = d.o.a, le.Uint16(b[8:]), le.Uint16(b[10:]), le.Uint32(b[16:])
	compressed, size, offset := uint64(le.Uint32(b[20:])), uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[42:]))

	if b, err = d.next(nameLen + extraLen + commentLen); err != nil {
		return err
	}
	e.Name = string(b[:nameLen])
	if err := checkName(e.Name); err != nil {
		return e.refused("%w", err)
	}
	extra, err := parseExtra(b[nameLen : nameLen+extraLen])
	if err != nil {
		return e.refused("%w", err)
	}
	if err := extra.checkPath(e.Name); err != nil {
		return e.refused("%w", err)
	}
	if err := extra.extend(&size, &compressed, &offset); err != nil {
		return e.refused("%w", err)
	}
	if disk != 0 && !(disk == math.MaxUint16 && extra.zip64 != nil) {
		return e.refused("it lies on another disk")
	}
	d.o.a.Zip64 = d.o.a.Zip64 || extra.zip64 != nil
	if err := e.setMode(creator, attributes); err != nil {
		return e.refused("%w", err)
	}
	return d.setSizes(e, size, compressed, offset)
}

// setSizes checks an entry's sizes against what is possible and the limits.
func (d *directory) setSizes(e *ArchiveEntry, size, compressed, offset uint64) error {
	o := d.o
	switch {
	case e.flags&flagsEncrypted != 0:
		return e.refused("it is encrypted")
	case e.flags&^(flagLevel|flagDescriptor|flagUTF8) != 0:
		return e.refused("its flags are %#x, which has unknown ones", e.flags)
	case e.Method != Store && e.Method != Deflate:
		return e.refused("it is compressed by method %d, only %d (store) and %d (deflate) are read", e.Method, Store, Deflate)
	case offset > uint64(o.start) || compressed > uint64(o.start)-offset:
		return e.refused("its data, %d bytes from offset %d, does not end before the directory at %d", compressed, offset, o.start)
	case e.Method == Store && size != compressed:
		return e.refused("%d bytes cannot be stored as %d", size, compressed)
	case size/maxRatio > compressed:
		return e.refused("%d bytes cannot have been deflated to %d", size, compressed)
	case e.Mode.IsDir() && size != 0:
		return e.refused("a folder cannot have %d bytes of content", size)
	case e.Mode.Type() == fs.ModeSymlink && (size == 0 || size > maxName):
		return e.refused("the target of a symbolic link cannot have %d bytes", size)
	case size > uint64(o.limits.Unzipped-o.a.Unzipped):
		return e.refused("with its %d bytes, the contents are %d bytes or more, the limit is %d",
			size, uint64(o.a.Unzipped)+size, o.limits.Unzipped)
	}
	e.Size, e.Compressed, e.offset = int64(size), int64(compressed), int64(offset)
	o.a.Unzipped += e.Size
	return nil
}

// maxRatio is more than deflate can reach: 258 bytes for every two bits.
const maxRatio = 1032

// An extraFields holds the extra fields that change what an entry is; nil
// where there is none.
type extraFields struct{ zip64, path []byte }

// parseExtra looks through extra fields. Up to three bytes at the end are
// padding, which some tools use to align data.
func parseExtra(b []byte) (x extraFields, err error) {
	for len(b) >= 4 {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		if b = b[4:]; n > len(b) {
			return x, fmt.Errorf("extra field %#04x is longer than all of them", id)
		}
		field := &x.zip64
		switch id {
		case extraZip64:
		case extraPath:
			field = &x.path
		default:
			field = new([]byte)
		}
		if *field != nil {
			return x, fmt.Errorf("extra field %#04x is there twice", id)
		}
		*field, b = b[:n], b[n:]
	}
	return x, nil
}

// extend puts the values of the zip64 field in the place of those that are
// all ones. They stand there in the order of fields. What is left may repeat
// fields that needed no extension, as some tools write them.
func (x *extraFields) extend(fields ...*uint64) error {
	rest, next := x.zip64, 0
	for _, field := range fields {
		if *field != in64 {
			continue
		}
		if x.zip64 == nil {
			return errors.New("a size or offset of 4 GiB - 1 without a zip64 field")
		}
		if len(rest) < 8 {
			return errors.New("the zip64 field lacks a value")
		}
		*field, rest = binary.LittleEndian.Uint64(rest), rest[8:]
		next++
	}
	for len(rest) >= 8 {
		if next >= len(fields) || *fields[next] != binary.LittleEndian.Uint64(rest) {
			return errors.New("the zip64 field has more values than it should")
		}
		rest = rest[8:]
		next++
	}
	return nil
}

// checkPath refuses a field that gives the entry another name: some readers
// take it, others do not.
func (x *extraFields) checkPath(name string) error {
	if x.path == nil {
		return nil
	}
	if len(x.path) < 5 || string(x.path[5:]) != name || binary.LittleEndian.Uint32(x.path[1:]) != crc32.ChecksumIEEE([]byte(name)) {
		return errors.New("an extra field gives it another name")
	}
	return nil
}
