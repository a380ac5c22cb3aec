package zipper

import (
	"github.com/klauspost/compress/flate"
)

// maxUses bounds how many blocks one compressor makes. It numbers positions
// in 31 bits and moves its tables when they run out, about every 1,900 blocks
// or 65,000 tiny files. That should not change its output, but the promise of
// this package had better not rest on it.
const maxUses = 1024

// A deflater compresses blocks, each as if by a compressor of its own.
type deflater struct {
	w    *flate.Writer
	uses int
	out  sink
}

// sink collects what is written to it.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// block appends the compressed form of data to dst. dict is what precedes
// data in its file, nothing for the first block. Every block but the last
// ends with a sync marker on a byte boundary, so that blocks can be joined.
func (d *deflater) block(dst, dict, data []byte, last bool) ([]byte, error) {
	d.out.b = dst
	defer func() { d.out.b = nil }()
	if d.uses%maxUses == 0 {
		w, err := flate.NewWriter(&d.out, level)
		if err != nil {
			return nil, err
		}
		d.w = w
	}
	d.uses++
	// ResetDict even without a dictionary: Reset would load the one before
	// again, and by then its memory holds other data.
	d.w.ResetDict(&d.out, dict)
	if _, err := d.w.Write(data); err != nil {
		return nil, err
	}
	end := d.w.Flush
	if last {
		end = d.w.Close
	}
	if err := end(); err != nil {
		return nil, err
	}
	return d.out.b, nil
}
