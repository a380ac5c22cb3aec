package cache

import "os"

// WriteFile replaces the file at path as Deliver does: whole or not at all. Who may
// read and write it stays as it was.
func WriteFile(path string, data []byte) error {
	out, err := newOutput(path)
	if err != nil {
		return err
	}
	defer out.abort()
	if before, err := os.Stat(path); err == nil {
		if err := out.f.Chmod(before.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := out.f.Write(data); err != nil {
		return err
	}
	_, err = out.publish()
	return err
}
