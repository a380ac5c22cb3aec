package zipper

import "github.com/layerbuild/layerbuild/zipper/internal/deflate"

// A deflater compresses blocks, each as if by a compressor of its own.
type deflater struct {
	encoder deflate.Encoder
	probe   prober
}

// block appends the compressed form of data to dst. data follows the first
// before bytes of buf and is a block of a file; before it are up to dictSize
// bytes that precede it there. The result ends on a byte boundary, so that
// blocks can be joined, and the last one ends the stream.
func (d *deflater) block(dst, buf []byte, before int, last bool) []byte {
	for at := before; ; {
		end, shrinks := d.run(buf, at)
		final := last && end == len(buf)
		if shrinks {
			dst = d.encoder.Append(dst, buf[:end], at, final)
		} else {
			dst = deflate.AppendStored(dst, buf[at:end], final)
		}
		if at = end; at == len(buf) {
			return dst
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
