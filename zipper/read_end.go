package zipper

import (
	"bytes"
	"encoding/binary"
	"math"
)

// Of the records that follow the central directory in an archive that uses
// zip64. Write never makes them.
const (
	end64Signature     = 0x06064b50
	locator64Signature = 0x07064b50

	end64Len     = 56
	locator64Len = 20

	// In a header of 16 or 32 bits, "see the zip64 record".
	in64 = math.MaxUint32
)

// readEnd finds the end record and the central directory. All readers look
// for the last signature of an end record; here nothing may follow it that
// could be taken for another, and nothing may lie between it and the
// directory, so that they all find the same.
func (o *opener) readEnd() error {
	tail := make([]byte, max(0, min(o.size, endLen+math.MaxUint16)))
	if err := o.readAt(tail, o.size-int64(len(tail))); err != nil {
		return err
	}
	at := bytes.LastIndex(tail, binary.LittleEndian.AppendUint32(nil, endSignature))
	if at < 0 {
		return refused("it has no end record: it is no zip file, or the end is missing")
	}
	end := tail[at:]
	if len(end) < endLen || len(end) != endLen+int(binary.LittleEndian.Uint16(end[20:])) {
		return refused("its last end record, %d bytes before the end, is cut short or has something behind it", len(end))
	}
	o.a.Comment = string(end[endLen:])
	return o.readEndRecord(end, o.size-int64(len(end)))
}

// readEndRecord takes the place of the central directory from the end record
// and its zip64 extension.
func (o *opener) readEndRecord(end []byte, at int64) error {
	le := binary.LittleEndian
	disk, startDisk := le.Uint16(end[4:]), le.Uint16(end[6:])
	here, all := le.Uint16(end[8:]), le.Uint16(end[10:])
	length, start := le.Uint32(end[12:]), le.Uint32(end[16:])
	o.records, o.length, o.start = int64(all), int64(length), int64(start)

	at64, err := o.readEnd64(at)
	if err != nil {
		return err
	}
	if o.a.Zip64 {
		// Some readers take these fields where they are not all ones, some
		// take zip64's whenever there are any.
		if disk != 0 && disk != math.MaxUint16 || startDisk != 0 && startDisk != math.MaxUint16 ||
			!agree(uint64(here), math.MaxUint16, o.records) || !agree(uint64(all), math.MaxUint16, o.records) ||
			!agree(uint64(length), in64, o.length) || !agree(uint64(start), in64, o.start) {
			return refused("its end record and the zip64 end record disagree")
		}
		at = at64
	} else if disk != 0 || startDisk != 0 || here != all {
		return refused("it is one of several disks")
	}
	return o.checkPlace(at)
}

// agree reports whether a field of fewer bits says the same as its extension.
func agree(field, ones uint64, extended int64) bool {
	return field == ones || field == uint64(extended)
}

// readEnd64 reads the zip64 end record if there is one in front of the end
// record at the given offset, and returns where it starts.
func (o *opener) readEnd64(at int64) (int64, error) {
	if at < locator64Len+end64Len {
		return 0, nil
	}
	b := make([]byte, end64Len+locator64Len)
	if err := o.readAt(b, at-int64(len(b))); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	locator := b[end64Len:]
	if le.Uint32(locator) != locator64Signature {
		return 0, nil
	}
	at -= int64(len(b))
	if le.Uint32(b) != end64Signature || le.Uint64(b[4:]) != end64Len-12 || le.Uint64(locator[8:]) != uint64(at) {
		return 0, refused("the zip64 end record is not where its locator says, or has extensions")
	}
	here, all, length, start := le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint64(b[40:]), le.Uint64(b[48:])
	if le.Uint32(b[16:]) != 0 || le.Uint32(b[20:]) != 0 || here != all || le.Uint32(locator[4:]) != 0 || le.Uint32(locator[16:]) != 1 {
		return 0, refused("it is one of several disks")
	}
	if max(all, length, start) > math.MaxInt64 {
		return 0, refused("the zip64 end record has impossible sizes")
	}
	o.records, o.length, o.start = int64(all), int64(length), int64(start)
	o.a.Zip64 = true
	return at, nil
}

// checkPlace checks that the directory ends where the end records begin, and
// can hold what it is said to.
func (o *opener) checkPlace(end int64) error {
	switch {
	case o.records > int64(o.limits.Entries):
		return refused("it has %d entries, the limit is %d", o.records, o.limits.Entries)
	case o.length > o.limits.Directory:
		return refused("its directory has %d bytes, the limit is %d", o.length, o.limits.Directory)
	case o.start > end || o.length != end-o.start:
		return refused("its directory, %d bytes at offset %d, does not end at the end record at %d: "+
			"something lies between them or before the archive, or is missing", o.length, o.start, end)
	case o.records > o.length/centralLen:
		return refused("%d entries cannot be in a directory of %d bytes", o.records, o.length)
	}
	return nil
}
