package zipper

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// TestGolden pins the bytes promise. When it fails, either undo what changed
// the bytes, or change Version and run the test with -update.
func TestGolden(t *testing.T) {
	small, _ := write(t, smallTree(), Options{})
	golden(t, "small.zip", small)

	all, info := write(t, bigTree(), Options{})
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d bytes, SHA-256 %x\n", Version, info.Size, info.SHA256)
	fmt.Fprintf(&b, "\nmode, method, size, compressed, CRC-32 and half the SHA-256 of the content, half the SHA-256 of the record, name\n")
	offset := int64(0)
	for i := range info.Entries {
		e := &info.Entries[i]
		record := sha256.Sum256(all[offset : offset+e.record()])
		offset += e.record()
		fmt.Fprintf(&b, "%v %d %7d %7d %08x %x %x %s\n", e.Mode, e.Method, e.Size, e.Compressed, e.CRC32, e.SHA256[:16], record[:16], e.Name)
	}
	golden(t, "all.txt", []byte(b.String()))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	if strings.HasSuffix(name, ".txt") {
		t.Errorf("%s differs; got:\n%s", path, got)
	} else {
		t.Errorf("%s differs: %d bytes, want %d", path, len(got), len(want))
	}
}

// TestSameBytes varies everything that must not matter.
func TestSameBytes(t *testing.T) {
	want, _ := write(t, mediumTree(), Options{Workers: 1})
	check := func(what string, entries []Entry, opts Options) {
		var got bytes.Buffer
		if _, err := Write(context.Background(), &got, entries, opts); err != nil {
			t.Errorf("%s: %v", what, err)
		} else if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: other bytes", what)
		}
	}
	for workers := 2; workers <= 16; workers++ {
		entries := mediumTree()
		rand.New(rand.NewPCG(1, uint64(workers))).Shuffle(len(entries), func(i, j int) {
			entries[i], entries[j] = entries[j], entries[i]
		})
		check(fmt.Sprintf("%d workers", workers), entries, Options{Workers: workers, Verify: workers%2 == 0})
	}
	readers := map[string]func(io.Reader) io.Reader{
		"one byte":      iotest.OneByteReader,
		"half":          iotest.HalfReader,
		"data with EOF": iotest.DataErrReader,
		"7919 bytes":    func(r io.Reader) io.Reader { return &chunkReader{r: r, n: 7919} },
		"empty reads":   func(r io.Reader) io.Reader { return &chunkReader{r: r, n: 100_003, empty: true} },
	}
	for name, wrap := range readers {
		entries := mediumTree()
		for i := range entries {
			if open := entries[i].Open; open != nil {
				entries[i].Open = func() (io.ReadCloser, error) {
					r, err := open()
					return io.NopCloser(wrap(r)), err
				}
			}
		}
		check(name, entries, Options{Workers: 3})
	}
}

// A chunkReader reads at most n bytes at a time, after an empty read if asked.
type chunkReader struct {
	r             io.Reader
	n             int
	empty, filler bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.filler = !c.filler; c.empty && c.filler {
		return 0, nil
	}
	return c.r.Read(p[:min(len(p), c.n)])
}

// TestEntryAlone archives each entry by itself: its record has to be the one
// it has among others.
func TestEntryAlone(t *testing.T) {
	all, info := write(t, mediumTree(), Options{})
	entries, err := prepare(mediumTree())
	if err != nil {
		t.Fatal(err)
	}
	offset := int64(0)
	for i := range info.Entries {
		record := all[offset : offset+info.Entries[i].record()]
		offset += int64(len(record))
		alone, _ := write(t, entries[i:i+1], Options{Workers: 2})
		if !bytes.HasPrefix(alone, record) {
			t.Errorf("entry %q has another record when alone", entries[i].Name)
		}
	}
}

// TestArchiveZip reads an archive with archive/zip and looks at every field.
func TestArchiveZip(t *testing.T) {
	archive, info := write(t, bigTree(), Options{})
	r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	entries := bigTree()
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if len(r.File) != len(entries) || len(info.Entries) != len(entries) || r.Comment != "" {
		t.Fatalf("%d entries, info of %d, comment %q; want %d entries", len(r.File), len(info.Entries), r.Comment, len(entries))
	}
	for i, f := range r.File {
		e := entries[i]
		content := contentOf(t, e)
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		if !bytes.Equal(got, content) {
			t.Errorf("%s: content differs", e.Name)
		}
		if f.Name != e.Name || f.Mode() != info.Entries[i].Mode {
			t.Errorf("%s: name %q, mode %v, info has %v", e.Name, f.Name, f.Mode(), info.Entries[i].Mode)
		}
		wantFlags := uint16(0)
		if strings.ContainsFunc(e.Name, func(r rune) bool { return r >= 0x80 }) {
			wantFlags = 0x800
		}
		if f.Flags != wantFlags || f.CreatorVersion != 3<<8|20 || f.ReaderVersion != 20 ||
			f.ModifiedTime != 0 || f.ModifiedDate != 0x21 || len(f.Extra) != 0 || f.Comment != "" {
			t.Errorf("%s: header %+v", e.Name, f.FileHeader)
		}
		if wantStore := f.UncompressedSize64 <= f.CompressedSize64; (f.Method == zip.Store) != wantStore {
			t.Errorf("%s: method %d for %d bytes as %d", e.Name, f.Method, f.UncompressedSize64, f.CompressedSize64)
		}
	}
}

func TestModes(t *testing.T) {
	_, info := write(t, smallTree(), Options{})
	want := map[string]string{ // as in the external attributes
		"python/":          "40755",
		"python/tool":      "100755",
		"python/mod.py":    "100644",
		"python/empty":     "100644",
		"python/noise.bin": "100644",
		"python.txt":       "100644",
		"python/lib.so":    "120777",
	}
	for i := range info.Entries {
		e := &info.Entries[i]
		mode, err := unixMode(e.Mode)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[e.Name]; ok && fmt.Sprintf("%o", mode) != w {
			t.Errorf("%s: mode %o, want %s", e.Name, mode, w)
		}
	}
	if _, err := unixMode(fs.ModeSetuid | 0o755); err == nil {
		t.Error("a setuid mode was accepted")
	}
}

func TestEmptyArchive(t *testing.T) {
	archive, info := write(t, nil, Options{})
	if len(archive) != endLen || info.Unzipped != 0 || len(info.Entries) != 0 {
		t.Errorf("%d bytes, info %+v", len(archive), info)
	}
}

// TestSpill archives files whose compressed data does not fit in memory, and
// looks for what they leave behind.
func TestSpill(t *testing.T) {
	dir := t.TempDir()
	entries := []Entry{
		file("a-noise", 0o644, noise(1, spillSize+blockSize)),
		file("b-shrinks", 0o644, append(noise(2, spillSize+blockSize), prose(2, blockSize)...)),
		file("c-fits", 0o644, prose(3, blockSize+1)),
		file("d-noise", 0o644, noise(4, spillSize+1)),
	}
	_, info := write(t, entries, Options{Workers: 4, TempDir: dir})
	for i, want := range []uint16{Store, Deflate, Deflate, Store} {
		if info.Entries[i].Method != want {
			t.Errorf("%s: method %d, want %d", info.Entries[i].Name, info.Entries[i].Method, want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, err = Write(context.Background(), io.Discard, entries, Options{TempDir: filepath.Join(dir, "missing")})
	if err == nil || !strings.Contains(err.Error(), `entry "a-noise"`) {
		t.Errorf("with a missing folder: %v", err)
	}
}

func TestProgress(t *testing.T) {
	last := int64(0)
	_, info := write(t, mediumTree(), Options{Progress: func(n int64) {
		if n < last {
			t.Errorf("progress went from %d to %d", last, n)
		}
		last = n
	}})
	if last != info.Unzipped {
		t.Errorf("progress ended at %d of %d", last, info.Unzipped)
	}
}
