package direct

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/layerbuild/layerbuild/runtimes"
)

// tarballFetches is how many tarballs are fetched at once where the user does
// not say: most are small.
const tarballFetches = 16

// tarball is a package that was fetched.
type tarball struct {
	pkg    runtimes.Package
	file   ReadAtCloser
	nested map[string][]string // place → folders below it that are another package's
}

func (t *tarball) errorf(format string, args ...any) error {
	return &runtimes.PackageError{File: t.pkg.File.Name, Problem: fmt.Sprintf(format, args...)}
}

// broken turns an error of reading the tarball into the package's, unless it
// is this machine's.
func (t *tarball) broken(err error) error {
	var read *readError
	if errors.As(err, &read) {
		return fmt.Errorf("%s: %w", t.pkg.File.Name, read.err)
	}
	return t.errorf("broken tarball: %v", err)
}

// installTarballs lays npm packages out at their places, as `npm ci` with
// --ignore-scripts and --no-bin-links does.
func (e *Engine) installTarballs(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	nested, err := nestedPlaces(r)
	if err != nil {
		return err
	}
	tarballs, err := e.openTarballs(ctx, r, nested, p)
	defer func() {
		for _, t := range tarballs {
			if t != nil {
				t.file.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	jobs := e.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	if err := writeTarballs(ctx, buffered, tarballs, jobs, p); err != nil {
		return err
	}
	return buffered.Flush()
}

// nestedPlaces lists, for each place, the places below it, by their paths from
// there.
func nestedPlaces(r runtimes.Recipe) (map[string][]string, error) {
	nested := make(map[string][]string)
	for _, pkg := range r.Packages {
		switch {
		case pkg.Missing != "":
			return nil, fmt.Errorf("%s %s has no file: %s", pkg.Name, pkg.Version, pkg.Missing)
		case len(pkg.Places) == 0:
			return nil, fmt.Errorf("%s %s has no place in the layer", pkg.Name, pkg.Version)
		}
		for _, place := range pkg.Places {
			if err := checkUnpacked(place); err != nil {
				return nil, fmt.Errorf("the place %q of %s: %w", place, pkg.Name, err)
			}
			if _, twice := nested[place]; twice {
				return nil, fmt.Errorf("two packages are to be installed at %s", place)
			}
			nested[place] = nil
		}
	}
	for _, place := range slices.Sorted(mapsKeys(nested)) {
		for i := range place {
			if place[i] != '/' {
				continue
			}
			if _, ok := nested[place[:i]]; ok {
				nested[place[:i]] = append(nested[place[:i]], place[i+1:])
			}
		}
	}
	return nested, nil
}

// openTarballs fetches the recipe's files. Those that were opened are returned
// with an error too.
func (e *Engine) openTarballs(ctx context.Context, r runtimes.Recipe, nested map[string][]string, p runtimes.Progress) ([]*tarball, error) {
	tarballs := make([]*tarball, len(r.Packages))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(tarballFetches)
	if e.Jobs > 0 {
		g.SetLimit(e.Jobs)
	}
	var opened atomic.Int64
	for i, pkg := range r.Packages {
		g.Go(func() error {
			f, err := e.file(ctx, r, pkg, p)
			if err != nil {
				return err
			}
			tarballs[i] = &tarball{pkg: pkg, file: f, nested: nested}
			p(runtimes.Update{Phase: "open", Item: pkg.Name, Done: opened.Add(1), Total: int64(len(r.Packages))})
			return nil
		})
	}
	return tarballs, g.Wait()
}

// unpacking is a tarball on its way.
type unpacking struct {
	*tarball
	room int64
	done chan struct{} // closed once the rest is set
	tree unpacked
	err  error
}

// writeTarballs unpacks the tarballs and writes their files in the order of
// packages. Like [inflater], it unpacks ahead only as far as there is room.
func writeTarballs(ctx context.Context, w io.Writer, tarballs []*tarball, jobs int, p runtimes.Progress) error {
	room := semaphore.NewWeighted(maxAhead)
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *unpacking)
	order := make(chan *unpacking, 1024)
	g.Go(func() error {
		defer close(work)
		defer close(order)
		for _, t := range tarballs {
			u := &unpacking{tarball: t, room: t.room(), done: make(chan struct{})}
			if err := room.Acquire(ctx, u.room); err != nil {
				return context.Cause(ctx)
			}
			for _, c := range []chan *unpacking{order, work} {
				select {
				case c <- u:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
		return nil
	})
	for range jobs {
		g.Go(func() error {
			for u := range work {
				u.tree, u.err = u.unpack(ctx, u.room)
				close(u.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		tw := tar.NewWriter(w)
		done := int64(0)
		for u := range order {
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-u.done:
			}
			if u.err != nil {
				return u.err
			}
			if err := u.write(ctx, tw, u.tree); err != nil {
				return err
			}
			u.tree = unpacked{}
			room.Release(u.room)
			done++
			p(runtimes.Update{Phase: "install", Item: u.pkg.Name, Done: done, Total: int64(len(tarballs))})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return tw.Close()
	})
	return g.Wait()
}

// room is how much memory unpacking may take: what the end of the gzip file
// says that it needs, if that is not too much.
func (t *tarball) room() int64 {
	size := t.file.Size()
	var end [4]byte
	if head, ok := t.magic(); ok && head && size > int64(len(end)) {
		if _, err := t.file.ReadAt(end[:], size-int64(len(end))); err == nil || errors.Is(err, io.EOF) {
			size = int64(binary.LittleEndian.Uint32(end[:]))
		}
	}
	return min(max(size+1, smallSize), maxPerFile)
}

// magic tells whether the file is compressed.
func (t *tarball) magic() (gzipped, ok bool) {
	var head [2]byte
	n, err := t.file.ReadAt(head[:], 0)
	return n == 2 && head == [2]byte{0x1f, 0x8b}, err == nil || errors.Is(err, io.EOF)
}

// open returns the inflated tar.
func (t *tarball) open() (io.Reader, error) {
	gzipped, _ := t.magic()
	raw := bufio.NewReaderSize(io.NewSectionReader(source{t.file}, 0, t.file.Size()), 64<<10)
	in := &inflated{raw: raw, r: raw, most: maxUnzipped}
	if !gzipped {
		return in, nil
	}
	in.most = min(maxUnzipped, max(freeRatio, maxRatio*t.file.Size()))
	var err error
	if in.gzip, err = gzip.NewReader(raw); err != nil {
		return nil, err
	}
	in.gzip.Multistream(false)
	in.r = in.gzip
	return in, nil
}

// inflated is the tar of a tarball, as far as it is honest. Its errors are
// never those that [io.ReadFull] has.
type inflated struct {
	raw  *bufio.Reader
	gzip *gzip.Reader // nil for a plain tar
	r    io.Reader
	n    int64
	most int64
}

func (in *inflated) Read(p []byte) (int, error) {
	for {
		n, err := in.r.Read(p)
		if in.n += int64(n); in.n > in.most {
			return 0, fmt.Errorf("it unpacks to more than %d bytes", in.most)
		}
		switch {
		case errors.Is(err, io.EOF) && in.gzip != nil:
			// What follows is another part, or garbage, which npm passes over.
			if next, _ := in.raw.Peek(2); !bytes.Equal(next, []byte{0x1f, 0x8b}) {
				return n, io.EOF
			}
			if err := in.gzip.Reset(in.raw); err != nil {
				return n, fmt.Errorf("inflate: %w", err)
			}
			in.gzip.Multistream(false)
			if n == 0 {
				continue
			}
			return n, nil
		case err != nil && !errors.Is(err, io.EOF):
			return n, fmt.Errorf("inflate: %w", err)
		}
		return n, err
	}
}

// unpack reads the tarball: into memory where the room suffices.
func (t *tarball) unpack(ctx context.Context, room int64) (unpacked, error) {
	r, err := t.open()
	if err != nil {
		return unpacked{}, t.broken(err)
	}
	content := make([]byte, room)
	n, err := io.ReadFull(r, content)
	switch {
	case err == nil: // there is more
		r = io.MultiReader(bytes.NewReader(content), r)
		content = nil
	case errors.Is(err, io.EOF) || err == io.ErrUnexpectedEOF:
		content = content[:n]
		r = bytes.NewReader(content)
	default:
		return unpacked{}, t.broken(err)
	}
	files, err := t.scan(ctx, r)
	return unpacked{files, content}, err
}

// scan reads the tar's entries and lays them out.
func (t *tarball) scan(ctx context.Context, r io.Reader) ([]unpackedFile, error) {
	archive := newTarballReader(r)
	layout := newTarballLayout()
	var packageJSON []byte
	for {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e, err := archive.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, t.broken(err)
		}
		if layout.entries >= maxEntries {
			return nil, t.errorf("more than the %d entries that a package may have", maxEntries)
		}
		to, err := layout.add(e)
		if err != nil {
			return nil, t.errorf("entry %q: %v", e.name, err)
		}
		if to != "package.json" {
			continue
		}
		packageJSON = nil
		if e.size <= maxInfo/4 {
			packageJSON = make([]byte, e.size)
			if err := archive.content(packageJSON); err != nil {
				return nil, t.broken(err)
			}
		}
	}
	files, err := layout.finish(packageJSON)
	if err != nil {
		return nil, t.errorf("%v", err)
	}
	return files, nil
}

// write writes the package at each of its places.
func (t *tarball) write(ctx context.Context, tw *tar.Writer, u unpacked) error {
	for _, place := range t.pkg.Places {
		hidden, err := t.hidden(u.files, t.nested[place])
		if err != nil {
			return err
		}
		if u.content == nil {
			if err := t.stream(ctx, tw, place, u.files, hidden); err != nil {
				return err
			}
			continue
		}
		for i, f := range u.files {
			if hidden[i] {
				continue
			}
			if err := writeHeader(tw, place, f); err != nil {
				return err
			}
			if _, err := tw.Write(u.content[f.offset : f.offset+f.size]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func writeHeader(tw *tar.Writer, place string, f unpackedFile) error {
	header := tar.Header{Typeflag: tar.TypeReg, Name: place + "/" + f.path, Size: f.size, Mode: 0o644}
	if f.exec {
		header.Mode = 0o755
	}
	if err := tw.WriteHeader(&header); err != nil {
		return fmt.Errorf("%s: %w", header.Name, err)
	}
	return nil
}

// hidden tells which files lie where another package has its place: what it
// bundles is taken from the parent's tarball only where the lock file has
// nothing else there.
func (t *tarball) hidden(files []unpackedFile, nested []string) (map[int]bool, error) {
	hidden := make(map[int]bool)
	for i, f := range files {
		for _, place := range nested {
			if f.path == place || strings.HasPrefix(f.path, place+"/") {
				hidden[i] = true
			} else if strings.HasPrefix(place, f.path+"/") {
				return nil, t.errorf("%s is a file, and another package is to be installed below it", f.path)
			}
		}
	}
	return hidden, nil
}

// stream unpacks a large tarball a second time, now that it is known what goes
// where.
func (t *tarball) stream(ctx context.Context, tw *tar.Writer, place string, files []unpackedFile, hidden map[int]bool) error {
	r, err := t.open()
	if err != nil {
		return t.broken(err)
	}
	archive := newTarballReader(r)
	entry := 0
	for i, f := range files {
		if hidden[i] {
			continue
		}
		for ; ; entry++ {
			if _, err := archive.next(); err != nil {
				return t.broken(err)
			}
			if entry == f.entry {
				entry++
				break
			}
		}
		if err := writeHeader(tw, place, f); err != nil {
			return err
		}
		if err := archive.copy(ctx, tw, f.size); err != nil {
			return err
		}
	}
	return nil
}
