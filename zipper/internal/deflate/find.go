package deflate

import "math/bits"

const (
	minMatch = 3
	maxMatch = 258
	maxShort = 4096 // how far back a match of three bytes is worth its bits

	// lookahead is how many bytes find reads at a place, so that none is
	// looked up where fewer follow.
	lookahead = 8

	nearBits  = 13 // log2 of the slots of the table by three bytes
	farBits   = 15 // and by six
	placeMask = 1<<(8+nearBits) - 1

	// MaxInput is how much data an Encoder takes at once, history included.
	MaxInput = placeMask - Window - 1

	ahead = 16 << 10 // how many places are looked up in one go
)

// A finder notes where the bytes at each place were last.
//
// A slot of its tables holds the number of a place in its lower bits, and above
// them a mark, which is a part of the hash of the bytes there. So one
// subtraction shows both, that the marks are equal and how far back the place is.
// Places are numbered on from one call of Append to the next, with a gap of
// Window between: what an earlier call has left is too far back to be found,
// and the tables need to be cleared only when the numbers run out.
type finder struct {
	near [1 << nearBits]uint32
	far  [1 << farBits]uint32
	base uint32 // the number of the place 0

	found int // places before this one have been looked up
	// notes has, by the lower bits of a place, how far back the last place is
	// that has the same hash of six bytes, shifted left by 16, and the last one that
	// has the same three bytes; 0 where there is none within Window.
	notes [1 << 16]uint32
}

// reset makes the finder ready for data of n bytes.
func (f *finder) reset(n int) {
	f.found = 0
	if f.base == 0 || int(f.base)+n > placeMask {
		clear(f.near[:])
		clear(f.far[:])
		f.base = Window + 1 // so that an empty slot is too far back, too
	}
}

// next gives the numbers of n bytes up, so that nothing is found again.
func (f *finder) next(n int) { f.base += uint32(n + Window) }

// find makes the notes of the places before end.
func (f *finder) find(b []byte, end int) {
	near, far, notes := &f.near, &f.far, &f.notes
	i, stop := f.found, min(end, len(b)-lookahead+1)
	for ; i < stop; i++ {
		x := load64(b, i)
		place := f.base + uint32(i)

		// The multiplications turn the three bytes, as the upper ones of a
		// word, into other three, one to one, and the six into eight. The first
		// bits are the slot, and the next the mark.
		hash := x << 16 * 0x9e3779b97f4a7c15
		slot := &far[hash>>(64-farBits)]
		entry := uint32(hash>>(32-farBits))&^placeMask | place
		six := entry - *slot
		*slot = entry
		if six > Window {
			six = 0
		}

		hash3 := uint32(x) << 8 * 0x9e3779b1
		slot = &near[hash3>>(32-nearBits)]
		entry = hash3<<nearBits | place
		three := entry - *slot
		*slot = entry
		if three > Window {
			three = 0
		}

		notes[uint16(i)] = six<<16 | three
	}
	for ; i < end; i++ {
		notes[uint16(i)] = 0
	}
	f.found = end
}

// longest returns the longest of the matches that are noted for a place, or 0
// if none is worth having. A note can be wrong about six bytes, since a mark is
// not all of them, so all are compared.
func (f *finder) longest(b []byte, i int, note uint32) (length, dist int) {
	x := load64(b, i)
	dist = int(uint16(note))
	six := int(note >> 16)
	if dist == 0 {
		dist = six
	}
	length = same(load64(b, i-dist) ^ x)
	if six == 0 {
		if length == 8 {
			length = extend(b, i, dist)
		}
		return worth(length, dist)
	}
	length6 := same(load64(b, i-six) ^ x)
	// And the place that was the last one there.
	before, lengthB := six+int(f.notes[uint16(i-six)]>>16), 0
	if before <= Window {
		lengthB = same(load64(b, i-before) ^ x)
	}
	if (length|length6|lengthB)&8 != 0 {
		if length == 8 {
			length = extend(b, i, dist)
		}
		if length6 == 8 {
			length6 = extend(b, i, six)
		}
		if lengthB == 8 {
			lengthB = extend(b, i, before)
		}
	}
	if length6 > length {
		length, dist = length6, six
	}
	if lengthB > length {
		length, dist = lengthB, before
	}
	return worth(length, dist)
}

// worth returns the match if it is one, and 0 if it would take more bits than
// its bytes.
func worth(length, dist int) (int, int) {
	if length <= minMatch && (length < minMatch || dist > maxShort) {
		return 0, 0
	}
	return length, dist
}

// same returns how many bytes are equal, of eight, given their difference.
func same(x uint64) int { return bits.TrailingZeros64(x) >> 3 }

// extend returns the length of a match whose first eight bytes are equal.
func extend(b []byte, i, dist int) int {
	n, most := 8, min(maxMatch, len(b)-i)
	for ; n <= most-8; n += 8 {
		if x := load64(b, i+n) ^ load64(b, i+n-dist); x != 0 {
			return n + same(x)
		}
	}
	for n < most && b[i+n] == b[i+n-dist] {
		n++
	}
	return n
}
