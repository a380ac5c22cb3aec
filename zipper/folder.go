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
	w := walker{fsys: fsys, leave: leave, todo: []*subtree{{name: "."}}}
	w.more.L = &w.mu
	root := w.todo[0]
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() { w.work(ctx) })
	}
	workers.Wait()
	if w.err != nil {
		return nil, w.err
	}
	return root.appendTo(make([]Entry, 0, w.entries)), nil
}

// A subtree is what lies in a folder, in archive order.
type subtree struct {
	name    string
	entries []Entry // but for what lies in folders
	folders []branch
}

// A branch is a subtree of another, and which of that one's entries is the first
// to come after its own.
type branch struct {
	*subtree
	before int
}

// appendTo appends all entries of a tree.
func (t *subtree) appendTo(all []Entry) []Entry {
	done := 0
	for _, sub := range t.folders {
		all = sub.appendTo(append(all, t.entries[done:sub.before]...))
		done = sub.before
	}
	return append(all, t.entries[done:]...)
}

// A walker reads the folders of a tree. Which worker reads which is chance; what
// is to be read is never waited for while there is some.
type walker struct {
	fsys  fs.FS
	leave func(name string, d fs.DirEntry) bool

	mu      sync.Mutex // for the rest, and calls of leave
	more    sync.Cond  // there is more to do, or nothing will come
	todo    []*subtree
	reading int // workers that read a folder, in which there may be more
	entries int // found so far
	err     error
}

// work reads folders until there are no more, or one cannot be read.
func (w *walker) work(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		for len(w.todo) == 0 && w.reading > 0 && w.err == nil {
			w.more.Wait()
		}
		if len(w.todo) == 0 || w.err != nil {
			return
		}
		last := len(w.todo) - 1
		t := w.todo[last]
		w.todo = w.todo[:last]
		w.reading++
		w.mu.Unlock()
		err := w.read(ctx, t)
		w.mu.Lock()
		w.reading--
		if err != nil && w.err == nil {
			w.err = err
		}
		w.entries += len(t.entries)
		for _, sub := range t.folders {
			w.todo = append(w.todo, sub.subtree)
		}
		w.more.Broadcast()
	}
}

// read lists a folder.
func (w *walker) read(ctx context.Context, t *subtree) error {
	list, err := fs.ReadDir(w.fsys, t.name)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("entry %q: %w", t.name, err)
	}
	if len(list) == 0 && t.name != "." {
		t.entries = []Entry{{Name: t.name + "/", Mode: fs.ModeDir}}
		return nil
	}
	slices.SortFunc(list, archiveOrder)
	wanted := w.wanted(t.name, list)
	t.entries = make([]Entry, 0, len(wanted))
	for _, d := range wanted {
		name := d.path
		if err := checkName(name); err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		if d.IsDir() {
			t.folders = append(t.folders, branch{&subtree{name: name}, len(t.entries)})
			continue
		}
		e, err := fileEntry(w.fsys, name, d.DirEntry)
		if err != nil {
			return fmt.Errorf("entry %q: %w", name, err)
		}
		t.entries = append(t.entries, e)
	}
	return nil
}

// archiveOrder compares what lies in one folder: the names of all that lies in a
// folder below it begin with that one's and a slash.
func archiveOrder(a, b fs.DirEntry) int {
	x, y := a.Name(), b.Name()
	n := min(len(x), len(y))
	if c := strings.Compare(x[:n], y[:n]); c != 0 {
		return c
	}
	next := func(d fs.DirEntry) int {
		switch name := d.Name(); {
		case len(name) > n:
			return int(name[n])
		case d.IsDir():
			return '/'
		}
		return -1
	}
	return next(a) - next(b)
}

// below is the path of what lies in a folder.
func below(dir string, d fs.DirEntry) string {
	if dir == "." {
		return d.Name()
	}
	return dir + "/" + d.Name()
}

// A child is what a folder has, and its path.
type child struct {
	path string
	fs.DirEntry
}

// wanted returns what of a folder is not left out.
func (w *walker) wanted(dir string, list []fs.DirEntry) []child {
	all := make([]child, len(list))
	for i, d := range list {
		all[i] = child{below(dir, d), d}
	}
	if w.leave == nil {
		return all
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(all, func(c child) bool { return w.leave(c.path, c.DirEntry) })
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
