package resolver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// source is a package that has no wheel: the version that is taken, and what
// its source archive says.
type source struct {
	version string
	metadata
}

// candidate is a version that the index has a source archive of.
type candidate struct {
	version pep.Version
	text    string // as in the file's name
	file    runtimes.File
}

// source chooses the version of a package without wheels and reads its
// archive: the one in the earlier answer, else the newest that q's own
// requirements admit. What other packages ask of it is not known here; where
// they contradict, uv says so.
func (c *compilation) source(ctx context.Context, name string) (source, error) {
	index := direct.Index{Client: c.resolver.Engine.Client}
	files, err := index.Project(ctx, name, c.question.Indexes)
	if err != nil {
		return source{}, err
	}
	candidates, err := c.candidates(name, files)
	if err != nil {
		return source{}, questionError(c.question, "", err)
	}
	if len(candidates) == 0 {
		return source{}, questionError(c.question, "ask for a version that the index has a wheel or a source archive of",
			fmt.Errorf("of %s no version that is asked for has a wheel, and none a source archive", name))
	}
	best := slices.MaxFunc(candidates, func(a, b candidate) int { return a.version.Compare(b.version) })
	if kept, ok := c.kept(name, candidates); ok {
		best = kept
	}
	f, err := c.resolver.Engine.Fetch(ctx, runtimes.Package{Name: name, Version: best.text, File: best.file}, c.question.Indexes)
	if err != nil {
		return source{}, err
	}
	defer f.Close()
	read, err := readSdist(best.file.Name, f)
	if err != nil {
		return source{}, packageError(best.file.Name, err)
	}
	said, err := read.metadata(name)
	if err != nil {
		return source{}, packageError(best.file.Name, err)
	}
	return source{version: best.version.String(), metadata: said}, nil
}

// packageError tells whose defect it is.
func packageError(file string, err error) error {
	var defect *defectError
	if errors.As(err, &defect) {
		return &runtimes.PackageError{File: file, Problem: defect.Error()}
	}
	return err
}

// candidates are the source archives that the question admits.
func (c *compilation) candidates(name string, files []runtimes.File) ([]candidate, error) {
	oldest, err := pep.ParseVersion(c.place.Runtime.Version)
	if err != nil {
		return nil, err
	}
	var asked []pep.Specifiers
	exact := false
	for _, line := range slices.Concat(c.requirements, c.question.Constraints) {
		r, err := pep.ParseRequirement(line)
		if err != nil {
			return nil, err
		}
		if r.Name == name {
			asked = append(asked, r.Specifiers)
			_, pinned := r.Specifiers.Pinned()
			exact = exact || pinned
		}
	}
	var admitted []candidate
	for _, file := range files {
		text, ok := wheel.SplitFileName(name, file.Name)
		version, err := pep.ParseVersion(text)
		if !ok || err != nil || strings.HasSuffix(file.Name, ".whl") {
			continue
		}
		fits := !slices.ContainsFunc(asked, func(s pep.Specifiers) bool { return !s.Contains(version) })
		python, err := pep.ParseSpecifiers(file.RequiresPython)
		fits = fits && (err != nil || python.Contains(oldest)) && (exact || !file.Yanked)
		fits = fits && (exact || c.question.Prereleases || !version.IsPrerelease())
		if fits {
			admitted = append(admitted, candidate{version, text, file})
		}
	}
	return admitted, nil
}

// kept is the candidate in the earlier answer, unless it is to be upgraded.
func (c *compilation) kept(name string, candidates []candidate) (candidate, bool) {
	if slices.ContainsFunc(c.upgrade, func(u string) bool { return u == "*" || pep.NormaliseName(u) == name }) {
		return candidate{}, false
	}
	for _, p := range c.earlier {
		r, err := pep.ParseRequirement(p.Requirement)
		if err != nil || r.Name != name {
			continue
		}
		for _, candidate := range candidates {
			if r.Specifiers.Contains(candidate.version) {
				return candidate, true
			}
		}
	}
	return candidate{}, false
}

// configFile is uv's configuration: what packages without wheels ask for. The
// entries name no version, so that uv has no reason to build any.
func configFile(sources map[string]source) (string, error) {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		s := sources[name]
		b.WriteString("[[dependency-metadata]]\n")
		for _, field := range []struct {
			key   string
			value any
		}{
			{"name", name},
			{"requires-dist", append([]string{}, s.requires...)},
			{"requires-python", s.requiresPython},
			{"provides-extra", append([]string{}, s.extras...)},
		} {
			if field.value == "" {
				continue
			}
			value, err := json.Marshal(field.value) // which is TOML as well
			if err != nil {
				return "", err
			}
			b.WriteString(field.key + " = " + string(value) + "\n")
		}
	}
	return b.String(), nil
}

// buildRequires reads what the build of q's source archive needs.
func (r *Resolver) buildRequires(ctx context.Context, q runtimes.Question) ([]string, error) {
	f, err := r.openSdist(ctx, q)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	read, err := readSdist(q.Sdist.Name, f)
	if err != nil {
		return nil, packageError(q.Sdist.Name, err)
	}
	pyproject, err := read.file("pyproject.toml")
	if err != nil {
		return nil, packageError(q.Sdist.Name, err)
	}
	requires, err := python.BuildRequires(pyproject)
	if err != nil {
		return nil, &runtimes.PackageError{File: q.Sdist.Name, Problem: "pyproject.toml: " + err.Error()}
	}
	for _, line := range requires {
		if req, err := pep.ParseRequirement(line); err != nil || req.URL != "" {
			return nil, &runtimes.PackageError{
				File: q.Sdist.Name, Problem: fmt.Sprintf("its build asks for %s by an address, which is not taken from an index", req.Name),
			}
		}
	}
	return requires, nil
}

// maxLocalSdist bounds a source archive of the project, which is read whole.
const maxLocalSdist = 512 << 20

// openSdist opens q's source archive, verified.
func (r *Resolver) openSdist(ctx context.Context, q runtimes.Question) (direct.ReadAtCloser, error) {
	if q.Sdist.Local == nil {
		name, version, _ := strings.Cut(q.Name, " ")
		return r.Engine.Fetch(ctx, runtimes.Package{Name: name, Version: version, File: *q.Sdist}, q.Indexes)
	}
	in, err := q.Sdist.Local.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxLocalSdist+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxLocalSdist {
		return nil, &runtimes.InputError{File: q.Sdist.Local.Path, Problem: fmt.Sprintf("has more than %d bytes", maxLocalSdist)}
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); q.Sdist.SHA256 != "" && got != q.Sdist.SHA256 {
		return nil, &runtimes.DigestError{What: q.Sdist.Local.Path, Want: q.Sdist.SHA256, Got: got}
	}
	return inMemory{bytes.NewReader(data)}, nil
}

// inMemory is a file that was read whole.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }
