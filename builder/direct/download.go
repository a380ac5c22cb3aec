package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/cenkalti/backoff/v5"

	"github.com/layerbuild/layerbuild/runtimes"
)

// download brings the package's file: from the address that the lock file
// knows, else from where an index says that it is.
func (e *Engine) download(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	var first error
	if pkg.File.URL != "" {
		f, err := e.save(ctx, pkg.File, authorised(pkg.File.URL, r.Indexes), p)
		if err == nil || !elsewhere(err) {
			return f, err
		}
		first = err
	}
	index := Index{Client: e.Client, newBackOff: e.newBackOff}
	found, err := index.Files(ctx, runtimes.FileRequest{
		Ecosystem: "pypi", Name: pkg.Name, Version: pkg.Version,
		Hashes: []string{pkg.File.SHA256}, Indexes: r.Indexes,
	})
	if err == nil && len(found) == 0 {
		err = &runtimes.NetworkError{URL: pkg.File.Name, Err: fmt.Errorf(
			"no index has a file of %s %s with SHA-256 %s", pkg.Name, pkg.Version, pkg.File.SHA256)}
	}
	if err != nil {
		return nil, both(first, err)
	}
	f, err := e.save(ctx, pkg.File, authorised(found[0].URL, r.Indexes), p)
	if err != nil {
		return nil, both(first, err)
	}
	return f, nil
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

// authorised adds the credentials that an index's address carries to the
// address of a file on the same server.
func authorised(rawURL string, indexes []string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.User != nil {
		return rawURL
	}
	for _, index := range indexes {
		x, err := url.Parse(index)
		if err == nil && x.User != nil && x.Scheme == u.Scheme && x.Host == u.Host {
			u.User = x.User
			return u.String()
		}
	}
	return rawURL
}

// save fetches a file into the downloads.
func (e *Engine) save(ctx context.Context, file runtimes.File, rawURL string, p runtimes.Progress) (ReadAtCloser, error) {
	f := fetcher{e.Client, e.newBackOff}
	return try(ctx, f, rawURL, func() (ReadAtCloser, error) {
		var network error
		saved, err := e.Downloads.Save(ctx, file.SHA256, func(w io.Writer) error {
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
				What: file.Name, Want: file.SHA256, Got: digest.Got, From: withoutSecrets(rawURL),
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
		What: file.Name, Want: file.SHA256, From: fmt.Sprintf("%s, which gives more than %d bytes", withoutSecrets(rawURL), limit),
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
