package main

import (
	"archive/zip"
	"context"
	"encoding/gob"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

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
	entries, err := zipperEntries()
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
func zipperEntries() (entries []zipper.Entry, err error) {
	err = filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := zipper.Entry{Name: filepath.ToSlash(name), Mode: info.Mode(), Size: info.Size()}
		if d.IsDir() {
			e.Name += "/"
		} else {
			e.Open = func() (io.ReadCloser, error) { return os.Open(name) }
		}
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func writeInfo(name string, entries []zipper.EntryInfo) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(gob.NewEncoder(f).Encode(entries), f.Close())
}

func readInfo(name string) (entries []zipper.EntryInfo, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return entries, gob.NewDecoder(f).Decode(&entries)
}
