package deflate

const (
	minBlock    = 5000 // bytes, unless there are no more
	checkEvery  = 1024
	newSymbols  = 512    // at least, for a judgement
	smallBlock  = 10_000 // below both of these more has to differ
	fewSymbols  = 8192
	differsFrom = 180 // of 512, the share that has to
)

// A splitter decides where a block had better end, because what follows has
// other frequencies and would gain by codes of its own. It compares the
// frequencies of ten kinds of symbols, eight of literals and two of lengths,
// as libdeflate does.
type splitter struct {
	before [10]uint32 // when it was last asked
}

// differs reports whether what came since the last call differs much from all
// that was before in the block, which has n bytes.
func (s *splitter) differs(t *tally, n int) bool {
	var all [10]uint32
	for i := 0; i < 256; i += 2 {
		// By its two highest bits and its lowest.
		kind := i >> 5 & 6
		all[kind] += t.lits[i]
		all[kind+1] += t.lits[i+1]
	}
	for i, count := range t.lits[firstLength:numLits] {
		if i < 6 { // to 8 bytes
			all[8] += count
		} else {
			all[9] += count
		}
	}
	var before, since uint64
	for i := range all {
		before += uint64(s.before[i])
		since += uint64(all[i] - s.before[i])
	}
	if since < newSymbols {
		return false
	}
	if before == 0 {
		s.before = all
		return false
	}
	// The sum of the differences of the shares, times both numbers.
	var sum uint64
	for i := range all {
		was, is := uint64(s.before[i])*since, uint64(all[i]-s.before[i])*before
		sum += max(was, is) - min(was, is)
	}
	limit := since * differsFrom / 512 * before
	if n < smallBlock && before+since < fewSymbols {
		limit += limit * (fewSymbols - before - since) / fewSymbols
	}
	if sum+uint64(n/4096)*before >= limit {
		return true
	}
	s.before = all
	return false
}
