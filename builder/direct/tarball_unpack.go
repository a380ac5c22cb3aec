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
	"strings"

	"github.com/klauspost/compress/gzip"
)

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
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
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
	if len(nested) == 0 {
		return nil, nil
	}
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
		if err := archive.copy(tw, f.size); err != nil {
			return fmt.Errorf("%s: %w", t.pkg.File.Name, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}
