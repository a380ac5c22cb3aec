package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Clear removes everything, and the folder where nothing is left in it. While
// other processes are at work it leaves what they would fail without: their
// temporary files and locks, and the tools; kept then names these parts. A
// folder that has anything else in it is a [*NotStoreError].
func (s *Store) Clear() (kept []string, err error) {
	parts, err := s.Parts()
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // this process is none of the others
		return nil, err
	}
	s.clearDead()
	others := s.Processes() > 0
	var errs []error
	for _, part := range parts {
		switch path := filepath.Join(s.dir, part); {
		case part == "tmp" || part == "lock":
			errs = append(errs, removeFree(path))
		case slices.Contains(toolParts, part) && (others || s.anyDaemon(part)):
		case part == guardFile && others:
		default:
			errs = append(errs, os.RemoveAll(path))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	kept, err = s.Parts()
	if not := (*NotStoreError)(nil); err != nil && !errors.As(err, &not) {
		return nil, err
	}
	if len(kept) == 0 {
		_ = os.Remove(s.dir) // a folder that somebody else made may stay
	}
	return kept, nil
}

// removeFree removes the locks in a folder that nobody holds, and the folder if
// it is empty then.
func removeFree(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(dir, file.Name())
		owner := path
		if file.IsDir() {
			owner += ".lock"
		}
		if !isHeld(owner) {
			_ = os.RemoveAll(path) // or its holder has just come
		}
	}
	_ = os.Remove(dir)
	return nil
}

// anyDaemon reports whether one of the daemons that keep their data in a part
// runs: it holds its folder's lock.
func (s *Store) anyDaemon(part string) bool {
	locks, _ := filepath.Glob(filepath.Join(s.dir, part, "*", "lock")) // the pattern is right
	return slices.ContainsFunc(locks, isHeld)
}

// A NotStoreError says why a folder is taken for no cache.
type NotStoreError struct {
	Dir  string
	What string // a name in it that is none of a cache's
}

func (e *NotStoreError) Error() string { return e.Dir + " is no cache: it holds " + e.What }

// Parts names what lies in the folder, or says why it is no store's.
func (s *Store) Parts() ([]string, error) {
	files, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var parts []string
	ours := false
	for _, file := range files {
		name := file.Name()
		if !slices.Contains(ownParts, name) && !slices.Contains(toolParts, name) {
			return nil, &NotStoreError{s.dir, name}
		}
		ours = ours || name == "ac" || name == "cas" || name == guardFile
		parts = append(parts, name)
	}
	if !ours && len(parts) > 0 {
		return parts, &NotStoreError{s.dir, strings.Join(parts, ", ") + ", but no entries"}
	}
	return parts, nil
}
