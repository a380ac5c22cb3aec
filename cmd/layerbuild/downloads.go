package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
)

// downloads keeps what the direct engine fetches among the cache's blobs, so
// a wheel lies there once, whatever wanted it, and is verified as they are.
type downloads struct{ cache *cache.Cache }

func (d downloads) Open(ctx context.Context, sha256 string) (direct.ReadAtCloser, error) {
	digest, err := cache.ParseDigest(sha256)
	if err != nil {
		return nil, err
	}
	f, err := d.cache.OpenBlob(ctx, cache.Blob{SHA256: digest, Size: -1})
	if err != nil {
		if errors.Is(err, cache.ErrMiss) {
			// A damaged file is set aside and fetched again.
			return nil, errors.Join(fs.ErrNotExist, err)
		}
		return nil, err
	}
	return sized(f)
}

func (d downloads) Save(ctx context.Context, sha256 string, fetch func(w io.Writer) error) (direct.ReadAtCloser, error) {
	want, err := cache.ParseDigest(sha256)
	if err != nil {
		return nil, err
	}
	w, err := d.cache.NewBlob()
	if err != nil {
		return nil, err
	}
	if err := fetch(w); err != nil {
		w.Abort()
		return nil, err
	}
	if got := w.Blob().SHA256; got != want {
		w.Abort()
		return nil, &runtimes.DigestError{Want: sha256, Got: got.String()}
	}
	if _, err := w.Commit(); err != nil {
		// A cache that cannot be written must not stop a build: the file is
		// used from where it was fetched to, and gone afterwards.
		return unkept{w}, nil
	}
	return d.Open(ctx, sha256)
}

// unkept is a fetched file that the cache could not keep.
type unkept struct{ *cache.BlobWriter }

func (u unkept) Close() error {
	u.Abort()
	return nil
}

// kept is a file in the cache.
type kept struct {
	*os.File
	size int64
}

func (k kept) Size() int64 { return k.size }

func sized(f *os.File) (direct.ReadAtCloser, error) {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return kept{f, info.Size()}, nil
}
