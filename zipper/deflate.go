package zipper

import (
	"encoding/binary"

	"github.com/klauspost/compress/flate"
)

// maxUses bounds how many runs one compressor makes. It numbers positions
// in 31 bits and moves its tables when they run out, about every 1,900 blocks
// or 65,000 tiny files. That should not change its output, but the promise of
// this package had better not rest on it.
const maxUses = 1024

// A deflater compresses blocks, each as if by a compressor of its own.
type deflater struct {
	compressors [10]compressor // by level
	out         sink
	probe       prober
}

// A compressor is made when it is needed.
type compressor struct {
	w    *flate.Writer
	uses int
}

// levelOf returns the level that a file of this size is compressed at.
func levelOf(size int64) int {
	switch {
	case size <= smallSize:
		return smallLevel
	case size > largeSize:
		return largeLevel
	}
	return level
}

// sink collects what is written to it.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// block appends the compressed form of data to dst. data follows the first
// before bytes of buf and is a block of a file; before it are up to dictSize
// bytes that precede it there. The result ends on a byte boundary, so that
// blocks can be joined, and the last one ends the stream.
func (d *deflater) block(dst, buf []byte, before, level int, last bool) ([]byte, error) {
	d.out.b = dst
	defer func() { d.out.b = nil }()
	for at := before; ; {
		end, shrinks := d.run(buf, at)
		final := last && end == len(buf)
		if shrinks {
			if err := d.compress(buf[max(0, at-dictSize):at], buf[at:end], level, final); err != nil {
				return nil, err
			}
		} else {
			d.store(buf[at:end], final)
		}
		if at = end; at == len(buf) {
			return d.out.b, nil
		}
	}
}

// run returns where the run of windows ends that starts at a place in buf and
// is to be treated alike: all compressed, or all stored. A last window that is
// too short to be judged goes with the one before.
func (d *deflater) run(buf []byte, start int) (end int, shrinks bool) {
	end = min(start+windowSize, len(buf))
	shrinks = d.probe.shrinks(buf[start:end])
	for end < len(buf) {
		next := min(end+windowSize, len(buf))
		if next-end >= minProbe && d.probe.shrinks(buf[end:next]) != shrinks {
			break
		}
		end = next
	}
	return end, shrinks
}

// compress appends a run of windows as the compressor makes it.
func (d *deflater) compress(dict, run []byte, level int, final bool) error {
	c := &d.compressors[level]
	if c.uses%maxUses == 0 {
		w, err := flate.NewWriter(&d.out, level)
		if err != nil {
			return err
		}
		c.w = w
	}
	c.uses++
	// ResetDict even without a dictionary: Reset would load the one before
	// again, and by then its memory holds other data.
	c.w.ResetDict(&d.out, dict)
	if _, err := c.w.Write(run); err != nil {
		return err
	}
	if final {
		return c.w.Close()
	}
	return c.w.Flush()
}

// store appends a run of windows as stored deflate blocks.
func (d *deflater) store(run []byte, final bool) {
	for len(run) > 0 {
		window := run[:min(len(run), windowSize)]
		run = run[len(window):]
		d.out.b = appendStored(d.out.b, window, final && len(run) == 0)
	}
}

// appendStored appends a stored block to a stream that is at a byte boundary.
func appendStored(out, window []byte, final bool) []byte {
	head := byte(0)
	if final {
		head = 1
	}
	n := uint16(len(window))
	out = append(out, head)
	out = binary.LittleEndian.AppendUint16(out, n)
	out = binary.LittleEndian.AppendUint16(out, ^n)
	return append(out, window...)
}
