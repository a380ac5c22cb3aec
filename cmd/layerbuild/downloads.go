package main

import (
	"context"
	"errors"
	"fmt"
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

// integrityKind is the kind of values that say which blob has a subresource
// integrity: blobs are found by their SHA-256 alone.
const integrityKind = "integrity/1"

func (d downloads) Open(ctx context.Context, digest string) (direct.ReadAtCloser, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return nil, err
	}
	hexSum := want.Hex()
	if want.Algorithm != "sha256" {
		known, err := d.cache.GetValue(ctx, integrityKind, want.String())
		if err != nil {
			return nil, errors.Join(fs.ErrNotExist, err)
		}
		hexSum = string(known)
	}
	sum, err := cache.ParseDigest(hexSum)
	if err != nil {
		return nil, err
	}
	f, err := d.cache.OpenBlob(ctx, cache.Blob{SHA256: sum, Size: -1})
	if err != nil {
		if errors.Is(err, cache.ErrMiss) {
			// A damaged file is set aside and fetched again.
			return nil, errors.Join(fs.ErrNotExist, err)
		}
		return nil, err
	}
	return sized(f)
}

func parseDigest(digest string) (direct.Integrity, error) {
	want, ok := direct.ParseIntegrity(digest)
	if !ok {
		return want, fmt.Errorf("%q is no digest that can be verified", digest)
	}
	return want, nil
}

func (d downloads) Save(ctx context.Context, digest string, fetch func(w io.Writer) error) (direct.ReadAtCloser, error) {
	want, err := parseDigest(digest)
	if err != nil {
		return nil, err
	}
	w, err := d.cache.NewBlob()
	if err != nil {
		return nil, err
	}
	var to io.Writer = w
	hash := want.NewHash()
	if want.Algorithm != "sha256" {
		to = io.MultiWriter(w, hash)
	}
	if err := fetch(to); err != nil {
		w.Abort()
		return nil, err
	}
	sum := w.Blob().SHA256.String()
	if got := (direct.Integrity{Algorithm: want.Algorithm, Sum: string(hash.Sum(nil))}); want.Algorithm != "sha256" && got != want {
		w.Abort()
		return nil, &runtimes.DigestError{Want: digest, Got: got.String()}
	} else if want.Algorithm == "sha256" && sum != want.Hex() {
		w.Abort()
		return nil, &runtimes.DigestError{Want: digest, Got: sum}
	}
	if _, err := w.Commit(); err != nil {
		// A cache that cannot be written must not stop a build: the file is
		// used from where it was fetched to, and gone afterwards.
		return unkept{w}, nil
	}
	if want.Algorithm != "sha256" {
		// Without the value the file is fetched again by the next build.
		_ = d.cache.PutValue(ctx, integrityKind, want.String(), []byte(sum))
	}
	return d.Open(ctx, sum)
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

// keptFiles keeps the files of Git repositories among the cache's blobs.
type keptFiles struct{ cache *cache.Cache }

func (k keptFiles) Open(ctx context.Context, sha256 string) (io.ReadCloser, error) {
	f, err := downloads(k).Open(ctx, sha256)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(f, 0, f.Size()), f}, nil
}

func (k keptFiles) Save(ctx context.Context, sha256 string, data []byte) error {
	f, err := downloads(k).Save(ctx, sha256, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
	if err != nil {
		return err
	}
	_, lost := f.(unkept)
	f.Close()
	if lost {
		return errors.New("the cache cannot be written")
	}
	return nil
}
