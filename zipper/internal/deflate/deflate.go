// Package deflate compresses data into RFC 1951's format, always to the same
// bytes: what it makes of some data and the history before it is a function of
// those alone, on every machine. doc/zip.md describes it step by step.
//
// It is made for pieces of up to two megabytes, and to be fast at about the
// size that zlib's best levels reach. Where the usual compressor looks for a
// match at each place that it comes to, this one first notes for every place,
// in a loop without branches, where the same bytes were last (find.go), and
// then chooses among what is noted (parse.go).
package deflate

// Window is how far back a match can lead.
const Window = 32 << 10

// An Encoder compresses. It holds about 600 KB, and no state that shows
// in what it makes. The zero value is ready to use, by one goroutine at a time.
type Encoder struct {
	finder
	w    bitWriter
	seqs []sequence // of the block so far
	tally
	split splitter
	plan  plan
	huff  huffman
}

// Append appends the compressed form of buf[start:] to dst. Up to Window bytes
// of buf before start are the history, which matches may lead to. The result
// begins and ends on a byte boundary; it ends the stream if final is set, and
// else can be followed by more. buf holds at most MaxInput bytes from the
// beginning of the history.
func (e *Encoder) Append(dst, buf []byte, start int, final bool) []byte {
	_ = buf[start:] // find reads without asking
	if skip := start - Window; skip > 0 {
		buf, start = buf[skip:], Window
	}
	if len(buf) > MaxInput {
		panic("deflate: too much data for one call")
	}
	if e.seqs == nil {
		// After the last question whether the block ends, at most minBlock and
		// checkEvery bytes follow, and a sequence is of minMatch or more.
		e.seqs = make([]sequence, 0, maxSequences+(minBlock+checkEvery)/minMatch+1)
	}
	e.w = bitWriter{out: dst}
	e.reset(len(buf))
	for at := start; ; {
		end := e.parse(buf, at)
		e.block(buf, at, end, final && end == len(buf))
		if at = end; at == len(buf) {
			break
		}
	}
	if !final {
		e.w.stored(nil, false)
	}
	e.w.align()
	e.next(len(buf))
	dst = e.w.out
	e.w.out = nil
	return dst
}
