package zipper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Folder lists the files and symbolic links of a file system, such as [DirFS]
// of a folder, as entries in archive order whose contents are read from it when
// they are archived. A folder has an entry only if it is empty: all others are
// made by whoever unpacks their files. Links stay links, so fsys must be an
// [fs.ReadLinkFS] where there are any; what is neither file, link nor folder
// is an error. Several folders are read at a time.
//
// Where leave returns true, an entry is left out, a folder with all that lies
// in it, which then is not even read; nil leaves out nothing. It is told the
// path in fsys, for folders too without a slash at the end, and called by one
// goroutine at a time. A folder all of whose content is left out is not empty,
// so it has no entry either.
func Folder(ctx context.Context, fsys fs.FS, leave func(name string, d fs.DirEntry) bool) ([]Entry, error) {
	switch info, err := fs.Stat(fsys, "."); {
	case err != nil:
		return nil, fmt.Errorf("entry %q: %w", ".", err)
	case !info.IsDir():
		return nil, errors.New("the file system's root is no folder")
	}
	w := walker{fsys: fsys, leave: leave}
	w.group, ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(runtime.GOMAXPROCS(0))
	w.group.Go(func() error { return w.read(ctx, ".") })
	if err := w.group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(w.entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return w.entries, nil
}

// A walker collects the entries of a tree.
type walker struct {
	fsys  fs.FS
	leave func(name string, d fs.DirEntry) bool
	group *errgroup.Group

	mu      sync.Mutex // for entries, and calls of leave
	entries []Entry
}

// read collects a folder and what lies below it, some of which other goroutines
// do.
func (w *walker) read(ctx context.Context, dir string) error {
	list, err := fs.ReadDir(w.fsys, dir)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", dir, err)
	}
	if len(list) == 0 && dir != "." {
		w.add(Entry{Name: dir + "/", Mode: fs.ModeDir})
		return nil
	}
	entries := make([]Entry, 0, len(list))
	for _, d := range w.wanted(dir, list) {
		name := below(dir, d)
		if err := checkName(name); err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		if d.IsDir() {
			read := func() error { return w.read(ctx, name) }
			if !w.group.TryGo(read) {
				if err := read(); err != nil {
					return err
				}
			}
			continue
		}
		e, err := fileEntry(w.fsys, name, d)
		if err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		entries = append(entries, e)
	}
	w.add(entries...)
	return nil
}

// below is the path of what lies in a folder.
func below(dir string, d fs.DirEntry) string {
	if dir == "." {
		return d.Name()
	}
	return dir + "/" + d.Name()
}

// wanted returns what of a folder is not left out.
func (w *walker) wanted(dir string, list []fs.DirEntry) []fs.DirEntry {
	if w.leave == nil {
		return list
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(list, func(d fs.DirEntry) bool { return w.leave(below(dir, d), d) })
}

func (w *walker) add(entries ...Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = append(w.entries, entries...)
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
		e.Open = openerOf(fsys, name, e.Size)
	case fs.ModeSymlink:
		if e.Link, err = fs.ReadLink(fsys, name); err != nil {
			return Entry{}, err
		}
	default:
		return Entry{}, fmt.Errorf("%s, which an archive cannot hold: leave it out", kindName(kind))
	}
	return e, nil
}

// openerOf returns what opens a regular file of a known size.
func openerOf(fsys fs.FS, name string, size int64) func() (io.ReadCloser, error) {
	if d, ok := fsys.(dirFS); ok {
		return func() (io.ReadCloser, error) { return openFile(d.path(name), size) }
	}
	return func() (io.ReadCloser, error) { return fsys.Open(name) }
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
