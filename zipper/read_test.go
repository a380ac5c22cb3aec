package zipper

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// readContent reads an entry to its end.
func readContent(e *ArchiveEntry) ([]byte, error) {
	r := e.Open()
	defer r.Close()
	return io.ReadAll(r)
}

// TestOpenWritten opens what Write made: all that Write said of it.
func TestOpenWritten(t *testing.T) {
	archive, info := write(t, bigTree(), Options{})
	a, err := openBytes(t, archive, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Unzipped != info.Unzipped || a.Zip64 || a.Comment != "" || len(a.Entries) != len(info.Entries) {
		t.Fatalf("%d entries, %d bytes, zip64 %v, comment %q; want %d entries, %d bytes",
			len(a.Entries), a.Unzipped, a.Zip64, a.Comment, len(info.Entries), info.Unzipped)
	}
	entries, err := prepare(bigTree())
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Entries {
		e, want := &a.Entries[i], info.Entries[i]
		if e.Name != want.Name || e.Mode != want.Mode || e.Size != want.Size || e.Compressed != want.Compressed ||
			e.Method != want.Method || e.CRC32 != want.CRC32 {
			t.Errorf("%+v, want %+v", e, want)
		}
		got, err := readContent(e)
		if err != nil || !bytes.Equal(got, contentOf(t, entries[i])) {
			t.Errorf("%s: error %v, or another content", e.Name, err)
		}
		target, err := e.Link()
		if e.Mode.Type() == fs.ModeSymlink && (err != nil || target != entries[i].Link) {
			t.Errorf("%s: target %q, error %v, want %q", e.Name, target, err, entries[i].Link)
		}
		if e.Mode.Type() != fs.ModeSymlink && err == nil {
			t.Errorf("%s: target %q, is no link", e.Name, target)
		}
	}
}

func TestOpenEmpty(t *testing.T) {
	archive, _ := write(t, nil, Options{})
	a, err := openBytes(t, archive, Limits{})
	if err != nil || len(a.Entries) != 0 {
		t.Errorf("%v, error %v", a, err)
	}
}

// soundArchives are forms that Write does not make and other tools do.
func soundArchives() map[string][]byte {
	all := map[string][]byte{
		"comments":                 whole(func(c *crafted) { c.comment, c.records[1].comment = []byte("hello\xff"), []byte("\xff") }),
		"extra fields":             edit(func(r *craftedRecord) { r.extra, r.localExtra = extra(0x5455, 1, 2, 3, 4, 5), extra(0x7875, 1) }),
		"padding":                  edit(func(r *craftedRecord) { r.localExtra = []byte{0, 0, 0} }),
		"same name in extra":       edit(func(r *craftedRecord) { r.extra = extra(extraPath, 1, 0xe0, 0x2b, 0xd3, 0x76, 'f') }),
		"opposite order":           whole(func(c *crafted) { c.descend = true }),
		"another level":            edit(func(r *craftedRecord) { r.flags, r.local = 2, put16(6, 4) }),
		"UTF-8 without flag":       edit(func(r *craftedRecord) { r.name, r.local, r.central = "ü", put16(6, 0), put16(8, 0) }),
		"UTF-8 flag on ASCII":      edit(func(r *craftedRecord) { r.flags = flagUTF8 }),
		"empty, deflated":          one(deflated("f", nil)),
		"folder, deflated":         one(deflated("d/", nil)),
		"empty, with descriptor":   edit(func(r *craftedRecord) { r.content, r.descriptor = nil, descriptor(true, false) }),
		"zip64 end":                whole(func(c *crafted) { c.zip64 = unchanged }),
		"zip64 end, empty":         crafted{zip64: unchanged}.bytes(),
		"zip64 end alone":          whole(func(c *crafted) { c.zip64, c.end = unchanged, allOnes }),
		"zip64 end, some":          whole(func(c *crafted) { c.zip64, c.end = unchanged, put32(16, in64) }),
		"zip64 size":               zip64Entry(values(7), nil, put32(24, in64)),
		"zip64 sizes":              zip64Entry(values(7, 7), values(7, 7), both(put32(24, in64), put32(20, in64))),
		"zip64 disk":               zip64Entry(append(values(7), 0, 0, 0, 0), nil, both(put32(24, in64), put16(34, 0xffff))),
		"zip64 sizes said twice":   zip64Entry(values(7, 7), values(7, 7), put32(24, in64)),
		"zip64 field for nothing":  zip64Entry(nil, nil, unchanged),
		"zip64 field says it, too": zip64Entry(values(7, 7), values(7, 7), unchanged),
	}
	for _, signed := range []bool{false, true} {
		for _, wide := range []bool{false, true} {
			name := fmt.Sprintf("descriptor, signed %v, wide %v", signed, wide)
			all[name] = edit(func(r *craftedRecord) { r.descriptor = descriptor(signed, wide) })
			all[name+", alone"] = edit(func(r *craftedRecord) {
				r.descriptor, r.local = descriptor(signed, wide), both(put32(14, 0), put32(18, 0), put32(22, 0))
			})
		}
	}
	return all
}

var allOnes = both(put32(8, in64), put32(12, in64), put32(16, in64))

// zip64Entry has an entry with zip64 fields, of which local is for the local
// header, that central announces.
func zip64Entry(field, local []byte, central func([]byte)) []byte {
	return edit(func(r *craftedRecord) {
		r.extra, r.central = extra(extraZip64, field...), central
		if local != nil {
			r.localExtra, r.local = extra(extraZip64, local...), both(put32(18, in64), put32(22, in64))
		}
	})
}

func TestSound(t *testing.T) {
	for name, archive := range soundArchives() {
		if err := sameAsArchiveZip(archive, Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// sameAsArchiveZip opens an archive, and wants archive/zip to see the same in
// it. It returns what Open or reading an entry returns, or the difference.
func sameAsArchiveZip(archive []byte, limits Limits) error {
	a, err := Open(bytes.NewReader(archive), int64(len(archive)), limits)
	if err != nil {
		return err
	}
	other, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return fmt.Errorf("archive/zip refuses it: %w", err)
	}
	if len(other.File) != len(a.Entries) {
		return fmt.Errorf("%d entries, archive/zip has %d", len(a.Entries), len(other.File))
	}
	var refusal error
	for i := range a.Entries {
		e, f := &a.Entries[i], other.File[i]
		if e.Name != f.Name || uint64(e.Size) != f.UncompressedSize64 || uint64(e.Compressed) != f.CompressedSize64 ||
			e.Method != f.Method || e.CRC32 != f.CRC32 {
			return fmt.Errorf("%+v, archive/zip has %+v", e, f.FileHeader)
		}
		made, attributes := f.CreatorVersion>>8, f.ExternalAttrs
		if (made == madeByUnix || made == madeByMacOS) && attributes>>16 != noMode && e.Mode != f.Mode() {
			return fmt.Errorf("%q: mode %v, archive/zip has %v", e.Name, e.Mode, f.Mode())
		}
		got, err := readContent(e)
		if int64(len(got)) > e.Size {
			return fmt.Errorf("%q: %d bytes came of %d", e.Name, len(got), e.Size)
		}
		if err != nil {
			refusal = err
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("%q: archive/zip: %w", e.Name, err)
		}
		want, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, want) {
			return fmt.Errorf("%q: %d bytes, archive/zip has %d, error %w", e.Name, len(got), len(want), err)
		}
	}
	return refusal
}

func TestZip64IsSeen(t *testing.T) {
	for name, archive := range soundArchives() {
		a, err := openBytes(t, archive, Limits{})
		if err != nil {
			continue // TestSound has said it
		}
		if want := strings.Contains(name, "zip64"); a.Zip64 != want {
			t.Errorf("%s: Zip64 is %v", name, a.Zip64)
		}
	}
}

// TestDescriptorLikeSignature has a CRC-32 that is the descriptor's signature:
// without one, readers differ on where the descriptor ends.
func TestDescriptorLikeSignature(t *testing.T) {
	forge := func(signed bool) []byte {
		return edit(func(r *craftedRecord) {
			r.descriptor = func(_, compressed, size uint32) []byte {
				return descriptor(signed, false)(descriptorSignature, compressed, size)
			}
			r.local, r.central = put32(14, descriptorSignature), put32(16, descriptorSignature)
		})
	}
	if _, err := openBytes(t, forge(true), Limits{}); err != nil {
		t.Errorf("with a signature: %v", err)
	}
	if _, err := openBytes(t, forge(false), Limits{}); !errors.Is(err, ErrRefused) {
		t.Errorf("without a signature: %v", err)
	}
}

func TestOpenModes(t *testing.T) {
	tests := []struct {
		name       string
		creator    byte
		attributes uint32
		want       string
	}{
		{"f", madeByUnix, 0o100600 << 16, "-rw-------"},
		{"f", madeByMacOS, 0o104755 << 16, "urwxr-xr-x"},
		{"f", madeByUnix, 0o102755 << 16, "grwxr-xr-x"},
		{"f", madeByUnix, 0o101777 << 16, "trwxrwxrwx"},
		{"f", madeByUnix, 0o000640 << 16, "-rw-r-----"},
		{"f", madeByUnix, 0x8020 | 0o100644<<16, "-rw-r--r--"},
		{"f", madeByUnix, 0o120777 << 16, "Lrwxrwxrwx"},
		{"f", madeByUnix, 0o060660 << 16, "Drw-rw----"},
		{"f", madeByUnix, 0o020660 << 16, "Dcrw-rw----"},
		{"f", madeByUnix, 0o010600 << 16, "prw-------"},
		{"f", madeByUnix, 0o140777 << 16, "Srwxrwxrwx"},
		{"f", 10, 0x20, "-rw-r--r--"},
		{"f", 11, 0o100600 << 16, "-rw-r--r--"},
		{"d/", madeByUnix, 0o040700<<16 | dosFolder, "drwx------"},
		{"d/", madeByUnix, 0o000750 << 16, "drwxr-x---"},
		{"d/", madeByUnix, noMode<<16 | dosFolder, "drwxr-xr-x"},
		{"f", madeByUnix, noMode << 16, "-rw-r--r--"},
		{"d/", 10, dosFolder, "drwxr-xr-x"},
		{"d/", 10, 0x20, "drwxr-xr-x"},
	}
	for _, test := range tests {
		r := plain(test.name)
		r.creator, r.attributes = test.creator, test.attributes
		a, err := openBytes(t, one(r), Limits{})
		if err != nil {
			t.Errorf("%s, %d, %#o: %v", test.name, test.creator, test.attributes, err)
			continue
		}
		if got := a.Entries[0].Mode.String(); got != test.want {
			t.Errorf("%s, %d, %#o: mode %s, want %s", test.name, test.creator, test.attributes, got, test.want)
		}
	}
}

// TestContent reads entries whose headers agree and whose data is wrong.
func TestContent(t *testing.T) {
	prose := prose(1, 100_000)
	good := rawDeflate(prose)
	tests := []struct {
		name    string
		content []byte // what the headers speak of
		method  uint16
		data    []byte
		want    string // "" if it is fine
	}{
		{"stored", prose, Store, prose, ""},
		{"deflated", prose, Deflate, good, ""},
		{"stored, one bit", prose, Store, append([]byte{prose[0] ^ 1}, prose[1:]...), "CRC-32"},
		{"another content", prose, Deflate, rawDeflate(append([]byte("x"), prose[1:]...)), "CRC-32"},
		{"no deflate data", prose, Deflate, bytes.Repeat([]byte{0xff}, 1000), "after 0 bytes of content"},
		{"cut short", prose, Deflate, good[:len(good)/2], "unexpected EOF"},
		{"without its last byte", prose, Deflate, good[:len(good)-1], "unexpected EOF"},
		{"no data", prose[:1000], Deflate, []byte{}, "unexpected EOF"},
		{"shorter", prose, Deflate, rawDeflate(prose[:99_999]), "ends 1 bytes before its size of 100000"},
		{"longer", prose[:99_999], Deflate, good, "more than 99999 bytes"},
		{"bomb", make([]byte, 100_000), Deflate, rawDeflate(make([]byte, 64<<20)), "more than 100000 bytes"},
		{"byte behind its end", prose, Deflate, append(bytes.Clone(good), 0), "behind the end"},
		{"two streams", prose, Deflate, slices.Concat(good, good), "behind the end"},
		{"empty, with content", nil, Deflate, rawDeflate([]byte("x")), "more than 0 bytes"},
		{"empty, nothing inflated", nil, Deflate, []byte{}, "EOF"},
	}
	for _, test := range tests {
		archive := one(craftedRecord{name: "f", content: test.content, method: test.method, data: test.data})
		a, err := openBytes(t, archive, Limits{})
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for _, wrap := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader} {
			r := a.Entries[0].Open()
			got, err := io.ReadAll(wrap(r))
			r.Close()
			if len(got) > len(test.content) {
				t.Errorf("%s: %d bytes of %d came", test.name, len(got), len(test.content))
			}
			if test.want == "" && (err != nil || !bytes.Equal(got, test.content)) {
				t.Errorf("%s: %v, or another content", test.name, err)
			}
			if test.want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), `entry "f": `) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s: error %v, want one with %q", test.name, err, test.want)
			}
		}
	}
}

// TestContentRereads wants an error to stay, and nothing after Close.
func TestContentRereads(t *testing.T) {
	archive := one(craftedRecord{name: "f", content: []byte("content"), data: []byte("kontent")})
	a, err := openBytes(t, archive, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r := a.Entries[0].Open()
	buf := make([]byte, 7)
	n, err := r.Read(buf)
	if n != 7 || !errors.Is(err, ErrRefused) {
		t.Errorf("%d bytes, error %v; want the refusal with the last byte", n, err)
	}
	if _, again := r.Read(buf); again != err {
		t.Errorf("read again: %v", again)
	}
	for range 2 {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Read(buf); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestLinkRefused(t *testing.T) {
	l := craftedRecord{name: "l", content: []byte("a\x00b"), attributes: 0o120777 << 16}
	a, err := openBytes(t, one(l), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if target, err := a.Entries[0].Link(); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "NUL") {
		t.Errorf("target %q, error %v", target, err)
	}
}

// TestOpenReadFails wants a reader's own failure not to look like a refusal,
// and a reader that ends early to look like one.
func TestOpenReadFails(t *testing.T) {
	archive, info := write(t, mediumTree(), Options{})
	readAll := func(r io.ReaderAt) error {
		a, err := Open(r, info.Size, Limits{})
		if err != nil {
			return err
		}
		for i := range a.Entries {
			if _, err := readContent(&a.Entries[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for n := int64(0); n < info.Size; n += info.Size / 9 {
		if err := readAll(badReaderAt{bytes.NewReader(archive), n}); !errors.Is(err, errBad) || errors.Is(err, ErrRefused) {
			t.Errorf("failing after %d bytes: %v", n, err)
		}
		if err := readAll(bytes.NewReader(archive[:n])); !errors.Is(err, ErrRefused) {
			t.Errorf("ending after %d bytes: %v", n, err)
		}
	}
	// Whatever the first pass read, the second may fail to.
	a, err := openBytes(t, archive, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	a.r = badReaderAt{bytes.NewReader(archive), 0}
	for i := range a.Entries {
		if _, err := readContent(&a.Entries[i]); a.Entries[i].Compressed > 0 && !errors.Is(err, errBad) {
			t.Errorf("%s: %v", a.Entries[i].Name, err)
		}
	}
}

// TestOpenFlips damages every byte of an archive: it is refused, or what
// changed is not in what an Archive says, as times are not.
func TestOpenFlips(t *testing.T) {
	archive, _ := write(t, smallTree(), Options{})
	harmless := 0
	for i := range archive {
		archive[i] ^= 1 << (i % 8)
		switch err := sameAsArchiveZip(archive, Limits{}); {
		case err == nil:
			harmless++
		case !errors.Is(err, ErrRefused):
			t.Errorf("byte %d: %v", i, err)
		}
		archive[i] ^= 1 << (i % 8)
	}
	t.Logf("%d of %d flips were harmless", harmless, len(archive))
}

// TestOpenParallel reads all entries at once.
func TestOpenParallel(t *testing.T) {
	archive, _ := write(t, mediumTree(), Options{})
	a, err := openBytes(t, archive, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		for i := range a.Entries {
			wg.Go(func() {
				got, err := readContent(&a.Entries[i])
				if err != nil || crc32.ChecksumIEEE(got) != a.Entries[i].CRC32 {
					t.Errorf("%s: %v", a.Entries[i].Name, err)
				}
			})
		}
	}
	wg.Wait()
}

// TestLongNames opens an archive whose names would take quadratic time if
// every folder above every entry was looked up.
func TestLongNames(t *testing.T) {
	var c crafted
	for i := range 100 {
		c.records = append(c.records, craftedRecord{name: strings.Repeat("a/", 32_000) + fmt.Sprint(i)})
	}
	if _, err := openBytes(t, c.bytes(), Limits{}); err != nil {
		t.Error(err)
	}
}
