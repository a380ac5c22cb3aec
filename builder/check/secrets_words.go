package check

// keywords finds words in a text in one pass: the automaton of Aho and Corasick,
// with all its transitions laid out.
type keywords struct {
	next [][256]uint16 // with the bit ending, where the state has ends
	ends [][]int       // at a state: the owners of the words that end there
}

// ending marks a state at which words end, so that the pass need not look at
// each state's list.
const ending = 1 << 15

// newKeywords makes the automaton for words, which are not empty; owners says
// whose they are.
func newKeywords(words []string, owners []int) *keywords {
	k := &keywords{next: make([][256]uint16, 1), ends: make([][]int, 1)}
	for i, w := range words {
		state := uint16(0)
		for _, c := range []byte(w) {
			if k.next[state][c] == 0 {
				k.next[state][c] = uint16(len(k.next))
				k.next, k.ends = append(k.next, [256]uint16{}), append(k.ends, nil)
			}
			state = k.next[state][c]
		}
		k.ends[state] = append(k.ends[state], owners[i])
	}
	k.link()
	return k
}

// link completes the tree of words: where no word goes on, the automaton is
// where the longest suffix of what it has read would have led.
func (k *keywords) link() {
	fail := make([]uint16, len(k.next))
	var queue []uint16
	for _, s := range k.next[0] {
		if s != 0 {
			queue = append(queue, s)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		back := fail[state]
		k.ends[state] = append(k.ends[state], k.ends[back]...)
		for c, s := range k.next[state] {
			if s == 0 {
				k.next[state][c] = k.next[back][c]
				continue
			}
			fail[s] = k.next[back][c]
			queue = append(queue, s)
		}
	}
	for i := range k.next {
		for c, s := range k.next[i] {
			if k.ends[s] != nil {
				k.next[i][c] |= ending
			}
		}
	}
}

// each calls found with the owner and the end of every word in data, until it
// returns false.
func (k *keywords) each(data []byte, found func(owner, end int) bool) {
	next, state := k.next, uint16(0)
	for i, c := range data {
		state = next[state][c]
		if state&ending == 0 {
			continue
		}
		state &^= ending
		for _, owner := range k.ends[state] {
			if !found(owner, i+1) {
				return
			}
		}
	}
}
