// Package share keeps named bytes in a folder that several machines mount.
//
// The layout is that of the local folder, <space>/<2 hex>/<64 hex>, so one can
// be read as the other. Unlike there nothing rests on locks, which network file
// systems may not have: what is written lies under a random name in tmp/ and is
// renamed when it is whole. What dead processes left in tmp/ is removed when the
// file system's own clock says that it is a day old.
//
// The package verifies nothing: that is package cache's task.
package share

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// staleAfter is more than any writing takes.
const staleAfter = 24 * time.Hour

// A Backend is a cache.Backend in a folder. It is safe for concurrent use, by
// any number of processes and machines.
type Backend struct {
	dir   string
	sweep sync.Once
}

// New returns the backend in the folder dir, which must be there when it is
// used: a share that is not mounted must not look like an empty one.
func New(dir string) *Backend { return &Backend{dir: filepath.Clean(dir)} }

// String is the folder's address.
func (b *Backend) String() string { return "file://" + filepath.ToSlash(b.dir) }

// path is where a name's file is.
func (b *Backend) path(ctx context.Context, name string) (string, error) {
	if !cache.ValidName(name) {
		return "", fmt.Errorf("bad name %q", name)
	}
	space, sum, _ := strings.Cut(name, "/")
	return filepath.Join(b.dir, space, sum[:2], sum), ctx.Err()
}

// absent tells a name that is not there from a folder that is not.
func (b *Backend) absent(err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, statErr := os.Stat(b.dir); statErr != nil || !info.IsDir() {
		return &fs.PathError{Op: "open", Path: b.dir, Err: errors.New("there is no such folder: is the share mounted?")}
	}
	return err
}

// Get implements cache.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	path, err := b.path(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, b.absent(err)
	}
	return f, nil
}

// Stat implements cache.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (int64, error) {
	path, err := b.path(ctx, name)
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, b.absent(err)
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: errors.New("not a regular file")}
	}
	return info.Size(), nil
}

// Put implements cache.Backend. The bytes are synced before the name shows them.
func (b *Backend) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	path, err := b.path(ctx, name)
	if err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	f, err := b.temp()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // which fails once it was renamed
	defer f.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{f}, io.LimitReader(&ctxio.Reader{Ctx: ctx, R: r}, size+1), make([]byte, 256<<10))
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if n != size {
		return fmt.Errorf("writing %s: got %d bytes or more where %d were announced", name, n, size)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// temp makes a temporary file in the share.
func (b *Backend) temp() (*os.File, error) {
	dir := filepath.Join(b.dir, "tmp")
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, b.absent(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strings.ToLower(rand.Text())), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	b.sweep.Do(func() { clearStale(dir, f) })
	return f, nil
}

// clearStale removes the files in dir that are a day older than fresh, by the
// clock of the file system, which gave both their times.
func clearStale(dir string, fresh *os.File) {
	now, err := fresh.Stat()
	if err != nil {
		return
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return // it is a matter of space only
	}
	for _, file := range files {
		if info, err := file.Info(); err == nil && now.ModTime().Sub(info.ModTime()) > staleAfter {
			os.Remove(filepath.Join(dir, file.Name()))
		}
	}
}
