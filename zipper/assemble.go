package zipper

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// An assembler writes finished tasks in order, and the directory after them.
// One worker uses it at a time.
type assembler struct {
	p       *packer
	w       io.Writer
	sha     hash.Hash
	written int64
	content int64 // bytes of content archived
	held    spill // the big file being assembled
	copying []byte
}

func newAssembler(p *packer, w io.Writer) *assembler {
	return &assembler{p: p, w: w, sha: sha256.New(), held: spill{dir: p.opts.TempDir}}
}

func (a *assembler) close() error { return a.held.close() }

// add writes a task's result, or holds it until its file is complete.
func (a *assembler) add(ctx context.Context, t *task) (err error) {
	info := &a.p.infos[t.first]
	switch {
	case t.splice != nil:
		err = a.addSpliced(ctx, info, t.splice)
	case t.file == nil:
		err = a.write(t.out)
	default:
		if err = a.held.add(t.out); err != nil {
			err = entryError(info.Name, "hold compressed data", err)
		} else if t.last {
			err = a.addBig(ctx, info)
		}
	}
	if err != nil {
		return err
	}
	a.content += t.content
	if a.p.opts.Progress != nil {
		a.p.opts.Progress(a.content)
	}
	return nil
}

// addBig writes the record of a big file, whose compressed data is held.
func (a *assembler) addBig(ctx context.Context, info *EntryInfo) error {
	info.Method, info.Compressed = Deflate, a.held.size
	stored := a.held.size >= info.Size
	if stored {
		// The content itself is not larger. Inflating what is held is cheap for
		// such data and spares a second reading of the file, which might
		// meanwhile be another.
		info.Method, info.Compressed = Store, info.Size
	}
	if err := a.write(appendLocal(nil, info)); err != nil {
		return err
	}
	// What is held may have been on a disk meanwhile.
	held := crc32.New(castagnoli)
	data := io.TeeReader(a.held.reader(), held)
	content := sha256.New()
	if stored {
		data = io.TeeReader(flate.NewReader(data), content)
	}
	if err := a.copy(ctx, info, data); err != nil {
		return err
	}
	switch {
	case held.Sum32() != a.held.sum:
		return entryError(info.Name, "hold compressed data", errors.New("other data came back"))
	case stored && [sha256.Size]byte(content.Sum(nil)) != info.SHA256:
		return entryError(info.Name, "inflate", errors.New("other content came back"))
	}
	return a.held.reset()
}

// addSpliced writes the record of a file out of an earlier archive's.
func (a *assembler) addSpliced(ctx context.Context, info *EntryInfo, from *place) error {
	if err := a.write(appendLocal(nil, info)); err != nil {
		return err
	}
	return a.copy(ctx, info, from.data(a.p.earlier.archive))
}

// copy writes an entry's data, which is as long as its info says.
func (a *assembler) copy(ctx context.Context, info *EntryInfo, data io.Reader) error {
	if a.copying == nil {
		a.copying = make([]byte, 128<<10)
	}
	for n := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		m, err := data.Read(a.copying)
		if n += int64(m); err != nil && err != io.EOF {
			return entryError(info.Name, "copy", err)
		}
		if n > info.Compressed || err == io.EOF && n < info.Compressed {
			return entryError(info.Name, "copy", fmt.Errorf("%d bytes came back of %d", n, info.Compressed))
		}
		if werr := a.write(a.copying[:m]); werr != nil || err == io.EOF {
			return werr
		}
	}
}

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

// finish writes the directory and says what was written.
func (a *assembler) finish() (Info, error) {
	b, err := appendDirectory(nil, a.p.infos, a.written)
	if err != nil {
		return Info{}, err
	}
	if err := a.write(b); err != nil {
		return Info{}, err
	}
	info := Info{
		Size: a.written, Unzipped: a.content, Entries: a.p.infos,
		Verified: a.p.opts.Verify, Spliced: a.p.earlier.spliced.Load(),
	}
	a.sha.Sum(info.SHA256[:0])
	return info, nil
}
