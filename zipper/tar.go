package zipper

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/cache/tempfile"
)

// TarOptions say how a tar stream is read.
type TarOptions struct {
	// TempDir is where the contents are kept; "" means [os.TempDir].
	TempDir string
	// MaxBytes bounds the sum of the files' sizes, and MaxEntries their
	// number, folders included; 0 means no bound. What is in reach of a
	// stranger needs both: a sparse file of a few bytes may claim petabytes.
	MaxBytes   int64
	MaxEntries int
	// Hash fills Tar.SHA256, for whoever needs the hashes before [Write] tells
	// them.
	Hash bool
}

// Tar is what a tar stream held. The contents lie in a temporary file that no
// other process sees and that is gone when the process is.
type Tar struct {
	// Entries are the stream's files and links, and those folders in which
	// nothing lies, in no order. A hard link has the content of what it leads
	// to. Of several entries of one name there is the last.
	Entries []Entry
	// SHA256 has the hashes of the regular files' contents by their names, if
	// they were asked for.
	SHA256 map[string][sha256.Size]byte

	file *tempfile.File
}

// Close frees the contents: the entries cannot be opened any more.
func (t *Tar) Close() error { return t.file.Close() }

// ReadTar reads a tar stream to its end. The caller closes the result when it
// is done with the entries. Owners, times and extended attributes are passed
// over; a device, a pipe, a hard link to what is not there and a name that
// leaves the archive are errors.
func ReadTar(ctx context.Context, r io.Reader, opts TarOptions) (*Tar, error) {
	file, err := tempfile.New(opts.TempDir)
	if err != nil {
		return nil, err
	}
	t := tarReader{
		opts: opts, file: file, out: bufio.NewWriterSize(file, 1<<20), buf: make([]byte, 128<<10),
		entries: make(map[string]Entry), filled: make(map[string]bool), sums: make(map[string][sha256.Size]byte),
	}
	if err := t.read(ctx, r); err != nil {
		file.Close()
		return nil, err
	}
	return &Tar{t.list(), t.sums, file}, nil
}

// A tarReader copies contents to the file, one behind the other.
type tarReader struct {
	opts    TarOptions
	file    *tempfile.File
	out     *bufio.Writer
	buf     []byte
	offset  int64
	entries map[string]Entry // by path, without a folder's slash
	filled  map[string]bool  // the folders in which something lies
	sums    map[string][sha256.Size]byte
}

func (t *tarReader) read(ctx context.Context, r io.Reader) error {
	archive := tar.NewReader(bufio.NewReaderSize(r, 1<<20))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read tar: %w", err)
		}
		if err := t.add(h, archive); err != nil {
			return fmt.Errorf("entry %q: %w", h.Name, err)
		}
	}
	// What follows the archive's end marker is drained, so that whoever
	// writes it never blocks.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	return t.out.Flush()
}

func (t *tarReader) add(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name := tarName(h.Name)
	if name == "." && h.Typeflag == tar.TypeDir {
		return nil
	}
	if err := checkTarName(name); err != nil {
		return err
	}
	e := Entry{Name: name, Mode: fs.FileMode(h.Mode) & fs.ModePerm}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if err := t.keep(&e, h.Size, content); err != nil {
			return err
		}
	case tar.TypeDir:
		e.Name, e.Mode = name+"/", fs.ModeDir
	case tar.TypeSymlink:
		e.Mode, e.Link = fs.ModeSymlink, h.Linkname
	case tar.TypeLink:
		first, ok := t.entries[tarName(h.Linkname)]
		if !ok || first.Mode.IsDir() {
			return fmt.Errorf("a hard link to %q, which the archive does not hold", h.Linkname)
		}
		e = first
		e.Name = name
		if sum, ok := t.sums[first.Name]; ok {
			t.sums[name] = sum
		}
	default:
		return fmt.Errorf("neither file nor link nor folder (tar type %q)", h.Typeflag)
	}
	t.entries[name] = e
	t.filled[path.Dir(name)] = true
	if t.opts.MaxEntries > 0 && len(t.entries) > t.opts.MaxEntries {
		return fmt.Errorf("more than %d entries", t.opts.MaxEntries)
	}
	return nil
}

// keep copies a file's content.
func (t *tarReader) keep(e *Entry, size int64, content io.Reader) error {
	if t.opts.MaxBytes > 0 && size > t.opts.MaxBytes-t.offset {
		return fmt.Errorf("more than %d bytes in all", t.opts.MaxBytes)
	}
	var w io.Writer = t.out
	sum := sha256.New()
	if t.opts.Hash {
		w = io.MultiWriter(w, sum)
	}
	n, err := io.CopyBuffer(w, onlyReader{content}, t.buf)
	if err != nil {
		return err
	}
	if t.opts.Hash {
		t.sums[e.Name] = [sha256.Size]byte(sum.Sum(nil))
	}
	offset := t.offset
	t.offset += n
	e.Size = n
	e.Open = func() (io.ReadCloser, error) {
		return section{io.NewSectionReader(t.file, offset, n)}, nil
	}
	return nil
}

// list leaves out the folders that others are made by.
func (t *tarReader) list() []Entry {
	entries := make([]Entry, 0, len(t.entries))
	for name, e := range t.entries {
		if !e.Mode.IsDir() || !t.filled[name] {
			entries = append(entries, e)
		}
	}
	return entries
}

// onlyReader hides a reader's other methods, so that io.CopyBuffer uses its
// buffer.
type onlyReader struct{ io.Reader }

// section is a file of the archive, open. It can be read at any offset, too.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// tarName is a path below the root, as tar unpacks it.
func tarName(name string) string { return path.Clean(strings.TrimLeft(name, "/")) }

func checkTarName(name string) error {
	if name == ".." || strings.HasPrefix(name, "../") {
		return errors.New("the name leads out of the archive")
	}
	return checkName(name)
}
