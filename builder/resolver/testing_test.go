package resolver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// downloads is a direct.Downloads in memory.
type downloads struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (d *downloads) Open(_ context.Context, sum string) (direct.ReadAtCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	data, ok := d.files[sum]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return inMemory{bytes.NewReader(data)}, nil
}

func (d *downloads) Save(_ context.Context, sum string, fetch func(io.Writer) error) (direct.ReadAtCloser, error) {
	var b bytes.Buffer
	if err := fetch(&b); err != nil {
		return nil, err
	}
	got := sha256.Sum256(b.Bytes())
	if hex.EncodeToString(got[:]) != sum {
		return nil, &runtimes.DigestError{Want: sum, Got: hex.EncodeToString(got[:])}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files == nil {
		d.files = make(map[string][]byte)
	}
	d.files[sum] = b.Bytes()
	return inMemory{bytes.NewReader(b.Bytes())}, nil
}

// sdistFile is a source archive of a package "old" in version 1.0.
func sdistFile(t testing.TB, files map[string]string) wheelhouse.File {
	t.Helper()
	f, err := wheelhouse.Sdist{Name: "old", Version: "1.0", Files: files}.Build()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func opened(data []byte) direct.ReadAtCloser { return inMemory{bytes.NewReader(data)} }

func onLambda(name string, arch runtimes.Arch) runtimes.Place {
	info, _ := runtimes.Lookup(name)
	return runtimes.Place{Runtime: info, Arch: arch}
}
