package zipper

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// What follows is the section "How a run is compressed" of doc/zip.md, in the
// plainest form, and without a look at the package that does it.

// bitsByDoc is a deflate stream that is being written.
type bitsByDoc struct {
	bytes []byte
	used  int // bits of the last byte; 0 if it is full
}

func (w *bitsByDoc) add(x, n int) {
	for ; n > 0; n-- {
		if w.used == 0 {
			w.bytes = append(w.bytes, 0)
		}
		w.bytes[len(w.bytes)-1] |= byte(x&1) << w.used
		w.used = (w.used + 1) % 8
		x >>= 1
	}
}

// code writes a Huffman code, whose first bit is the highest.
func (w *bitsByDoc) code(c codeByDoc) {
	for i := c.bits - 1; i >= 0; i-- {
		w.add(c.value>>i&1, 1)
	}
}

func (w *bitsByDoc) stored(data []byte, final bool) {
	for {
		piece := data[:min(len(data), 65535)]
		data = data[len(piece):]
		w.add(flagByDoc(final && len(data) == 0), 1)
		w.add(0, 2)
		w.used = 0
		w.bytes = append(w.bytes, little(uint16(len(piece)), ^uint16(len(piece)))...)
		w.bytes = append(w.bytes, piece...)
		if len(data) == 0 {
			return
		}
	}
}

func flagByDoc(b bool) int {
	if b {
		return 1
	}
	return 0
}

// noteByDoc is how far back the same bytes are.
type noteByDoc struct{ three, six int }

func notesByDoc(data []byte) []noteByDoc {
	notes := make([]noteByDoc, len(data)+1)
	type last struct {
		place int
		mark  uint64
	}
	threes, sixes := make(map[uint64]last), make(map[uint64]last)
	for i := 0; i+8 <= len(data); i++ {
		x := binary.LittleEndian.Uint64(data[i:])
		h3 := uint64(uint32(x%(1<<24)<<8) * 0x9e3779b1)
		slot, mark := h3>>19, uint64(string24(data[i:]))
		if l, ok := threes[slot]; ok && l.mark == mark && i-l.place <= 32768 {
			notes[i].three = i - l.place
		}
		threes[slot] = last{i, mark}
		h6 := x << 16 * 0x9e3779b97f4a7c15
		slot, mark = h6>>49, h6>>38&(1<<11-1)
		if l, ok := sixes[slot]; ok && l.mark == mark && i-l.place <= 32768 {
			notes[i].six = i - l.place
		}
		sixes[slot] = last{i, mark}
	}
	return notes
}

func string24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func bestByDoc(data []byte, notes []noteByDoc, i int) (length, dist int) {
	three, six := notes[i].three, notes[i].six
	var candidates []int
	if three > 0 {
		candidates = append(candidates, three)
	}
	if six > 0 {
		candidates = append(candidates, six)
		if before := notes[i-six].six; before > 0 && six+before <= 32768 {
			candidates = append(candidates, six+before)
		}
	}
	for _, d := range candidates {
		l := 0
		for l < 258 && i+l < len(data) && data[i+l] == data[i+l-d] {
			l++
		}
		if l > length {
			length, dist = l, d
		}
	}
	if length < 3 || length == 3 && dist > 4096 {
		return 0, 0
	}
	return length, dist
}

// symbolByDoc is a literal (of a length of 1) or a match.
type symbolByDoc struct{ literal, length, dist int }

func (w *bitsByDoc) compressRun(data []byte, start int, final bool) {
	notes := notesByDoc(data)
	last := len(data) - 7
	for p := start; p < len(data); {
		var symbols []symbolByDoc
		matches := 0
		literal := func(i int) { symbols = append(symbols, symbolByDoc{int(data[i]), 1, 0}) }
		judge := judgeByDoc{}
		i, check := p, p+5000
		for i < last {
			if len(data)-check < 5000 {
				check = len(data)
			}
			if i >= check {
				if matches >= 16384 || i-p >= 300000 || judge.differs(symbols, i-p) {
					break
				}
				check = i + 1024
				continue
			}
			l, d := bestByDoc(data, notes, i)
			if l == 0 {
				literal(i)
				i++
				continue
			}
			for l < 10 && notes[i+1].six != d {
				l2, d2 := bestByDoc(data, notes, i+1)
				if l2 < l || 4*(l2-l)+bits.Len(uint(d))-bits.Len(uint(d2)) <= 2 {
					break
				}
				literal(i)
				i, l, d = i+1, l2, d2
			}
			symbols = append(symbols, symbolByDoc{0, l, d})
			matches++
			i += l
		}
		if i >= last {
			for ; i < len(data); i++ {
				literal(i)
			}
		}
		w.block(data[p:i], symbols, final && i == len(data))
		p = i
	}
	if !final {
		w.stored(nil, false)
	}
	w.used = 0
}

// judgeByDoc says where a block ends.
type judgeByDoc struct{ b [10]int64 }

func (j *judgeByDoc) differs(symbols []symbolByDoc, size int) bool {
	var a [10]int64
	for _, s := range symbols {
		switch {
		case s.length == 1:
			a[s.literal>>6*2+s.literal&1]++
		case s.length <= 8:
			a[8]++
		default:
			a[9]++
		}
	}
	before, since := int64(0), int64(0)
	for k := range a {
		before += j.b[k]
		since += a[k] - j.b[k]
	}
	if since < 512 {
		return false
	}
	if before > 0 {
		d, limit := int64(0), since*180/512*before
		for k := range a {
			x := j.b[k]*since - (a[k]-j.b[k])*before
			d += max(x, -x)
		}
		if size < 10000 && before+since < 8192 {
			limit += limit * (8192 - before - since) / 8192
		}
		if d+int64(size)/4096*before >= limit {
			return true
		}
	}
	j.b = a
	return false
}

// Symbols of lengths and distances by RFC 1951, section 3.2.5: each with its number
// of extra bits.
func splitByDoc(value, first, symbols, each int) (symbol, extra, number int) {
	base := first
	for s := range symbols {
		extra := max(0, s/each-1)
		if value < base+1<<extra {
			return s, extra, value - base
		}
		base += 1 << extra
	}
	panic("too large")
}

func lengthByDoc(length int) (symbol, extra, number int) {
	if length == 258 {
		return 285, 0, 0
	}
	symbol, extra, number = splitByDoc(length, 3, 28, 4)
	return symbol + 257, extra, number
}

func distByDoc(dist int) (symbol, extra, number int) { return splitByDoc(dist, 1, 30, 2) }

// codeByDoc is a symbol's code.
type codeByDoc struct{ value, bits int }

// lengthsByDoc makes a Huffman code of these frequencies.
func lengthsByDoc(counts []int, limit int) []int {
	type node struct{ count, parent, depth, symbol int }
	var leaves []node
	for s, n := range counts {
		if n > 0 {
			leaves = append(leaves, node{count: n, symbol: s})
		}
	}
	lens := make([]int, len(counts))
	if len(leaves) < 2 {
		only := 0
		if len(leaves) == 1 {
			only = leaves[0].symbol
		}
		lens[0], lens[max(1, only)] = 1, 1
		return lens
	}
	slices.SortStableFunc(leaves, func(a, b node) int { return a.count - b.count })
	var inner []node
	leaf, free := 0, 0
	for len(inner) < len(leaves)-1 {
		sum := 0
		for range 2 {
			if leaf < len(leaves) && (free == len(inner) || leaves[leaf].count <= inner[free].count) {
				sum += leaves[leaf].count
				leaf++
			} else {
				sum += inner[free].count
				inner[free].parent = len(inner)
				free++
			}
		}
		inner = append(inner, node{count: sum})
	}
	at := make([]int, limit+2)
	at[1] = 2
	for i := len(inner) - 2; i >= 0; i-- {
		inner[i].depth = inner[inner[i].parent].depth + 1
		depth := inner[i].depth
		if depth >= limit {
			for depth = limit - 1; at[depth] == 0; {
				depth--
			}
		}
		at[depth]--
		at[depth+1] += 2
	}
	for l, next := limit, 0; l > 0; l-- {
		for ; at[l] > 0; at[l]-- {
			lens[leaves[next].symbol] = l
			next++
		}
	}
	return lens
}

// codesByDoc makes the codes by RFC 1951, section 3.2.2.
func codesByDoc(lens []int) []codeByDoc {
	codes, next := make([]codeByDoc, len(lens)), 0
	for l := 1; l < 16; l++ {
		for s := range lens {
			if lens[s] == l {
				codes[s] = codeByDoc{next, l}
				next++
			}
		}
		next <<= 1
	}
	return codes
}

func (w *bitsByDoc) block(data []byte, symbols []symbolByDoc, final bool) {
	lits, dists := make([]int, 286), make([]int, 30)
	lits[256] = 1
	extra := 0
	for _, s := range symbols {
		if s.length == 1 {
			lits[s.literal]++
			continue
		}
		symbol, n, _ := lengthByDoc(s.length)
		lits[symbol]++
		extra += n
		symbol, n, _ = distByDoc(s.dist)
		dists[symbol]++
		extra += n
	}
	litLens, distLens := lengthsByDoc(lits, 14), lengthsByDoc(dists, 15)
	var header bitsByDoc
	header.header(litLens, distLens)
	headerBits := len(header.bytes) * 8
	if header.used > 0 {
		headerBits -= 8 - header.used
	}
	fixedLits, fixedDists := make([]int, 288), make([]int, 30)
	for s := range fixedLits {
		fixedLits[s] = 8 + flagByDoc(s >= 144 && s < 256) - flagByDoc(s >= 256 && s < 280)
	}
	for s := range fixedDists {
		fixedDists[s] = 5
	}
	dynamic, fixed := headerBits+extra, extra
	for s, n := range lits {
		dynamic += n * litLens[s]
		fixed += n * fixedLits[s]
	}
	for s, n := range dists {
		dynamic += n * distLens[s]
		fixed += n * fixedDists[s]
	}
	if stored := 8*len(data) + 40*(len(data)/65535+1); stored <= dynamic && stored <= fixed {
		w.stored(data, final)
		return
	}
	w.add(flagByDoc(final), 1)
	if fixed <= dynamic {
		w.add(1, 2)
		litLens, distLens = fixedLits, fixedDists
	} else {
		w.add(2, 2)
		w.header(litLens, distLens)
	}
	litCodes, distCodes := codesByDoc(litLens), codesByDoc(distLens)
	for _, s := range symbols {
		if s.length == 1 {
			w.code(litCodes[s.literal])
			continue
		}
		symbol, n, number := lengthByDoc(s.length)
		w.code(litCodes[symbol])
		w.add(number, n)
		symbol, n, number = distByDoc(s.dist)
		w.code(distCodes[symbol])
		w.add(number, n)
	}
	w.code(litCodes[256])
}

// header writes the two codes.
func (w *bitsByDoc) header(lits, dists []int) {
	trimmed := func(lens []int, least int) []int {
		for len(lens) > least && lens[len(lens)-1] == 0 {
			lens = lens[:len(lens)-1]
		}
		return lens
	}
	lits, dists = trimmed(lits, 257), trimmed(dists, 1)
	var items [][3]int // symbol, number, its bits
	counts := make([]int, 19)
	item := func(symbol, number, n int) {
		items = append(items, [3]int{symbol, number, n})
		counts[symbol]++
	}
	for lens := slices.Concat(lits, dists); len(lens) > 0; {
		run, l := 1, lens[0]
		for run < len(lens) && lens[run] == l {
			run++
		}
		lens = lens[run:]
		if l > 0 && run >= 4 {
			item(l, 0, 0)
			run--
			for ; run >= 3; run -= min(run, 6) {
				item(16, min(run, 6)-3, 2)
			}
		}
		for ; l == 0 && run >= 11; run -= min(run, 138) {
			item(18, min(run, 138)-11, 7)
		}
		if l == 0 && run >= 3 {
			item(17, run-3, 3)
			run = 0
		}
		for range run {
			item(l, 0, 0)
		}
	}
	lens := lengthsByDoc(counts, 7)
	ordered := make([]int, 19)
	for i, s := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15} {
		ordered[i] = lens[s]
	}
	ordered = trimmed(ordered, 4)
	w.add(len(lits)-257, 5)
	w.add(len(dists)-1, 5)
	w.add(len(ordered)-4, 4)
	for _, l := range ordered {
		w.add(l, 3)
	}
	codes := codesByDoc(lens)
	for _, it := range items {
		w.code(codes[it[0]])
		w.add(it[1], it[2])
	}
}
