package disk

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockPoll is how often a lock that somebody else holds is tried again: a
// lock that can be waited for cannot be given up when the context ends.
const lockPoll = 50 * time.Millisecond

// Lock takes the lock of that name, which only one holder has at a time among
// all processes, and returns what gives it back. A holder that dies loses it.
func (s *Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	if !ValidName(name) {
		return nil, fmt.Errorf("cache: bad name %q", name)
	}
	dir := filepath.Join(s.dir, "lock")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
	for {
		lock := newFlock(path, os.O_CREATE)
		if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if isFile(lock) {
			return func() { _ = removeLock(lock) }, nil
		}
		lock.Unlock()
	}
}
