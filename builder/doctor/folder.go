package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// How much room is too little: layers take up to 250 MB unpacked.
const (
	scarce = 1 << 30
	full   = 16 << 20
)

// Folder is a folder that builds write to.
type Folder struct {
	Subject string // "cache"
	Path    string
	Needed  bool   // a build fails that cannot write there
	Move    string // how it is moved: "--output"
	Size    func(n int64) string
}

// Check looks whether there is room and whether it can be written.
func (f Folder) Check() Check {
	return Check{Subject: f.Subject, Look: func(context.Context) []Finding { return f.look() }}
}

func (f Folder) look() []Finding {
	bad := Warn
	if f.Needed {
		bad = Fail
	}
	there, err := nearest(f.Path)
	if err == nil {
		err = tryWriting(there)
	}
	if err != nil {
		return []Finding{{
			Subject: f.Subject, Status: bad, Text: fmt.Sprintf("%s cannot be written: %v", f.Path, cause(err)),
			Fix: "let this user write there and see that there is room, or name another folder: " + f.Move, Err: err,
		}}
	}
	room, known := free(there)
	text := f.Path
	if known {
		text += fmt.Sprintf(" (%s free)", f.Size(room))
	}
	switch {
	case known && room < full:
		return one(f.Subject, bad, f.Path+" is on a full disk: "+f.Size(room)+" are free", "free some space, or name another folder: "+f.Move)
	case known && room < scarce:
		return one(f.Subject, Warn, text, "free some space, or name another folder: "+f.Move)
	}
	return one(f.Subject, OK, text, "")
}

// nearest is dir, or the nearest folder above that exists.
func nearest(dir string) (string, error) {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return "", &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a folder")}
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir):
			return "", err
		}
		dir = filepath.Dir(dir)
	}
}

func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".layerbuild-doctor-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(make([]byte, 4096))
	return errors.Join(err, f.Close())
}

// cause is an error without the path of the file that was tried.
func cause(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
