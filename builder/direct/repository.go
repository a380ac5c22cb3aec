package direct

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/osv-scalibr/clients/datasource"

	"github.com/layerbuild/layerbuild/cache/tempfile"
	"github.com/layerbuild/layerbuild/runtimes"
)

// DefaultRepository gives the address of the Maven repository that Java's tools
// use by default, or "" if osv-scalibr does not tell: it knows it, but shows it
// in its requests only.
func DefaultRepository() string { return defaultRepository() }

var defaultRepository = sync.OnceValue(func() string {
	var seen url.URL
	client := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		seen = *req.URL
		// An error here would be logged, on stderr.
		return &http.Response{StatusCode: http.StatusNotFound, Body: http.NoBody, Request: req}, nil
	})}
	ctx := context.Background()
	api, err := datasource.NewMavenRegistryAPIClient(ctx, datasource.MavenRegistry{ReleasesEnabled: true}, "", true, client, nil)
	if err != nil {
		return ""
	}
	// The error says 404.
	_, _ = api.GetProject(ctx, "layerbuild", "a", "1")
	base, ok := strings.CutSuffix(seen.String(), "/layerbuild/a/1/a-1.pom")
	if !ok {
		return ""
	}
	return base
})

// Document returns a small file of a Maven repository, whose address is as in
// [runtimes.Recipe]. Where the repository does not have it, the error wraps
// fs.ErrNotExist.
func (e *Engine) Document(ctx context.Context, repository, path string, limit int64) ([]byte, error) {
	address, err := inRepository(repository, path)
	if err != nil {
		return nil, err
	}
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	data, err := try(ctx, f, address, func() ([]byte, error) {
		resp, err := f.get(ctx, address, nil)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		n, network, _ := body(&b, resp.Body, limit, func(int64) {})
		if n > limit {
			return nil, backoff.Permanent(fmt.Errorf("it has more than %d bytes", limit))
		}
		return b.Bytes(), network
	})
	return data, absent(err)
}

// Has tells whether a Maven repository has a file.
func (e *Engine) Has(ctx context.Context, repository, path string) (bool, error) {
	address, err := inRepository(repository, path)
	if err != nil {
		return false, err
	}
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	_, err = try(ctx, f, address, func() (struct{}, error) {
		resp, err := f.get(ctx, address, nil)
		if err == nil {
			resp.Body.Close() // the answer is all that was wanted
		}
		return struct{}{}, err
	})
	if err = absent(err); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Sums are checksums of a file, in lower-case hex.
type Sums struct{ SHA256, SHA512 string }

// Keep fetches a file of a Maven repository into the downloads, and says what
// it hashes to. The caller decides whether that is right. Where the repository
// does not have the file, the error wraps fs.ErrNotExist.
func (e *Engine) Keep(ctx context.Context, repository, path string) (Sums, error) {
	address, err := inRepository(repository, path)
	if err != nil {
		return Sums{}, err
	}
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	sums, err := try(ctx, f, address, func() (Sums, error) { return e.keep(ctx, f, address) })
	return sums, absent(err)
}

// keep makes one attempt.
func (e *Engine) keep(ctx context.Context, f fetcher, address string) (Sums, error) {
	file, err := tempfile.New("")
	if err != nil {
		return Sums{}, backoff.Permanent(&localError{err})
	}
	defer file.Close()
	short, long := sha256.New(), sha512.New()
	network, local := f.copy(ctx, io.MultiWriter(file, short, long), runtimes.File{Name: address}, address, func(runtimes.Update) {})
	if network != nil {
		return Sums{}, network
	}
	sums := Sums{SHA256: hex.EncodeToString(short.Sum(nil)), SHA512: hex.EncodeToString(long.Sum(nil))}
	if local == nil {
		_, local = file.Seek(0, io.SeekStart)
	}
	if local != nil {
		return Sums{}, backoff.Permanent(&localError{local})
	}
	kept, err := e.Downloads.Save(ctx, sums.SHA256, func(w io.Writer) error {
		_, err := io.Copy(w, file)
		return err
	})
	if err != nil {
		return Sums{}, backoff.Permanent(&localError{err})
	}
	return sums, kept.Close()
}

// inRepository is the address of a file.
func inRepository(repository, path string) (string, error) {
	base := cmp.Or(repository, DefaultRepository())
	address, err := url.JoinPath(base, path)
	if err != nil || base == "" {
		return "", &runtimes.InputError{Problem: "the address of a Maven repository cannot be read",
			Hint: "it must look like https://repository.example/maven"}
	}
	return address, nil
}

// absent makes fs.ErrNotExist of a server's "not found".
func absent(err error) error {
	var status *statusError
	if errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone) {
		return &absentError{err}
	}
	return err
}

// absentError says that a server does not have a file.
type absentError struct{ error }

func (e *absentError) Unwrap() error { return e.error }

func (e *absentError) Is(target error) bool { return target == fs.ErrNotExist }
