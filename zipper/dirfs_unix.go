//go:build unix

package zipper

import (
	"io"
	"io/fs"
	"syscall"
)

// openFile opens a regular file of a known size. Unlike [os.Open] it does not
// ask the kernel to watch the file, which it never does for regular ones.
func openFile(name string, size int64) (io.ReadCloser, error) {
	fd, err := retry(func() (int, error) { return syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &rawFile{fd: fd, name: name, left: size}, nil
}

// A rawFile is read by plain system calls.
type rawFile struct {
	fd   int
	name string
	left int64 // what of its known size has not been read
}

// Read says in the call that reads the last byte that it was the last, if the
// file is as long as it was known to be and more was asked for: a regular file
// gives less than that only at its end.
func (f *rawFile) Read(p []byte) (int, error) {
	n, err := retry(func() (int, error) { return syscall.Read(f.fd, p) })
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	}
	f.left -= int64(n)
	if len(p) > 0 && (n == 0 || f.left == 0 && n < len(p)) {
		return n, io.EOF
	}
	return n, nil
}

func (f *rawFile) Close() error {
	if err := syscall.Close(f.fd); err != nil {
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}

// retry repeats a system call that a signal interrupted, such as the runtime's
// own on a file system that waits.
func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != syscall.EINTR {
			return n, err
		}
	}
}
