package cache

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// An output is a file that is being written beside its place. Its writer
// holds a lock on it, so that others can tell it from what a killed process
// left.
type output struct {
	f    *os.File
	path string
	done bool
}

const outputSuffix = ".tmp"

var errHeld = errors.New("held by another process")

// outputTries is how often somebody else may clear an output away between its
// creation and its lock. Nobody is that unlucky.
const outputTries = 10

func newOutput(path string) (*output, error) {
	dir, base := filepath.Split(path)
	if dir != "" {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return nil, err
		}
	}
	prefix := "." + base + "."
	clearOutputs(filepath.Clean(dir), prefix)
	for range outputTries {
		name := filepath.Join(dir, prefix+strings.ToLower(rand.Text())+outputSuffix)
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return nil, err
		}
		// A file system without locks cannot hold it, and clears nothing.
		if !errors.Is(hold(f), errHeld) && isStill(f) {
			return &output{f: f, path: path}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("%s: every temporary file beside it was removed by somebody else", path)
}

// isStill tells whether the file's name is still its own.
func isStill(f *os.File) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(f.Name())
	return err == nil && os.SameFile(ours, named)
}

// ClearOutputs removes what killed processes left in a folder that outputs
// are delivered to.
func ClearOutputs(dir string) { clearOutputs(dir, ".") }

func clearOutputs(dir, prefix string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, file := range files {
		if name := file.Name(); file.Type().IsRegular() && strings.HasPrefix(name, prefix) && isOutput(name) {
			clearDead(filepath.Join(dir, name))
		}
	}
}

// isOutput tells our temporary files by the random part of their names.
func isOutput(name string) bool {
	stem, ok := strings.CutSuffix(name, outputSuffix)
	random := stem[strings.LastIndexByte(stem, '.')+1:]
	return ok && len(random) == 26 && strings.Trim(random, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// clearDead removes an output that nobody holds.
func clearDead(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return // another user's, or gone by now
	}
	defer f.Close()
	if hold(f) == nil && isStill(f) {
		os.Remove(name)
	}
}

// Writable says why outputs cannot be delivered to a folder, which it makes.
func Writable(dir string) error {
	out, err := newOutput(filepath.Join(dir, "probe"))
	if err == nil {
		out.abort() // what a killed process leaves of it is cleared like any output
	}
	return err
}
