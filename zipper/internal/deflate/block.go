package deflate

const (
	formStored  = 0
	formFixed   = 1
	formDynamic = 2
)

// A plan is what a block with codes of its own begins with, by RFC 1951,
// section 3.2.7.
type plan struct {
	codes
	numLits, numDists, numPre int // how many lengths of each code there are

	lens     [288 + 32]uint8
	items    []item
	counts   [19]uint32
	preLens  [19]uint8
	preCodes [19]code
}

// An item is a symbol of the code of lengths, and above its 5 bits the number that
// follows.
type item uint16

// preExtra is the number of bits of that number.
func preExtra(symbol item) uint {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

// block writes b[begin:end] in the shortest of the three forms.
func (e *Encoder) block(b []byte, begin, end int, final bool) {
	e.lits[endOfBlock] = 1
	e.huff.lengths(e.lits[:numLits], maxLitBits, e.plan.litLens[:])
	e.huff.lengths(e.dists[:numDists], maxDistBits, e.plan.distLens[:])
	extra := e.extraBits()
	header := e.planHeader()
	dynamic := header + e.cost(&e.plan.codes) + extra
	constant := e.cost(fixed) + extra
	n := end - begin
	stored := 8*n + 40*(n/maxStored+1)

	switch {
	case stored <= min(dynamic, constant):
		e.w.stored(b[begin:end], final)
	case constant <= dynamic:
		e.w.begin(formFixed, final)
		e.write(b, begin, end, fixed, constant)
	default:
		e.w.begin(formDynamic, final)
		e.writeHeader()
		e.plan.assign()
		e.write(b, begin, end, &e.plan.codes, dynamic-header)
	}
}

// cost returns how many bits the block's symbols take.
func (t *tally) cost(c *codes) (bits int) {
	for s, n := range t.lits[:numLits] {
		bits += int(n) * int(c.litLens[s])
	}
	for s, n := range t.dists[:numDists] {
		bits += int(n) * int(c.distLens[s])
	}
	return bits
}

// extraBits returns how many bits follow the symbols of lengths and distances.
func (t *tally) extraBits() (bits int) {
	for s, n := range t.lits[firstLength:numLits] {
		bits += int(n) * int(lengthExtras[s])
	}
	for s, n := range t.dists[:numDists] {
		bits += int(n) * int(distExtras[s])
	}
	return bits
}

// planHeader describes the two codes, and returns in how many bits.
func (e *Encoder) planHeader() (bits int) {
	p := &e.plan
	p.numLits, p.numDists = numLits, numDists
	for p.numLits > firstLength && p.litLens[p.numLits-1] == 0 {
		p.numLits--
	}
	for p.numDists > 1 && p.distLens[p.numDists-1] == 0 {
		p.numDists--
	}
	n := copy(p.lens[:], p.litLens[:p.numLits])
	n += copy(p.lens[n:], p.distLens[:p.numDists])
	p.counts, p.items = [19]uint32{}, p.items[:0]
	for lens := p.lens[:n]; len(lens) > 0; {
		run := 1
		for run < len(lens) && lens[run] == lens[0] {
			run++
		}
		p.run(lens[0], run)
		lens = lens[run:]
	}
	e.huff.lengths(p.counts[:], maxPreBits, p.preLens[:])
	p.numPre = len(preOrder)
	for p.numPre > 4 && p.preLens[preOrder[p.numPre-1]] == 0 {
		p.numPre--
	}
	bits = 5 + 5 + 4 + 3*p.numPre
	for s, n := range p.counts {
		bits += int(n) * int(uint(p.preLens[s])+preExtra(item(s)))
	}
	return bits
}

// run describes equal lengths.
func (p *plan) run(length uint8, n int) {
	if length == 0 {
		for n >= 11 {
			k := min(n, 138)
			p.item(18, k-11)
			n -= k
		}
		if n >= 3 {
			p.item(17, n-3)
			n = 0
		}
	} else if n >= 4 {
		p.item(item(length), 0)
		for n--; n >= 3; {
			k := min(n, 6)
			p.item(16, k-3)
			n -= k
		}
	}
	for range n {
		p.item(item(length), 0)
	}
}

func (p *plan) item(symbol item, number int) {
	p.counts[symbol]++
	p.items = append(p.items, symbol|item(number)<<5)
}

func (e *Encoder) writeHeader() {
	p, w := &e.plan, &e.w
	w.add(uint64(p.numLits-firstLength), 5)
	w.add(uint64(p.numDists-1), 5)
	w.add(uint64(p.numPre-4), 4)
	for _, s := range preOrder[:p.numPre] {
		w.add(uint64(p.preLens[s]), 3)
	}
	assign(p.preLens[:], p.preCodes[:])
	for _, it := range p.items {
		symbol := it & 31
		c := p.preCodes[symbol]
		w.add(c.bits(), c.len())
		w.add(uint64(it>>5), preExtra(symbol))
	}
}
