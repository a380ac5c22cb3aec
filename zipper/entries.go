package zipper

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	maxEntries = math.MaxUint16 - 1 // 65535 announces zip64
	maxSize    = math.MaxUint32 - 1 // so does 4 GiB - 1, for sizes and offsets
	maxName    = math.MaxUint16
)

// prepare returns a sorted, normalised copy of the entries, or what is wrong
// with them.
func prepare(entries []Entry) ([]Entry, error) {
	if len(entries) > maxEntries {
		return nil, fmt.Errorf("%d entries, at most %d are possible: %w", len(entries), maxEntries, ErrTooLarge)
	}
	sorted := slices.Clone(entries)
	for i := range sorted {
		if err := normalise(&sorted[i]); err != nil {
			return nil, fmt.Errorf("entry %q: %w", sorted[i].Name, err)
		}
	}
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	if err := checkTree(sorted); err != nil {
		return nil, err
	}
	return sorted, nil
}

// normalise checks what can be checked of an entry on its own and brings its
// mode and size into the form they have in the archive.
func normalise(e *Entry) error {
	if err := checkName(e.Name); err != nil {
		return err
	}
	kind := e.Mode.Type()
	if strings.HasSuffix(e.Name, "/") != (kind == fs.ModeDir) {
		return errors.New("a folder's name, and no other, must end in a slash")
	}
	switch kind {
	case 0:
		if e.Open == nil {
			return errors.New("a regular file without Open")
		}
		e.Mode = fileMode(e.Mode&0o111 != 0)
	case fs.ModeSymlink:
		if e.Link == "" || strings.ContainsRune(e.Link, 0) {
			return fmt.Errorf("the target %q of a symbolic link is empty or has a NUL byte", e.Link)
		}
		if len(e.Link) > maxName {
			return fmt.Errorf("the target of a symbolic link has %d bytes, at most %d are possible", len(e.Link), maxName)
		}
		e.Mode, e.Size = linkMode, int64(len(e.Link))
	case fs.ModeDir:
		e.Mode, e.Size = dirMode, 0
	default:
		return fmt.Errorf("mode %v is no regular file, folder or symbolic link", e.Mode)
	}
	if e.Size < 0 {
		return fmt.Errorf("size %d is negative", e.Size)
	}
	if e.Size > maxSize {
		return fmt.Errorf("%d bytes, at most %d are possible: %w", e.Size, int64(maxSize), ErrTooLarge)
	}
	return nil
}

// checkName refuses every name that could mean another file, or another
// place, to some reader of the archive.
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d bytes, at most %d are possible", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("the name is not valid UTF-8")
	case strings.ContainsAny(name, "\x00\\"):
		return errors.New("the name has a NUL byte or a backslash")
	case name[0] == '/':
		return errors.New("the name is absolute")
	}
	for element := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		switch element {
		case "":
			return errors.New("the name has an empty element")
		case ".", "..":
			return fmt.Errorf("the name has the element %q", element)
		}
	}
	return nil
}

// checkTree refuses entries that cannot be files of one tree: two of one
// name, or one that lies below a file or link.
func checkTree(sorted []Entry) error {
	var files []string // and links, whose names the current one begins with
	for i := range sorted {
		name := sorted[i].Name
		for len(files) > 0 && !strings.HasPrefix(name, files[len(files)-1]) {
			files = files[:len(files)-1]
		}
		rest := ""
		if len(files) > 0 { // of several only the longest can be a folder above
			rest = name[len(files[len(files)-1]):]
		}
		switch isDir := strings.HasSuffix(name, "/"); {
		case i > 0 && name == sorted[i-1].Name, rest == "/":
			return fmt.Errorf("entry %q: there are two entries of this name", name)
		case strings.HasPrefix(rest, "/"):
			return fmt.Errorf("entry %q lies below %q, which is no folder", strings.TrimSuffix(name, "/"), files[len(files)-1])
		case !isDir:
			files = append(files, name)
		}
	}
	return nil
}
