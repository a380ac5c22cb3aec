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
	proof    proof
	buf      []byte    // a dictionary, a block, and a byte to see a file that is too long
	ahead    readAhead // of an earlier archive
	follows  int       // which of the earlier records the next file should have
	header   []byte    // the one a record of it should have
}

func newWorker(p *packer) *worker {
	return &worker{p: p, buf: make([]byte, dictSize+blockSize+1)}
}

// do does a task. A spliced one is done already.
func (w *worker) do(ctx context.Context, t *task) error {
	if t.out == nil {
		// Once and with room for any result. Buffers that grow leave garbage
		// behind, which is what would decide the peak of memory.
		t.out = make([]byte, 0, blockSize+maxName+1<<10)
	}
	switch {
	case t.splice != nil:
		return nil
	case t.file != nil:
		return w.packBlock(ctx, t)
	default:
		return w.packUnit(ctx, t)
	}
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
			return err
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
func (w *worker) appendRecord(out []byte, info *EntryInfo, content []byte) ([]byte, error) {
	info.CRC32 = crc32.ChecksumIEEE(content)
	info.SHA256 = sha256.Sum256(content)
	info.Method, info.Compressed = Store, info.Size
	if !info.Mode.IsRegular() || len(content) == 0 {
		return append(appendLocal(out, info), content...), nil
	}
	if spliced, ok := w.spliceSmall(out, info, content); ok {
		return spliced, nil
	}
	header := len(out)
	out = appendLocal(out, info) // to be written again when all is known
	start := len(out)
	out = w.deflater.block(out, content, 0, true)
	if len(out)-start >= len(content) {
		return append(out[:start], content...), nil
	}
	info.Method, info.Compressed = Deflate, int64(len(out)-start)
	appendLocal(out[:header], info)
	if w.p.opts.Verify {
		if err := w.proof.check(out[start:], nil, content, true); err != nil {
			return nil, entryError(info.Name, "verify", err)
		}
	}
	return out, nil
}

// packBlock compresses one block of a big file.
func (w *worker) packBlock(ctx context.Context, t *task) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	info := &w.p.infos[t.first]
	buf, before, err := w.readBlock(t, info)
	if err != nil {
		return err
	}
	close(t.pass)
	t.out = w.deflater.block(t.out, buf, before, t.last)
	if w.p.opts.Verify {
		if err := w.proof.check(t.out, buf[:before], buf[before:], t.last); err != nil {
			return entryError(info.Name, "verify", err)
		}
	}
	return nil
}

// readBlock reads and hashes the next block of a file. It is the only part
// that has to happen in the order of the blocks. The result, a part of w.buf,
// is the block after the bytes before it, which are its dictionary.
func (w *worker) readBlock(t *task, info *EntryInfo) (buf []byte, before int, err error) {
	f := t.file
	if f.content == nil {
		if f.content, err = w.p.entries[t.first].Open(); err != nil {
			return nil, 0, entryError(info.Name, "open", err)
		}
		w.p.setOpen(f, true)
		f.sha = sha256.New()
	}
	before = copy(w.buf[dictSize-len(f.tail):], f.tail)
	data, err := readExactly(f.content, w.buf[dictSize:], t.content, t.last)
	if err != nil {
		return nil, 0, entryError(info.Name, "read", err)
	}
	buf = w.buf[dictSize-before : dictSize+len(data)]
	f.sha.Write(data)
	f.crc = crc32.Update(f.crc, crc32.IEEETable, data)
	if !t.last {
		f.tail = append(f.tail[:0], data[len(data)-dictSize:]...)
		return buf, before, nil
	}
	w.p.setOpen(f, false)
	if err := f.content.Close(); err != nil {
		return nil, 0, entryError(info.Name, "read", err)
	}
	info.CRC32 = f.crc
	f.sha.Sum(info.SHA256[:0])
	return buf, before, nil
}
