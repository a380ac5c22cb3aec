package zipper

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// A crafted is a zip file of which every byte can be a lie. What is not set
// is as in an archive of Write's.
type crafted struct {
	records   []craftedRecord
	gap       []byte // in front of the directory
	behind    []byte // between directory and end record
	comment   []byte
	end       func(b []byte) // changes the end record, the last thing that is made
	zip64     func(b []byte) // if set, there is a zip64 end record with its locator, which it may change
	descend   bool           // whether the directory has the opposite order
	directory []byte         // at the directory's end
}

type craftedRecord struct {
	name       string
	content    []byte
	method     uint16
	data       []byte // if not what method makes of content
	flags      uint16
	creator    byte
	attributes uint32 // 0 means a regular file, or a folder if the name ends in a slash
	gap        []byte // in front of it
	localExtra []byte
	extra      []byte // in the directory
	comment    []byte
	descriptor func(crc, compressed, size uint32) []byte
	local      func(b []byte) // changes the local header, name and extra fields included
	central    func(b []byte)
}

// plain is the record of a small file, or of a folder.
func plain(name string) craftedRecord {
	if strings.HasSuffix(name, "/") {
		return craftedRecord{name: name}
	}
	return craftedRecord{name: name, content: []byte("content")}
}

func deflated(name string, content []byte) craftedRecord {
	return craftedRecord{name: name, content: content, method: Deflate}
}

// rawDeflate compresses with the standard library.
func rawDeflate(content []byte) []byte {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, 9)
	w.Write(content)
	w.Close()
	return b.Bytes()
}

func (c crafted) bytes() []byte {
	var b []byte
	var directory [][]byte
	for _, r := range c.records {
		b = append(b, r.gap...)
		var header []byte
		b, header = r.append(b)
		directory = append(directory, header)
	}
	if c.descend {
		slices.Reverse(directory)
	}
	b = append(b, c.gap...)
	start := len(b)
	b = append(b, slices.Concat(directory...)...)
	b = append(b, c.directory...)
	length := len(b) - start
	if c.zip64 != nil {
		b = append(b, c.endRecord64(start, length)...)
	}
	b = append(b, c.behind...)

	le := binary.LittleEndian
	end := le.AppendUint32(nil, endSignature)
	end = append(end, 0, 0, 0, 0)
	end = le.AppendUint16(end, uint16(len(c.records)))
	end = le.AppendUint16(end, uint16(len(c.records)))
	end = le.AppendUint32(end, uint32(length))
	end = le.AppendUint32(end, uint32(start))
	end = le.AppendUint16(end, uint16(len(c.comment)))
	if c.end != nil {
		c.end(end)
	}
	return append(append(b, end...), c.comment...)
}

func (c crafted) endRecord64(start, length int) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, end64Signature)
	b = le.AppendUint64(b, end64Len-12)
	b = append(b, 45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint64(b, uint64(len(c.records)))
	b = le.AppendUint64(b, uint64(len(c.records)))
	b = le.AppendUint64(b, uint64(length))
	b = le.AppendUint64(b, uint64(start))
	b = le.AppendUint32(b, locator64Signature)
	b = le.AppendUint32(b, 0)
	b = le.AppendUint64(b, uint64(start+length))
	b = le.AppendUint32(b, 1)
	c.zip64(b)
	return b
}

// append appends the record, and returns the header for the directory.
func (r craftedRecord) append(b []byte) (_, header []byte) {
	data := r.data
	if data == nil {
		if data = r.content; r.method == Deflate {
			data = rawDeflate(r.content)
		}
	}
	crc, offset := crc32.ChecksumIEEE(r.content), uint32(len(b))
	if r.descriptor != nil {
		r.flags |= flagDescriptor
	}
	le := binary.LittleEndian
	shared := func(b []byte, extra []byte) []byte {
		b = le.AppendUint16(b, version)
		b = le.AppendUint16(b, r.flags|flags(r.name))
		b = le.AppendUint16(b, r.method)
		b = append(b, 0, 0, 0x21, 0)
		b = le.AppendUint32(b, crc)
		b = le.AppendUint32(b, uint32(len(data)))
		b = le.AppendUint32(b, uint32(len(r.content)))
		b = le.AppendUint16(b, uint16(len(r.name)))
		return le.AppendUint16(b, uint16(len(extra)))
	}
	local := shared(le.AppendUint32(nil, localSignature), r.localExtra)
	local = append(append(local, r.name...), r.localExtra...)
	if r.local != nil {
		r.local(local)
	}
	b = append(append(b, local...), data...)
	if r.descriptor != nil {
		b = append(b, r.descriptor(crc, uint32(len(data)), uint32(len(r.content)))...)
	}

	if r.creator == 0 {
		r.creator = madeByUnix
	}
	if r.attributes == 0 {
		r.attributes = 0o100644 << 16
		if strings.HasSuffix(r.name, "/") {
			r.attributes = 0o040755 << 16
		}
	}
	header = shared(append(le.AppendUint32(nil, centralSignature), version, r.creator), r.extra)
	header = le.AppendUint16(header, uint16(len(r.comment)))
	header = append(header, 0, 0, 0, 0)
	header = le.AppendUint32(header, r.attributes)
	header = le.AppendUint32(header, offset)
	header = slices.Concat(header, []byte(r.name), r.extra, r.comment)
	if r.central != nil {
		r.central(header)
	}
	return b, header
}

// put16 and put32 return a change of a field of a header.
func put16(at int, v uint16) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint16(b[at:], v) }
}

func put32(at int, v uint32) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint32(b[at:], v) }
}

func put64(at int, v uint64) func([]byte) {
	return func(b []byte) { binary.LittleEndian.PutUint64(b[at:], v) }
}

// both makes several changes.
func both(changes ...func([]byte)) func([]byte) {
	return func(b []byte) {
		for _, change := range changes {
			change(b)
		}
	}
}

func unchanged([]byte) {}

// extra is one extra field.
func extra(id uint16, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, id)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// values are the bytes of 64-bit numbers.
func values(v ...uint64) (b []byte) {
	for _, v := range v {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// descriptor makes data descriptors of one of the four forms there are.
func descriptor(signed, wide bool) func(crc, compressed, size uint32) []byte {
	return func(crc, compressed, size uint32) (b []byte) {
		le := binary.LittleEndian
		if signed {
			b = le.AppendUint32(b, descriptorSignature)
		}
		b = le.AppendUint32(b, crc)
		if wide {
			return append(b, values(uint64(compressed), uint64(size))...)
		}
		return le.AppendUint32(le.AppendUint32(b, compressed), size)
	}
}

func openBytes(t testing.TB, b []byte, limits Limits) (*Archive, error) {
	t.Helper()
	return Open(bytes.NewReader(b), int64(len(b)), limits)
}
