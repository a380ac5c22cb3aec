package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/builder/tree"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/zipper"
)

// An Archive is a zip file of any origin that is to be checked.
type Archive struct {
	File     string
	Runtimes []runtimes.Info
	Arches   []runtimes.Arch
	Allow    []Allowance
	Warnings []string // of what was found out about it

	layer Layer // that it is the archive of; no name where it is none's
}

// Checked is what the checks say of an archive.
type Checked struct {
	Files    int
	Unzipped int64           // bytes
	Found    []check.Finding // without those that are allowed
	Allowed  int
	Warnings []check.Finding // those in Found that are no errors
	Err      error           // the others, as of [check.Facts.Judge]
}

// Archives are those that a build delivers of what opts selects.
func (c *Config) Archives(opts Options) ([]Archive, error) {
	output := c.Output
	if opts.Output != "" {
		var err error
		if output, err = filepath.Abs(opts.Output); err != nil {
			return nil, err
		}
	}
	chosen, err := choose(expand(c, output, nil), opts)
	if err != nil {
		return nil, err
	}
	var all []Archive
	for _, t := range chosen {
		if _, err := os.Stat(t.zip); errors.Is(err, fs.ErrNotExist) {
			return nil, &runtimes.InputError{Problem: fmt.Sprintf("%s is not in %s", t.id, output), Hint: "build it: layerbuild build " + t.layer.Name}
		}
		all = append(all, t.archive())
	}
	return all, nil
}

// archive is what a target delivers.
func (t target) archive() Archive {
	a := Archive{File: t.zip, Allow: t.layer.Check.Allow, layer: t.layer}
	for _, combo := range t.combos {
		if !slices.Contains(a.Runtimes, combo.Runtime) {
			a.Runtimes = append(a.Runtimes, combo.Runtime)
		}
		if !slices.Contains(a.Arches, combo.Arch) {
			a.Arches = append(a.Arches, combo.Arch)
		}
	}
	return a
}

// ArchiveOf finds out who uses a zip file: infos and arches where they are
// given, else those of the configuration's target or of the manifest beside it.
// What the configuration allows its layer is allowed. config may be nil.
func ArchiveOf(config *Config, file string, infos []runtimes.Info, arches []runtimes.Arch) (Archive, error) {
	a := Archive{File: file}
	if err := regular(file); err != nil {
		return a, err
	}
	var own []runtimes.Info
	var targets []target
	if config != nil {
		own, targets = config.Runtimes, expand(config, config.Output, nil)
	}
	if i := slices.IndexFunc(targets, func(t target) bool { return sameFile(t.zip, file) }); i >= 0 {
		a = targets[i].archive()
		a.File = file
	} else if err := a.readManifest(targets, own); err != nil && (infos == nil || arches == nil) {
		return a, err
	}
	if infos != nil {
		a.Runtimes = infos
	}
	if arches != nil {
		a.Arches = arches
	}
	return a, nil
}

// regular refuses what is no file that an archive could be in.
func regular(file string) error {
	switch info, err := os.Stat(file); {
	case errors.Is(err, fs.ErrNotExist):
		return &runtimes.InputError{Problem: "there is no file " + file, Hint: "see whether its path is right from here"}
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &runtimes.InputError{Problem: file + " is no regular file", Hint: "name the zip file itself"}
	}
	return nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// errNoManifest says that no manifest lies beside an archive, or none of its own.
var errNoManifest = errors.New("no manifest")

// manifestBeside reads the manifest that lies beside an archive.
func manifestBeside(archive string) (m Manifest, file string, err error) {
	file = strings.TrimSuffix(archive, ".zip") + ".json"
	data, err := os.ReadFile(file)
	if err != nil {
		return m, file, err
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Format != 1 || m.Archive.File != filepath.Base(archive) {
		return m, file, errNoManifest
	}
	return m, file, nil
}

// readManifest takes from the manifest that lies beside an archive who uses it.
func (a *Archive) readManifest(targets []target, own []runtimes.Info) error {
	m, file, err := manifestBeside(a.File)
	unknown := &runtimes.InputError{
		Problem: a.File + ": no manifest lies beside it, so who uses it is not known",
		Hint:    "say it: layerbuild check " + a.File + " --runtime python3.13 --arch arm64",
	}
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			unknown.Problem = file + " is no manifest of " + filepath.Base(a.File) + ", so who uses it is not known"
		}
		return unknown
	}
	if a.Runtimes, err = ParseRuntimes(m.Runtimes, own); err != nil {
		return inFile(file, err)
	}
	if a.Arches, err = ParseArches(m.Architectures); err != nil {
		return inFile(file, err)
	}
	if i := slices.IndexFunc(targets, func(t target) bool { return t.layer.Name == m.Name && slices.Equal(t.id.Runtimes, m.Runtimes) }); i >= 0 {
		a.Allow, a.layer = targets[i].layer.Check.Allow, targets[i].layer
	}
	if sum, err := fileSum(a.File); err == nil && sum != m.Archive.SHA256 {
		a.Warnings = append(a.Warnings, fmt.Sprintf("is not the archive that %s tells of: its SHA-256 is %s, not %s", filepath.Base(file), sum, m.Archive.SHA256))
	}
	return nil
}

// inFile says in which file an input is wrong.
func inFile(file string, err error) error {
	if input, ok := errors.AsType[*runtimes.InputError](err); ok {
		input.File = file
	}
	return err
}

func fileSum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), err
}

// Check runs all checks on an archive. Its error is that of reading the file;
// what the checks find, a file that is no sound zip file included, is in the
// result.
func (a Archive) Check(ctx context.Context) (Checked, error) {
	var c Checked
	f, err := os.Open(a.File)
	if err != nil {
		return c, err
	}
	defer f.Close()
	var z check.Zip
	read, spool, err := readZip(ctx, f)
	switch {
	case errors.Is(err, zipper.ErrRefused):
		z.Refused = err
	case err != nil:
		return c, fmt.Errorf("%s: %w", a.File, err)
	default:
		defer spool.Close()
		z = check.Zip{Tree: read.Tree, Folders: read.Folders, Zip64: read.Zip64}
		c.Files, c.Unzipped = len(read.Tree), read.Tree.Size()
	}
	facts := check.GatherZip(z, UnzippedLimit)
	c.Warnings, c.Err = facts.Judge(a.targets(), func(f check.Finding) bool {
		if slices.ContainsFunc(a.Allow, func(allow Allowance) bool { return allow.covers(f) }) {
			c.Allowed++
			return true
		}
		c.Found = append(c.Found, f)
		return false
	})
	return c, ctx.Err()
}

// readZip reads an archive of any origin; see [tree.ReadZip].
func readZip(ctx context.Context, f *os.File) (*tree.Zip, *tree.Spool, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	return tree.ReadZip(ctx, f, info.Size(), "")
}

// targets are all who use the archive.
func (a Archive) targets() (all []check.Target) {
	for _, info := range a.Runtimes {
		for _, arch := range a.Arches {
			all = append(all, a.layer.checkedFor(info, arch))
		}
	}
	return all
}
