package direct

import (
	"archive/tar"
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// jarFile is a jar at its place in the installed tree.
type jarFile struct {
	place string
	pkg   runtimes.Package
	file  ReadAtCloser
}

// installJars writes the recipe's jars to w as a tar, as they are, in the order
// of their places.
func (e *Engine) installJars(ctx context.Context, r runtimes.Recipe, w io.Writer, p runtimes.Progress) error {
	jars, err := jarsOf(r)
	if err != nil {
		return err
	}
	defer func() {
		for _, j := range jars {
			if j.file != nil {
				j.file.Close()
			}
		}
	}()
	if err := e.openJars(ctx, r, jars, p); err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(w, 256<<10)
	tw := tar.NewWriter(buffered)
	for i, j := range jars {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		header := tar.Header{Typeflag: tar.TypeReg, Name: j.place, Size: j.file.Size(), Mode: 0o644}
		if err := tw.WriteHeader(&header); err != nil {
			return fmt.Errorf("%s: %w", j.place, err)
		}
		if _, err := io.Copy(tw, io.NewSectionReader(j.file, 0, j.file.Size())); err != nil {
			return fmt.Errorf("%s: %w", j.place, err)
		}
		p(runtimes.Update{Phase: "install", Item: j.pkg.Name, Done: int64(i + 1), Total: int64(len(jars))})
	}
	return errors.Join(tw.Close(), buffered.Flush())
}

// jarsOf lists the recipe's jars by their places, in order, each place once.
func jarsOf(r runtimes.Recipe) ([]*jarFile, error) {
	var jars []*jarFile
	for _, p := range r.Packages {
		if p.Missing != "" {
			return nil, fmt.Errorf("%s %s has no file: %s", p.Name, p.Version, p.Missing)
		}
		if len(p.Places) == 0 {
			return nil, fmt.Errorf("%s %s has no place in the layer", p.Name, p.Version)
		}
		for _, place := range p.Places {
			if !fs.ValidPath(place) || !strings.HasSuffix(place, ".jar") {
				return nil, &runtimes.PackageError{File: p.File.Name, Problem: fmt.Sprintf("cannot be installed as %q", place)}
			}
			jars = append(jars, &jarFile{place: place, pkg: p})
		}
	}
	slices.SortFunc(jars, func(a, b *jarFile) int { return strings.Compare(a.place, b.place) })
	for i := range jars[:max(len(jars)-1, 0)] {
		if a, b := jars[i], jars[i+1]; a.place == b.place {
			return nil, fmt.Errorf("%s %s and %s %s are both to be installed as %s", a.pkg.Name, a.pkg.Version, b.pkg.Name, b.pkg.Version, a.place)
		}
	}
	return jars, nil
}

// openJars fetches the jars that are not there yet.
func (e *Engine) openJars(ctx context.Context, r runtimes.Recipe, jars []*jarFile, p runtimes.Progress) error {
	packages := make([]runtimes.Package, len(jars))
	for i, j := range jars {
		packages[i] = j.pkg
	}
	return e.openAll(ctx, packages, defaultFetches, p, func(ctx context.Context, i int) (err error) {
		jars[i].file, err = e.jar(ctx, r, packages[i], p)
		return err
	})
}

// jar returns the package's file, verified: from the project, the downloads or
// the network.
func (e *Engine) jar(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	if pkg.File.Local != nil {
		return openLocal(pkg.File)
	}
	return e.kept(ctx, pkg, func() (ReadAtCloser, error) {
		f, err := e.fetchJar(ctx, r, pkg, p)
		return f, runtimes.RefusedBy(r.Runtime, err)
	})
}

func (e *Engine) fetchJar(ctx context.Context, r runtimes.Recipe, pkg runtimes.Package, p runtimes.Progress) (ReadAtCloser, error) {
	addresses, err := jarAddresses(r, pkg)
	if err != nil {
		return nil, err
	}
	f := fetcher{client: e.Client, newBackOff: e.newBackOff}
	var first error
	for _, address := range addresses {
		file, err := e.save(ctx, f, pkg.File, address, p)
		if err == nil {
			return file, nil
		}
		if first = both(first, err); !elsewhere(err) {
			break
		}
	}
	var digest *runtimes.DigestError
	if errors.As(first, &digest) {
		return nil, first
	}
	return nil, fmt.Errorf("%s of %s %s: %w", pkg.File.Name, pkg.Name, pkg.Version, first)
}

// jarAddresses lists where the package's file may be, in the order of the
// recipe's repositories. The package's name is "group:artifact", with a
// classifier behind it where it has one; its URL is one from the folder of the
// module, where the file's name alone does not lead to it.
func jarAddresses(r runtimes.Recipe, pkg runtimes.Package) ([]string, error) {
	parts := append(strings.Split(pkg.Name, ":"), "")
	c, err := coordinate.Parse(parts[0] + ":" + parts[1] + ":" + pkg.Version)
	if err != nil {
		return nil, err
	}
	path, err := c.Path(cmp.Or(pkg.File.URL, pkg.File.Name))
	if err != nil {
		return nil, err
	}
	repositories := r.Indexes
	if len(repositories) == 0 {
		repositories = []string{""}
	}
	var addresses []string
	for _, repository := range repositories {
		address, err := inRepository(repository, path)
		if err != nil {
			return nil, err
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}
