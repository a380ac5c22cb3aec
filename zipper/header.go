package zipper

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
)

// Fixed fields of all headers.
const (
	localSignature   = 0x04034b50
	centralSignature = 0x02014b50
	endSignature     = 0x06054b50

	localLen   = 30
	centralLen = 46
	endLen     = 22

	version  = 20        // "version needed": 2.0, for deflate and folders
	creator  = 3<<8 | 20 // Unix, so that readers take modes from the attributes
	dosTime  = 0         // 00:00:00
	dosDate  = 1<<5 | 1  // 1980-01-01, the first day DOS can express
	flagUTF8 = uint16(1 << 11)
)

// The modes there are. They are compared whole, so that nothing else of an
// fs.FileMode can get into an archive.
const (
	plainMode = fs.FileMode(0o644)
	execMode  = fs.FileMode(0o755)
	dirMode   = fs.ModeDir | 0o755
	linkMode  = fs.ModeSymlink | 0o777
)

func fileMode(executable bool) fs.FileMode {
	if executable {
		return execMode
	}
	return plainMode
}

// unixMode is st_mode as Unix has it.
func unixMode(m fs.FileMode) (uint32, error) {
	switch m {
	case plainMode, execMode:
		return 0o100000 | uint32(m), nil
	case dirMode:
		return 0o040755, nil
	case linkMode:
		return 0o120777, nil
	}
	return 0, fmt.Errorf("mode %v is not one that an archive can hold", m)
}

// flags are the general purpose flags of a name. ASCII means the same in
// every reader's character set; for the rest the name is declared UTF-8.
func flags(name string) uint16 {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return flagUTF8
		}
	}
	return 0
}

// appendShared appends the fields that local and central headers have in
// common, from "version needed" to the length of the extra fields.
func appendShared(b []byte, e *EntryInfo) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, version)
	b = le.AppendUint16(b, flags(e.Name))
	b = le.AppendUint16(b, e.Method)
	b = le.AppendUint16(b, dosTime)
	b = le.AppendUint16(b, dosDate)
	b = le.AppendUint32(b, e.CRC32)
	b = le.AppendUint32(b, uint32(e.Compressed))
	b = le.AppendUint32(b, uint32(e.Size))
	b = le.AppendUint16(b, uint16(len(e.Name)))
	return le.AppendUint16(b, 0) // extra fields
}

// appendLocal appends the header that precedes an entry's data.
func appendLocal(b []byte, e *EntryInfo) []byte {
	b = binary.LittleEndian.AppendUint32(b, localSignature)
	b = appendShared(b, e)
	return append(b, e.Name...)
}

// appendCentral appends an entry's header in the central directory.
func appendCentral(b []byte, e *EntryInfo, offset int64) ([]byte, error) {
	mode, err := unixMode(e.Mode)
	if err != nil {
		return nil, fmt.Errorf("entry %q: %w", e.Name, err)
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, centralSignature)
	b = le.AppendUint16(b, creator)
	b = appendShared(b, e)
	b = le.AppendUint16(b, 0) // comment
	b = le.AppendUint16(b, 0) // disk
	b = le.AppendUint16(b, 0) // internal attributes
	b = le.AppendUint32(b, mode<<16)
	b = le.AppendUint32(b, uint32(offset))
	return append(b, e.Name...), nil
}

// appendDirectory appends all that follows the last entry's data: the central
// directory, which starts at the given offset, and the end record.
func appendDirectory(b []byte, entries []EntryInfo, start int64) ([]byte, error) {
	length := int64(0)
	for i := range entries {
		length += centralLen + int64(len(entries[i].Name))
	}
	if len(entries) > maxEntries || start > maxSize || length > maxSize {
		return nil, fmt.Errorf("%d entries, %d bytes of data, %d bytes of directory: %w",
			len(entries), start, length, ErrTooLarge)
	}
	b = slices.Grow(b, int(length)+endLen)
	var err error
	offset := int64(0)
	for i := range entries {
		if b, err = appendCentral(b, &entries[i], offset); err != nil {
			return nil, err
		}
		offset += entries[i].record()
	}
	le := binary.LittleEndian
	b = le.AppendUint32(b, endSignature)
	b = le.AppendUint16(b, 0) // this disk
	b = le.AppendUint16(b, 0) // the directory's disk
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint16(b, uint16(len(entries)))
	b = le.AppendUint32(b, uint32(length))
	b = le.AppendUint32(b, uint32(start))
	return le.AppendUint16(b, 0), nil // comment
}

// record is the length of the entry's local header and data.
func (e *EntryInfo) record() int64 {
	return localLen + int64(len(e.Name)) + e.Compressed
}
