package deflate

import "math/bits"

const (
	// niceMatch is the length from which on a match is taken without a look
	// at the next place for a longer one.
	niceMatch = 10

	// What a block holds at most, but for its last few thousand bytes.
	maxSequences = 16384
	maxBlock     = 300_000

	// margin is more than how far behind its beginning a choice reads notes: each
	// step to a better match raises 4 times its length, less the digits of its
	// distance, by 3 or more, and ends at niceMatch, so there are at most 13.
	margin = 64
)

// A sequence is a run of literals and the match behind it: from the highest bits
// to the lowest, the number of literals (32), the match's distance symbol (8),
// its distance less 1 (16) and its length less 3 (8).
type sequence uint64

// A tally counts how often a block has each symbol.
type tally struct {
	lits  [288]uint32 // literals, the end of the block, and lengths
	dists [32]uint32
}

// parse chooses the matches of the block that begins at a place, and returns
// where it ends.
func (e *Encoder) parse(b []byte, begin int) (end int) {
	e.seqs, e.tally, e.split = e.seqs[:0], tally{}, splitter{}
	i, literals := begin, begin
	check, last := begin+minBlock, len(b)-lookahead+1
	for i < last {
		if i >= check {
			if len(e.seqs) >= maxSequences || i-begin >= maxBlock || e.split.differs(&e.tally, i-begin) {
				break
			}
			check = i + checkEvery
		}
		if len(b)-check < minBlock {
			check = last
		}
		for e.found < len(b) && e.found-i <= margin {
			e.find(b, min(len(b), e.found+ahead))
		}
		stop := min(check, last)
		if e.found < len(b) {
			stop = min(stop, e.found-margin)
		}
		i, literals = e.choose(b, i, literals, stop)
	}
	if i >= last {
		for _, c := range b[i:] {
			e.lits[c]++
		}
		i = len(b)
	}
	e.seqs = append(e.seqs, sequence(i-literals)<<32)
	return i
}

// choose chooses matches from place i to about stop. All from literals to i
// are literals that belong to no sequence yet.
func (e *Encoder) choose(b []byte, i, literals, stop int) (int, int) {
	seqs, notes := e.seqs, &e.notes
	for i < stop {
		note := notes[uint16(i)]
		if note == 0 {
			e.lits[b[i]]++
			i++
			continue
		}
		length, dist := e.longest(b, i, note)
		if length == 0 {
			e.lits[b[i]]++
			i++
			continue
		}
		for length < niceMatch {
			// Is there a better one a place further on? Not if it is the same.
			note := notes[uint16(i+1)]
			if note == 0 || int(note>>16) == dist {
				break
			}
			length2, dist2 := e.longest(b, i+1, note)
			if length2 < length || 4*(length2-length)+bits.Len32(uint32(dist))-bits.Len32(uint32(dist2)) <= 2 {
				break
			}
			e.lits[b[i]]++
			i++
			length, dist = length2, dist2
		}
		symbol := distSymbol(dist)
		e.dists[symbol&31]++
		e.lits[firstLength+int(lengthSymbols[uint8(length-minMatch)])]++
		seqs = append(seqs, sequence(i-literals)<<32|sequence(symbol)<<24|sequence(dist-1)<<8|sequence(length-minMatch))
		i += length
		literals = i
	}
	e.seqs = seqs
	return i, literals
}

// distSymbol returns the symbol of a distance.
func distSymbol(dist int) uint8 {
	k := dist - 1
	if k >= 256 {
		k = 256 + k>>7
	}
	return distSymbols[k&511]
}
