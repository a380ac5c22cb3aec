package zipper

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDoc has doc/zip.md carried out by a second program, which knows nothing of
// this package but that text, and no constant of it: somebody else can make the
// same archive.
func TestDoc(t *testing.T) {
	const kb, block = 1 << 10, 1048560
	entries := append(bigTree(), folder("empty/"), link("l", "small/a"))
	for i, n := range []int{511, 512, 513, 8192, 8193, 65535, 65535 + 511, 65535 + 512, block, block + 300, 2*block + 700} {
		name := string(rune('a' + i))
		entries = append(entries,
			file("noise/"+name, 0o600, noise(byte(i), n)),
			file("prose/"+name, 0o755, prose(byte(i), n)),
			file("both/"+name+"é", 0o644, slices.Concat(prose(byte(i), n/3), noise(byte(i), n/2), prose(byte(i), n/3))),
		)
	}
	entries = append(entries,
		file("mixture", 0o644, mixture(3*block/2)),
		file("code", 0o755, program(t, 2*block)),
		file("skewed", 0o644, skewed(200*kb)),
	)
	for n := range 70 {
		entries = append(entries, file(fmt.Sprintf("tiny/%d", n), 0o644, prose(byte(n), n)))
	}
	got, _ := write(t, entries, Options{})
	if want := byDoc(t, entries); !bytes.Equal(got, want) {
		at := 0
		for at < min(len(got), len(want)) && got[at] == want[at] {
			at++
		}
		t.Errorf("%d bytes, and %d by doc/zip.md; they differ from %d on", len(got), len(want), at)
	}
}

// program returns the first bytes of this test's own program.
func program(t *testing.T, n int) []byte {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) < n {
		t.Fatal(len(b), err)
	}
	return b[:n]
}

// skewed has each byte half as often as the one before, so that codes get longer
// than they may.
func skewed(n int) []byte {
	b := noise(1, 8*n)
	for i := range n {
		b[i] = byte(bits.TrailingZeros64(binary.LittleEndian.Uint64(b[8*i:])))
	}
	return b[:n]
}

// mixture has runs of both kinds, of odd lengths.
func mixture(n int) []byte {
	var b []byte
	for i := byte(0); len(b) < n; i++ {
		b = append(append(b, prose(i, 200_003)...), noise(i, 90_001)...)
	}
	return b[:n]
}

// byDoc is the archive as doc/zip.md describes it.
func byDoc(t *testing.T, entries []Entry) []byte {
	t.Helper()
	entries = slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	var archive, directory []byte
	for _, e := range entries {
		var content, data []byte
		mode, method := uint32(0o040755), uint16(0)
		switch {
		case e.Mode&fs.ModeSymlink != 0:
			mode, content = 0o120777, []byte(e.Link)
			data = content
		case !e.Mode.IsDir():
			if mode = 0o100644; e.Mode&0o111 != 0 {
				mode = 0o100755
			}
			content = contentOf(t, e)
			if data = content; len(content) > 0 {
				if deflated := deflatedByDoc(content); len(deflated) < len(content) {
					data, method = deflated, 8
				}
			}
		}
		flags := uint16(0)
		if strings.ContainsFunc(e.Name, func(r rune) bool { return r >= 0x80 }) {
			flags = 0x0800
		}
		shared := little(uint16(20), flags, method, uint16(0), uint16(0x0021), crc32.ChecksumIEEE(content),
			uint32(len(data)), uint32(len(content)), uint16(len(e.Name)), uint16(0))
		directory = slices.Concat(directory, little(uint32(0x02014b50), uint16(0x0314)), shared,
			little(uint16(0), uint16(0), uint16(0), mode<<16, uint32(len(archive))), []byte(e.Name))
		archive = slices.Concat(archive, little(uint32(0x04034b50)), shared, []byte(e.Name), data)
	}
	n := uint16(len(entries))
	return slices.Concat(archive, directory, little(uint32(0x06054b50), uint16(0), uint16(0), n, n,
		uint32(len(directory)), uint32(len(archive)), uint16(0)))
}

func little(values ...any) []byte {
	var b []byte
	for _, v := range values {
		b, _ = binary.Append(b, binary.LittleEndian, v) // of fixed size, all of them
	}
	return b
}

// deflatedByDoc compresses a file's content: the section "Data".
func deflatedByDoc(content []byte) []byte {
	var out bitsByDoc
	for start := 0; start < len(content); start += 1048560 {
		end := min(start+1048560, len(content))
		windows := windowsByDoc(content[start:end])
		for at := start; len(windows) > 0; {
			run := slices.IndexFunc(windows, func(w judged) bool { return w.worth != windows[0].worth })
			if run < 0 {
				run = len(windows)
			}
			next := at
			for _, w := range windows[:run] {
				next += w.size
			}
			if windows[0].worth {
				history := max(0, at-32768)
				out.compressRun(content[history:next], at-history, next == len(content))
			} else {
				for _, w := range windows[:run] {
					out.stored(content[at:at+w.size], at+w.size == len(content))
					at += w.size
				}
			}
			at, windows = next, windows[run:]
		}
	}
	return out.bytes
}

// judged is a window, and whether it is worth compressing.
type judged struct {
	size  int
	worth bool
}

func windowsByDoc(block []byte) []judged {
	var all []judged
	for len(block) > 0 {
		n := min(65535, len(block))
		w := judged{n, worthByDoc(block[:n])}
		if n < 512 && len(all) > 0 {
			w.worth = all[len(all)-1].worth
		}
		all = append(all, w)
		block = block[n:]
	}
	return all
}

// worthByDoc is the section "What is worth compressing".
func worthByDoc(window []byte) bool {
	n := uint64(len(window))
	if n < 512 {
		return true
	}
	var counts [256]uint64
	for _, b := range window {
		counts[b]++
	}
	squares := uint64(0)
	for _, c := range counts {
		squares += c * c
	}
	return 256*squares > n*n+n*n/10+256*n || repeatsByDoc(window)
}

// repeatsByDoc is what that section says of strings that repeat.
func repeatsByDoc(window []byte) bool {
	marks := make(map[uint64]uint64)
	samples, repetitions := 0, 0
	for i := range min(len(window), 16384) - 7 {
		h := binary.LittleEndian.Uint64(window[i:]) * 0xcf1bbcdcb7a56463
		if h >= 1<<58 {
			continue
		}
		samples++
		slot, mark := h>>46&(1<<12-1), h>>14&(1<<32-1)|1
		if marks[slot] == mark {
			repetitions++
		}
		marks[slot] = mark
	}
	return 4*repetitions > samples
}
