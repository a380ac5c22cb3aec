package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// When a name was last used is the mtime of a file: its own in "ac/", and that
// of its record in "stamp/" for a blob, whose own mtime is part of its stamp.
//
// Marks are coarse: what was marked within the last UseEvery is not marked
// again, so that reading writes next to nothing. A mark is set while a guard
// is held, and a file is removed while it is held alone: whoever removes a file
// for its old mark knows that nobody has just begun to use it.

// defaultUseEvery is how coarse the marks are.
const defaultUseEvery = time.Hour

// guardFile is what the guard locks. Its mtime is when the folder was last
// trimmed.
const guardFile = "trim.lock"

// How long a guard is waited for. Each file is removed under a guard of its own,
// so that only a process which was stopped in between makes others wait. To mark
// is worth more of that than to remove, which another process can do as well.
const (
	markPatience   = 20 * time.Second
	removePatience = time.Second
	guardPoll      = 2 * time.Millisecond
)

// clockTick is more than a file system's clock, which gives new files their
// mtimes, is behind the time of day. (Its resolution is another matter: see
// package cache's settleTime.)
const clockTick = 50 * time.Millisecond

// Use marks a name as used now. It is false for one that was removed, perhaps
// a moment ago, and must not be relied upon. Where nothing can be written there
// are no marks, and this process removes nothing either.
func (s *Store) Use(ctx context.Context, name string) bool {
	s.attend()
	mark, err := s.Mark(name)
	if err == nil && s.isFresh(mark) {
		return true
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	release, err := s.guard(ctx, false)
	if err != nil {
		return true
	}
	defer release()
	if _, err := s.Stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	s.mark(name)
	return true
}

// Announce marks a blob that is about to be put, which its own mtime is too old
// to protect.
func (s *Store) Announce(ctx context.Context, name string) {
	s.attend()
	if release, err := s.guard(ctx, false); err == nil {
		defer release()
		s.mark(name)
	}
}

// mark sets a name's mark. What fails has no mark, and is removed too early at
// worst.
func (s *Store) mark(name string) {
	path, err := s.markPath(name)
	if err != nil {
		return
	}
	now := time.Now()
	if err := os.Chtimes(path, now, now); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(name, "cas/") {
		return
	}
	// A blob without a record: an empty one tells nothing but when it was used.
	if os.MkdirAll(filepath.Dir(path), 0o777) != nil {
		return
	}
	if f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666); err == nil {
		f.Close()
	}
}

// publishMark has rename put a file whose mtime is a mark in its place, and marks
// it now: it may have been written long ago, and others may have marked what it
// replaces since.
func (s *Store) publishMark(name string, rename func() error) error {
	release, err := s.guard(context.Background(), false)
	if err != nil {
		return rename()
	}
	defer release()
	if err := rename(); err != nil {
		return err
	}
	s.mark(name)
	return nil
}

// isFresh tells a mark that need not be renewed from an old one, and from one
// that a wrong clock has set.
func (s *Store) isFresh(mark time.Time) bool {
	age := time.Since(mark)
	return age >= 0 && age < s.UseEvery
}

// attend makes this process known as one that is at work, so that UnusedBefore
// counts it. That it cannot be is no matter where nothing can be written.
func (s *Store) attend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.begin()
}

// markPath is the file whose mtime says when a name was last used.
func (s *Store) markPath(name string) (string, error) {
	if sum, ok := strings.CutPrefix(name, "cas/"); ok {
		name = "stamp/" + sum
	}
	return s.Path(name)
}

// Mark returns when a name was last used, as far as the marks tell. A blob
// without a mark was last used when it was made.
func (s *Store) Mark(name string) (time.Time, error) {
	path, err := s.markPath(name)
	if err != nil {
		return time.Time{}, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(name, "cas/") {
		if path, err = s.Path(name); err == nil {
			info, err = os.Lstat(path)
		}
	}
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// guard keeps others from removing files until release is called, and, held
// alone, from marking them.
func (s *Store) guard(ctx context.Context, alone bool) (release func(), err error) {
	patience := markPatience
	if alone {
		patience = removePatience
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		lock := newFlock(filepath.Join(s.dir, guardFile), os.O_CREATE)
		try := lock.TryRLockContext
		if alone {
			try = lock.TryLockContext
		}
		if _, err := try(ctx, guardPoll); err != nil {
			return nil, err
		}
		if isFile(lock) {
			return func() { lock.Unlock() }, nil
		}
		lock.Unlock() // somebody removed the whole folder
	}
}

// UnusedBefore returns a time: what was last used before it is used by no
// process that is at work now. A process uses nothing that is not marked since
// it began, or, as marks are coarse, UseEvery before. Twice that leaves room
// for clocks that differ.
func (s *Store) UnusedBefore() (time.Time, error) {
	s.attend() // which may fail where a full disk is to be relieved
	oldest := time.Now()
	tmp := filepath.Join(s.dir, "tmp")
	files, err := os.ReadDir(tmp)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, err
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || !strings.HasSuffix(file.Name(), ".lock") || !info.ModTime().Before(oldest) {
			continue
		}
		if isHeld(filepath.Join(tmp, file.Name())) {
			oldest = info.ModTime()
		}
	}
	return oldest.Add(-2*s.UseEvery - clockTick), nil
}

// isHeld reports whether somebody lives who holds the lock on a session's file.
func isHeld(path string) bool {
	lock := newFlock(path, 0)
	ok, err := lock.TryLock()
	if ok {
		lock.Unlock()
	}
	return !ok && !errors.Is(err, fs.ErrNotExist)
}

// Remove removes a name that was last used before that time, and reports
// whether it did. A blob's record goes with it.
func (s *Store) Remove(ctx context.Context, name string, before time.Time) (bool, error) {
	path, err := s.Path(name)
	if err != nil {
		return false, err
	}
	release, err := s.guard(ctx, true)
	if err != nil {
		return false, err
	}
	defer release()
	mark, err := s.Mark(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || !mark.Before(before) {
		return false, err
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil // a record without its blob
	} else if err != nil {
		return false, err
	}
	if record, err := s.markPath(name); err == nil && record != path {
		_ = os.Remove(record) // one that is left is removed by the next trimming
	}
	return true, nil
}

// TrimDue reports whether this process has written something, and nobody has
// trimmed the folder for the time every.
func (s *Store) TrimDue(every time.Duration) bool {
	s.mu.Lock()
	wrote := s.session != nil && s.session.n > 0
	s.mu.Unlock()
	if !wrote {
		return false
	}
	info, err := os.Stat(filepath.Join(s.dir, guardFile))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	age := time.Since(info.ModTime())
	return age < 0 || age >= every
}

// Trimmed keeps that the folder was trimmed now.
func (s *Store) Trimmed(ctx context.Context) error {
	release, err := s.guard(ctx, false)
	if err != nil {
		return err
	}
	defer release()
	now := time.Now()
	return os.Chtimes(filepath.Join(s.dir, guardFile), now, now)
}
