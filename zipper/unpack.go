package zipper

import (
	"cmp"
	"context"
	"crypto/sha256"
	"io"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/cache/tempfile"
)

// Unpacked is the contents of an archive's entries, in a temporary file that
// no other process sees and that is gone when the process is.
type Unpacked struct {
	// SHA256 has the hashes of the contents, in the order of the entries.
	SHA256 [][sha256.Size]byte

	archive *Archive
	offsets []int64
	file    *tempfile.File
}

// Unpack inflates each entry once, several at a time, and verifies it. The
// temporary file lies in the folder dir, or in [os.TempDir] where that is "".
// The caller closes the result when it is done with the contents.
func (a *Archive) Unpack(ctx context.Context, dir string, opts Options) (*Unpacked, error) {
	file, err := tempfile.New(dir)
	if err != nil {
		return nil, err
	}
	u := &Unpacked{make([][sha256.Size]byte, len(a.Entries)), a, make([]int64, len(a.Entries)), file}
	var size int64
	order := make([]int, len(a.Entries))
	for i, e := range a.Entries {
		order[i], u.offsets[i] = i, size
		size += e.Size
	}
	// The largest first, so that none is begun when the others are done.
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(a.Entries[j].Size, a.Entries[i].Size) })
	if err := u.inflate(ctx, order, opts.workers()); err != nil {
		file.Close()
		return nil, err
	}
	return u, nil
}

// inflate shares the entries among workers.
func (u *Unpacked) inflate(ctx context.Context, order []int, workers int) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(workers, len(order)) {
		g.Go(func() error {
			buf := make([]byte, 256<<10)
			for {
				at := int(next.Add(1)) - 1
				if at >= len(order) {
					return nil
				}
				if err := u.inflateEntry(ctx, order[at], buf); err != nil {
					return err
				}
			}
		})
	}
	return g.Wait()
}

func (u *Unpacked) inflateEntry(ctx context.Context, i int, buf []byte) error {
	content := u.archive.Entries[i].Open()
	defer content.Close()
	sum := sha256.New()
	w := io.MultiWriter(io.NewOffsetWriter(u.file, u.offsets[i]), sum)
	if _, err := io.CopyBuffer(w, &contextReader{ctx, content}, buf); err != nil {
		return err
	}
	sum.Sum(u.SHA256[i][:0])
	return nil
}

// Open gives the content of the entry at a position of Archive.Entries. It can
// be read at any offset, too.
func (u *Unpacked) Open(i int) interface {
	io.ReadCloser
	io.ReaderAt
} {
	return section{io.NewSectionReader(u.file, u.offsets[i], u.archive.Entries[i].Size)}
}

// Close frees the contents.
func (u *Unpacked) Close() error { return u.file.Close() }
