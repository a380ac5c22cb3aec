package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/zipper"
	"github.com/saracen/fastzip"
)

// pack is the process of a contender that is a library of Go: it archives the
// working folder, and nothing else, so that its time, processor time and
// memory are those of the library.
func pack(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	library := flags.String("with", "zipper", "zipper, fastzip or gozip")
	var z zipperPack
	flags.IntVar(&z.workers, "workers", 0, "of zipper")
	flags.BoolVar(&z.verify, "verify", false, "zipper reads back what it writes")
	flags.StringVar(&z.info, "info", "", "file that gets what zipper says about the archive")
	flags.StringVar(&z.earlier, "earlier", "", "an archive of zipper's to take entries from; its -info is FILE.info")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("usage: zipbench pack [options] OUT")
	}
	out, err := os.Create(flags.Arg(0))
	if err != nil {
		return err
	}
	defer out.Close()
	switch *library {
	case "zipper":
		err = z.pack(ctx, out)
	case "fastzip":
		err = packFastzip(ctx, out)
	case "gozip":
		err = packGo(out)
	default:
		err = fmt.Errorf("no library %q", *library)
	}
	return errors.Join(err, out.Close())
}

func packGo(out io.Writer) error {
	w := zip.NewWriter(out)
	if err := w.AddFS(os.DirFS(".")); err != nil {
		return err
	}
	return w.Close()
}

func packFastzip(ctx context.Context, out io.Writer) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	files := map[string]fs.FileInfo{}
	if err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		files[name], err = d.Info()
		return err
	}); err != nil {
		return err
	}
	a, err := fastzip.NewArchiver(out, dir)
	if err != nil {
		return err
	}
	return errors.Join(a.Archive(ctx, files), a.Close())
}

type zipperPack struct {
	workers       int
	verify        bool
	info, earlier string
}

func (z zipperPack) pack(ctx context.Context, out io.Writer) error {
	entries, err := zipperEntries(ctx)
	if err != nil {
		return err
	}
	opts := zipper.Options{Workers: z.workers, Verify: z.verify}
	if z.earlier != "" {
		archive, err := os.Open(z.earlier)
		if err != nil {
			return err
		}
		defer archive.Close()
		opts.Earlier = &zipper.Earlier{Archive: archive}
		if opts.Earlier.Entries, err = readInfo(z.earlier + ".info"); err != nil {
			return err
		}
	}
	info, err := zipper.Write(ctx, out, entries, opts)
	if err != nil || z.info == "" {
		return err
	}
	return writeInfo(z.info, info.Entries)
}

// zipperEntries are those of the working folder, with its folders, which the
// other contenders write, too.
func zipperEntries(ctx context.Context) ([]zipper.Entry, error) {
	var folders []zipper.Entry
	files, err := zipper.Folder(ctx, zipper.DirFS("."), func(name string, d fs.DirEntry) bool {
		if d.IsDir() {
			folders = append(folders, zipper.Entry{Name: name + "/", Mode: fs.ModeDir})
		}
		return false
	})
	if err != nil {
		return nil, err
	}
	// An empty folder's own entry stays away for the one it has here.
	files = slices.DeleteFunc(files, func(e zipper.Entry) bool { return e.Mode.IsDir() })
	slices.SortFunc(folders, byName)
	return merged(files, folders), nil
}

func byName(a, b zipper.Entry) int { return strings.Compare(a.Name, b.Name) }

// merged joins two sorted lists: a user's tree comes in order, too.
func merged(a, b []zipper.Entry) []zipper.Entry {
	all := make([]zipper.Entry, 0, len(a)+len(b))
	for ; len(a) > 0; a = a[1:] {
		for len(b) > 0 && byName(b[0], a[0]) < 0 {
			all, b = append(all, b[0]), b[1:]
		}
		all = append(all, a[0])
	}
	return append(all, b...)
}

// What zipper says about an archive is kept as a cache would, in a form that
// takes no time beside the rest: how many entries, their fixed fields, the names.

const fixedLen = 3*4 + 2 + 2*8 + sha256.Size

func writeInfo(name string, entries []zipper.EntryInfo) error {
	le, names := binary.LittleEndian, []byte(nil)
	out := le.AppendUint32(nil, uint32(len(entries)))
	for _, e := range entries {
		out = le.AppendUint32(le.AppendUint32(le.AppendUint32(out, uint32(e.Mode)), e.CRC32), uint32(len(e.Name)))
		out = le.AppendUint16(out, e.Method)
		out = le.AppendUint64(le.AppendUint64(out, uint64(e.Size)), uint64(e.Compressed))
		out = append(out, e.SHA256[:]...)
		names = append(names, e.Name...)
	}
	return os.WriteFile(name, append(out, names...), 0o644)
}

func readInfo(name string) ([]zipper.EntryInfo, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	entries := make([]zipper.EntryInfo, le.Uint32(data))
	fixed, names := data[4:], string(data[4+len(entries)*fixedLen:])
	for i := range entries {
		n := le.Uint32(fixed[8:])
		entries[i] = zipper.EntryInfo{
			Name: names[:n], Mode: fs.FileMode(le.Uint32(fixed)), CRC32: le.Uint32(fixed[4:]), Method: le.Uint16(fixed[12:]),
			Size: int64(le.Uint64(fixed[14:])), Compressed: int64(le.Uint64(fixed[22:])), SHA256: [sha256.Size]byte(fixed[30:]),
		}
		fixed, names = fixed[fixedLen:], names[n:]
	}
	return entries, nil
}
