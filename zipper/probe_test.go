package zipper

import (
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
		want := repeatsByDoc(window)
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
