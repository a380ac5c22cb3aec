//go:build !linux && !darwin

package cache

import "io/fs"

// stampOf has size and mtime only. The mtime of our files is set back before
// they get their name, so that every later write still shows.
func stampOf(info fs.FileInfo) Stamp {
	return Stamp{Size: info.Size(), MtimeNs: info.ModTime().UnixNano()}
}
