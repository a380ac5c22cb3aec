package zipper

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestProof damages every byte of a compressed block. What passes must be
// equal to all readers.
func TestProof(t *testing.T) {
	content := append(prose(1, 4000), noise(1, 2000)...)
	const before = 1000
	for _, last := range []bool{false, true} {
		block := new(deflater).block(nil, content, before, last)
		var p proof
		dict, data := content[:before], content[before:]
		check := func(block, dict, data []byte, last bool) error {
			err := p.check(block, dict, data, last)
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Errorf("error %v does not wrap ErrCorrupt", err)
			}
			return err
		}
		if err := check(block, dict, data, last); err != nil {
			t.Error(err)
		}
		for what, err := range map[string]error{
			"another dictionary": check(block, content[1:before+1], data, last),
			"no dictionary":      check(block, nil, data, last),
			"less content":       check(block, dict, data[:len(data)-1], last),
			"more content":       check(block, dict, append(bytes.Clone(data), 0), last),
			"another end":        check(block, dict, data, !last),
			"a byte after it":    check(append(bytes.Clone(block), 0), dict, data, last),
			"nothing":            check(nil, dict, data, last),
		} {
			if err == nil {
				t.Errorf("last %v: %s passed", last, what)
			}
		}
		for n := range block {
			if check(block[:n], dict, data, last) == nil {
				// Without its sync marker a block may end on a byte boundary by chance.
				if n != len(block)-5 && n != len(block)-4 || last {
					t.Errorf("last %v: cut to %d of %d bytes it passed", last, n, len(block))
				}
			}
		}
		harmless := 0
		for i := range block {
			block[i] ^= 1 << (i % 8)
			if check(block, dict, data, last) == nil {
				harmless++
			}
			block[i] ^= 1 << (i % 8)
		}
		if harmless > 5 { // bits of padding before stored blocks
			t.Errorf("last %v: %d flips passed", last, harmless)
		}
	}
}

// wrongInflater takes anything and gives zeros.
type wrongInflater struct{ left int }

func (w *wrongInflater) Close() error                      { return nil }
func (w *wrongInflater) Reset(_ io.Reader, _ []byte) error { w.left = 1 << 10; return nil }
func (w *wrongInflater) Read(p []byte) (int, error) {
	n := min(len(p), w.left)
	clear(p[:n])
	w.left -= n
	return n, nil
}

// TestMismatch has the inflater and the compressor differ.
func TestMismatch(t *testing.T) {
	entries := []Entry{file("big", 0o644, prose(1, 2*blockSize)), file("small", 0o644, prose(1, 1000))}
	for i := range entries {
		p := newPacker(io.Discard, entries[i:i+1], new(earlier), Options{Workers: 1, Verify: true})
		w := newWorker(p)
		w.proof = proof{inflater: new(wrongInflater), piece: make([]byte, 100)}
		var task task
		p.assign(&task)
		err := w.do(context.Background(), &task)
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), `entry "`+entries[i].Name+`"`) {
			t.Errorf("%s: %v", entries[i].Name, err)
		}
		for f := range p.open {
			f.content.Close()
		}
	}
}

// TestVerified damages an archive whose contents Write has verified. Verify
// has to see all of it without inflating.
func TestVerified(t *testing.T) {
	archive, info := write(t, smallTree(), Options{Verify: true})
	if !info.Verified {
		t.Error("the info does not say so")
	}
	for i := range archive {
		archive[i] ^= 1 << (i % 8)
		if err := verify(archive, info); !errors.Is(err, ErrCorrupt) {
			t.Errorf("byte %d: %v", i, err)
		}
		archive[i] ^= 1 << (i % 8)
	}
	if err := verify(archive, info); err != nil {
		t.Error(err)
	}
}
