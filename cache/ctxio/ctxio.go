// Package ctxio lets the reading of anything end with a context.
package ctxio

import (
	"context"
	"io"
)

// A Reader reads R until Ctx ends, and then gives its error.
type Reader struct {
	Ctx context.Context
	R   io.Reader
	Err error // what ended the reading; nil after io.EOF
}

func (r *Reader) Read(p []byte) (int, error) {
	n, err := 0, r.Ctx.Err()
	if err == nil {
		n, err = r.R.Read(p)
	}
	if err != nil && err != io.EOF {
		r.Err = err
	}
	return n, err
}
