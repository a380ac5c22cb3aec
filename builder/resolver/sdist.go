package resolver

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/builder/direct"
)

// The bounds of a source archive. The largest that are known have 1 GB, and a
// metadata file some kilobytes.
const (
	maxUnpacked     = 8 << 30
	maxEntries      = 1 << 20
	maxMetadataFile = 4 << 20
)

// sdist is what a source archive says in static files, by the names below its
// only folder: pyproject.toml, PKG-INFO and NAME.egg-info/requires.txt.
type sdist struct {
	top   string // the folder in which all of it lies
	files map[string][]byte
	// What is no plain file where one is looked for. It does not matter
	// unless it is needed.
	odd map[string]string
}

// readSdist reads the metadata of a source archive by its file name's suffix.
// What is wrong with the archive is a *defectError.
func readSdist(name string, f direct.ReadAtCloser) (*sdist, error) {
	raw := io.NewSectionReader(f, 0, f.Size())
	s := &sdist{files: make(map[string][]byte), odd: make(map[string]string)}
	var err error
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".tar.gz"), strings.HasSuffix(lower, ".tgz"):
		var z *gzip.Reader
		if z, err = gzip.NewReader(raw); err == nil {
			err = s.readTar(z)
		}
	case strings.HasSuffix(lower, ".tar.bz2"):
		err = s.readTar(bzip2.NewReader(raw))
	case strings.HasSuffix(lower, ".zip"):
		err = s.readZip(raw, f.Size())
	default:
		err = errors.New("is neither .tar.gz, .zip nor .tar.bz2: what it says cannot be read")
	}
	if err != nil {
		return nil, &defectError{err}
	}
	if s.top == "" {
		return nil, &defectError{errors.New("has no folder with a project in it")}
	}
	return s, nil
}

func (s *sdist) readTar(r io.Reader) error {
	limited := &io.LimitedReader{R: r, N: maxUnpacked}
	t := tar.NewReader(limited)
	for n := 0; ; n++ {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case limited.N <= 0:
			return fmt.Errorf("unpacks to more than %d bytes", int64(maxUnpacked))
		case err != nil:
			return err
		case n >= maxEntries:
			return fmt.Errorf("has more than %d entries", maxEntries)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			err = s.add(h.Name, t)
		case tar.TypeDir, tar.TypeXGlobalHeader:
		default:
			err = s.add(h.Name, nil)
		}
		if err != nil {
			return err
		}
	}
}

func (s *sdist) readZip(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if !f.Mode().IsRegular() {
			err = s.add(f.Name, nil)
		} else if metadataPath(f.Name) != "" {
			err = s.addZipped(f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *sdist) addZipped(f *zip.File) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return s.add(f.Name, r)
}

// metadataPath is a path below the archive's folder, with that folder, if it
// is one of a metadata file; else "".
func metadataPath(name string) string {
	clean := path.Clean(name)
	if path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../") {
		return "" // it belongs to no project
	}
	_, file, ok := strings.Cut(clean, "/")
	if !ok {
		return ""
	}
	switch dir := path.Dir(file); {
	case file == "pyproject.toml", file == "PKG-INFO":
		return clean
	case path.Base(file) == "requires.txt" && strings.HasSuffix(dir, ".egg-info"):
		return clean
	}
	return ""
}

// add keeps a file if it is one of metadata; r is nil where it is a link or
// anything else that is no plain file.
func (s *sdist) add(name string, r io.Reader) error {
	clean := metadataPath(name)
	if clean == "" {
		return nil
	}
	top, file, _ := strings.Cut(clean, "/")
	if s.top == "" {
		s.top = top
	}
	if top != s.top {
		return fmt.Errorf("has several projects in it, %s and %s", quoted(s.top), quoted(top))
	}
	_, twice := s.files[file]
	if _, odd := s.odd[file]; twice || odd {
		return fmt.Errorf("has %s twice", quoted(file))
	}
	if r == nil {
		s.odd[file] = "is not a plain file"
		return nil
	}
	data, err := io.ReadAll(io.LimitReader(r, maxMetadataFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxMetadataFile {
		return fmt.Errorf("%s has more than %d bytes", quoted(file), maxMetadataFile)
	}
	s.files[file] = data
	return nil
}

// quoted shows a name that somebody else chose.
func quoted(name string) string {
	const limit = 100
	if len(name) > limit {
		name = name[:limit] + "…"
	}
	return fmt.Sprintf("%q", name)
}

// file returns a metadata file, nil where there is none.
func (s *sdist) file(name string) ([]byte, error) {
	if why, odd := s.odd[name]; odd {
		return nil, &defectError{fmt.Errorf("%s %s", quoted(name), why)}
	}
	return s.files[name], nil
}
