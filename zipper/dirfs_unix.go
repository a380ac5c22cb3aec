//go:build unix

package zipper

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// readDir lists a folder, sorted. Unlike [os.ReadDir]'s, its entries know what
// their Info says: the kernel is asked while the folder is open, by names and not
// by paths, each of whose elements it would have to look up. Where it does not say
// of all, entries are the standard library's: one that is left out may be unknown.
func readDir(name string) ([]fs.DirEntry, error) {
	f, fd, err := openDir(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	infos := make([]fileInfo, len(names))
	list := make([]fs.DirEntry, len(names))
	for i, base := range names {
		if infos[i], err = statAt(fd, base); err != nil {
			return os.ReadDir(name)
		}
		list[i] = &infos[i]
	}
	return list, nil
}

// openDir opens a folder. Unlike [os.Open] it does not ask the kernel to watch it.
func openDir(name string) (*os.File, int, error) {
	fd, err := openRaw(name, unix.O_DIRECTORY)
	if err != nil {
		return nil, 0, err
	}
	return os.NewFile(uintptr(fd), name), fd, nil
}

// A fileInfo is what the kernel says of a file, as [os.Lstat] gives it, and an
// entry of a folder that knows it.
type fileInfo struct {
	name  string
	size  int64
	mode  fs.FileMode
	mtime unix.Timespec
}

func (i *fileInfo) Name() string               { return i.name }
func (i *fileInfo) Size() int64                { return i.size }
func (i *fileInfo) Mode() fs.FileMode          { return i.mode }
func (i *fileInfo) ModTime() time.Time         { return time.Unix(i.mtime.Unix()) }
func (i *fileInfo) IsDir() bool                { return i.mode.IsDir() }
func (i *fileInfo) Sys() any                   { return nil }
func (i *fileInfo) Type() fs.FileMode          { return i.mode.Type() }
func (i *fileInfo) Info() (fs.FileInfo, error) { return i, nil }

// statAt asks for a file of an open folder, and follows no link.
func statAt(dir int, name string) (fileInfo, error) {
	var st unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return fileInfo{}, err
	}
	return fileInfo{name, st.Size, modeOf(uint32(st.Mode)), st.Mtim}, nil
}

// modeOf is a mode of the kernel's as one of Go's, as far as an archive or an
// error about it needs one.
func modeOf(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return m
	case unix.S_IFLNK:
		return m | fs.ModeSymlink
	case unix.S_IFDIR:
		return m | fs.ModeDir
	case unix.S_IFIFO:
		return m | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return m | fs.ModeSocket
	case unix.S_IFBLK:
		return m | fs.ModeDevice
	case unix.S_IFCHR:
		return m | fs.ModeDevice | fs.ModeCharDevice
	}
	return m | fs.ModeIrregular
}

// openFile opens a regular file of a known size. Unlike [os.Open] it does not
// ask the kernel to watch the file, which it never does for regular ones.
func openFile(name string, size int64) (io.ReadCloser, error) {
	fd, err := openRaw(name, 0)
	if err != nil {
		return nil, err
	}
	return &rawFile{fd: fd, name: name, left: size}, nil
}

// openRaw opens what is there for reading, by a plain system call, and with noAtime
// where it may.
func openRaw(name string, flags int) (fd int, err error) {
	for _, more := range []int{noAtime, 0} {
		fd, err = retry(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC|flags|more, 0) })
		if err == nil {
			return fd, nil
		}
	}
	return 0, &fs.PathError{Op: "open", Path: name, Err: err}
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
