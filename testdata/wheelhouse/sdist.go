package wheelhouse

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Sdist says what a source archive holds.
type Sdist struct {
	Name, Version string
	Files         map[string]string // path below its folder → content; an own PKG-INFO replaces the generated one
}

// Build makes the archive, a .tar.gz. The same one gives the same bytes.
func (s Sdist) Build() (File, error) {
	stem := Wheel{Name: s.Name, Version: s.Version}.stem()
	files := map[string]string{
		"PKG-INFO": fmt.Sprintf("Metadata-Version: 1.1\nName: %s\nVersion: %s\n", s.Name, s.Version),
	}
	maps.Copy(files, s.Files)
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	t := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		h := &tar.Header{Name: stem + "/" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := t.WriteHeader(h); err != nil {
			return File{}, err
		}
		if _, err := t.Write([]byte(files[name])); err != nil {
			return File{}, err
		}
	}
	if err := t.Close(); err != nil {
		return File{}, err
	}
	if err := z.Close(); err != nil {
		return File{}, err
	}
	sum := sha256.Sum256(buf.Bytes())
	return File{stem + ".tar.gz", hex.EncodeToString(sum[:]), buf.Bytes()}, nil
}
