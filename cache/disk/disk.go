// Package disk keeps named bytes in a folder that many processes share.
//
// A name is a space and a SHA-256 in lower-case hex: "ac/<hex>",
// "cas/<hex>" or "stamp/<hex>". The bytes of "cas/abcd…" are the file
// cas/ab/abcd…, which appears under its name whole or not at all. Beside the
// spaces lie
//
//	tmp/   one folder and one locked file per process that writes
//	lock/  the locks that are held now
//	bad/   what was moved aside, for a person to look at
//	trim.lock   held by who removes what was not used for long
//
// The package verifies nothing: that is package cache's task.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/layerbuild/layerbuild/cache/ctxio"
)

// A Store is a folder of named bytes. It is safe for concurrent use, by any
// number of processes.
type Store struct {
	// UseEvery is how coarse the marks are that say when something was last
	// used: see Use. It is set before the store is used.
	UseEvery time.Duration

	dir string

	mu      sync.Mutex
	session *session // the place of this process's temporary files, once there is one
}

// Open returns the store in dir. The folder is created by the first write;
// what dead processes left behind there is removed.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a folder")}
	}
	s := &Store{dir: dir, UseEvery: defaultUseEvery}
	s.clearDead()
	return s, nil
}

// Close gives back what the store holds for this process. Temporary files
// that are still open are lost.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.remove()
	s.session = nil
	return err
}

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

// ValidName reports whether name is a space and 64 lower-case hex digits.
// Whatever passes can be made part of a path or an address as it is.
func ValidName(name string) bool {
	space, sum, ok := strings.Cut(name, "/")
	if !ok || !validSpace(space) || len(sum) != 64 {
		return false
	}
	return strings.Trim(sum, "0123456789abcdef") == ""
}

func validSpace(space string) bool {
	return space == "ac" || space == "cas" || space == "stamp"
}

// Path returns the path of name's file.
func (s *Store) Path(name string) (string, error) {
	if !ValidName(name) {
		return "", fmt.Errorf("cache: bad name %q", name)
	}
	space, sum, _ := strings.Cut(name, "/")
	return filepath.Join(s.dir, space, sum[:2], sum), nil
}

// Open opens name's file for reading. Its error matches fs.ErrNotExist where
// there is none.
func (s *Store) Open(name string) (*os.File, error) {
	path, err := s.Path(name)
	if err != nil {
		return nil, err
	}
	return openFile(path, os.O_RDONLY)
}

// Get is Open, as package cache's Backend has it.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.Open(name)
	if err != nil {
		return nil, err // not f: a nil *os.File is not a nil interface
	}
	return f, nil
}

// Stat returns the size of name's file.
func (s *Store) Stat(ctx context.Context, name string) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	path, err := s.Path(name)
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: errors.New("not a regular file")}
	}
	return info.Size(), nil
}

// Put stores all of r, which must be size bytes, under name, and replaces
// what is there. The bytes are on the disk before the name shows them; the
// name itself may be lost with the power, which is a miss and no more.
func (s *Store) Put(ctx context.Context, name string, size int64, r io.ReadSeeker) error {
	if _, err := s.Path(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	t, err := s.NewTemp()
	if err != nil {
		return err
	}
	defer t.Abort()
	n, err := io.Copy(t, io.LimitReader(&ctxio.Reader{Ctx: ctx, R: r}, size+1))
	if err != nil {
		return fmt.Errorf("cache: writing %s: %w", name, err)
	}
	if n != size {
		return fmt.Errorf("cache: writing %s: got %d bytes or more where %d were announced", name, n, size)
	}
	if err := t.Sync(); err != nil {
		return err
	}
	return t.Commit(name)
}

// Holds reports whether name's file is still the one that f is: another process
// may have put one in its place, or removed it.
func (s *Store) Holds(name string, f *os.File) bool {
	path, err := s.Path(name)
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	if err != nil {
		return false
	}
	was, err := f.Stat()
	return err == nil && os.SameFile(now, was)
}

// Quarantine moves name's file aside into bad/, if it is still the one that
// f is.
func (s *Store) Quarantine(name string, f *os.File) error {
	path, err := s.Path(name)
	if err != nil {
		return err
	}
	if !s.Holds(name, f) {
		return nil
	}
	// One name in bad/ per name here, so that a disk that rots all the time
	// cannot fill itself with evidence.
	return rename(path, filepath.Join(s.dir, "bad", strings.ReplaceAll(name, "/", "-")), true)
}

// Names yields every name of a space. Files that have no valid name are
// passed over.
func (s *Store) Names(space string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !validSpace(space) {
			yield("", fmt.Errorf("cache: bad space %q", space))
			return
		}
		folders, err := os.ReadDir(filepath.Join(s.dir, space))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield("", err)
			return
		}
		for _, folder := range folders {
			if !folder.IsDir() {
				continue
			}
			files, err := os.ReadDir(filepath.Join(s.dir, space, folder.Name()))
			if err != nil && !yield("", err) {
				return
			}
			for _, file := range files {
				name := space + "/" + file.Name()
				if !ValidName(name) || name[len(space)+1:][:2] != folder.Name() {
					continue
				}
				if !yield(name, nil) {
					return
				}
			}
		}
	}
}

// rename moves a file to where its folder may still be missing. What lies there is
// replaced, or may stay where it is as good.
func rename(from, to string, asGood bool) error {
	err := moveFile(from, to, asGood)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return moveFile(from, to, asGood)
}
