package direct

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A failing file can be read up to a place.
type failing struct {
	*bytes.Reader
	from   int64
	closed atomic.Bool // a file may be closed while others read it
}

func (f *failing) ReadAt(p []byte, offset int64) (int, error) {
	if f.closed.Load() || offset+int64(len(p)) > f.from {
		return 0, syscall.EIO
	}
	return f.Reader.ReadAt(p, offset)
}

func (f *failing) Close() error {
	f.closed.Store(true)
	return nil
}

func TestReread(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789"), 10_000)
	open := func(from int64) *failing { return &failing{Reader: bytes.NewReader(content), from: from} }
	whole := int64(len(content))
	for name, test := range map[string]struct {
		first, second int64 // how far each can be read; -1: nothing more can be fetched
		ok            bool
	}{
		"a sound file":         {whole, -1, true},
		"one that fails":       {50_000, whole, true},
		"at once":              {0, whole, true},
		"a second that fails":  {50_000, 70_000, false},
		"and nothing in place": {50_000, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			first, second, fetched := open(test.first), open(test.second), 0
			r := newRereader(first, func() (ReadAtCloser, error) {
				if fetched++; test.second < 0 {
					return nil, errors.New("no network")
				}
				return second, nil
			})
			var readers sync.WaitGroup
			for range 4 {
				readers.Go(func() {
					got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
					if test.ok && (err != nil || !bytes.Equal(got, content)) {
						t.Errorf("read %d bytes, %v", len(got), err)
					}
					if !test.ok && !errors.Is(err, syscall.EIO) {
						t.Errorf("the error is %v", err)
					}
				})
			}
			readers.Wait()
			if fetched > 1 || fetched == 1 && first.from == whole {
				t.Errorf("fetched %d times", fetched)
			}
			r.Close()
			used := fetched == 1 && test.second >= 0
			if !first.closed.Load() || second.closed.Load() != used {
				t.Errorf("closed: first %v, second %v", first.closed.Load(), second.closed.Load())
			}
		})
	}
}
