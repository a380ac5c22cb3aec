package direct

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/layerbuild/layerbuild/runtimes"
)

const (
	chunkSize  = 256 << 10 // of large files
	smallSize  = 16 << 10  // of small ones
	maxAhead   = 64 << 20  // inflated and not yet written, all files
	maxPerFile = 16 << 20  // of that, one file
)

// inflater inflates files ahead of a writer that takes them in order. A file
// starts only when there is room for what may be ahead of it, in order too:
// so the file that the writer waits for never waits for room.
type inflater struct {
	room   *semaphore.Weighted
	chunks sync.Pool // of *[]byte, chunkSize
	smalls sync.Pool // of *[]byte, smallSize
	flates sync.Pool // of *inflateReader
}

// inflating is a file on its way.
type inflating struct {
	task
	room   int64
	chunks chan *[]byte
	err    error // set before chunks is closed
}

// writeTar inflates the tasks and writes those that are not hidden.
func writeTar(ctx context.Context, w io.Writer, tasks []task, jobs int, p runtimes.Progress) error {
	in := &inflater{room: semaphore.NewWeighted(maxAhead)}
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *inflating)
	order := make(chan *inflating, 1024)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		for _, t := range tasks {
			f := in.prepare(t)
			if err := in.room.Acquire(ctx, f.room); err != nil {
				return context.Cause(ctx)
			}
			for _, c := range []chan *inflating{order, work} {
				select {
				case c <- f:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for range jobs {
		g.Go(func() error {
			for f := range work {
				f.err = in.inflate(ctx, f)
				close(f.chunks)
			}
			return nil
		})
	}
	g.Go(func() error { return in.write(ctx, w, order, tasks, p) })
	return g.Wait()
}

func (in *inflater) prepare(t task) *inflating {
	size := t.member.size()
	f := &inflating{task: t, room: min(max(size, smallSize), maxPerFile)}
	f.chunks = make(chan *[]byte, max(1, f.room/chunkSize-1))
	return f
}

func (m *member) size() int64 {
	if m.zip == nil {
		return int64(len(m.data))
	}
	return int64(m.zip.UncompressedSize64)
}

// write writes the files in their order.
func (in *inflater) write(ctx context.Context, w io.Writer, order <-chan *inflating, tasks []task, p runtimes.Progress) error {
	tw := tar.NewWriter(w)
	var done int64
	for f := range order {
		if err := in.writeFile(ctx, tw, f); err != nil {
			return err
		}
		in.room.Release(f.room)
		if done++; done%256 == 0 || done == int64(len(tasks)) {
			p(runtimes.Update{Phase: "install", Item: f.wheel.pkg.Name, Done: done, Total: int64(len(tasks))})
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return tw.Close()
}

func (in *inflater) writeFile(ctx context.Context, tw *tar.Writer, f *inflating) error {
	if !f.hidden {
		header := tar.Header{Typeflag: tar.TypeReg, Name: f.member.path, Size: f.member.size(), Mode: 0o644}
		if f.member.exec {
			header.Mode = 0o755
		}
		if err := tw.WriteHeader(&header); err != nil {
			return fmt.Errorf("%s: %w", f.member.path, err)
		}
	}
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case chunk, more := <-f.chunks:
			if !more {
				return f.err
			}
			if !f.hidden {
				if _, err := tw.Write(*chunk); err != nil {
					return err
				}
			}
			if f.member.zip != nil {
				in.release(chunk)
			}
		}
	}
}

// inflate sends a file's content in chunks and checks it.
func (in *inflater) inflate(ctx context.Context, f *inflating) error {
	send := func(chunk *[]byte) error {
		select {
		case f.chunks <- chunk:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if f.member.zip == nil {
		return send(&f.member.data)
	}
	content, err := in.open(f.member.zip)
	if err != nil {
		return f.wheel.broken(fmt.Errorf("%s: %w", f.member.zip.Name, err))
	}
	defer in.close(content)
	sum, err := newChecker(f.member)
	if err != nil {
		return err
	}
	for left := f.member.size(); left > 0; {
		chunk := in.chunk(left)
		if _, err := io.ReadFull(content, *chunk); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // shorter than declared
			}
			return f.wheel.broken(fmt.Errorf("%s: %w", f.member.zip.Name, err))
		}
		sum.write(*chunk)
		left -= int64(len(*chunk))
		if err := send(chunk); err != nil {
			return err
		}
	}
	return sum.check(f, content)
}

// checker holds a file against what the archive and RECORD say of it.
type checker struct {
	crc  hash.Hash32
	hash hash.Hash // nil where RECORD has none
}

func newChecker(m *member) (checker, error) {
	c := checker{crc: crc32.NewIEEE()}
	var err error
	if m.listed.Algorithm != "" {
		c.hash, err = m.listed.NewHash()
	}
	return c, err
}

func (c checker) write(p []byte) {
	c.crc.Write(p)
	if c.hash != nil {
		c.hash.Write(p)
	}
}

// check is called when the whole content was read; rest is to be at its end.
func (c checker) check(f *inflating, rest io.Reader) error {
	var extra [1]byte
	n, err := rest.Read(extra[:])
	name := f.member.zip.Name
	switch {
	case n > 0:
		return f.wheel.errorf("broken zip archive: %s is longer than declared", name)
	case err != nil && !errors.Is(err, io.EOF):
		return f.wheel.broken(fmt.Errorf("%s: %w", name, err))
	case c.hash != nil && !bytes.Equal(c.hash.Sum(nil), f.member.listed.Sum):
		return f.wheel.errorf("%s does not match its hash in RECORD", name)
	case c.crc.Sum32() != f.member.zip.CRC32:
		return f.wheel.errorf("broken zip archive: %s does not match its checksum", name)
	}
	return nil
}

// inflateReader is a reader that is used again.
type inflateReader struct {
	raw   *bufio.Reader
	flate io.ReadCloser
	io.Reader
}

func (in *inflater) open(f *zip.File) (*inflateReader, error) {
	raw, err := f.OpenRaw()
	if err != nil {
		return nil, err
	}
	r, ok := in.flates.Get().(*inflateReader)
	if ok {
		r.raw.Reset(raw)
		if err := r.flate.(flate.Resetter).Reset(r.raw, nil); err != nil {
			return nil, err
		}
	} else {
		buffered := bufio.NewReaderSize(raw, 64<<10)
		r = &inflateReader{raw: buffered, flate: flate.NewReader(buffered)}
	}
	r.Reader = r.flate
	if f.Method == zip.Store {
		r.Reader = r.raw
	}
	return r, nil
}

func (in *inflater) close(r *inflateReader) { in.flates.Put(r) }

// chunk returns a buffer for the next bytes of those that are left.
func (in *inflater) chunk(left int64) *[]byte {
	pool, size := &in.chunks, int64(chunkSize)
	if left <= smallSize {
		pool, size = &in.smalls, smallSize
	}
	b, ok := pool.Get().(*[]byte)
	if !ok {
		made := make([]byte, size)
		b = &made
	}
	*b = (*b)[:min(left, size)]
	return b
}

func (in *inflater) release(chunk *[]byte) {
	switch cap(*chunk) {
	case chunkSize:
		in.chunks.Put(chunk)
	case smallSize:
		in.smalls.Put(chunk)
	}
}
