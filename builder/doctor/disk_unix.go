//go:build unix

package doctor

import "golang.org/x/sys/unix"

// free is the room that is left for this user on the disk of dir, in bytes.
func free(dir string) (n int64, known bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
