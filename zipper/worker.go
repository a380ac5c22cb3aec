package zipper

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
)

// A worker does one task at a time and owns the memory that takes.
type worker struct {
	p        *packer
	deflater deflater
	buf      []byte // a dictionary, a block, and a byte to see a file that is too long
}

// A bigFile is a file of several blocks. Its fields belong to the worker
// whose turn it is, but for entry, left and turn, which belong to assign.
type bigFile struct {
	entry int
	left  int64         // bytes in no task yet
	turn  chan struct{} // closed when the last assigned block has been read

	content io.ReadCloser
	sha     hash.Hash
	crc     uint32
	tail    []byte // the last bytes read: the next block's dictionary
}

func newBigFile(entry int, size int64) *bigFile {
	turn := make(chan struct{})
	close(turn)
	return &bigFile{entry: entry, left: size, turn: turn}
}

// packUnit makes the records of small entries.
func (w *worker) packUnit(ctx context.Context, t *task) error {
	for i := t.first; i < t.end; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := &w.p.entries[i]
		data, err := w.readSmall(e)
		if err != nil {
			return err
		}
		if t.out, err = w.appendRecord(t.out, &w.p.infos[i], data); err != nil {
			return entryError(e.Name, "compress", err)
		}
	}
	return nil
}

// readSmall returns the whole content of an entry, in w.buf for a file.
func (w *worker) readSmall(e *Entry) (data []byte, err error) {
	switch e.Mode.Type() {
	case fs.ModeDir:
		return nil, nil
	case fs.ModeSymlink:
		return []byte(e.Link), nil
	}
	r, err := e.Open()
	if err != nil {
		return nil, entryError(e.Name, "open", err)
	}
	data, err = readExactly(r, w.buf[dictSize:], e.Size, true)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, entryError(e.Name, "read", err)
	}
	return data, nil
}

// readExactly reads size bytes into buf, which has room for one more. If that
// is the last of the content, nothing may follow.
func readExactly(r io.Reader, buf []byte, size int64, last bool) ([]byte, error) {
	want := size
	if last {
		want++
	}
	n, err := fill(r, buf[:want])
	switch {
	case err != nil:
		return nil, err
	case int64(n) < size:
		return nil, fmt.Errorf("content ends %d bytes before its stated size", size-int64(n))
	case int64(n) > size:
		return nil, errors.New("content is longer than its stated size")
	}
	return buf[:size], nil
}

// fill reads until buf is full or r ends. Unlike io.ReadFull it cannot take
// an io.ErrUnexpectedEOF of r's own for the end of the content.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for empty := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}

// appendRecord appends the local header and the data of a small entry, and
// completes its info.
func (w *worker) appendRecord(out []byte, info *EntryInfo, data []byte) ([]byte, error) {
	info.CRC32 = crc32.ChecksumIEEE(data)
	info.SHA256 = sha256.Sum256(data)
	info.Method, info.Compressed = Store, info.Size

	header := len(out)
	out = appendLocal(out, info) // to be written again when all is known
	start := len(out)
	if info.Mode.IsRegular() && len(data) > 0 {
		var err error
		if out, err = w.deflater.block(out, nil, data, true); err != nil {
			return nil, err
		}
		if n := len(out) - start; n < len(data) {
			info.Method, info.Compressed = Deflate, int64(n)
			appendLocal(out[:header], info)
			return out, nil
		}
		out = out[:start]
	}
	return append(out, data...), nil
}

// packBlock compresses one block of a big file.
func (w *worker) packBlock(ctx context.Context, t *task) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	info := &w.p.infos[t.first]
	dict, data, err := w.readBlock(t, info)
	if err != nil {
		return err
	}
	close(t.pass)
	if t.out, err = w.deflater.block(t.out, dict, data, t.last); err != nil {
		return entryError(info.Name, "compress", err)
	}
	return nil
}

// readBlock reads and hashes the next block of a file. It is the only part
// that has to happen in the order of the blocks. Both slices are in w.buf.
func (w *worker) readBlock(t *task, info *EntryInfo) (dict, data []byte, err error) {
	f := t.file
	if f.content == nil {
		if f.content, err = w.p.entries[t.first].Open(); err != nil {
			return nil, nil, entryError(info.Name, "open", err)
		}
		w.p.setOpen(f, true)
		f.sha = sha256.New()
	}
	n := copy(w.buf[dictSize-len(f.tail):], f.tail)
	dict = w.buf[dictSize-n : dictSize]
	data, err = readExactly(f.content, w.buf[dictSize:], t.content, t.last)
	if err != nil {
		return nil, nil, entryError(info.Name, "read", err)
	}
	f.sha.Write(data)
	f.crc = crc32.Update(f.crc, crc32.IEEETable, data)
	if !t.last {
		f.tail = append(f.tail[:0], data[len(data)-dictSize:]...)
		return dict, data, nil
	}
	w.p.setOpen(f, false)
	if err := f.content.Close(); err != nil {
		return nil, nil, entryError(info.Name, "read", err)
	}
	info.CRC32 = f.crc
	f.sha.Sum(info.SHA256[:0])
	return dict, data, nil
}
