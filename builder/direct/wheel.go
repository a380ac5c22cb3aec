package direct

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// Bounds of what a wheel may be. Lambda's own limit for a function and all its
// layers is 250 MiB, so no wheel that is of use comes near.
const (
	maxUnzipped = 1 << 30  // of all files
	maxEntries  = 200_000  // in the archive
	maxInfo     = 64 << 20 // of a file that is read into memory whole
	freeRatio   = 64 << 20 // below this size, any compression ratio is believed
	maxRatio    = 100      // unzipped by zipped size
)

// wheelFile is an open wheel.
type wheelFile struct {
	pkg     runtimes.Package
	file    ReadAtCloser
	site    string // site-packages in the prefix form
	info    string // name of the .dist-info folder
	members []member
}

// member is a file of a wheel.
type member struct {
	zip    *zip.File
	path   string      // in the prefix form
	exec   bool        // any of the three bits
	listed wheel.Entry // its line in RECORD; no hash for RECORD's own kind
	data   []byte      // what replaces the content, where zip is nil
}

func (w *wheelFile) errorf(format string, args ...any) error {
	return &runtimes.PackageError{File: w.pkg.File.Name, Problem: fmt.Sprintf(format, args...)}
}

// broken turns an error of reading the archive into the package's, unless it
// is this machine's.
func (w *wheelFile) broken(err error) error {
	var read *readError
	if errors.As(err, &read) {
		return fmt.Errorf("%s: %w", w.pkg.File.Name, read.err)
	}
	return w.errorf("broken zip archive: %v", err)
}

// source tells a failing disk from a broken archive.
type source struct{ io.ReaderAt }

type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }

func (s source) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 { // what the archive's directory says, and no disk has to do with
		return 0, io.ErrUnexpectedEOF
	}
	n, err := s.ReaderAt.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = &readError{err}
	}
	return n, err
}

// read reads and checks all that the wheel says of itself: the archive's
// directory, .dist-info and RECORD. The files' contents come later.
func (w *wheelFile) read() error {
	archive, err := zip.NewReader(source{w.file}, w.file.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return w.broken(err)
	}
	files, err := w.list(archive)
	if err != nil {
		return err
	}
	if err := w.findInfo(files); err != nil {
		return err
	}
	if err := w.checkWheel(files); err != nil {
		return err
	}
	record, err := w.readRecord(files)
	if err != nil {
		return err
	}
	return w.place(archive.File, record)
}

// list checks the archive's directory and returns its files by name.
func (w *wheelFile) list(archive *zip.Reader) (map[string]*zip.File, error) {
	if len(archive.File) > maxEntries {
		return nil, w.errorf("%d entries, more than the %d that a wheel may have", len(archive.File), maxEntries)
	}
	files := make(map[string]*zip.File, len(archive.File))
	folders := map[string]bool{}
	var total uint64
	for _, f := range archive.File {
		name, folder := strings.CutSuffix(f.Name, "/")
		if err := checkEntry(f, name, folder); err != nil {
			return nil, w.errorf("entry %q: %v", f.Name, err)
		}
		if folder {
			folders[name] = true
			continue
		}
		if files[name] != nil {
			return nil, w.errorf("entry %q is there twice", name)
		}
		files[name] = f
		if f.UncompressedSize64 > maxUnzipped-total {
			return nil, w.errorf("unzips to more than %d bytes", maxUnzipped)
		}
		total += f.UncompressedSize64
	}
	if total > freeRatio && total > maxRatio*uint64(w.file.Size()) {
		return nil, w.errorf("unzips to %d bytes from %d: that is no honest archive", total, w.file.Size())
	}
	for name := range files {
		for dir := path.Dir(name); dir != "." && !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for name := range files {
		if folders[name] {
			return nil, w.errorf("entry %q is a file and a folder", name)
		}
	}
	return files, nil
}

// checkEntry refuses what has no place in a wheel.
func checkEntry(f *zip.File, name string, folder bool) error {
	if err := validName(name); err != nil {
		return err
	}
	if f.NonUTF8 && !ascii(name) {
		return errors.New("its name is not marked as UTF-8")
	}
	if f.Flags&(1<<0|1<<6|1<<13) != 0 {
		return errors.New("it is encrypted")
	}
	if f.Method != zip.Store && f.Method != zip.Deflate {
		return fmt.Errorf("compression method %d is not one of a wheel's", f.Method)
	}
	// Whatever system made the archive: these bits mean only this.
	switch kind := f.ExternalAttrs >> 16 & 0o170000; {
	case kind == 0o120000:
		return errors.New("a symbolic link")
	case kind == 0o040000 && folder, kind == 0o100000 && !folder, kind == 0:
		return nil
	}
	return errors.New("neither a file nor a folder")
}

// executable tells whether any of the three bits is set. Like uv, it believes
// them whatever system is said to have made the entry.
func executable(f *zip.File) bool { return f.ExternalAttrs>>16&0o111 != 0 }

// findInfo finds the wheel's .dist-info folder, which must be the package's.
func (w *wheelFile) findInfo(files map[string]*zip.File) error {
	for name := range files {
		top, _, nested := strings.Cut(name, "/")
		if !nested || !strings.HasSuffix(top, wheel.DistInfoSuffix) || top == w.info {
			continue
		}
		if w.info != "" {
			return w.errorf("several .dist-info folders: %s and %s", min(w.info, top), max(w.info, top))
		}
		w.info = top
	}
	if w.info == "" {
		return w.errorf("no .dist-info folder")
	}
	name, version, ok := wheel.SplitDistInfo(w.info)
	if !ok || name != w.pkg.Name || !wheel.SameVersion(version, w.pkg.Version) {
		return w.errorf("%s is not that of %s %s", w.info, w.pkg.Name, w.pkg.Version)
	}
	for _, name := range []string{"WHEEL", "METADATA", "RECORD"} {
		if files[w.info+"/"+name] == nil {
			return w.errorf("no %s/%s", w.info, name)
		}
	}
	return nil
}

// checkWheel refuses a version of the format that is not known.
func (w *wheelFile) checkWheel(files map[string]*zip.File) error {
	data, err := w.content(files[w.info+"/WHEEL"])
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(key), "Wheel-Version") {
			continue
		}
		if major, _, _ := strings.Cut(strings.TrimSpace(value), "."); major != "1" {
			return w.errorf("Wheel-Version %s is not known", strings.TrimSpace(value))
		}
		return nil
	}
	return w.errorf("no Wheel-Version in %s/WHEEL", w.info)
}

// readRecord reads RECORD and holds it against the archive's directory.
func (w *wheelFile) readRecord(files map[string]*zip.File) (map[string]wheel.Entry, error) {
	data, err := w.content(files[w.info+"/RECORD"])
	if err != nil {
		return nil, err
	}
	entries, err := wheel.ParseRecord(data)
	if err != nil {
		return nil, w.errorf("RECORD: %v", err)
	}
	record := make(map[string]wheel.Entry, len(entries))
	for _, e := range entries {
		if strings.HasSuffix(e.Path, "/") {
			continue // some tools list folders
		}
		if files[e.Path] == nil && !w.unlisted(e.Path) {
			return nil, w.errorf("RECORD lists %q, which is not in the wheel", e.Path)
		}
		if first, twice := record[e.Path]; twice && (first.Algorithm != e.Algorithm || string(first.Sum) != string(e.Sum)) {
			return nil, w.errorf("RECORD has two hashes for %q", e.Path)
		}
		record[e.Path] = e
	}
	for name := range files {
		if record[name].Algorithm == "" && !w.unlisted(name) {
			return nil, w.errorf("RECORD has no hash for %q", name)
		}
	}
	return record, nil
}

// unlisted tells whether a file may lack a hash in RECORD: that cannot list
// itself nor its signatures.
func (w *wheelFile) unlisted(name string) bool {
	switch name {
	case w.info + "/RECORD", w.info + "/RECORD.jws", w.info + "/RECORD.p7s":
		return true
	}
	return false
}

// content reads a small file of the wheel.
func (w *wheelFile) content(f *zip.File) ([]byte, error) {
	if f.UncompressedSize64 > maxInfo {
		return nil, w.errorf("%s has %d bytes: that cannot be right", f.Name, f.UncompressedSize64)
	}
	r, err := f.Open()
	if err != nil {
		return nil, w.broken(err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(f.UncompressedSize64)+1))
	if err != nil {
		return nil, w.broken(fmt.Errorf("%s: %w", f.Name, err))
	}
	if uint64(len(data)) != f.UncompressedSize64 {
		return nil, w.errorf("broken zip archive: %s is longer than declared", f.Name)
	}
	return data, nil
}

// validName tells whether a slash-separated path stays where it is put, on
// every system.
func validName(name string) error {
	switch {
	case !fs.ValidPath(name) || name == ".":
		// Empty, absolute, with "." or ".." or an empty part, not UTF-8.
		return errors.New("not a plain relative path")
	case strings.ContainsRune(name, '\\'):
		return errors.New("a backslash in the name")
	case len(name) >= 2 && name[1] == ':':
		return errors.New("a drive letter in the name")
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return errors.New("a control character in the name")
	case len(name) > 1024:
		return errors.New("a name of more than 1024 bytes")
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 {
			return errors.New("a part of the name has more than 255 bytes")
		}
	}
	return nil
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c >= 0x80 })
}
