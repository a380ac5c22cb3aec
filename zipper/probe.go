package zipper

import "encoding/binary"

// windowSize is the unit in which content is judged: as much as a stored
// deflate block can hold.
const windowSize = 1<<16 - 1

// minProbe is the least that can be judged by its statistics.
const minProbe = 512

// repeatSize is how much of a window is searched for strings that repeat.
const repeatSize = 16 << 10

// A prober recognises data that does not shrink: what is compressed already,
// or encrypted. It looks at content alone and computes with integers, so that
// its answer is the same everywhere.
type prober struct {
	counts [4][256]uint32 // four, so that equal bytes in a row need not wait for each other
	seen   [1 << 12]uint32
}

// shrinks reports whether a window is worth compressing: if its bytes are
// unevenly distributed, or if strings in it repeat. Deflated data, as in a
// jar, is the even one of the two, and next to nothing of it repeats.
func (p *prober) shrinks(window []byte) bool {
	return len(window) < minProbe || p.uneven(window) || p.repeats(window)
}

// uneven compares the sum of the squared counts of bytes with that of evenly
// distributed ones, n²/256. It allows for a 10th more, and for what chance
// adds, n. A jar's windows of deflated classes and the headers between them are
// below that as a rule: compressing them takes long and gains next to nothing.
func (p *prober) uneven(window []byte) bool {
	c := &p.counts
	*c = [4][256]uint32{}
	rest := window
	for ; len(rest) >= 4; rest = rest[4:] {
		c[0][rest[0]]++
		c[1][rest[1]]++
		c[2][rest[2]]++
		c[3][rest[3]]++
	}
	for _, b := range rest {
		c[0][b]++
	}
	sum, n := uint64(0), uint64(len(window))
	for i := range 256 {
		v := uint64(c[0][i] + c[1][i] + c[2][i] + c[3][i])
		sum += v * v
	}
	return 256*sum > n*n+n*n/10+256*n
}

// repeats looks at the strings of eight bytes whose hash begins with six
// zeros, about a 64th of all, in the beginning of a window, and reports whether
// more than one in four of them was there before.
func (p *prober) repeats(window []byte) bool {
	window = window[:min(len(window), repeatSize)]
	p.seen = [1 << 12]uint32{}
	sampled, again := 0, 0
	sample := func(h uint64) {
		if h>>58 != 0 {
			return
		}
		sampled++
		slot, mark := h>>46&(1<<12-1), uint32(h>>14)|1
		if p.seen[slot] == mark {
			again++
		}
		p.seen[slot] = mark
	}
	// Four at a time, of which there mostly is nothing to see.
	for ; len(window) >= 11; window = window[4:] {
		a, b, c, d := hash8(window), hash8(window[1:]), hash8(window[2:]), hash8(window[3:])
		if min(a, b, c, d)>>58 == 0 {
			sample(a)
			sample(b)
			sample(c)
			sample(d)
		}
	}
	for ; len(window) >= 8; window = window[1:] {
		sample(hash8(window))
	}
	return 4*again > sampled
}

// hash8 hashes the first eight bytes.
func hash8(b []byte) uint64 { return binary.LittleEndian.Uint64(b) * 0xcf1bbcdcb7a56463 }
