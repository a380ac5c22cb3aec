package direct

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// entry is one entry of a wheel that a test makes.
type entry struct {
	name string
	data string
	edit func(*zip.FileHeader) // may lie
	raw  []byte                // compressed content, where it is to be broken
}

// wheelSpec is a wheel that a test makes. Its zero value with a name and a
// version is a good one.
type wheelSpec struct {
	name, version string
	entries       []entry
	without       string                        // an entry of .dist-info that is left out
	wheelFile     string                        // WHEEL, where it is to be odd
	record        func(lines []wheel.Entry) any // a changed RECORD: []wheel.Entry or string
}

func (s wheelSpec) fileName() string { return s.name + "-" + s.version + "-py3-none-any.whl" }

func (s wheelSpec) build(t testing.TB) []byte {
	t.Helper()
	info := s.name + "-" + s.version + ".dist-info"
	if s.wheelFile == "" {
		s.wheelFile = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	}
	entries := append([]entry(nil), s.entries...)
	entries = append(entries,
		entry{name: info + "/METADATA", data: "Metadata-Version: 2.1\nName: " + s.name + "\nVersion: " + s.version + "\n"},
		entry{name: info + "/WHEEL", data: s.wheelFile})
	var lines []wheel.Entry
	for _, e := range entries {
		if strings.HasSuffix(e.name, "/") {
			continue
		}
		sum := sha256.Sum256([]byte(e.data))
		lines = append(lines, wheel.Entry{Path: e.name, Algorithm: "sha256", Sum: sum[:], Size: int64(len(e.data))})
	}
	lines = append(lines, wheel.Entry{Path: info + "/RECORD", Size: -1})
	var changed any = lines
	if s.record != nil {
		changed = s.record(lines)
	}
	text, ok := changed.(string)
	if !ok {
		data, err := wheel.FormatRecord(changed.([]wheel.Entry))
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	entries = append(entries, entry{name: info + "/RECORD", data: text})

	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		if e.name != info+"/"+s.without {
			e.write(t, z)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (e entry) write(t testing.TB, z *zip.Writer) {
	t.Helper()
	raw := e.raw
	if raw == nil && !strings.HasSuffix(e.name, "/") {
		raw = deflate(t, e.data)
	}
	h := &zip.FileHeader{
		Name: e.name, Method: zip.Deflate, CreatorVersion: 3<<8 | 20, ExternalAttrs: 0o100644 << 16,
		CRC32: crc32.ChecksumIEEE([]byte(e.data)), UncompressedSize64: uint64(len(e.data)), CompressedSize64: uint64(len(raw)),
	}
	if strings.HasSuffix(e.name, "/") {
		h.Method = zip.Store
	}
	if !ascii(e.name) {
		h.Flags |= 0x800
	}
	if e.edit != nil {
		e.edit(h)
	}
	w, err := z.CreateRaw(h)
	if err == nil && len(raw) > 0 {
		_, err = w.Write(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func deflate(t testing.TB, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 6)
	if err == nil {
		_, err = io.WriteString(w, data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pkg is the package as a recipe has it, for the given wheel.
func (s wheelSpec) pkg(data []byte) runtimes.Package {
	return runtimes.Package{Name: s.name, Version: s.version, File: runtimes.File{
		Name: s.fileName(), SHA256: hexSum(data), Size: int64(len(data)),
	}}
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// folder keeps downloads as files: the least that Downloads asks for.
type folder string

type file struct {
	*os.File
	size int64
}

func (f file) Size() int64 { return f.size }

func (d folder) Open(_ context.Context, digest string) (ReadAtCloser, error) {
	want, ok := ParseIntegrity(digest)
	if !ok {
		return nil, fmt.Errorf("%q is no digest", digest)
	}
	f, err := os.Open(filepath.Join(string(d), want.Hex()))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return file{f, info.Size()}, nil
}

func (d folder) Save(ctx context.Context, digest string, fetch func(io.Writer) error) (ReadAtCloser, error) {
	want, ok := ParseIntegrity(digest)
	if !ok {
		return nil, fmt.Errorf("%q is no digest", digest)
	}
	f, err := os.CreateTemp(string(d), "new")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := want.NewHash()
	if err := fetch(io.MultiWriter(f, h)); err != nil {
		return nil, fmt.Errorf("save: %w", err)
	}
	if got := (Integrity{want.Algorithm, string(h.Sum(nil))}); got != want {
		return nil, fmt.Errorf("save: %w", &runtimes.DigestError{What: "download", Want: digest, Got: got.Hex()})
	}
	if err := os.Rename(f.Name(), filepath.Join(string(d), want.Hex())); err != nil {
		return nil, err
	}
	return d.Open(ctx, digest)
}

// put makes a file a download that is there already.
func (d folder) put(t testing.TB, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(d), hexSum(data)), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// kept lists what the folder holds.
func (d folder) kept(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(string(d))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// recipe is one that installs the wheels for Python 3.11.
func recipe(packages ...runtimes.Package) runtimes.Recipe {
	return runtimes.Recipe{Runtime: "python", Prefix: "python/lib/python3.11/site-packages", Packages: packages}
}

// installed gives the tree that the engine makes of wheels that are there:
// path → mode and content.
func installed(t testing.TB, specs ...wheelSpec) (map[string]string, error) {
	t.Helper()
	d := folder(t.TempDir())
	var packages []runtimes.Package
	for _, s := range specs {
		data := s.build(t)
		d.put(t, data)
		packages = append(packages, s.pkg(data))
	}
	var b bytes.Buffer
	e := Engine{Downloads: d}
	if err := e.Install(t.Context(), recipe(packages...), &b, nil); err != nil {
		return nil, err
	}
	return readTar(t, &b), nil
}

func readTar(t testing.TB, r io.Reader) map[string]string {
	t.Helper()
	tree := map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tree
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := tree[h.Name]; twice || h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) {
			t.Errorf("tar: %q, type %c, twice %v", h.Name, h.Typeflag, twice)
		}
		tree[h.Name] = fmt.Sprintf("%o %s", h.Mode, data)
	}
}
