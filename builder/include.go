package builder

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// leftOut are names that no include brings into a layer: what tools leave in
// a working tree and no function needs.
var leftOut = []string{".git", "__pycache__", ".DS_Store"}

// readIncludes reads the files that a layer's include lists. Contents are
// hashed now and opened again only when the layer is zipped, which holds them
// against their hash. Of the paths in own, which are what layerbuild itself
// writes, nothing is included: a layer would hold the one built before it.
func readIncludes(config *Config, layer Layer, own []string) (runtimes.Tree, error) {
	t := make(runtimes.Tree)
	for _, include := range layer.Include {
		source := filepath.Join(config.Root, filepath.FromSlash(include.From))
		if err := addInclude(t, source, include.To, own); err != nil {
			return nil, &runtimes.InputError{
				File: config.File, Line: layer.Line,
				Problem: fmt.Sprintf("layer %s: include %s", layer.Name, include.From), Err: err,
			}
		}
	}
	return t, nil
}

func addInclude(t runtimes.Tree, source, target string, own []string) error {
	// A folder may be named by a link to it; the links in it stay links.
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		if source, err = filepath.EvalSymlinks(source); err != nil {
			return err
		}
	}
	return filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != source && (slices.Contains(leftOut, d.Name()) || slices.Contains(own, name)) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		inLayer := path.Join(target, filepath.ToSlash(rel))
		if _, taken := t[inLayer]; taken {
			return fmt.Errorf("two includes put a file at %s", inLayer)
		}
		f, err := includedFile(name)
		if err != nil {
			return err
		}
		t[inLayer] = f
		return nil
	})
}

func includedFile(name string) (runtimes.TreeFile, error) {
	info, err := os.Lstat(name)
	if err != nil {
		return runtimes.TreeFile{}, err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(name)
		return runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: filepath.ToSlash(target)}, err
	case !info.Mode().IsRegular():
		return runtimes.TreeFile{}, fmt.Errorf("%s is neither a file nor a link", name)
	}
	r, err := os.Open(name)
	if err != nil {
		return runtimes.TreeFile{}, err
	}
	defer r.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, r)
	if err != nil {
		return runtimes.TreeFile{}, err
	}
	f := runtimes.TreeFile{Mode: 0o644, Size: size}
	if info.Mode()&0o100 != 0 {
		f.Mode = 0o755
	}
	sum.Sum(f.SHA256[:0])
	f.Open = func() (io.ReadCloser, error) { return openUnchanged(name, f.SHA256) }
	return f, nil
}

// openUnchanged opens a working-tree file as it was when the key was made: a
// file edited during the build must not be stored under the old key.
func openUnchanged(name string, want [sha256.Size]byte) (io.ReadCloser, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(data) != want {
		return nil, fmt.Errorf("%s changed during the build", name)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// addTo puts included files into the installed tree.
func addTo(t, include runtimes.Tree) error {
	var errs []error
	for _, name := range include.Paths() {
		if f, taken := t[name]; taken {
			errs = append(errs, fmt.Errorf("include puts a file at %s, which package %s has too", name, f.Package))
			continue
		}
		t[name] = include[name]
	}
	return errors.Join(errs...)
}
