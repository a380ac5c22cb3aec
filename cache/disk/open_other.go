//go:build !windows

package disk

import (
	"errors"
	"os"

	"github.com/gofrs/flock"
)

// openFile opens or makes a file. Whoever has it open keeps nobody from renaming
// or removing it.
func openFile(path string, flags int) (*os.File, error) { return os.OpenFile(path, flags, 0o666) }

// moveFile renames a file, over one that may be open.
func moveFile(from, to string, _ bool) error { return os.Rename(from, to) }

// removeLock removes a lock's file and gives it back, in this order: who waits for
// this file finds, once it has it, that it is no longer the one at its path.
func removeLock(lock *flock.Flock) error {
	return errors.Join(os.Remove(lock.Path()), lock.Unlock())
}
