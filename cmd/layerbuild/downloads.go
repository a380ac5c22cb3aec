package main

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

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

const sha512Prefix = "sha512-"

func (d downloads) Open(ctx context.Context, digest string) (direct.ReadAtCloser, error) {
	if strings.HasPrefix(digest, sha512Prefix) {
		known, err := d.cache.GetValue(ctx, integrityKind, digest)
		if err != nil {
			return nil, errors.Join(fs.ErrNotExist, err)
		}
		digest = string(known)
	}
	sum, err := cache.ParseDigest(digest)
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

func (d downloads) Save(ctx context.Context, digest string, fetch func(w io.Writer) error) (direct.ReadAtCloser, error) {
	integrity := strings.HasPrefix(digest, sha512Prefix)
	if _, err := cache.ParseDigest(digest); err != nil && !integrity {
		return nil, fmt.Errorf("%q is no digest that can be verified", digest)
	}
	w, err := d.cache.NewBlob()
	if err != nil {
		return nil, err
	}
	var to io.Writer = w
	long := sha512.New()
	if integrity {
		to = io.MultiWriter(w, long)
	}
	if err := fetch(to); err != nil {
		w.Abort()
		return nil, err
	}
	sum := w.Blob().SHA256.String()
	got := sum
	if integrity {
		got = sha512Prefix + base64.StdEncoding.EncodeToString(long.Sum(nil))
	}
	if got != digest {
		w.Abort()
		return nil, &runtimes.DigestError{Want: digest, Got: got}
	}
	if _, err := w.Commit(); err != nil {
		// A cache that cannot be written must not stop a build: the file is
		// used from where it was fetched to, and gone afterwards.
		return unkept{w}, nil
	}
	if integrity {
		// Without the value the file is fetched again by the next build.
		_ = d.cache.PutValue(ctx, integrityKind, digest, []byte(sum))
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
