package cachetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/layerbuild/layerbuild/cache"
)

// Mem is a backend in memory. Its zero value is empty.
type Mem struct {
	mu   sync.Mutex
	data map[string][]byte // never written to once it is here
}

// load returns what name holds.
func (m *Mem) load(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !cache.ValidName(name) {
		return nil, fmt.Errorf("bad name %q", name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.data[name]
	if !ok {
		return nil, &fs.PathError{Op: "get", Path: name, Err: fs.ErrNotExist}
	}
	return data, nil
}

// Get implements cache.Backend.
func (m *Mem) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	data, err := m.load(ctx, name)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// Stat implements cache.Backend.
func (m *Mem) Stat(ctx context.Context, name string) (int64, error) {
	data, err := m.load(ctx, name)
	return int64(len(data)), err
}

// Put implements cache.Backend.
func (m *Mem) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	if _, err := m.load(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	if int64(len(data)) != size {
		return fmt.Errorf("putting %s: got %d bytes or more where %d were announced", name, len(data), size)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		m.data = make(map[string][]byte)
	}
	m.data[name] = data
	return nil
}
