// Package direct is the engine without a container: it fetches the exact
// files that a lock file names, verifies them, and lays them out as their
// format's specification says. It runs no code of theirs.
//
//   - A wheel is the zip archive that a Python package comes in. Its RECORD
//     lists each file with a hash.
//   - The installed tree is in the prefix form of package wheel, the form that
//     the container engine's tree has, so that one normalisation serves both.
//   - Two packages clash where both own a path: the one whose name sorts last
//     gives the file, as it would if they were installed in that order.
package direct

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"github.com/layerbuild/layerbuild/runtimes"
)

// ReadAtCloser is a file that was fetched.
type ReadAtCloser interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Downloads keeps fetched files by their digests, as in [runtimes.File.Digest],
// and serves none unverified.
type Downloads interface {
	// Open returns an error that wraps fs.ErrNotExist where the file is
	// absent.
	Open(ctx context.Context, digest string) (ReadAtCloser, error)

	// Save keeps what fetch writes and returns it. Where that does not have
	// the digest, it keeps nothing and returns a *runtimes.DigestError.
	Save(ctx context.Context, digest string, fetch func(w io.Writer) error) (ReadAtCloser, error)
}

// Engine installs package sets that consist of prebuilt files.
type Engine struct {
	Downloads Downloads
	Client    *http.Client // see [NewClient]
	Jobs      int          // files fetched or inflated at once; 0: as many as suit

	newBackOff func() backoff.BackOff // tests wait less
}

// How many files are fetched at once where the user does not say.
const defaultFetches = 8

// Install writes the installed tree of r to w as a tar. Its files come in a
// fixed order, regular files only, each path once.
func (e *Engine) Install(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	if p == nil {
		p = func(runtimes.Update) {}
	}
	switch r.Runtime {
	case "nodejs":
		return e.installTarballs(ctx, r, w, p)
	case "java":
		return e.installJars(ctx, r, w, p)
	}
	return e.installWheels(ctx, r, w, p)
}

func (e *Engine) installWheels(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	if err := installable(r); err != nil {
		return err
	}
	wheels, err := e.open(ctx, r, p)
	defer func() {
		for _, wh := range wheels {
			if wh != nil {
				wh.file.Close()
			}
		}
	}()
	if err != nil {
		return err
	}
	plan, err := layOut(wheels)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	if err := writeTar(ctx, buffered, plan, e.jobs(), p); err != nil {
		return err
	}
	return buffered.Flush()
}

// jobs is how many files are inflated at once.
func (e *Engine) jobs() int {
	if e.Jobs > 0 {
		return e.Jobs
	}
	return runtime.GOMAXPROCS(0)
}

// openAll has open fetch the file of each package, at most limit at once, and
// reports each.
func (e *Engine) openAll(ctx context.Context, packages []runtimes.Package, limit int, p runtimes.Progress, open func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(limit)
	if e.Jobs > 0 {
		g.SetLimit(e.Jobs)
	}
	var opened atomic.Int64
	for i, pkg := range packages {
		g.Go(func() error {
			if err := open(ctx, i); err != nil {
				return err
			}
			p(runtimes.Update{Phase: "open", Item: pkg.Name, Done: opened.Add(1), Total: int64(len(packages))})
			return nil
		})
	}
	return g.Wait()
}

func installable(r runtimes.Recipe) error {
	for _, p := range r.Packages {
		if p.Missing != "" {
			return fmt.Errorf("%s %s has no prebuilt file: %s", p.Name, p.Version, p.Missing)
		}
		if !strings.HasSuffix(p.File.Name, ".whl") {
			return &runtimes.PackageError{File: p.File.Name, Problem: "is not a wheel: the direct engine cannot install it"}
		}
	}
	return nil
}

// open fetches the recipe's files and reads their tables of contents. The
// wheels come in the order of their packages' names; those that were opened
// are returned with an error too.
func (e *Engine) open(ctx context.Context, r runtimes.Recipe, p runtimes.Progress) ([]*wheelFile, error) {
	packages := slices.Clone(r.Packages)
	slices.SortFunc(packages, func(a, b runtimes.Package) int { return strings.Compare(a.Name, b.Name) })
	site := sitePackages(r.Prefix)

	wheels := make([]*wheelFile, len(packages))
	return wheels, e.openAll(ctx, packages, defaultFetches, p, func(ctx context.Context, i int) error {
		f, err := e.file(ctx, r, packages[i], p)
		if err != nil {
			return err
		}
		wheels[i] = &wheelFile{pkg: packages[i], file: f, site: site}
		return wheels[i].read()
	})
}

// Fetch returns the package's distribution file, verified: from the downloads,
// or from the network as [Engine.Install] would. The indexes are as in
// [runtimes.Recipe]; where the user configured some, they are asked first.
func (e *Engine) Fetch(ctx context.Context, pkg runtimes.Package, indexes []string) (ReadAtCloser, error) {
	configured := slices.ContainsFunc(indexes, func(index string) bool { return index != "" })
	r := runtimes.Recipe{Indexes: indexes, Mirrored: configured}
	return e.file(ctx, r, pkg, func(runtimes.Update) {})
}

// file returns the package's distribution file, from the project, the downloads
// or the network.
func (e *Engine) file(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	if pkg.File.Local != nil {
		return openLocal(pkg.File)
	}
	download := e.download
	if r.Runtime == "nodejs" {
		download = e.downloadTarball
	}
	return e.kept(ctx, pkg, func() (ReadAtCloser, error) {
		f, err := download(ctx, r, pkg, p)
		return f, runtimes.RefusedBy(r.Runtime, err)
	})
}

// kept returns the package's file from the downloads, or else fetches it.
func (e *Engine) kept(ctx context.Context, pkg runtimes.Package, fetch func() (ReadAtCloser, error)) (ReadAtCloser, error) {
	f, err := e.Downloads.Open(ctx, pkg.File.Digest())
	switch {
	case err == nil:
		return newRereader(f, fetch), nil
	case errors.Is(err, fs.ErrNotExist):
		return fetch()
	}
	return nil, err
}
