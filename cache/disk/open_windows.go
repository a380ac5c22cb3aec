package disk

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sys/windows"
)

// openFile is [os.OpenFile] for the flags that this package uses, of a file that
// may be renamed and removed while it is open, as on other systems: a reader of a
// blob must not keep another process from putting it in its place anew.
func openFile(path string, flags int) (*os.File, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	access, how := uint32(windows.GENERIC_READ), uint32(windows.OPEN_EXISTING)
	if flags&os.O_RDWR != 0 {
		access |= windows.GENERIC_WRITE
	}
	if flags&os.O_CREATE != 0 {
		how = windows.CREATE_NEW
	}
	var file windows.Handle
	err = persist(func() (err error) {
		file, err = windows.CreateFile(name, access,
			windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
			nil, how, windows.FILE_ATTRIBUTE_NORMAL, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(file), path), nil
}

// moveFile is [os.Rename] over a file that may be open. One that is cannot be
// replaced: if it is as good it stays, else it is taken away first, and for a moment
// there is nothing, which is a miss.
func moveFile(from, to string, asGood bool) error {
	err := os.Rename(from, to)
	if !isBusy(err) {
		return err
	}
	if asGood {
		if f, err := openFile(to, os.O_RDONLY); err == nil { // by whoever reads it, too
			return errors.Join(f.Close(), os.Remove(from))
		}
	}
	return persist(func() error {
		if err := os.Rename(to, from+".old"); err == nil {
			_ = os.Remove(from + ".old") // as soon as nobody has it open
		}
		return os.Rename(from, to)
	})
}

// busyFor is how long a file may be in the hands of somebody who opened it
// without leave to share it, such as a scanner for viruses.
const busyFor = 2 * time.Second

// persist repeats what fails because somebody else has a file open.
func persist(do func() error) error {
	for end := time.Now().Add(busyFor); ; time.Sleep(5 * time.Millisecond) {
		if err := do(); !isBusy(err) || time.Now().After(end) {
			return err
		}
	}
}

func isBusy(err error) bool {
	return errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
}

// removeLock gives a lock back and removes its file, which cannot be removed while
// it is open, by whomever.
func removeLock(lock *flock.Flock) error {
	err := lock.Unlock()
	_ = os.Remove(lock.Path())
	return err
}
