package deflate

import (
	"container/heap"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestLengths holds codes against the theory: complete, within the limit, no longer
// for what is more frequent, and as short in all as a tree of Huffman's where
// that is within the limit.
func TestLengths(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h huffman
	deep := 0
	for i := range 3000 {
		limit := []int{7, 14, 15}[i%3]
		counts := make([]uint32, []int{19, 286, 30}[i%3])
		for s := range counts {
			if r.IntN(3) > 0 {
				counts[s] = uint32(r.ExpFloat64() * float64(r.IntN(1+1<<r.IntN(18))))
			}
		}
		if i%5 == 0 { // the deepest tree there is
			a, b := uint32(1), uint32(1)
			for s := range min(len(counts), 25) {
				counts[s] = a
				a, b = b, a+b
			}
			r.Shuffle(len(counts), func(i, j int) { counts[i], counts[j] = counts[j], counts[i] })
		}
		lens := make([]uint8, len(counts))
		h.lengths(counts, limit, lens)
		full, used := 0, 0
		for s, l := range lens {
			if counts[s] > 0 {
				used++
			}
			if (l > 0) != (counts[s] > 0) && used > 1 || int(l) > limit {
				t.Fatalf("%v: symbol %d, of frequency %d, has %d bits", counts, s, counts[s], l)
			}
			if l > 0 {
				full += 1 << (15 - l)
			}
		}
		if full != 1<<15 {
			t.Fatalf("%v: %d of %d: not a complete code", lens, full, 1<<15)
		}
		cost := 0
		for s := range counts {
			cost += int(counts[s]) * int(lens[s])
			for s2 := range counts {
				if counts[s] > counts[s2] && counts[s2] > 0 && lens[s] > lens[s2] {
					t.Fatalf("symbols %d and %d: frequencies %d and %d, bits %d and %d", s, s2, counts[s], counts[s2], lens[s], lens[s2])
				}
			}
		}
		least, depth := huffmanCost(counts)
		if depth > limit {
			deep++
		}
		if used > 1 && (depth <= limit && cost != least || cost < least) {
			t.Fatalf("%v: %d bits, a Huffman code takes %d", counts, cost, least)
		}
	}
	if deep < 100 {
		t.Errorf("only %d codes had to be limited", deep)
	}
}

// TestLengthsFew has codes of less than two symbols.
func TestLengthsFew(t *testing.T) {
	var h huffman
	for only, want := range map[int][]uint8{-1: {1, 1, 0}, 0: {1, 1, 0}, 1: {1, 1, 0}, 2: {1, 0, 1}} {
		counts, lens := make([]uint32, 3), []uint8{9, 9, 9}
		if only >= 0 {
			counts[only] = 5
		}
		if h.lengths(counts, 15, lens); !slices.Equal(lens, want) {
			t.Errorf("symbol %d alone: %v, want %v", only, lens, want)
		}
	}
}

// huffmanCost returns what a Huffman code without limit takes, and at least how
// deep it is.
func huffmanCost(counts []uint32) (cost, depth int) {
	var q nodes
	for _, n := range counts {
		if n > 0 {
			q = append(q, node{int(n), 0})
		}
	}
	heap.Init(&q)
	for len(q) > 1 {
		a, b := heap.Pop(&q).(node), heap.Pop(&q).(node)
		cost += a.count + b.count
		heap.Push(&q, node{a.count + b.count, max(a.depth, b.depth) + 1})
	}
	if len(q) == 0 {
		return 0, 0
	}
	return cost, q[0].depth
}

type node struct{ count, depth int }
type nodes []node

func (q nodes) Len() int      { return len(q) }
func (q nodes) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q nodes) Less(i, j int) bool {
	return q[i].count < q[j].count || q[i].count == q[j].count && q[i].depth < q[j].depth
}
func (q *nodes) Push(x any) { *q = append(*q, x.(node)) }
func (q *nodes) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// TestAssign has the example of RFC 1951, section 3.2.2.
func TestAssign(t *testing.T) {
	lens := []uint8{3, 3, 3, 3, 3, 2, 4, 4}
	got := make([]code, len(lens))
	assign(lens, got)
	for s, want := range []uint8{0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111} {
		reversed := bits.Reverse8(uint8(got[s].bits())) >> (8 - got[s].len())
		if reversed != want || got[s].len() != uint(lens[s]) {
			t.Errorf("symbol %d: %0*b", s, got[s].len(), reversed)
		}
	}
}

// TestTables holds the symbols against the tables of RFC 1951, section 3.2.5.
func TestTables(t *testing.T) {
	firstOf := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	extras := []uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	for length := minMatch; length <= maxMatch; length++ {
		want := len(firstOf) - 1
		for firstOf[want] > length {
			want--
		}
		s := lengthSymbols[length-minMatch]
		if int(s) != want || int(lengthBases[s]) != firstOf[want]-3 || lengthExtras[s] != extras[want] {
			t.Errorf("length %d: symbol %d, from %d, %d bits", length, s, lengthBases[s], lengthExtras[s])
		}
	}
	firstOf = []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	extras = []uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	for dist := 1; dist <= Window; dist++ {
		want := len(firstOf) - 1
		for firstOf[want] > dist {
			want--
		}
		s := distSymbol(dist)
		if int(s) != want || int(distBases[s]) != firstOf[want]-1 || distExtras[s] != extras[want] {
			t.Fatalf("distance %d: symbol %d, from %d, %d bits", dist, s, distBases[s], distExtras[s])
		}
	}
}
