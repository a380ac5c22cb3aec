package tempfile

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// open makes a file that never has a name. Not every file system can.
func open(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), filepath.Join(dir, prefix+"file")), nil // for messages
}
