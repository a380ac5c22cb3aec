package zipper

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"

	"github.com/layerbuild/layerbuild/zipper/internal/deflate"
)

// A proof inflates what was just compressed with klauspost/compress, which
// shares no code with the compressor, and compares it with the content.
type proof struct {
	inflater io.ReadCloser
	source   bytes.Reader
	piece    []byte
}

// check proves that a block's compressed form inflates to content, given the
// dictionary before it, and that it ends where it should: the last block with
// the stream, and every other on a byte boundary. That is shown by ending the
// stream there: at any other bit, the empty stored block which does so would
// read as something else.
func (p *proof) check(compressed, dict, content []byte, last bool) error {
	if !last {
		compressed = deflate.AppendStored(compressed, nil, true)
	}
	p.source.Reset(compressed)
	if p.inflater == nil {
		p.inflater = flate.NewReader(&p.source)
		p.piece = make([]byte, 32<<10)
	}
	if err := p.inflater.(flate.Resetter).Reset(&p.source, dict); err != nil {
		return err
	}
	for at := 0; ; {
		n, err := p.inflater.Read(p.piece)
		if n > len(content)-at || !bytes.Equal(p.piece[:n], content[at:at+n]) {
			return fmt.Errorf("%w: it inflates to other content after %d bytes", ErrCorrupt, at)
		}
		at += n
		if err == io.EOF && at == len(content) && p.source.Len() == 0 {
			return nil
		}
		if err == io.EOF {
			err = errors.New("it ends too early")
		}
		if err != nil {
			return fmt.Errorf("%w: after %d of %d bytes: %w", ErrCorrupt, at, len(content), err)
		}
	}
}
