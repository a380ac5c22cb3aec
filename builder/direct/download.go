package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cenkalti/backoff/v5"

	"github.com/layerbuild/layerbuild/runtimes"
)

// download brings the package's file: from the address that the lock file
// knows, else from where an index says that it is. Where the user configured
// a mirror, it is the other way round: the machine may reach nothing else, and
// finding that out takes long.
func (e *Engine) download(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	if !r.Mirrored || onServerOf(pkg.File.URL, r.Indexes) {
		return e.fromLock(ctx, f, r, pkg, p)
	}
	saved, err := e.fromIndex(ctx, f, r, pkg, p)
	var lacks *lackingError
	if pkg.File.URL == "" || !errors.As(err, &lacks) {
		return saved, err
	}
	// The lock file may take a package from elsewhere than an index.
	f.tries = 1
	saved, then := e.save(ctx, f, pkg.File, pkg.File.URL, p)
	if then != nil {
		return nil, both(err, then)
	}
	return saved, nil
}

// fromLock fetches the file from the lock file's address, or, where that does
// not have it or is not there, from where an index says that it is.
func (e *Engine) fromLock(ctx context.Context, f fetcher, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	var first error
	if pkg.File.URL != "" {
		saved, err := e.save(ctx, f, pkg.File, pkg.File.URL, p)
		if err == nil || !elsewhere(err) {
			return saved, err
		}
		first = err
	}
	saved, err := e.fromIndex(ctx, f, r, pkg, p)
	if err != nil {
		return nil, both(first, err)
	}
	return saved, nil
}

// lackingError says that no index has a file.
type lackingError struct{ name, version, digest string }

func (e *lackingError) Error() string {
	return fmt.Sprintf("no index has a file of %s %s with the digest %s", e.name, e.version, e.digest)
}

// fromIndex asks the indexes for the file.
func (e *Engine) fromIndex(ctx context.Context, f fetcher, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	index := Index{Client: e.Client, newBackOff: e.newBackOff}
	found, err := index.Files(ctx, runtimes.FileRequest{
		Ecosystem: "pypi", Name: pkg.Name, Version: pkg.Version,
		Hashes: []string{pkg.File.Digest()}, Indexes: r.Indexes,
	})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &runtimes.NetworkError{URL: pkg.File.Name, Err: &lackingError{pkg.Name, pkg.Version, pkg.File.Digest()}}
	}
	return e.save(ctx, f, pkg.File, found[0].URL, p)
}

// onServerOf tells whether an address is on the server of an index.
func onServerOf(address string, indexes []string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	scheme, host := runtimes.Server(u)
	return slices.ContainsFunc(indexes, func(index string) bool {
		x, err := url.Parse(index)
		if err != nil {
			return false
		}
		s, h := runtimes.Server(x)
		return s == scheme && h == host
	})
}

// both says what failed first and what failed then, where both failed for the
// network.
func both(first, then error) error {
	var network, next *runtimes.NetworkError
	if !errors.As(first, &network) || !errors.As(then, &next) {
		return then
	}
	return &runtimes.NetworkError{URL: network.URL, Err: fmt.Errorf("%w; then %w", network.Err, then)}
}

// save fetches a file into the downloads.
func (e *Engine) save(ctx context.Context, f fetcher, file runtimes.File, rawURL string, p runtimes.Progress) (ReadAtCloser, error) {
	return try(ctx, f, rawURL, func() (ReadAtCloser, error) {
		var network error
		saved, err := e.Downloads.Save(ctx, file.Digest(), func(w io.Writer) error {
			var local error
			network, local = f.copy(ctx, w, file, rawURL, p)
			return errors.Join(network, local)
		})
		var digest *runtimes.DigestError
		switch {
		case err == nil:
			return saved, nil
		case network != nil:
			return nil, network
		case errors.As(err, &digest):
			return nil, backoff.Permanent(&runtimes.DigestError{
				What: file.Name, Want: file.Digest(), Got: digest.Got, From: runtimes.WithoutSecrets(rawURL),
			})
		}
		return nil, backoff.Permanent(&localError{err})
	})
}

// copy makes one attempt to fetch a file.
func (f fetcher) copy(ctx context.Context, w io.Writer, file runtimes.File, rawURL string, p runtimes.Progress) (network, local error) {
	// The bytes are wanted as they are stored: no encoding on the way.
	resp, err := f.get(ctx, rawURL, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return err, nil
	}
	defer resp.Body.Close()
	limit, total := int64(maxFile), max(resp.ContentLength, 0)
	if file.Size > 0 {
		limit, total = file.Size, file.Size
	}
	tooLong := backoff.Permanent(&runtimes.DigestError{
		What: file.Name, Want: file.Digest(), From: fmt.Sprintf("%s, which gives more than %d bytes", runtimes.WithoutSecrets(rawURL), limit),
	})
	if resp.ContentLength > limit {
		return tooLong, nil
	}
	n, network, local := body(w, resp.Body, limit, func(done int64) {
		p(runtimes.Update{Phase: "download", Item: file.Name, Done: done, Total: total})
	})
	switch {
	case network != nil || local != nil:
		return network, local
	case n > limit:
		return tooLong, nil
	case n < file.Size && resp.ContentLength < 0 && !strings.Contains(strings.Join(resp.TransferEncoding, ","), "chunked"):
		// Where the end of the connection ends the file, it may be cut.
		return io.ErrUnexpectedEOF, nil
	}
	return nil, nil
}
