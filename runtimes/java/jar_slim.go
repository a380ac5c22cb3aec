package java

import (
	"archive/zip"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/jarfile"
)

// otherPlatforms is the class of native libraries that are not for the target,
// as slim has it in the configuration.
const otherPlatforms = "otherPlatforms"

// slimOf is the recipe's Slim: what is left out depends on the architecture.
func slimOf(t runtimes.Target) []string {
	if !slices.Contains(t.Slim, otherPlatforms) {
		return nil
	}
	return []string{otherPlatforms + " but " + string(t.Arch)}
}

// slimsPlatforms tells whether native libraries of other platforms are left out.
func slimsPlatforms(r runtimes.Recipe) bool {
	return slices.ContainsFunc(r.Slim, func(class string) bool { return strings.HasPrefix(class, otherPlatforms) })
}

// slimJars leaves native libraries that are for another platform out of the
// tree's jars, where the recipe says so.
func slimJars(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	if !slimsPlatforms(r) {
		return nil, nil
	}
	var notes []string
	var saved int64
	var dropped, slimmed int
	for _, name := range jarfile.Paths(t) {
		base := path.Base(name)
		j, err := jarfile.Open(t[name])
		if err != nil {
			return nil, brokenJar(name, err)
		}
		foreign, err := foreignOf(j, r.Target.Arch)
		signed, encrypted := j.Signed(), isEncrypted(j)
		j.Close()
		switch {
		case err != nil:
			return nil, brokenJar(name, err)
		case len(foreign) == 0:
			continue
		case signed:
			notes = append(notes, fmt.Sprintf("%s is signed: its native libraries for other platforms stay", base))
			continue
		case encrypted:
			return nil, &runtimes.PackageError{File: base, Problem: "has entries that are encrypted"}
		}
		before := t[name]
		after, err := withoutEntries(t, name, foreign)
		if err != nil {
			return nil, err
		}
		if after.Size >= before.Size {
			continue
		}
		t[name] = after
		saved += before.Size - after.Size
		dropped += len(foreign)
		slimmed++
	}
	if slimmed > 0 {
		notes = append(notes, fmt.Sprintf("slim: %s saves %.1f MB: native libraries for other platforms, %d in %d of the jars", otherPlatforms, float64(saved)/1e6, dropped, slimmed))
	}
	return notes, nil
}

func brokenJar(name string, err error) error {
	return &runtimes.PackageError{File: path.Base(name), Problem: err.Error()}
}

// foreignOf lists the entries that are native libraries for another platform.
func foreignOf(j *jarfile.Archive, arch runtimes.Arch) (map[string]bool, error) {
	foreign := make(map[string]bool)
	for _, f := range j.Files {
		if !jarfile.IsNative(f) {
			continue
		}
		n, ok, err := jarfile.NativeOf(f)
		if err != nil {
			return nil, fmt.Errorf("broken zip archive: %s: %w", f.Name, err)
		}
		if ok && !n.Fits(arch) {
			foreign[f.Name] = true
		}
	}
	return foreign, nil
}

func isEncrypted(j *jarfile.Archive) bool {
	return slices.ContainsFunc(j.Files, func(f *zip.File) bool { return f.Flags&1 != 0 })
}

// withoutEntries is a jar of the tree without some of its entries. It is
// written anew whenever it is opened, always with the same bytes, so that it
// need not be kept.
func withoutEntries(t runtimes.Tree, name string, left map[string]bool) (runtimes.TreeFile, error) {
	before := t[name]
	source := runtimes.Tree{name: before}
	after := before
	sum := sha256.New()
	size := &counter{}
	if err := writeWithout(io.MultiWriter(sum, size), source, name, left); err != nil {
		return after, err
	}
	after.Size = size.n
	sum.Sum(after.SHA256[:0])
	after.Open = func() (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { w.CloseWithError(writeWithout(w, source, name, left)) }()
		return r, nil
	}
	return after, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// writeWithout writes the entries that are not left out, in their order, as
// they are compressed, and with a constant date.
func writeWithout(w io.Writer, t runtimes.Tree, name string, left map[string]bool) error {
	j, err := jarfile.Open(t[name])
	if err != nil {
		return brokenJar(name, err)
	}
	defer j.Close()
	z := zip.NewWriter(w)
	for _, f := range j.Files {
		if left[f.Name] {
			continue
		}
		if err := copyEntry(z, f); err != nil {
			return brokenJar(name, fmt.Errorf("broken zip archive: %s: %w", f.Name, err))
		}
	}
	return z.Close()
}

// dosDay is 1 January 1980, the first day that a zip archive can tell.
const dosDay = 0x21

func copyEntry(z *zip.Writer, f *zip.File) error {
	const utf8Name = 0x800
	h := &zip.FileHeader{
		Name: f.Name, Method: f.Method, Flags: f.Flags & utf8Name, CRC32: f.CRC32,
		CompressedSize64: f.CompressedSize64, UncompressedSize64: f.UncompressedSize64,
		CreatorVersion: 20, ReaderVersion: 20,
	}
	//lint:ignore SA1019 CreateRaw writes this field, and not Modified
	h.ModifiedDate = dosDay
	to, err := z.CreateRaw(h)
	if err != nil {
		return err
	}
	from, err := f.OpenRaw()
	if err != nil {
		return err
	}
	n, err := io.Copy(to, from)
	if err == nil && uint64(n) != f.CompressedSize64 {
		err = io.ErrUnexpectedEOF
	}
	return err
}
