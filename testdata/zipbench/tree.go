package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A tree is what is in a folder or an archive, by slash-separated name: modes
// and contents. Folders have a mode alone.
type tree map[string]node

type node struct {
	Mode fs.FileMode
	Sum  [sha256.Size]byte
}

// treeOf reads a folder.
func treeOf(dir string) (tree, error) {
	r := newReader()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		r.add(filepath.ToSlash(rel), info.Mode(), func() (io.ReadCloser, error) { return os.Open(name) })
		return nil
	})
	return r.tree, errors.Join(err, r.Wait())
}

// same says whether an archive holds the tree, and nothing else. It is read by
// its entries: as a file system it would not have the modes of folders.
func (t tree) same(archive string) error {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	defer z.Close()
	if len(z.File) != len(t) {
		return fmt.Errorf("%s has %d entries, the tree has %d", archive, len(z.File), len(t))
	}
	r := newReader()
	for _, f := range z.File {
		r.add(strings.TrimSuffix(f.Name, "/"), f.Mode(), f.Open)
	}
	if err := r.Wait(); err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	for name, want := range t {
		if n := r.tree[name]; n != want {
			return fmt.Errorf("%s: %q is %v %x there, and %v %x in the tree", archive, name, n.Mode, n.Sum[:4], want.Mode, want.Sum[:4])
		}
	}
	return nil
}

// A reader reads contents on all cores.
type reader struct {
	errgroup.Group
	mu   sync.Mutex
	tree tree
}

func newReader() *reader {
	r := &reader{tree: tree{}}
	r.SetLimit(runtime.NumCPU())
	return r
}

func (r *reader) add(name string, mode fs.FileMode, open func() (io.ReadCloser, error)) {
	r.Go(func() error {
		n := node{Mode: mode}
		if mode.IsRegular() {
			f, err := open()
			if err != nil {
				return err
			}
			defer f.Close()
			h := sha256.New()
			if _, err := io.Copy(h, f); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			n.Sum = [sha256.Size]byte(h.Sum(nil))
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tree[name] = n
		return nil
	})
}

// sameBytes says whether two files are equal.
func sameBytes(a, b string) (bool, error) {
	var sums [2][]byte
	for i, name := range []string{a, b} {
		f, err := os.Open(name)
		if err != nil {
			return false, err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return false, err
		}
		sums[i] = h.Sum(nil)
	}
	return bytes.Equal(sums[0], sums[1]), nil
}

// edit makes a copy of the folder from in which 1 % of the files, at least
// one, have changed. Which and how is decided by the seed alone: half of them
// have 64 bytes replaced, half have them inserted. The rest is hard-linked.
func edit(from, to string, seed uint64) (changed int, err error) {
	if err := os.RemoveAll(to); err != nil {
		return 0, err
	}
	var files []string
	err = filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.Mkdir(filepath.Join(to, rel), 0o755)
		}
		files = append(files, rel)
		return os.Link(name, filepath.Join(to, rel))
	})
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(files))))
	changed = max(1, len(files)/100)
	for _, i := range rng.Perm(len(files))[:changed] {
		if err := change(filepath.Join(to, files[i]), rng); err != nil {
			return 0, err
		}
	}
	return changed, nil
}

func change(name string, rng *rand.Rand) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	at := rng.IntN(len(data) + 1)
	end := at // of what is replaced
	if rng.IntN(2) == 0 {
		end = min(at+64, len(data))
	}
	patch := make([]byte, 64)
	for i := range patch {
		patch[i] = byte(rng.Uint32())
	}
	if end > at {
		patch = patch[:end-at]
	}
	out := bytes.Join([][]byte{data[:at], patch, data[end:]}, nil)
	// The old file is another tree's, too.
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.WriteFile(name, out, info.Mode())
}
