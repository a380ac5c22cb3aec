package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// prose returns n bytes that shrink about as source code does.
func prose(seed uint64, n int) []byte {
	words := strings.Fields("def return self import from class None True if else for in not and raise ValueError dtype array index")
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		b = append(append(b, words[r.IntN(len(words))]...), " \n(._,"[r.IntN(6)])
	}
	return b[:n]
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed)}).Read(b)
	return b
}

// records returns n bytes of a table: numbers of eight bytes that rise slowly.
func records(n int) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	var b []byte
	for at := 0x401000; len(b) < n; at += 8 * r.IntN(40) {
		b = append(b, byte(at), byte(at>>8), byte(at>>16), 0, 0, 0, 0, 0)
	}
	return b[:n]
}

// machineCode returns the first bytes of this test's own program.
func machineCode(t testing.TB, n int) []byte {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(f, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// source returns the text of this package.
func source(t *testing.T) (all []byte) {
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// inflate returns what data holds behind a history, and has it end where data does.
func inflate(data, history []byte, final bool) ([]byte, error) {
	if !final {
		data = append(bytes.Clone(data), 1, 0, 0, 0xff, 0xff)
	}
	source := bytes.NewReader(data)
	got, err := io.ReadAll(flate.NewReaderDict(source, history))
	if err == nil && source.Len() > 0 {
		err = fmt.Errorf("%d bytes are left", source.Len())
	}
	return got, err
}

func check(t *testing.T, e *Encoder, buf []byte, start int, final bool) []byte {
	t.Helper()
	out, ok := bytes.CutPrefix(e.Append([]byte("before"), buf, start, final), []byte("before"))
	if !ok {
		t.Fatal("what was in dst is gone")
	}
	// Neither the capacity of dst nor what is behind buf's end has a part in it.
	behind := append(bytes.Clone(buf), buf...)
	if again := e.Append(make([]byte, 0, len(buf)%3000), behind[:len(buf)], start, final); !bytes.Equal(again, out) {
		t.Fatal("other bytes with other memory")
	}
	got, err := inflate(out, buf[max(0, start-Window):start], final)
	if err != nil || !bytes.Equal(got, buf[start:]) {
		t.Fatalf("%d bytes came back of %d, error %v", len(got), len(buf)-start, err)
	}
	return out
}

// TestAppend has an inflater of others read what is compressed.
func TestAppend(t *testing.T) {
	e := new(Encoder)
	contents := map[string][]byte{
		"zeros":   make([]byte, 310_000),
		"noise":   noise(1, 300_000),
		"prose":   prose(1, 310_000),
		"records": records(310_000),
		"code":    machineCode(t, 700_000),
		"runs":    bytes.Repeat(append(make([]byte, 300), noise(2, 300)...), 200),
		"mixture": slices.Concat(prose(2, 40_000), noise(3, 70_000), make([]byte, 70_000), records(50_000), prose(3, 3), noise(4, 9_000)),
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			sizes := []int{257, 258, 259, 266, 1000, 4999, 5000, 5001, 6024, 9_999, 65_535, 65_536, 65_537, 100_000, 300_001, len(content)}
			for n := range 30 {
				sizes = append(sizes, n)
			}
			for _, n := range sizes {
				n = min(n, len(content))
				for _, start := range []int{0, 1, 2, 7, 100, Window - 1, Window, Window + 1, 3 * Window} {
					// The long ones from two places only, for the race detector's sake.
					if start <= n && (n < 60_000 || start == 0 || start == Window+1) {
						check(t, e, content[:n], start, n%2 == 0)
					}
				}
			}
		})
	}
}

// TestAppendSizes holds the sizes against zlib's best level, as the standard
// library has it. What has no matches must not grow by more than its headers.
func TestAppendSizes(t *testing.T) {
	for name, test := range map[string]struct {
		content []byte
		most    float64
	}{
		"zeros":   {make([]byte, 300_000), 1.2},
		"prose":   {prose(1, 300_000), 1.2}, // of few words: worse than any real text
		"records": {records(300_000), 1.06},
		"code":    {machineCode(t, 400_000), 1.03},
		"source":  {source(t), 1.06},
		"small":   {source(t)[:900], 1.06},
	} {
		var best bytes.Buffer
		w, _ := flate.NewWriter(&best, flate.BestCompression)
		w.Write(test.content)
		w.Close()
		got := len(check(t, new(Encoder), test.content, 0, true))
		if float64(got) > test.most*float64(best.Len()) {
			t.Errorf("%s: %d bytes, %d by the standard library's best level: %.3f times", name, got, best.Len(), float64(got)/float64(best.Len()))
		}
	}
	content := noise(9, 300_000)
	if got, most := len(check(t, new(Encoder), content, 0, true)), len(content)+5*(len(content)/minBlock+1); got > most {
		t.Errorf("noise: %d bytes, at most %d", got, most)
	}
}

// TestUsed takes one encoder through so much that the numbers of its places run
// out many times: what it makes is what a new one makes.
func TestUsed(t *testing.T) {
	used, resets, before := new(Encoder), 0, uint32(0)
	for i := range 200 {
		content := prose(uint64(i%7), 1+i*37%3000)
		switch {
		case i%40 == 5:
			content = noise(uint64(i), 7000)
		case i%40 == 20:
			content = machineCode(t, 1_081_328-i)
		}
		start := min(i%3*500, len(content))
		got := used.Append(nil, content, start, i%2 == 0)
		if used.base < before {
			resets++
		}
		before = used.base
		if want := new(Encoder).Append(nil, content, start, i%2 == 0); !bytes.Equal(got, want) {
			t.Fatalf("%d: other bytes from a used encoder", i)
		}
	}
	if resets < 3 {
		t.Errorf("the numbers ran out %d times: too few for this test to mean something", resets)
	}
}

// TestHistory has no more than Window bytes before the start have a part in the
// result, and those have.
func TestHistory(t *testing.T) {
	content := machineCode(t, 200_000)
	start := 100_000
	want := new(Encoder).Append(nil, content, start, true)
	if got := new(Encoder).Append(nil, content[start-Window:], Window, true); !bytes.Equal(got, want) {
		t.Error("what is further back than Window changes bytes")
	}
	if without := new(Encoder).Append(nil, content[start:], 0, true); len(without) <= len(want) {
		t.Errorf("%d bytes with a history, %d without one", len(want), len(without))
	}
}

func TestMaxInput(t *testing.T) {
	buf := append(prose(1, 100_000), make([]byte, MaxInput-100_000)...)
	check(t, new(Encoder), buf, 0, true)
	defer func() {
		if recover() == nil {
			t.Error("more than MaxInput was taken")
		}
	}()
	new(Encoder).Append(nil, append(buf, 0), 0, true)
}

// FuzzAppend compresses what it is given behind a history, and its reverse.
func FuzzAppend(f *testing.F) {
	f.Add([]byte(""), uint32(0), true)
	f.Add([]byte("hello, hello, hello"), uint32(7), false)
	f.Add(prose(1, 20_000), uint32(9000), true)
	f.Add(records(70_000), uint32(40_000), false)
	f.Add(slices.Concat(make([]byte, 10_000), noise(1, 10_000), prose(1, 10_000)), uint32(1), true)
	used := new(Encoder)
	f.Fuzz(func(t *testing.T, data []byte, start uint32, final bool) {
		data = data[:min(len(data), MaxInput)]
		at := int(start % uint32(len(data)+1))
		if fresh := check(t, new(Encoder), data, at, final); !bytes.Equal(fresh, check(t, used, data, at, final)) {
			t.Error("a used encoder gives other bytes than a new one")
		}
	})
}
