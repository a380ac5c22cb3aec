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
	return append(files, folders...), nil
}

// What zipper says about an archive is kept as a cache would, in a form that
// takes no time beside the rest: how many entries, their fixed fields, the names.

type fixedInfo struct {
	Mode, CRC32, NameLen uint32
	Method               uint16
	Size, Compressed     int64
	SHA256               [sha256.Size]byte
}

func writeInfo(name string, entries []zipper.EntryInfo) error {
	all, names := make([]fixedInfo, len(entries)), []byte(nil)
	for i, e := range entries {
		all[i] = fixedInfo{uint32(e.Mode), e.CRC32, uint32(len(e.Name)), e.Method, e.Size, e.Compressed, e.SHA256}
		names = append(names, e.Name...)
	}
	out, err := binary.Append(binary.LittleEndian.AppendUint32(nil, uint32(len(all))), binary.LittleEndian, all)
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(out, names...), 0o644)
}

func readInfo(name string) ([]zipper.EntryInfo, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	all := make([]fixedInfo, binary.LittleEndian.Uint32(data))
	n, err := binary.Decode(data[4:], binary.LittleEndian, all)
	if err != nil {
		return nil, err
	}
	names, entries := string(data[4+n:]), make([]zipper.EntryInfo, len(all))
	for i, f := range all {
		entries[i] = zipper.EntryInfo{
			Name: names[:f.NameLen], Mode: fs.FileMode(f.Mode), Size: f.Size,
			Compressed: f.Compressed, Method: f.Method, CRC32: f.CRC32, SHA256: f.SHA256,
		}
		names = names[f.NameLen:]
	}
	return entries, nil
}
