package deflate

import (
	"encoding/binary"
	"slices"
)

const maxStored = 65535 // bytes in a stored block

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

// begin writes the three bits that every block begins with.
func (w *bitWriter) begin(form uint64, final bool) {
	last := uint64(0)
	if final {
		last = 1
	}
	w.add(last|form<<1, 3)
}

// stored writes data as it is, in one block or, if it is too long, more.
func (w *bitWriter) stored(data []byte, final bool) {
	for more := true; more; {
		piece := data[:min(len(data), maxStored)]
		data = data[len(piece):]
		more = len(data) > 0
		w.begin(formStored, final && !more)
		w.align()
		w.add(uint64(len(piece)), 16)
		w.add(uint64(^uint16(len(piece))), 16)
		w.out = append(w.out, piece...)
	}
}

// AppendStored appends data as it is, in stored blocks of up to 65,535 bytes and
// at least one, to a stream that is at a byte boundary. It ends the stream if final is
// set, and else the result is at a byte boundary, too.
func AppendStored(dst, data []byte, final bool) []byte {
	w := bitWriter{out: dst}
	w.stored(data, final)
	return w.out
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
	// 8 for the bits there are and for rounding, 8 for the last word.
	out := slices.Grow(e.w.out, bits/8+16)
	out = out[:cap(out)]
	at, acc, n := len(e.w.out), e.w.bits, e.w.n
	lits := &c.lits
	for _, s := range e.seqs[:len(e.seqs)-1] {
		run := int(s >> 32)
		for ; run >= 4; run -= 4 {
			four := load32(b, begin)
			begin += 4
			c0, c1, c2, c3 := lits[byte(four)], lits[byte(four>>8)], lits[byte(four>>16)], lits[byte(four>>24)]
			acc, n = c0.put(acc, n)
			acc, n = c1.put(acc, n)
			acc, n = c2.put(acc, n)
			acc, n = c3.put(acc, n)
			at, acc, n = flush(out, at, acc, n)
		}
		// Up to three more, without a branch: a literal too many is written in no bits.
		// There are four bytes to read, since eight follow where a match begins.
		four := load32(b, begin)
		k := lits[byte(four)] & code(int32(-run)>>31)
		acc, n = k.put(acc, n)
		k = lits[byte(four>>8)] & code(int32(1-run)>>31)
		acc, n = k.put(acc, n)
		k = lits[byte(four>>16)] & code(int32(2-run)>>31)
		acc, n = k.put(acc, n)
		at, acc, n = flush(out, at, acc, n)

		k = lengths[uint8(s)]
		begin += run + int(uint8(s)) + minMatch
		acc, n = k.put(acc, n)
		symbol := s >> 24 & 31
		k = c.dists[symbol]
		acc, n = k.put(acc, n)
		acc |= uint64(uint16(s>>8)-distBases[symbol]) << (n & 63)
		n += uint(distExtras[symbol])
		at, acc, n = flush(out, at, acc, n)
	}
	e.w.out, e.w.bits, e.w.n = out[:at], acc, n
	for _, literal := range b[begin:end] {
		e.w.add(lits[literal].bits(), lits[literal].len())
	}
	e.w.add(lits[endOfBlock].bits(), lits[endOfBlock].len())
}

// put adds a code to the n bits of acc.
func (c code) put(acc uint64, n uint) (uint64, uint) {
	return acc | c.bits()<<(n&63), n + c.len()
}

// flush writes the n bits of acc at a place of out. What makes no byte is left.
func flush(out []byte, at int, acc uint64, n uint) (int, uint64, uint) {
	binary.LittleEndian.PutUint64(out[at:], acc)
	return at + int(n>>3), acc >> (n & 56), n & 7
}
