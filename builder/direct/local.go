package direct

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
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
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, &runtimes.DigestError{What: f.Local.Path, Want: f.SHA256, Got: hex.EncodeToString(sum[:])}
	}
	return localBytes{bytes.NewReader(data)}, nil
}
