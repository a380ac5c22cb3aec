package direct

import (
	"bytes"
	"fmt"
	"io"

	"github.com/layerbuild/layerbuild/runtimes"
)

// localBytes is a file of the project, in memory.
type localBytes struct {
	*bytes.Reader
}

func (localBytes) Close() error { return nil }

// openLocal returns a file of the project. It may have changed since its hash
// was taken.
func openLocal(f runtimes.File) (ReadAtCloser, error) {
	r, err := f.Local.Open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Local.Path, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.Local.Path, err)
	}
	want, ok := ParseIntegrity(f.Digest())
	if !ok {
		return nil, fmt.Errorf("%s: %q is no digest", f.Local.Path, f.Digest())
	}
	h := want.NewHash()
	_, _ = h.Write(data) // a hash takes everything
	if got := (Integrity{want.Algorithm, string(h.Sum(nil))}); got != want {
		text := got.String()
		if f.SHA256 != "" {
			text = got.Hex()
		}
		return nil, &runtimes.DigestError{What: f.Local.Path, Want: f.Digest(), Got: text}
	}
	return localBytes{bytes.NewReader(data)}, nil
}
