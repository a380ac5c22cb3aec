package direct

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/runtimes/node/commands"
)

// unpacked is what npm makes of a package's tarball: files below the folder
// that the package is installed to.
type unpacked struct {
	files   []unpackedFile // in the tar's order
	content []byte         // the whole tar, nil where it is too large to keep
}

// unpackedFile is one of them.
type unpackedFile struct {
	path   string
	exec   bool
	entry  int // which of the tar's entries it is
	offset int64
	size   int64
}

// tarballLayout decides where the entries of a tarball go, one after the other
// as npm's pacote does.
type tarballLayout struct {
	files   []unpackedFile
	at      map[string]int  // index of a path in files
	folders map[string]bool // those that have an entry of their own
	ignores map[string]bool // names of the .npmignore files so far
	entries int
}

func newTarballLayout() *tarballLayout {
	return &tarballLayout{at: map[string]int{}, folders: map[string]bool{}, ignores: map[string]bool{}}
}

// add takes the next entry of the tar, and returns the path that it gets, ""
// where npm leaves it out.
func (l *tarballLayout) add(e tarEntry) (string, error) {
	entry := l.entries
	l.entries++
	switch e.kind {
	case kindFile, kindContiguous, kindFolder:
	case '3', '4', '6':
		return "", errors.New("neither a file nor a folder")
	default:
		return "", nil // links, and what is no file at all
	}
	name := e.name
	if e.kind != kindFolder {
		var ok bool
		if name, ok = l.ignoreName(name); !ok {
			return "", nil
		}
	}
	to, err := unpackedPath(name)
	if err != nil || to == "" {
		return "", err
	}
	if e.kind == kindFolder {
		l.folders[to] = true
		return "", nil
	}
	f := unpackedFile{path: to, exec: e.exec, entry: entry, offset: e.offset, size: e.size}
	if i, twice := l.at[to]; twice {
		// The last one wins; written into the file of the first, it has that
		// one's mode.
		if e.kind == kindFile {
			f.exec = l.files[i].exec
		}
		l.files[i].path = ""
	}
	l.at[to] = len(l.files)
	l.files = append(l.files, f)
	return to, nil
}

// ignoreName renames .gitignore to .npmignore; ok is false where there was such
// a file before.
func (l *tarballLayout) ignoreName(name string) (renamed string, ok bool) {
	switch path.Base(name) {
	case ".npmignore":
		l.ignores[name] = true
	case ".gitignore":
		if stem, is := strings.CutSuffix(name, ".gitignore"); is {
			name = stem + ".npmignore"
			return name, !l.ignores[name]
		}
	}
	return name, true
}

// finish returns the files, given the content of the package's own
// package.json.
func (l *tarballLayout) finish(packageJSON []byte) ([]unpackedFile, error) {
	set := commands.Of(packageJSON)
	files := slices.DeleteFunc(l.files, func(f unpackedFile) bool { return f.path == "" })
	for i, f := range files {
		if l.folders[f.path] {
			return nil, errors.New(f.path + " is a file and a folder")
		}
		for dir := path.Dir(f.path); dir != "."; dir = path.Dir(dir) {
			if _, ok := l.at[dir]; ok {
				return nil, errors.New(dir + " is a file and a folder")
			}
		}
		files[i].exec = f.exec || set.Has(f.path)
	}
	for dir := range l.folders {
		for dir = path.Dir(dir); dir != "."; dir = path.Dir(dir) {
			if _, ok := l.at[dir]; ok {
				return nil, errors.New(dir + " is a file and a folder")
			}
		}
	}
	return files, nil
}

// unpackedPath gives the place of an entry: its name without the first
// component, whatever that is. It is "" for what lies beside all folders, which
// npm leaves out.
func unpackedPath(name string) (string, error) {
	_, rest, _ := strings.Cut(name, "/")
	if slices.Contains(strings.FieldsFunc(rest, func(c rune) bool { return c == '/' || c == '\\' }), "..") {
		return "", errors.New("its name leads out of the package")
	}
	// An absolute name counts from the package, as in npm.
	to := strings.TrimPrefix(path.Clean("/"+rest), "/")
	if to == "" {
		return "", nil
	}
	return to, checkUnpacked(to)
}

// checkUnpacked refuses names that no layer can hold. Control characters are
// in use ("Icon\r").
func checkUnpacked(name string) error {
	switch {
	case !fs.ValidPath(name) || !utf8.ValidString(name):
		return errors.New("not a plain relative path")
	case strings.ContainsAny(name, "\\\x00"):
		return errors.New("a backslash in the name")
	case len(name) >= 2 && name[1] == ':':
		return errors.New("a drive letter in the name")
	case len(name) > 1024:
		return errors.New("a name of more than 1024 bytes")
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 {
			return errors.New("a part of the name has more than 255 bytes")
		}
	}
	return nil
}
