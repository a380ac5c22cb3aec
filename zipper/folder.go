package zipper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// Folder lists the files and symbolic links of a file system, such as
// [os.DirFS] of a folder, as entries whose contents are read from it when they
// are archived. A folder has an entry only if it is empty: all others are made
// by whoever unpacks their files. Links stay links, so fsys must be an
// [fs.ReadLinkFS] where there are any; what is neither file, link nor folder
// is an error.
//
// Where leave returns true, an entry is left out, a folder with all that lies
// in it, which then is not even read; nil leaves out nothing. It is told the
// path in fsys, for folders too without a slash at the end. A folder all of
// whose content is left out is not empty, so it has no entry either.
func Folder(ctx context.Context, fsys fs.FS, leave func(name string, d fs.DirEntry) bool) ([]Entry, error) {
	var entries []Entry
	var folders []string
	filled := make(map[string]bool) // the folders in which something lies
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		if name == "." {
			if !d.IsDir() {
				return errors.New("the file system's root is no folder")
			}
			return nil
		}
		filled[path.Dir(name)] = true
		if leave != nil && leave(name, d) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err := checkName(name); err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		if d.IsDir() {
			folders = append(folders, name)
			return nil
		}
		e, err := fileEntry(fsys, name, d)
		if err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range folders {
		if !filled[name] {
			entries = append(entries, Entry{Name: name + "/", Mode: fs.ModeDir})
		}
	}
	return entries, nil
}

func fileEntry(fsys fs.FS, name string, d fs.DirEntry) (Entry, error) {
	info, err := d.Info()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: name, Mode: info.Mode()}
	switch kind := info.Mode().Type(); kind {
	case 0:
		e.Size = info.Size()
		e.Open = func() (io.ReadCloser, error) { return fsys.Open(name) }
	case fs.ModeSymlink:
		if e.Link, err = fs.ReadLink(fsys, name); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, fmt.Errorf("%s, which an archive cannot hold", kindName(kind))
	}
	return e, nil
}

// kindName is what people call a kind of file that no archive holds.
func kindName(kind fs.FileMode) string {
	switch {
	case kind&fs.ModeSocket != 0:
		return "a socket"
	case kind&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case kind&fs.ModeDevice != 0:
		return "a device"
	}
	return "neither file nor link nor folder"
}
