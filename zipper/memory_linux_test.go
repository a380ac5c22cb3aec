package zipper

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// repeated yields a piece again and again.
type repeated struct {
	piece []byte
	at    int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := copy(p, r.piece[r.at:])
	r.at = (r.at + n) % len(r.piece)
	return n, nil
}

// largeTree has thousands of small files, a hundred of the size of jars, and
// one of 240 MB. What repeats in that is too far away to be found.
func largeTree() (entries []Entry) {
	for i := range 5000 {
		entries = append(entries, file(fmt.Sprintf("small/%d/%d.js", i%97, i), 0o644, prose(byte(i%7), 100+i%800)))
	}
	for i := range 20 {
		entries = append(entries, file(fmt.Sprintf("jars/%d.jar", i), 0o644, noise(byte(i%7), blockSize/2)))
	}
	piece := append(noise(1, blockSize), prose(1, blockSize/16)...)
	const size = 240 << 20
	return append(entries, Entry{Name: "big", Size: size, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(&repeated{piece: piece}, size)), nil
	}})
}

// TestMemory measures the peak memory of a process that writes an archive.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes several times the memory")
	}
	const variable = "LAYERBUILD_TEST_MEMORY"
	if s := os.Getenv(variable); s != "" {
		workers, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Write(context.Background(), io.Discard, largeTree(), Options{Workers: workers, Verify: true}); err != nil {
			t.Fatal(err)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", status)
		return
	}
	for _, workers := range []int{1, 8} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMemory$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", variable, workers))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// Not the resource usage: that of a child begins with its parent's.
		_, rest, _ := strings.Cut(string(out), "VmHWM:")
		var peak int
		if _, err := fmt.Sscanf(rest, "%d kB", &peak); err != nil {
			t.Fatalf("no peak in %s", out)
		}
		t.Logf("%d workers: %d MiB", workers, peak>>10)
		if limit := 64<<10 + workers*8<<10; peak > limit {
			t.Errorf("%d workers took %d KiB, more than %d", workers, peak, limit)
		}
	}
}
