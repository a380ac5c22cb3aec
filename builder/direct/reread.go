package direct

import (
	"io"
	"sync"
)

// rereader is a file of the downloads that is fetched again where it cannot be
// read: a disk that fails costs a download, and not the build.
type rereader struct {
	size  int64
	fetch func() (ReadAtCloser, error)

	mu    sync.Mutex
	file  ReadAtCloser
	again bool // whether file is the second one
}

func newRereader(file ReadAtCloser, fetch func() (ReadAtCloser, error)) *rereader {
	return &rereader{size: file.Size(), fetch: fetch, file: file}
}

func (r *rereader) Size() int64 { return r.size }

func (r *rereader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}

func (r *rereader) ReadAt(p []byte, offset int64) (int, error) {
	r.mu.Lock()
	file := r.file
	r.mu.Unlock()
	n, err := file.ReadAt(p, offset)
	if err == nil || err == io.EOF {
		return n, err
	}
	second := r.replace(file)
	if second == nil {
		return n, err
	}
	return second.ReadAt(p, offset)
}

// replace returns what is to be read in place of a file that failed, nil where
// there is nothing.
func (r *rereader) replace(failed ReadAtCloser) ReadAtCloser {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file != failed {
		return r.file // another reader has met the error before
	}
	if r.again {
		return nil
	}
	r.again = true
	second, err := r.fetch()
	if err != nil {
		return nil
	}
	r.file = second
	failed.Close() // whoever still reads it comes here, too
	return second
}
