package doctor

import "golang.org/x/sys/windows"

// free is the room that is left for this user on the disk of dir, in bytes.
func free(dir string) (n int64, known bool) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var room uint64
	if err := windows.GetDiskFreeSpaceEx(path, &room, nil, nil); err != nil {
		return 0, false
	}
	return int64(room), true
}
