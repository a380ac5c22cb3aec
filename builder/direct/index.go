package direct

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cenkalti/backoff/v5"
	"github.com/google/osv-scalibr/clients/datasource"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// Index asks package indexes which files they have: those of Python in the
// simple API's JSON form (PEP 691) where they speak it, else in its HTML form
// (PEP 503), and npm registries.
type Index struct {
	Client *http.Client

	newBackOff func() backoff.BackOff
}

// An index lists all files of all versions on one page.
const maxIndexPage = 128 << 20

// accept prefers JSON, as PEP 691 says how to.
const accept = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"

// DefaultIndex gives the address of the ecosystem's own index, or "" if
// osv-scalibr does not tell: it knows it, but shows it in its requests only.
func DefaultIndex() string {
	var seen url.URL
	client := &http.Client{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
		seen = *req.URL
		return nil, errors.New("asked for the address only")
	})}
	api, err := datasource.NewPyPIRegistryAPIClient("", "", client)
	if err != nil {
		return ""
	}
	const project = "layerbuild"
	// The error is the one above.
	_, _ = api.GetIndex(context.Background(), project)
	base, ok := strings.CutSuffix(seen.String(), project+"/")
	if !ok {
		return ""
	}
	return base
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Files lists the files of exactly the version that q names, as far as the
// index gives their SHA-256. Where q has hashes, only those files are listed,
// from all of its indexes; otherwise the first index that has the version
// answers alone. The list is empty where no index has them.
func (x *Index) Files(ctx context.Context, q runtimes.FileRequest) ([]runtimes.File, error) {
	switch q.Ecosystem {
	case "pypi":
	case "npm":
		return x.packageVersion(ctx, q)
	default:
		return nil, fmt.Errorf("no package index of %q is known", q.Ecosystem)
	}
	indexes := q.Indexes
	if len(indexes) == 0 {
		indexes = []string{""}
	}
	var files []runtimes.File
	for _, index := range indexes {
		listed, err := x.list(ctx, cmp.Or(index, DefaultIndex()), q.Name)
		if err != nil {
			return nil, err
		}
		for _, f := range listed {
			if wanted(q, f) && !slices.ContainsFunc(files, func(g runtimes.File) bool { return g.SHA256 == f.SHA256 }) {
				files = append(files, f)
			}
		}
		if len(files) > 0 && (len(q.Hashes) == 0 || len(files) == len(q.Hashes)) {
			break
		}
	}
	slices.SortFunc(files, func(a, b runtimes.File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// Project lists the files of all versions of a package, as far as the index
// gives their SHA-256. The first index that knows the package answers alone;
// the list is empty where none does.
func (x *Index) Project(ctx context.Context, name string, indexes []string) ([]runtimes.File, error) {
	if len(indexes) == 0 {
		indexes = []string{""}
	}
	for _, index := range indexes {
		files, err := x.list(ctx, cmp.Or(index, DefaultIndex()), name)
		if err != nil || len(files) > 0 {
			return files, err
		}
	}
	return nil, nil
}

func wanted(q runtimes.FileRequest, f runtimes.File) bool {
	version, ok := wheel.SplitFileName(q.Name, f.Name)
	return ok && wheel.SameVersion(version, q.Version) && (len(q.Hashes) == 0 || slices.Contains(q.Hashes, f.SHA256))
}

// list asks one index for the files of a package; none where it does not know
// the package.
func (x *Index) list(ctx context.Context, index, name string) ([]runtimes.File, error) {
	address, err := url.JoinPath(index, name, "/")
	if err != nil {
		return nil, &runtimes.InputError{Problem: "the address of the package index cannot be read",
			Hint: "it must look like https://packages.example/simple"}
	}
	f := fetcher{client: x.Client, newBackOff: x.newBackOff}
	files, err := try(ctx, f, address, func() ([]runtimes.File, error) {
		return f.page(ctx, address)
	})
	var status *statusError
	if errors.As(err, &status) && (status.code == http.StatusNotFound || status.code == http.StatusGone) {
		return nil, nil
	}
	return files, err
}

// page makes one attempt to fetch and read a package's page.
func (f fetcher) page(ctx context.Context, address string) ([]runtimes.File, error) {
	resp, err := f.get(ctx, address, http.Header{"Accept": {accept}})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxIndexPage+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxIndexPage {
		return nil, backoff.Permanent(fmt.Errorf("the index's page has more than %d bytes", maxIndexPage))
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		kind = "text/html" // PEP 503 asks for no more
	}
	// Relative addresses start where the redirects ended.
	base := resp.Request.URL
	var files []runtimes.File
	if strings.HasSuffix(kind, "json") {
		files, err = parseJSON(data, base)
	} else {
		files, err = parseHTML(bytes.NewReader(data), base)
	}
	if err != nil {
		return nil, backoff.Permanent(fmt.Errorf("the index's page cannot be read: %w", err))
	}
	return files, nil
}
