package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"io/fs"
	"time"

	"github.com/layerbuild/layerbuild/zipper"
)

// The time of each file in a tar, as in our zips.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// archive writes what people unpack by hand: for Windows a zip, else a tar.gz.
func (r *release) archive(ctx context.Context, t target, program []byte, docs []file) error {
	name := "layerbuild_" + string(r.version) + "_" + t.os + "_" + t.arch
	var files []file
	for _, f := range append([]file{{t.program(), program, true}}, docs...) {
		files = append(files, file{name + "/" + f.name, f.data, f.executable})
	}
	if t.os == "windows" {
		data, err := packZip(ctx, files)
		if err != nil {
			return err
		}
		return r.write(name+".zip", data)
	}
	data, err := packTar(files)
	if err != nil {
		return err
	}
	return r.write(name+".tar.gz", data)
}

func packZip(ctx context.Context, files []file) ([]byte, error) {
	var entries []zipper.Entry
	for _, f := range files {
		entries = append(entries, zipper.Entry{
			Name: f.name, Mode: f.mode(), Size: int64(len(f.data)),
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.data)), nil },
		})
	}
	var out bytes.Buffer
	_, err := zipper.Write(ctx, &out, entries, zipper.Options{Verify: true})
	return out.Bytes(), err
}

func packTar(files []file) ([]byte, error) {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	for _, f := range files {
		header := &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: f.name,
			Size: int64(len(f.data)), Mode: int64(f.mode()), ModTime: epoch}
		if err := w.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	err = z.Close()
	return out.Bytes(), err
}

func (f file) mode() fs.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}
