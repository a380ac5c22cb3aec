package zipper

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"
	"testing"
)

// FuzzBlocks cuts data into blocks, compresses them with a fresh compressor
// and a used one, and inflates the joined result.
func FuzzBlocks(f *testing.F) {
	f.Add([]byte(""), uint16(1))
	f.Add([]byte("hello, hello, hello"), uint16(5))
	f.Add(prose(1, 5000), uint16(1000))
	f.Add(noise(1, 5000), uint16(2500))
	f.Add(append(prose(2, 100_000), noise(2, 100)...), uint16(40_000))
	f.Add(append(noise(2, windowSize), prose(2, 2*windowSize)...), uint16(65_535))
	f.Add(append(prose(2, windowSize), noise(2, 2*windowSize)...), uint16(1))
	used := new(deflater)
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		size := max(int(cut), len(data)/50, 1)
		joined, err := joinBlocks(used, data, size)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := joinBlocks(new(deflater), data, size)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(joined, fresh) {
			t.Error("a used compressor gives other bytes than a new one")
		}
		source := bytes.NewReader(joined)
		got, err := io.ReadAll(flate.NewReader(source))
		if err != nil || !bytes.Equal(got, data) || source.Len() > 0 {
			t.Errorf("%d bytes came back of %d, %d were left, error %v", len(got), len(data), source.Len(), err)
		}
	})
}

// joinBlocks compresses data as Write does, in blocks of another size, and
// inflates each of them by itself.
func joinBlocks(d *deflater, data []byte, size int) (out []byte, err error) {
	var p proof
	for at := 0; ; at += size {
		end := min(at+size, len(data))
		// The block gets memory of its own, which is then overwritten: no
		// later one may depend on it.
		before := min(at, dictSize)
		buf := bytes.Clone(data[at-before : end])
		start := len(out)
		out = d.block(out, buf, before, end == len(data))
		if err := p.check(out[start:], buf[:before], buf[before:], end == len(data)); err != nil || end == len(data) {
			return out, err
		}
		clear(buf)
	}
}

// FuzzVerify gives Verify arbitrary compressed data in sound headers, and
// arbitrary bytes for a whole archive.
func FuzzVerify(f *testing.F) {
	archive, info := write(f, smallTree(), Options{})
	f.Add(archive, uint32(100), true)
	for i := range 3 {
		data := prose(byte(i), 1000)
		compressed, err := joinBlocks(new(deflater), data, 400)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(compressed, uint32(len(data)), true)
		f.Add(data, uint32(len(data)), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint32, deflated bool) {
		if err := verify(data, info); err != nil && !errors.Is(err, ErrCorrupt) || err == nil && !bytes.Equal(data, archive) {
			t.Errorf("as a whole archive: %v", err)
		}
		e := EntryInfo{Name: "f", Mode: plainMode, Size: int64(size), Compressed: int64(len(data)), Method: Store}
		e.CRC32, e.SHA256 = crc32.ChecksumIEEE(data), sha256.Sum256(data)
		if deflated {
			e.Method = Deflate
			content, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), int64(min(size, 1<<20))))
			e.CRC32, e.SHA256 = crc32.ChecksumIEEE(content), sha256.Sum256(content)
		}
		record := append(appendLocal(nil, &e), data...)
		whole, err := appendDirectory(record, []EntryInfo{e}, int64(len(record)))
		if err != nil {
			t.Fatal(err)
		}
		info := Info{Size: int64(len(whole)), SHA256: sha256.Sum256(whole), Unzipped: e.Size, Entries: []EntryInfo{e}}
		err = Verify(context.Background(), bytes.NewReader(whole), info.Size, info, Options{Workers: 1})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		if err == nil && !deflated && int64(size) != int64(len(data)) {
			t.Errorf("%d stored bytes passed for %d", len(data), size)
		}
	})
}
