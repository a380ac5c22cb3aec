package deflate

import (
	"encoding/binary"
	"slices"
)

// A bitWriter appends bits to bytes, the first in the lowest place.
type bitWriter struct {
	out  []byte
	bits uint64 // those that make no byte yet
	n    uint   // their number, below 8
}

// add appends the lowest n bits of x, at most 32; the others are 0.
func (w *bitWriter) add(x uint64, n uint) {
	w.bits |= x << (w.n & 63)
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

// align fills the last byte up with zeros.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.add(0, 8-w.n)
	}
}

// write writes the sequences of b[begin:end] and the end of the block, which is
// bits long.
func (e *Encoder) write(b []byte, begin, end int, c *codes, bits int) {
	var lengths [256]code // with their extra bits
	for l := range lengths {
		s := lengthSymbols[l]
		c := c.lits[firstLength+int(s)]
		lengths[l] = (c>>8|code(uint8(l)-lengthBases[s])<<c.len())<<8 | code(c.len()) + code(lengthExtras[s])
	}
	start := len(e.w.out)
	// 8 for the bits there are and for rounding, 8 for the last word.
	out := slices.Grow(e.w.out, bits/8+16)
	out = out[:cap(out)]
	at, acc, n := start, e.w.bits, e.w.n
	lits := &c.lits
	for _, s := range e.seqs[:len(e.seqs)-1] {
		run := int(s >> 32)
		for ; run >= 4; run -= 4 {
			four := load32(b, begin)
			begin += 4
			c0, c1, c2, c3 := lits[byte(four)], lits[byte(four>>8)], lits[byte(four>>16)], lits[byte(four>>24)]
			acc |= c0.bits() << (n & 63)
			n += c0.len()
			acc |= c1.bits() << (n & 63)
			n += c1.len()
			acc |= c2.bits() << (n & 63)
			n += c2.len()
			acc |= c3.bits() << (n & 63)
			n += c3.len()
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(n >> 3)
			acc >>= n & 56
			n &= 7
		}
		// Up to three more, without a branch: a literal too many is written in no bits.
		// There are four bytes to read, since eight follow where a match begins.
		four := load32(b, begin)
		k := lits[byte(four)] & code(int32(-run)>>31)
		acc |= k.bits() << (n & 63)
		n += k.len()
		k = lits[byte(four>>8)] & code(int32(1-run)>>31)
		acc |= k.bits() << (n & 63)
		n += k.len()
		k = lits[byte(four>>16)] & code(int32(2-run)>>31)
		acc |= k.bits() << (n & 63)
		n += k.len()
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7

		k = lengths[uint8(s)]
		begin += run + int(uint8(s)) + minMatch
		acc |= k.bits() << (n & 63)
		n += k.len()
		symbol := s >> 24 & 31
		k = c.dists[symbol]
		acc |= k.bits() << (n & 63)
		n += k.len()
		acc |= uint64(uint16(s>>8)-distBases[symbol]) << (n & 63)
		n += uint(distExtras[symbol])
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n >> 3)
		acc >>= n & 56
		n &= 7
	}
	e.w.out, e.w.bits, e.w.n = out[:at], acc, n
	for _, literal := range b[begin:end] {
		e.w.add(lits[literal].bits(), lits[literal].len())
	}
	e.w.add(lits[endOfBlock].bits(), lits[endOfBlock].len())
}
