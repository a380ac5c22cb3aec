package zipper

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/flate"
)

// An assembler writes finished tasks in order, and the directory after them.
type assembler struct {
	p       *packer
	w       io.Writer
	sha     hash.Hash
	written int64
	content int64 // bytes of content archived
	held    spill // the big file being assembled
	info    Info  // complete when run returns nil
}

func newAssembler(p *packer, w io.Writer) *assembler {
	return &assembler{p: p, w: w, sha: sha256.New(), held: spill{dir: p.opts.TempDir}}
}

func (a *assembler) run(ctx context.Context) (err error) {
	defer func() {
		if cerr := a.held.close(); err == nil {
			err = cerr
		}
	}()
	for {
		var t *task
		var ok bool
		select {
		case t, ok = <-a.p.queue:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !ok {
			return a.finish()
		}
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := a.add(t); err != nil {
			return err
		}
		a.content += t.content
		if a.p.opts.Progress != nil {
			a.p.opts.Progress(a.content)
		}
		a.p.free <- t // never blocks: there is room for all tasks
	}
}

// add writes a task's result, or holds it until its file is complete.
func (a *assembler) add(t *task) error {
	if t.file == nil {
		return a.write(t.out)
	}
	info := &a.p.infos[t.first]
	if err := a.held.add(t.out); err != nil {
		return entryError(info.Name, "hold compressed data", err)
	}
	if !t.last {
		return nil
	}
	if err := a.addBig(info); err != nil {
		return err
	}
	return a.held.reset()
}

// addBig writes the record of a big file, whose compressed data is held.
func (a *assembler) addBig(info *EntryInfo) error {
	data := a.held.reader()
	info.Method, info.Compressed = Deflate, a.held.size
	if a.held.size >= info.Size {
		// The content itself is smaller. Inflating what is held is cheap for
		// such data and spares a second reading of the file, which might
		// meanwhile be another.
		info.Method, info.Compressed = Store, info.Size
		data = flate.NewReader(data)
	}
	if err := a.write(appendLocal(nil, info)); err != nil {
		return err
	}
	n, err := io.Copy(writerFunc(func(p []byte) (int, error) { return len(p), a.write(p) }), data)
	if err != nil {
		return entryError(info.Name, "copy", err)
	}
	if n != info.Compressed {
		return fmt.Errorf("entry %q: %d bytes came back of %d", info.Name, n, info.Compressed)
	}
	return nil
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// write appends to the archive.
func (a *assembler) write(p []byte) error {
	if a.written+int64(len(p)) > maxSize {
		return fmt.Errorf("archive of %d bytes and more: %w", a.written+int64(len(p)), ErrTooLarge)
	}
	n, err := a.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	a.sha.Write(p)
	a.written += int64(len(p))
	return nil
}

// finish writes the directory and completes the info.
func (a *assembler) finish() error {
	b, err := appendDirectory(nil, a.p.infos, a.written)
	if err != nil {
		return err
	}
	if err := a.write(b); err != nil {
		return err
	}
	a.info = Info{Size: a.written, Unzipped: a.content, Entries: a.p.infos}
	a.sha.Sum(a.info.SHA256[:0])
	return nil
}
