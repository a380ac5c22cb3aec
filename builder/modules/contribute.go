package modules

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// contributes answers for the module itself; moved is the module that has the
// files in its stead.
func (m *found) contributes(ctx context.Context) (answer []runtimes.Pinned, moved *coordinate.Coordinate, err error) {
	if m.pom.redirects {
		data, sum, err := m.document(ctx, "module")
		switch {
		case err == nil:
			return m.byVariant(ctx, data, sum)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, nil, err
		} // without it, the POM counts
	}
	return m.byPOM(ctx)
}

// byVariant answers by module metadata.
func (m *found) byVariant(ctx context.Context, data []byte, sum string) ([]runtimes.Pinned, *coordinate.Coordinate, error) {
	metadata, err := parseModule(data)
	if err != nil {
		return nil, nil, m.problem(err)
	}
	v, err := metadata.choose(m.release, m.java)
	if err != nil {
		return nil, nil, m.problem(err)
	}
	nothing := []runtimes.Pinned{m.nothing("module", sum)}
	switch {
	case v == nil:
		return nothing, nil, nil
	case v.AvailableAt != nil:
		to := coordinate.Coordinate{Group: v.AvailableAt.Group, Artifact: v.AvailableAt.Module, Version: v.AvailableAt.Version}
		if to, err = coordinate.Parse(to.String()); err != nil {
			return nil, nil, m.problem(fmt.Errorf("its module metadata says that it is available at %w", err))
		}
		return nothing, &to, nil
	case len(v.Files) == 0:
		return nothing, nil, nil
	}
	var answer []runtimes.Pinned
	for _, f := range v.Files {
		p, err := m.variantFile(ctx, f)
		if err != nil {
			return nil, nil, err
		}
		answer = append(answer, p)
	}
	return answer, nil, nil
}

// variantFile answers for one file of the variant. The checksums that module
// metadata has are not held against it: Gradle does not, and some were made of
// another file than the published one.
func (m *found) variantFile(ctx context.Context, f variantFile) (runtimes.Pinned, error) {
	p, err := m.file(ctx, m.nameOf(f.URL), f.URL)
	if errors.Is(err, fs.ErrNotExist) {
		return p, m.lost(f.URL, "its module metadata", err)
	}
	return p, err
}

// nameOf makes a coordinate of a file's name, by which the answer calls it.
func (m *found) nameOf(file string) coordinate.Coordinate {
	c := m.release
	base := path.Base(file)
	if base == c.FileName() {
		return c
	}
	stem := strings.TrimSuffix(base, path.Ext(base))
	c.Extension = strings.TrimPrefix(path.Ext(base), ".")
	if rest, ok := strings.CutPrefix(stem, c.Artifact+"-"+c.Version); ok {
		c.Classifier = strings.TrimPrefix(rest, "-")
	} else {
		c.Classifier = stem
	}
	if c.Extension == "jar" {
		c.Extension = ""
	}
	return c
}

// byPOM answers by the POM's packaging and relocation.
func (m *found) byPOM(ctx context.Context) ([]runtimes.Pinned, *coordinate.Coordinate, error) {
	nothing := []runtimes.Pinned{m.nothing("pom", m.pomSum)}
	if to := m.pom.relocation; to != nil {
		if to.Module() == m.release.Module() {
			return nil, nil, m.problem(fmt.Errorf("it has moved to the version %s", to.Version))
		}
		return nothing, to, nil
	}
	c := m.release
	switch packaging := m.pom.packaging; {
	case packaging == "pom":
		// Such a module may have a jar, and mostly has none.
		p, err := m.file(ctx, c, c.FileName())
		if errors.Is(err, fs.ErrNotExist) {
			return nothing, nil, nil
		}
		return []runtimes.Pinned{p}, nil, err
	case packaging == "" || jarPackagings[packaging]:
	default:
		// The file may be called like the packaging, or be a jar.
		other := c
		other.Extension = packaging
		if _, err := coordinate.Parse(other.String()); err != nil {
			return nil, nil, m.problem(fmt.Errorf("its POM has the packaging %q", packaging))
		}
		has, err := m.has(ctx, other)
		if err != nil {
			return nil, nil, err
		}
		if has {
			c = other
		}
	}
	p, err := m.file(ctx, c, c.FileName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, m.lost(c.FileName(), "its POM", err)
	}
	return []runtimes.Pinned{p}, nil, err
}

func (m *found) has(ctx context.Context, c coordinate.Coordinate) (bool, error) {
	p, err := c.Path(c.FileName())
	if err != nil {
		return false, m.problem(err)
	}
	has, err := m.Repositories.Has(ctx, m.repository, p)
	if err != nil {
		err = fmt.Errorf("%s: %w", m.release, err)
	}
	return has, err
}

// named answers for a file that is asked for by its classifier or extension.
func (m *found) named(ctx context.Context, c coordinate.Coordinate) ([]runtimes.Pinned, error) {
	p, err := m.file(ctx, c, c.FileName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &runtimes.InputError{
			File: m.question.Name, Problem: fmt.Sprintf("%s has no file %s in %s", m.release, c.FileName(), m.place()), Err: err,
			Hint: "see whether the classifier is right",
		}
	}
	return []runtimes.Pinned{p}, err
}

// nothing is the answer for a module without files: the document that says so.
func (m *found) nothing(extension, sum string) runtimes.Pinned {
	c := m.release
	c.Extension = extension
	return runtimes.Pinned{Requirement: c.String(), SHA256: []string{sum}}
}

// lost is the error for a file that must be there.
func (m *found) lost(file, by string, err error) error {
	return &runtimes.InputError{
		File:    m.question.Name,
		Problem: fmt.Sprintf("%s has no file %s in %s, though %s says that it has one", m.release, file, m.place(), by),
		Err:     err,
		Hint:    "a mirror may lack it, or it was withdrawn: add a repository that has it, or lock another version",
	}
}

// file answers for a file of the module, which must have the checksums that the
// question's constraints say. The error wraps fs.ErrNotExist where the
// repository does not have it.
func (m *found) file(ctx context.Context, c coordinate.Coordinate, name string) (runtimes.Pinned, error) {
	p := runtimes.Pinned{Requirement: c.String()}
	if name != c.FileName() {
		p.File = name
	}
	where, err := m.release.Path(name)
	if err != nil {
		return p, m.problem(err)
	}
	if before, ok := m.earlier[p.Requirement]; ok && before.File == p.File {
		if m.verify(path.Base(name), direct.Sums{SHA256: before.SHA256[0]}) == nil {
			return before, nil
		}
	}
	sums, err := m.Repositories.Keep(ctx, m.repository, where)
	if err != nil {
		return p, fmt.Errorf("%s: %w", m.release, err)
	}
	if err := m.verify(path.Base(name), sums); err != nil {
		return p, err
	}
	p.SHA256 = []string{sums.SHA256}
	return p, nil
}

// verify holds a file against the question's checksums.
func (m *found) verify(file string, sums direct.Sums) error {
	allowed := m.sums[m.release.String()+"/"+file]
	if matches(sums, allowed) {
		return nil
	}
	return mismatch(file, sums, allowed, m.question.Name)
}

// matches holds a file against checksums: it must have one of each kind that is
// listed. What is listed in a kind that sums lacks proves nothing.
func matches(sums direct.Sums, listed []string) bool {
	proven := len(listed) == 0
	for kind, sum := range map[string]string{"sha256:": sums.SHA256, "sha512:": sums.SHA512} {
		listsKind := slices.ContainsFunc(listed, func(s string) bool { return strings.HasPrefix(s, kind) })
		if !listsKind || sum == "" {
			continue
		}
		if !slices.Contains(listed, kind+sum) {
			return false
		}
		proven = true
	}
	return proven
}

// mismatch is the error for a file that is not what was locked.
func mismatch(file string, sums direct.Sums, listed []string, by string) error {
	e := &runtimes.DigestError{What: file, Want: strings.Join(listed, " or "), Got: "sha256:" + sums.SHA256, From: by}
	switch {
	case len(listed) == 1 && strings.HasPrefix(listed[0], "sha256:"):
		e.Want, e.Got = strings.TrimPrefix(listed[0], "sha256:"), sums.SHA256
	case !strings.Contains(e.Want, "sha256:"):
		e.Got = "sha512:" + sums.SHA512
	}
	return e
}

func sumsOf(data []byte) direct.Sums {
	short, long := sha256.Sum256(data), sha512.Sum512(data)
	return direct.Sums{SHA256: hex.EncodeToString(short[:]), SHA512: hex.EncodeToString(long[:])}
}
