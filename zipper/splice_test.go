package zipper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// A forest is a tree of files that is edited at random.
type forest struct {
	r     *rand.Rand
	files map[string]Entry
}

func newForest(seed uint64) *forest {
	f := &forest{r: rand.New(rand.NewPCG(6, seed)), files: make(map[string]Entry)}
	for range 150 {
		f.add()
	}
	f.put("big.so", prose(1, blockSize+windowSize))
	f.put("big.bin", noise(2, blockSize+1))
	return f
}

func (f *forest) put(name string, content []byte) {
	f.files[name] = file(name, 0o644, content)
}

// add adds a file of a new name, seldom one of more than a block.
func (f *forest) add() {
	name := fmt.Sprintf("%02d/%d", f.r.IntN(20), f.r.Uint64())
	f.put(name, f.content())
}

func (f *forest) content() []byte {
	seed := byte(f.r.IntN(5))
	n := f.r.IntN(3000)
	switch f.r.IntN(400) {
	case 0:
		n = blockSize - 1 + f.r.IntN(3)
	case 1:
		return append(noise(seed, windowSize+n), prose(seed, 2*windowSize)...)
	}
	if f.r.IntN(4) == 0 {
		return noise(seed, n)
	}
	return prose(seed, n)
}

// any returns the name of some file.
func (f *forest) any() string {
	names := make([]string, 0, len(f.files))
	for name := range f.files {
		names = append(names, name)
	}
	slices.Sort(names) // for the seed alone to decide
	return names[f.r.IntN(len(names))]
}

func (f *forest) edit() {
	name := f.any()
	e := f.files[name]
	switch f.r.IntN(7) {
	case 0:
		f.add()
	case 1:
		if len(f.files) > 2 {
			delete(f.files, name)
		}
	case 2: // renamed
		delete(f.files, name)
		e.Name = fmt.Sprintf("%02d/%d", f.r.IntN(20), f.r.Uint64())
		f.files[e.Name] = e
	case 3: // changed, big ones across the bound of a block, too
		content := []byte(e.Link)
		if e.Open != nil {
			r, _ := e.Open()
			content, _ = io.ReadAll(r)
		}
		switch f.r.IntN(3) {
		case 0:
			content = append(content, "x"...)
		case 1:
			content = content[:len(content)/2]
		default:
			content = bytes.Clone(content)
			if len(content) > 0 {
				content[f.r.IntN(len(content))]++
			}
		}
		f.put(name, content)
	case 4:
		e.Mode ^= 0o111
		f.files[name] = e
	case 5:
		f.files[name] = link(name, "somewhere")
	case 6: // copied
		e.Name = fmt.Sprintf("%02d/%d", f.r.IntN(20), f.r.Uint64())
		f.files[e.Name] = e
	}
}

func (f *forest) entries() []Entry {
	entries := make([]Entry, 0, len(f.files))
	for _, e := range f.files {
		entries = append(entries, e)
	}
	return entries
}

// soak returns how often a test does what it does: n times, or as the
// environment says.
func soak(t testing.TB, n int) int {
	if s := os.Getenv("LAYERBUILD_SOAK_ZIPPER"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// TestSplice edits a tree at random, thousands of times, and each 50 edits
// archives it with and without the archive before.
func TestSplice(t *testing.T) {
	f := newForest(1)
	archive, info := write(t, f.entries(), Options{})
	for round := range soak(t, 50) {
		for range 50 {
			f.edit()
		}
		archive, info = splice(t, f, archive, info, round%2 == 0)
	}
}

// splice archives a tree twice and wants the same bytes.
func splice(t testing.TB, f *forest, archive []byte, info Info, verify bool) ([]byte, Info) {
	t.Helper()
	full, fullInfo := write(t, f.entries(), Options{Workers: 2})
	spliced, splicedInfo := write(t, f.entries(), Options{Workers: 3, Verify: verify, Earlier: &Earlier{bytes.NewReader(archive), info.Entries}})
	if !bytes.Equal(full, spliced) {
		t.Fatal("the spliced archive differs from the full one")
	}
	if !slices.Equal(fullInfo.Entries, splicedInfo.Entries) || fullInfo.SHA256 != splicedInfo.SHA256 {
		t.Fatal("the infos differ")
	}
	if want := common(info.Entries, fullInfo.Entries); splicedInfo.Spliced != want {
		t.Fatalf("%d bytes of content were spliced, want %d", splicedInfo.Spliced, want)
	}
	return spliced, splicedInfo
}

// common counts the bytes of the files in now whose content is in before, too.
func common(before, now []EntryInfo) (n int64) {
	had := make(map[[32]byte]bool)
	for _, e := range before {
		had[e.SHA256] = had[e.SHA256] || e.Mode.IsRegular()
	}
	for _, e := range now {
		if e.Mode.IsRegular() && had[e.SHA256] {
			n += e.Size
		}
	}
	return n
}

// FuzzSplice is TestSplice with other edits.
func FuzzSplice(f *testing.F) {
	f.Add(uint64(1), byte(10))
	f.Fuzz(func(t *testing.T, seed uint64, edits byte) {
		f := newForest(seed)
		archive, info := write(t, f.entries(), Options{})
		for range edits {
			f.edit()
		}
		splice(t, f, archive, info, seed%2 == 0)
	})
}

// TestSpliceAll has nothing to compress.
func TestSpliceAll(t *testing.T) {
	archive, info := write(t, bigTree(), Options{})
	again, _ := write(t, bigTree(), Options{Verify: true, Earlier: &Earlier{bytes.NewReader(archive), info.Entries}})
	if !bytes.Equal(archive, again) {
		t.Error("other bytes")
	}
}

// TestBadEarlier gives Write earlier archives that are not what they are said
// to be. None may change a byte.
func TestBadEarlier(t *testing.T) {
	want, info := write(t, mediumTree(), Options{})
	check := func(what string, verify bool, archive io.ReaderAt, entries []EntryInfo) {
		t.Helper()
		got, _ := write(t, mediumTree(), Options{Verify: verify, Earlier: &Earlier{archive, entries}})
		if !bytes.Equal(got, want) {
			t.Errorf("%s: other bytes", what)
		}
	}
	change := func(f func(i int, e *EntryInfo)) []EntryInfo {
		entries := slices.Clone(info.Entries)
		for i := range entries {
			f(i, &entries[i])
		}
		return entries
	}
	good := bytes.NewReader(want)
	check("shifted", false, bytes.NewReader(append([]byte{0}, want...)), info.Entries)
	check("empty", false, bytes.NewReader(nil), info.Entries)
	check("unreadable", false, badReaderAt{good, 0}, info.Entries)
	check("unreadable data", true, badReaderAt{good, 100_000}, info.Entries)
	check("too few entries", false, good, info.Entries[1:])
	check("other sizes", false, good, change(func(_ int, e *EntryInfo) { e.Size++ }))
	check("other CRC-32", false, good, change(func(_ int, e *EntryInfo) { e.CRC32++ }))
	check("other methods", false, good, change(func(_ int, e *EntryInfo) { e.Method = Store; e.Compressed = e.Size }))
	check("impossible", false, good, change(func(_ int, e *EntryInfo) { e.Compressed = -1 }))
	check("contents exchanged", true, good, change(func(i int, e *EntryInfo) { e.SHA256 = info.Entries[(i+1)%len(info.Entries)].SHA256 }))

	offset := int64(0)
	for i := range info.Entries {
		e := &info.Entries[i]
		offset += e.record()
		if !e.Mode.IsRegular() || e.Size == 0 {
			continue
		}
		bad := bytes.Clone(want)
		bad[offset-e.Compressed/2-1] ^= 0x40
		check("damaged data of "+e.Name, true, bytes.NewReader(bad), info.Entries)
		bad = bytes.Clone(want)
		bad[offset-e.record()+8]++
		check("damaged header of "+e.Name, false, bytes.NewReader(bad), info.Entries)
	}
}

// TestSpliceVanishes has the earlier archive fail while a big file is copied
// from it: then it is too late to compress.
func TestSpliceVanishes(t *testing.T) {
	entries := []Entry{file("big", 0o644, prose(1, 3*blockSize))}
	archive, info := write(t, entries, Options{})
	_, err := Write(context.Background(), io.Discard, entries,
		Options{Earlier: &Earlier{badReaderAt{bytes.NewReader(archive), 200_000}, info.Entries}})
	if !errors.Is(err, errBad) {
		t.Errorf("error %v", err)
	}
}
