package builder

import (
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

// readIncludes reads the files that a layer's include lists, and those of a
// plain layer's folder. Contents are hashed now and opened again only when the
// layer is zipped, which holds them against their hash. Of the paths in own,
// which are what layerbuild itself writes, nothing is included: a layer would
// hold the one built before it.
func readIncludes(config *Config, layer Layer, own []string) (runtimes.Tree, error) {
	t := make(runtimes.Tree)
	if layer.Plain {
		if err := addFolder(t, config, layer, own); err != nil {
			return nil, err
		}
	}
	leave := func(name, _ string, _ fs.DirEntry) bool { return slices.Contains(own, name) }
	for _, include := range layer.Include {
		source := filepath.Join(config.Root, filepath.FromSlash(include.From))
		if _, err := os.Lstat(source); errors.Is(err, fs.ErrNotExist) {
			return nil, &runtimes.InputError{
				File: config.File, Line: layer.Line,
				Problem: fmt.Sprintf("layer %s: include %s: there is no such file or folder", layer.Name, include.From),
				Hint:    "include takes paths from the folder of " + filepath.Base(config.File),
			}
		}
		if err := addInclude(t, source, include.To, leave); err != nil {
			return nil, &runtimes.InputError{
				File: config.File, Line: layer.Line,
				Problem: fmt.Sprintf("layer %s: include %s", layer.Name, include.From), Err: err,
				Hint: "include what can be read, and each file once: another place or a narrower path",
			}
		}
	}
	return t, nil
}

// addInclude adds a file, or the files of a folder, but for what leave names;
// it is told a path and the path from source.
func addInclude(t runtimes.Tree, source, target string, leave func(name, rel string, d fs.DirEntry) bool) error {
	// A folder may be named by a link to it; the links in it stay links.
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		if source, err = followed(source); err != nil {
			return err
		}
	}
	return filepath.WalkDir(source, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		unwanted := slices.Contains(leftOut, d.Name()) || leave(name, rel, d)
		switch {
		case d.IsDir() && name != source && unwanted:
			return filepath.SkipDir
		case d.IsDir(), name != source && unwanted:
			return nil
		}
		inLayer := path.Join(target, rel)
		if _, taken := t[inLayer]; taken {
			return fmt.Errorf("two files would be put at %s", inLayer)
		}
		f, err := includedFile(name)
		if err != nil {
			return err
		}
		t[inLayer] = f
		return nil
	})
}

// followed is the folder that a link stands for. Other links on the way to it
// stay, so that the paths below are those that the rest of the program has.
func followed(folder string) (string, error) {
	info, err := os.Lstat(folder)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return folder, err
	}
	return filepath.EvalSymlinks(folder)
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
	// A file that is edited during the build must not be stored under the old
	// key: the archive's content is held against the hash once it is written.
	f.Open = func() (io.ReadCloser, error) { return os.Open(name) }
	return f, nil
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
