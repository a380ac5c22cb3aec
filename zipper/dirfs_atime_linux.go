package zipper

import "golang.org/x/sys/unix"

// noAtime has the kernel not note that a file was read, which it would have to
// write to the file's inode, once a day and after each change of the file. It
// refuses those who do not own the file.
const noAtime = unix.O_NOATIME
