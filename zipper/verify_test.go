package zipper

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func verify(archive []byte, info Info) error {
	return Verify(context.Background(), bytes.NewReader(archive), int64(len(archive)), info, Options{Workers: 2})
}

// verifyEntries is Verify without the archive's SHA-256: what the entries and
// the directory reveal by themselves.
func verifyEntries(archive []byte, info Info) error {
	v := &verifier{r: bytes.NewReader(archive), entries: info.Entries}
	if err := v.layOut(int64(len(archive)), &info); err != nil {
		return err
	}
	return v.run(context.Background(), 1, func(context.Context) error { return nil })
}

// TestFlips damages every byte of an archive in two ways. Verify has to see
// all of it, and nearly all without the archive's SHA-256: what remains are
// bits of deflate data that no content depends on, such as the padding before
// a stored block.
func TestFlips(t *testing.T) {
	archive, info := write(t, smallTree(), Options{})
	headers := slices.Repeat([]bool{true}, len(archive))
	offset := int64(0)
	for i := range info.Entries {
		e := &info.Entries[i]
		offset += e.record()
		for at := offset - e.Compressed; at < offset; at++ {
			headers[at] = false
		}
	}
	harmless := 0
	for i := range archive {
		for _, mask := range []byte{0xff, 1 << (i % 8)} {
			archive[i] ^= mask
			err := verifyEntries(archive, info)
			if err == nil {
				harmless++
				if headers[i] {
					t.Errorf("byte %d ^ %#x: no entry and not the directory is found wrong", i, mask)
				}
				err = verify(archive, info)
			}
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d ^ %#x: %v", i, mask, err)
			}
			archive[i] ^= mask
		}
	}
	t.Logf("%d of %d flips left all contents as they were", harmless, 2*len(archive))
	if harmless > len(archive)/50 {
		t.Errorf("%d flips were seen by the archive's SHA-256 alone", harmless)
	}
}

func TestCutAndExtended(t *testing.T) {
	archive, info := write(t, smallTree(), Options{})
	for n := range archive {
		if err := verify(archive[:n], info); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		if n%7 != 0 {
			continue
		}
		// A reader that ends early, whatever its size was said to be.
		err := Verify(context.Background(), bytes.NewReader(archive[:n]), info.Size, info, Options{})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("ends after %d bytes: %v", n, err)
		}
	}
	if err := verify(append(archive, 0), info); !errors.Is(err, ErrCorrupt) {
		t.Errorf("one byte longer: %v", err)
	}
}

// TestOtherInfo verifies a good archive against an info that differs.
func TestOtherInfo(t *testing.T) {
	archive, good := write(t, smallTree(), Options{})
	tests := []struct {
		name   string
		change func(info *Info, e *EntryInfo)
		want   string
	}{
		{"nothing", func(*Info, *EntryInfo) {}, ""},
		{"name", func(_ *Info, e *EntryInfo) { e.Name = e.Name[:len(e.Name)-1] + string(e.Name[len(e.Name)-1]+1) }, "header"},
		{"bad name", func(_ *Info, e *EntryInfo) { e.Name = "/" + e.Name[1:] }, "absolute"},
		{"mode", func(_ *Info, e *EntryInfo) { e.Mode ^= 0o111 }, "central directory"},
		{"impossible mode", func(_ *Info, e *EntryInfo) { e.Mode = fs.ModeDevice }, "mode"},
		{"size", func(info *Info, e *EntryInfo) { e.Size++; info.Unzipped++ }, "entry"},
		{"CRC-32", func(_ *Info, e *EntryInfo) { e.CRC32++ }, "header"},
		{"SHA-256", func(_ *Info, e *EntryInfo) { e.SHA256[5]++ }, "SHA-256"},
		{"compressed", func(info *Info, e *EntryInfo) { e.Compressed--; info.Size-- }, "bytes"},
		{"method", func(_ *Info, e *EntryInfo) { e.Method ^= Deflate }, "method"},
		{"other method", func(_ *Info, e *EntryInfo) { e.Method = 12 }, "method"},
		{"negative", func(info *Info, e *EntryInfo) { info.Unzipped -= e.Size + 1; e.Size = -1 }, "cannot be"},
		{"total", func(info *Info, _ *EntryInfo) { info.Unzipped++ }, "bytes of content"},
		{"archive size", func(info *Info, _ *EntryInfo) { info.Size++ }, "bytes"},
		{"archive SHA-256", func(info *Info, _ *EntryInfo) { info.SHA256[0]++ }, "SHA-256"},
		{"order", func(info *Info, _ *EntryInfo) { slices.Reverse(info.Entries) }, "order"},
		{"an entry less", func(info *Info, _ *EntryInfo) { info.Entries = info.Entries[1:] }, "bytes"},
		{"twice", func(info *Info, _ *EntryInfo) { info.Entries[1] = info.Entries[0] }, "order"},
	}
	for i := range good.Entries {
		if !good.Entries[i].Mode.IsRegular() {
			continue
		}
		for _, test := range tests {
			info := good
			info.Entries = slices.Clone(good.Entries)
			test.change(&info, &info.Entries[i])
			err := verify(archive, info)
			if test.want == "" && err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if test.want != "" && (!errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%s of %s: error %v, want one with %q", test.name, good.Entries[i].Name, err, test.want)
			}
		}
	}
}

// TestHeadersDisagree changes a name in only one of the entry's two headers.
func TestHeadersDisagree(t *testing.T) {
	archive, info := write(t, smallTree(), Options{})
	name := []byte("python/mod.py")
	local := bytes.Index(archive, name)
	central := bytes.LastIndex(archive, name)
	for _, at := range []int{local, central} {
		bad := bytes.Clone(archive)
		bad[at+len("python/")] = 'M'
		err := verifyEntries(bad, info)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), `entry "python/mod.py"`) {
			t.Errorf("name changed at %d: %v", at, err)
		}
	}
}

// badReaderAt fails past n bytes.
type badReaderAt struct {
	r *bytes.Reader
	n int64
}

func (r badReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.n {
		return 0, errBad
	}
	return r.r.ReadAt(p, off)
}

// TestReadFails wants a reader's own failure not to look like corruption.
func TestReadFails(t *testing.T) {
	archive, info := write(t, mediumTree(), Options{})
	for n := int64(0); n < info.Size; n += info.Size / 9 {
		err := Verify(context.Background(), badReaderAt{bytes.NewReader(archive), n}, info.Size, info, Options{Workers: 3})
		if !errors.Is(err, errBad) || errors.Is(err, ErrCorrupt) {
			t.Errorf("failing after %d bytes: %v", n, err)
		}
	}
}

// TestBomb has an entry inflate to far more than its header says.
func TestBomb(t *testing.T) {
	data, err := joinBlocks(new(deflater), make([]byte, 64<<20), blockSize)
	if err != nil {
		t.Fatal(err)
	}
	e := EntryInfo{Name: "f", Mode: plainMode, Size: 100 << 10, Compressed: int64(len(data)), Method: Deflate}
	c := checker{v: &verifier{}, content: make([]byte, 32<<10)}
	source := bytes.NewReader(data)
	if err := c.checkData(context.Background(), &e, source); !errors.Is(err, ErrCorrupt) {
		t.Errorf("bomb: %v", err)
	}
	if left := source.Len(); left < len(data)/2 {
		t.Errorf("only %d of %d bytes were left", left, len(data))
	}
}
