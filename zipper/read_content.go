package zipper

import (
	"bufio"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
	"sync"
)

// Open gives an entry's content, of a symbolic link its target. Read to its
// end, it is verified: instead of io.EOF, the last call of Read returns an
// error that wraps ErrRefused if the data is damaged, is shorter or longer
// than the entry's size, goes on behind its end, or has another CRC-32. It
// never delivers more than Size bytes. It needs about 80 KiB of memory,
// whatever the entry's size, until it is closed.
func (e *ArchiveEntry) Open() io.ReadCloser {
	in := inflaters.Get().(*inflater)
	in.source.Reset(io.NewSectionReader(e.a.r, e.data, e.Compressed))
	c := &entryReader{e: e, in: in, r: in.source, left: e.Size}
	if e.Method == Deflate {
		if in.r == nil {
			in.r = flate.NewReader(in.source)
		} else {
			c.err = in.r.(flate.Resetter).Reset(in.source, nil)
		}
		c.r = in.r
	}
	return c
}

// Link returns the target of a symbolic link: not empty, without a NUL byte,
// and otherwise what the archive holds. Where it points is not checked.
func (e *ArchiveEntry) Link() (string, error) {
	if e.Mode.Type() != fs.ModeSymlink {
		return "", fmt.Errorf("entry %q is no symbolic link", e.Name)
	}
	r := e.Open()
	defer r.Close()
	target, err := io.ReadAll(r) // Open has bounded its size
	if err != nil {
		return "", err
	}
	if strings.ContainsRune(string(target), 0) {
		return "", e.refused("the target %q of a symbolic link has a NUL byte", target)
	}
	return string(target), nil
}

// An inflater is what is worth keeping from one entry to the next. Because
// its source has ReadByte, flate takes no byte more than it needs, and what is
// left can be seen.
type inflater struct {
	source *bufio.Reader
	r      io.ReadCloser // made when first needed
}

var inflaters = sync.Pool{New: func() any { return &inflater{source: bufio.NewReaderSize(nil, 32<<10)} }}

// An entryReader reads and verifies an entry's content.
type entryReader struct {
	e    *ArchiveEntry
	in   *inflater // nil once closed
	r    io.Reader
	left int64 // bytes of content to come
	crc  uint32
	err  error // what the next call of Read returns
}

func (c *entryReader) Read(p []byte) (int, error) {
	if c.in == nil {
		return 0, fmt.Errorf("entry %q: %w", c.e.Name, fs.ErrClosed)
	}
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if c.left == 0 { // an empty entry
		c.err = c.verify()
		return 0, c.err
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.crc = crc32.Update(c.crc, crc32.IEEETable, p[:n])
	c.left -= int64(n)
	switch {
	case c.left == 0:
		c.err = c.verify()
	case err == io.EOF:
		c.err = c.e.refused("its content ends %d bytes before its size of %d", c.left, c.e.Size)
	case err != nil:
		c.err = c.failed(err)
	}
	return n, c.err
}

// verify is asked when all content has been read, and returns io.EOF if it is
// what it should be.
func (c *entryReader) verify() error {
	var more [1]byte
	if _, err := io.ReadFull(c.r, more[:]); err == nil {
		return c.e.refused("its content has more than %d bytes", c.e.Size)
	} else if err != io.EOF {
		return c.failed(err)
	}
	if _, err := c.in.source.ReadByte(); err == nil {
		return c.e.refused("there is data behind the end of its content")
	} else if err != io.EOF {
		return c.failed(err)
	}
	if c.crc != c.e.CRC32 {
		return c.e.refused("its CRC-32 is %08x, not %08x", c.crc, c.e.CRC32)
	}
	return io.EOF
}

// failed tells damaged data from a reader that failed.
func (c *entryReader) failed(err error) error {
	if _, ok := errors.AsType[flate.CorruptInputError](err); ok || err == io.ErrUnexpectedEOF {
		return c.e.refused("after %d bytes of content: %w", c.e.Size-c.left, err)
	}
	return entryError(c.e.Name, "read archive", err)
}

func (c *entryReader) Close() error {
	if c.in != nil {
		inflaters.Put(c.in)
		c.in, c.r = nil, nil
	}
	return nil
}
