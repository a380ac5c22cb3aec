package direct

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// downloadTarball brings a package's tarball: from the address in the lock
// file or from the registry's conventional one, and else from where the
// registry says that it is. Where the user configured a registry for the
// package, that comes first.
func (e *Engine) downloadTarball(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	registry, configured := registryOf(r.Indexes, pkg.Name)
	locked := pkg.File.URL
	same := onServerOf(locked, []string{registry})
	mirrored := configured && !same

	var first error
	if locked != "" && !mirrored {
		saved, err := e.save(ctx, f, pkg.File, locked, p)
		var refused *runtimes.LoginError
		if err == nil || !elsewhere(err) || same && errors.As(err, &refused) {
			return saved, err
		}
		first = err
	}
	saved, err := e.fromRegistry(ctx, f, r, registry, pkg, p)
	if err == nil {
		return saved, nil
	}
	var lacks *lackingError
	if !mirrored || locked == "" || !errors.As(err, &lacks) {
		return nil, both(first, err)
	}
	// The lock file may take a package from elsewhere than a registry.
	f.tries = 1
	saved, then := e.save(ctx, f, pkg.File, locked, p)
	if then != nil {
		return nil, both(err, then)
	}
	return saved, nil
}

// fromRegistry fetches the tarball from its conventional address, which needs no
// question, or, where it is not there, from where the registry says that it is.
// What the lock file has from elsewhere may be something else than the
// registry's package of that name and version: then its hash is asked for.
func (e *Engine) fromRegistry(ctx context.Context, f fetcher, r runtimes.Recipe, registry string, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	conventional := tarballPath(pkg.Name, pkg.Version)
	address := strings.TrimRight(registry, "/") + conventional
	if known := npmName.MatchString(pkg.Name) && npmVersion.MatchString(pkg.Version); known && address != pkg.File.URL &&
		(pkg.File.URL == "" || hasPath(pkg.File.URL, conventional)) {
		saved, err := e.save(ctx, f, pkg.File, address, p)
		if !missing(err) {
			return saved, err
		}
	}
	index := Index{Client: e.Client, newBackOff: e.newBackOff}
	found, err := index.Files(ctx, runtimes.FileRequest{
		Ecosystem: "npm", Name: pkg.Name, Version: pkg.Version,
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

// hasPath tells whether an address ends with a path, whose slashes may be
// escaped in it.
func hasPath(address, path string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.HasSuffix(u.Path, path)
}
