package zipper

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// TestRepeats holds the search for repetitions against doc/zip.md's words.
func TestRepeats(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var p prober
	found := 0
	for range 2000 {
		window := make([]byte, rng.IntN(2*repeatSize))
		for i := range window {
			window[i] = byte(rng.Uint32())
		}
		for range rng.IntN(4) { // some of it repeats
			n := rng.IntN(len(window)/2 + 1)
			copy(window[rng.IntN(len(window)-n+1):], window[:n])
		}
		want := plainRepeats(window)
		if want {
			found++
		}
		if got := p.repeats(window); got != want {
			t.Fatalf("%d bytes: %v, want %v", len(window), got, want)
		}
	}
	if found < 200 || found > 1800 {
		t.Errorf("%d of 2000 repeat", found)
	}
}

func plainRepeats(window []byte) bool {
	seen := make(map[uint64]uint64)
	samples, repetitions := 0, 0
	window = window[:min(len(window), 16384)]
	for i := 0; i <= len(window)-8; i++ {
		h := binary.LittleEndian.Uint64(window[i:]) * 0xcf1bbcdcb7a56463
		if h >= 1<<58 {
			continue
		}
		samples++
		slot, mark := h>>46&0xfff, h>>14&0xffffffff|1
		if last, ok := seen[slot]; ok && last == mark {
			repetitions++
		}
		seen[slot] = mark
	}
	return 4*repetitions > samples
}

func BenchmarkRepeats(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	window := make([]byte, windowSize)
	for i := range window {
		window[i] = byte(rng.Uint32())
	}
	b.SetBytes(windowSize)
	var p prober
	for b.Loop() {
		p.repeats(window)
	}
}
