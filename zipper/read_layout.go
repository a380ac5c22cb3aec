package zipper

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

const descriptorSignature = 0x08074b50

// checkLayout holds the local headers against the directory's, and sees to it
// that the entries lie one behind another from the first byte of the file to
// the directory: what lies elsewhere would be an entry to a reader that does
// not use the directory.
func (o *opener) checkLayout() error {
	byOffset := make([]*ArchiveEntry, len(o.a.Entries))
	for i := range o.a.Entries {
		byOffset[i] = &o.a.Entries[i]
	}
	slices.SortStableFunc(byOffset, func(a, b *ArchiveEntry) int { return cmp.Compare(a.offset, b.offset) })
	at := int64(0)
	for i, e := range byOffset {
		if e.offset < at {
			return e.refused("it overlaps %q", byOffset[i-1].Name)
		}
		if e.offset > at {
			return e.refused("the %d bytes before it belong to no entry", e.offset-at)
		}
		end := o.start
		if i+1 < len(byOffset) {
			end = byOffset[i+1].offset
		}
		var err error
		if at, err = o.checkRecord(e, end); err != nil {
			return err
		}
	}
	if at < o.start {
		return refused("the %d bytes before its directory belong to no entry", o.start-at)
	}
	return nil
}

// checkRecord checks an entry's local header and data descriptor. The record
// may end at the given offset at most; checkRecord returns where it does.
func (o *opener) checkRecord(e *ArchiveEntry, end int64) (int64, error) {
	if e.offset+localLen+int64(len(e.Name)) > end {
		return 0, e.refused("its local header overlaps what follows")
	}
	b := make([]byte, localLen+len(e.Name))
	if err := o.readAt(b, e.offset); err != nil {
		return 0, err
	}
	le := binary.LittleEndian
	if le.Uint32(b) != localSignature {
		return 0, e.refused("there is no local header at offset %d", e.offset)
	}
	if nameLen := int(le.Uint16(b[26:])); nameLen != len(e.Name) || string(b[localLen:]) != e.Name {
		return 0, e.refused("its local header has another name")
	}
	extra := make([]byte, le.Uint16(b[28:]))
	e.data = e.offset + int64(len(b)) + int64(len(extra))
	if e.data+e.Compressed > end {
		return 0, e.refused("its %d bytes of data overlap what follows", e.Compressed)
	}
	if err := o.readAt(extra, e.offset+int64(len(b))); err != nil {
		return 0, err
	}
	if err := e.checkLocal(b, extra); err != nil {
		return 0, e.refused("%w", err)
	}
	if e.flags&flagDescriptor == 0 {
		return e.data + e.Compressed, nil
	}
	return end, o.checkDescriptor(e, end)
}

// checkLocal compares the local header's fields with the directory's. Times,
// versions and deflate's level are not compared: nothing hangs on them.
func (e *ArchiveEntry) checkLocal(b, extraBytes []byte) error {
	le := binary.LittleEndian
	if flags := le.Uint16(b[6:]); (flags^e.flags)&^flagLevel != 0 {
		return fmt.Errorf("its local header has the flags %#x, the directory %#x", flags, e.flags)
	}
	if method := le.Uint16(b[8:]); method != e.Method {
		return fmt.Errorf("its local header has the method %d, the directory %d", method, e.Method)
	}
	extra, err := parseExtra(extraBytes)
	if err != nil {
		return err
	}
	if err := extra.checkPath(e.Name); err != nil {
		return err
	}
	crc, compressed, size := le.Uint32(b[14:]), uint64(le.Uint32(b[18:])), uint64(le.Uint32(b[22:]))
	if err := extra.extend(&size, &compressed); err != nil {
		return err
	}
	if e.flags&flagDescriptor != 0 { // which has what is 0 here
		crc = cmp.Or(crc, e.CRC32)
		compressed, size = cmp.Or(compressed, uint64(e.Compressed)), cmp.Or(size, uint64(e.Size))
	}
	return e.sameSizes("local header", crc, compressed, size)
}

func (e *ArchiveEntry) sameSizes(where string, crc uint32, compressed, size uint64) error {
	if crc != e.CRC32 || compressed != uint64(e.Compressed) || size != uint64(e.Size) {
		return fmt.Errorf("its %s has CRC-32 %08x and %d bytes as %d, the directory %08x and %d as %d",
			where, crc, size, compressed, e.CRC32, e.Size, e.Compressed)
	}
	return nil
}

// checkDescriptor compares the descriptor, which is all that lies between the
// data and the given offset, with the directory. It has a signature or not,
// and sizes of 32 or 64 bits: its length tells.
func (o *opener) checkDescriptor(e *ArchiveEntry, end int64) error {
	length := end - e.data - e.Compressed
	if length < 12 || length > 24 || length%4 != 0 {
		return e.refused("%d bytes follow its data, which is no data descriptor", length)
	}
	b := make([]byte, length)
	if err := o.readAt(b, e.data+e.Compressed); err != nil {
		return err
	}
	le := binary.LittleEndian
	// A CRC-32 that looks like the signature would be taken for it.
	if signed := length%8 == 0; signed != (le.Uint32(b) == descriptorSignature) {
		return e.refused("the %d bytes that follow its data are no data descriptor", length)
	} else if signed {
		b = b[4:]
	}
	crc, compressed, size := le.Uint32(b), uint64(0), uint64(0)
	if len(b) == 12 {
		compressed, size = uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))
	} else {
		compressed, size = le.Uint64(b[4:]), le.Uint64(b[12:])
	}
	if err := e.sameSizes("data descriptor", crc, compressed, size); err != nil {
		return e.refused("%w", err)
	}
	return nil
}
