package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Part is a number of files and their size in bytes.
type Part struct {
	Files int
	Bytes int64
}

// Beside is what lies in the folder beside the spaces.
type Beside struct {
	Bad   Part // what was moved aside
	Temp  Part // what processes are writing, or left
	Tools Part // what others keep here: tools, daemons
}

// The folder's parts. No other name belongs there: Clear refuses a folder that
// has one.
var (
	ownParts  = []string{"ac", "cas", "stamp", "tmp", "lock", "bad", guardFile}
	toolParts = []string{"buildkitd", "maven", "resolver"}
)

// Space returns the space of a valid name.
func Space(name string) string {
	space, _, _ := strings.Cut(name, "/")
	return space
}

// Size returns the size of name's file, of whatever kind it is.
func (s *Store) Size(name string) (int64, error) {
	path, err := s.Path(name)
	if err != nil {
		return 0, err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Beside measures what lies beside the spaces. What cannot be read, as daemons'
// files that are root's, is not counted.
func (s *Store) Beside() (Beside, error) {
	var b Beside
	if _, err := os.ReadDir(s.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, err
	}
	b.Bad, b.Temp = s.measure("bad"), s.measure("tmp")
	for _, name := range toolParts {
		p := s.measure(name)
		b.Tools.Files += p.Files
		b.Tools.Bytes += p.Bytes
	}
	return b, nil
}

func (s *Store) measure(part string) (p Part) {
	_ = filepath.WalkDir(filepath.Join(s.dir, part), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // which walks on
		}
		if info, err := d.Info(); err == nil {
			p.Files++
			p.Bytes += info.Size()
		}
		return nil
	})
	return p
}

// Processes counts those that are at work on the folder, this one included once
// it has used something.
func (s *Store) Processes() int {
	locks, _ := filepath.Glob(filepath.Join(s.dir, "tmp", "*.lock")) // the pattern is right
	return len(slices.DeleteFunc(locks, func(path string) bool { return !isHeld(path) }))
}

// LastTrim returns when the folder was last trimmed, the zero time where it
// never was.
func (s *Store) LastTrim() time.Time {
	info, err := os.Stat(filepath.Join(s.dir, guardFile))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// A BadFile is one that was moved aside.
type BadFile struct {
	Name     string // in bad/
	Size     int64
	Modified time.Time
}

// Bad lists what was moved aside, the oldest first.
func (s *Store) Bad() ([]BadFile, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, "bad"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []BadFile
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			all = append(all, BadFile{file.Name(), info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b BadFile) int { return a.Modified.Compare(b.Modified) })
	return all, nil
}

// RemoveBad removes a file that was moved aside.
func (s *Store) RemoveBad(f BadFile) error {
	return os.RemoveAll(filepath.Join(s.dir, "bad", f.Name))
}
