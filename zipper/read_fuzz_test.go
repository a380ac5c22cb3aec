package zipper

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"testing"
)

// FuzzOpen opens arbitrary bytes. What Open accepts, archive/zip accepts with
// the same names and contents; opening takes memory in proportion to the file
// alone, and no entry gives more than it states.
func FuzzOpen(f *testing.F) {
	small, err := os.ReadFile("testdata/small.zip")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small)
	for _, archive := range soundArchives() {
		f.Add(archive)
	}
	for _, test := range hostileArchives() {
		if len(test.archive) < 1<<16 {
			f.Add(test.archive)
		}
	}
	limits := Limits{Unzipped: 1 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(bytes.NewReader(data), int64(len(data)), limits)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20+20*uint64(len(data)) {
			t.Errorf("Open allocates %d bytes for a file of %d", n, len(data))
		}
		if err != nil && !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
		if err = sameAsArchiveZip(data, limits); err != nil && !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	})
}

// FuzzOpenEntry puts arbitrary fields into sound headers, which FuzzOpen
// rarely finds by itself.
func FuzzOpenEntry(f *testing.F) {
	f.Add("a", "b", uint16(8), uint16(0), []byte("\x03\x00"), []byte{}, []byte{}, []byte{}, uint32(0), uint32(0), uint32(0))
	f.Add("a", "a/b", uint16(0), uint16(8), []byte("x"), []byte{}, extra(extraZip64, values(1, 1)...), []byte{}, uint32(1), uint32(0x8cdc1683), uint32(0o120777<<16))
	f.Add("d/", "d/b", uint16(0), uint16(8), []byte("x"), extra(0x5455, 1), []byte{}, descriptor(true, false)(0x8cdc1683, 1, 1), uint32(1), uint32(0x8cdc1683), uint32(0o100644<<16))
	f.Fuzz(func(t *testing.T, first, name string, method, flags uint16, data, local, central, behind []byte, size, crc, attributes uint32) {
		if max(len(first), len(name), len(local), len(central)) > maxName {
			return
		}
		set := func(at int) func([]byte) { return both(put32(at, crc), put32(at+8, size)) }
		r := craftedRecord{
			name: name, method: method, flags: flags, data: data, localExtra: local, extra: central, attributes: attributes,
			local: set(14), central: set(16),
		}
		archive := crafted{records: []craftedRecord{plain(first), r}, gap: behind, comment: []byte(first)}.bytes()
		if err := sameAsArchiveZip(archive, Limits{Unzipped: 1 << 20}); err != nil && !errors.Is(err, ErrRefused) {
			t.Error(err)
		}
	})
}
