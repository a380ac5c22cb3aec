package deflate

import (
	"math/bits"
	"slices"
)

// A code is how a symbol is written: its bits, the first of them lowest, shifted
// left by 8, and their number.
type code uint32

func (c code) bits() uint64 { return uint64(c >> 8) }
func (c code) len() uint    { return uint(c & 0xff) }

// codes are those of a block: of literals, the block's end and lengths, and of
// distances.
type codes struct {
	litLens  [288]uint8
	distLens [32]uint8
	lits     [288]code
	dists    [32]code
}

// assign makes the codes of the lengths.
func (c *codes) assign() {
	assign(c.litLens[:], c.lits[:])
	assign(c.distLens[:], c.dists[:])
}

// assign makes the canonical code of these lengths, by RFC 1951, section 3.2.2.
func assign(lens []uint8, out []code) {
	var count, next [16]uint16
	for _, l := range lens {
		count[l]++
	}
	count[0] = 0
	for l := 1; l < 16; l++ {
		next[l] = (next[l-1] + count[l-1]) << 1
	}
	for s, l := range lens {
		if l == 0 {
			out[s] = 0
			continue
		}
		out[s] = code(bits.Reverse16(next[l])>>(16-l))<<8 | code(l)
		next[l]++
	}
}

// A huffman is the memory in which a code is made.
type huffman struct {
	nodes   [288]uint64
	symbols [288]uint16
}

// lengths sets how many bits each symbol has in a Huffman code of at most
// limit bits, for these frequencies. Symbols that do not occur have 0. At least
// two symbols have a code, since not every inflater reads one of one.
func (h *huffman) lengths(counts []uint32, limit int, lens []uint8) {
	nodes := h.nodes[:0]
	for s, n := range counts {
		lens[s] = 0
		if n != 0 {
			nodes = append(nodes, uint64(n)<<16|uint64(s))
		}
	}
	if len(nodes) < 2 {
		only := 0
		if len(nodes) == 1 {
			only = int(nodes[0] & 0xffff)
		}
		lens[0], lens[max(1, only)] = 1, 1
		return
	}
	slices.Sort(nodes) // by frequency, then by symbol
	for i, node := range nodes {
		h.symbols[i] = uint16(node)
		nodes[i] = node >> 16
	}
	count := depths(nodes, limit)
	i := 0
	for l := limit; l > 0; l-- {
		for range count[l] {
			lens[h.symbols[i]] = uint8(l)
			i++
		}
	}
}

// depths returns how many symbols there are of each length, given the rising
// frequencies of two and more. It builds the tree where the frequencies were, as
// Moffat and Katajainen do: a place that was summed up holds its parent.
func depths(nodes []uint64, limit int) (count [16]int) {
	leaf, inner, n := 0, 0, len(nodes)
	for next := range n - 1 {
		sum := uint64(0)
		for range 2 {
			if leaf == n || inner < next && nodes[inner] < nodes[leaf] {
				sum += nodes[inner]
				nodes[inner] = uint64(next)
				inner++
			} else {
				sum += nodes[leaf]
				leaf++
			}
		}
		nodes[next] = sum
	}
	// From the root down, each inner node takes the place of a leaf at its depth
	// and has two below it. One that is too deep does so as deep as there is a leaf
	// and room below it: not the best code of the limit, but a complete one.
	count[1] = 2
	nodes[n-2] = 0
	for i := n - 3; i >= 0; i-- {
		depth := int(nodes[nodes[i]]) + 1
		nodes[i] = uint64(depth)
		if depth >= limit {
			for depth = limit - 1; count[depth] == 0; depth-- {
			}
		}
		count[depth]--
		count[depth+1] += 2
	}
	return count
}
