package cache

// WriteFile replaces the file at path as Deliver does: whole or not at all.
func WriteFile(path string, data []byte) error {
	out, err := newOutput(path)
	if err != nil {
		return err
	}
	defer out.abort()
	if _, err := out.f.Write(data); err != nil {
		return err
	}
	_, err = out.publish()
	return err
}
