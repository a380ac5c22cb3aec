package python

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// completeRequirements reads the packages that a requirements file installs on
// t. The file names hashes but no files, so a package index must have been
// asked: where t lacks an answer, the error is a [*runtimes.Incomplete] with
// all that is to be asked.
func completeRequirements(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	if err := noGraph(file, t); err != nil {
		return lockedSet{}, err
	}
	r, err := readRequirementsFile(project, file)
	if err != nil {
		return lockedSet{}, err
	}
	indexes, notes, err := r.options.indexes(file)
	if err != nil && len(t.Indexes) == 0 {
		return lockedSet{}, err
	}
	set := lockedSet{indexes: indexes, notes: append(notes, excludeNotes(r, t)...)}
	indexes = indexesOf(t, indexes)
	more, err := r.place(project, t)
	if err != nil {
		return lockedSet{}, err
	}
	set.notes = append(set.notes, more...)
	required, err := r.required(t, indexes)
	if err != nil {
		return lockedSet{}, err
	}
	incomplete := &runtimes.Incomplete{LockFile: file}
	for _, q := range required {
		p := lockedPackage{name: q.name, version: q.version, sourceOnly: r.options.fromSource(q.name), wheelOnly: r.options.wheelsOnly(q.name)}
		if q.local != nil {
			set.packages = append(set.packages, q.local.locked(p))
			continue
		}
		if q.url != "" {
			p.files = []runtimes.File{{Name: q.wheelFile, URL: q.url, SHA256: q.sha256[0]}}
			set.packages = append(set.packages, p)
			continue
		}
		request := runtimes.FileRequest{Ecosystem: "pypi", Name: q.name, Version: q.version, Hashes: q.sha256, Indexes: indexes}
		answer, asked := t.Files[request.Key()]
		if !asked {
			incomplete.Requests = append(incomplete.Requests, request)
			continue
		}
		if p.files = q.admitted(answer); len(p.files) == 0 {
			return lockedSet{}, unknownToIndex(q)
		}
		if n := len(q.sha256) - len(p.files); n > 0 {
			set.notes = append(set.notes, fmt.Sprintf("%s %s: the index lacks %d of the %d files that %s locks", q.name, q.version, n, len(q.sha256), q.file))
		}
		set.packages = append(set.packages, p)
	}
	if len(incomplete.Requests) > 0 {
		return lockedSet{}, incomplete
	}
	return set, nil
}

// admitted keeps the files that are locked, each once: an index may answer
// with more than was asked for.
func (q lockedRequirement) admitted(answer []runtimes.File) []runtimes.File {
	var files []runtimes.File
	for _, f := range answer {
		same := func(g runtimes.File) bool { return g.SHA256 == f.SHA256 }
		if slices.Contains(q.sha256, f.SHA256) && !slices.ContainsFunc(files, same) {
			files = append(files, f)
		}
	}
	return files
}

func unknownToIndex(q lockedRequirement) error {
	return &runtimes.InputError{
		File: q.file, Line: q.line,
		Problem: fmt.Sprintf("no package index that was asked has a file of %s %s with a hash that is locked here", q.name, q.version),
		Hint:    "check which indexes are configured, or lock again: an index may have dropped the release",
	}
}

// noGraph refuses what only the lock file of a project can give.
func noGraph(file string, t runtimes.Target) error {
	problem := &runtimes.InputError{File: file, Hint: "leave it out, or use a uv.lock; a requirements file can be made for each group or extra"}
	switch {
	case len(t.Extras) > 0:
		problem.Problem = "a requirements file has no extras, and the layer asks for " + strings.Join(t.Extras, ", ")
	case len(t.Groups) > 0:
		problem.Problem = "a requirements file has no groups, and the layer asks for " + strings.Join(t.Groups, ", ")
	default:
		return nil
	}
	return problem
}

// indexes are the package indexes that the file's options name, preferred
// first; none means the user's own.
func (o requirementOptions) indexes(file string) (indexes, notes []string, err error) {
	if o.noIndex {
		return nil, nil, &runtimes.InputError{
			File:    file,
			Problem: "--no-index: files of local folders or plain pages cannot be used yet, only those of a package index",
			Hint:    "remove --no-index, and name an index with --index-url where it is a private one",
		}
	}
	if len(o.findLinks) > 0 {
		notes = append(notes, fmt.Sprintf("%s: --find-links is passed over, only package indexes are asked", file))
	}
	if len(o.trustedHosts) > 0 {
		notes = append(notes, file+": --trusted-host is passed over, every certificate is verified")
	}
	if o.indexURL != "" || len(o.extraIndexURLs) > 0 {
		// Without a main one the extra ones come to the ecosystem's own, "".
		indexes = append([]string{o.indexURL}, o.extraIndexURLs...)
	}
	for _, index := range indexes {
		if withoutUser(index) != index {
			return nil, nil, holdsUser(file, 0, "an index")
		}
	}
	return indexes, notes, nil
}

// fromSource tells whether the file forbids wheels of a package. A later
// --only-binary is taken to win.
func (o requirementOptions) fromSource(name string) bool {
	return meantBy(o.noBinary, name) && !slices.Contains(o.onlyBinary, name)
}

// wheelsOnly tells whether the file forbids to build a package.
func (o requirementOptions) wheelsOnly(name string) bool {
	return meantBy(o.onlyBinary, name) && !slices.Contains(o.noBinary, name)
}

// meantBy tells whether the values of an option mean a package.
func meantBy(names []string, name string) bool {
	last := -1
	for i, n := range names {
		if n == ":none:" {
			last = i
		}
	}
	names = names[last+1:]
	return slices.Contains(names, name) || slices.Contains(names, ":all:")
}

// excludeNotes says what exclude does not do here: a requirements file does
// not tell what pulled a package in.
func excludeNotes(r *requirementsFile, t runtimes.Target) []string {
	var dropped, notes []string
	for _, name := range t.Exclude {
		named := func(line requirementLine) bool { return line.name == pep.NormaliseName(name) }
		if slices.ContainsFunc(r.lines, named) {
			dropped = append(dropped, name)
		} else {
			notes = append(notes, fmt.Sprintf("%s is excluded but not in %s", name, r.file))
		}
	}
	if len(dropped) > 0 {
		notes = append(notes, fmt.Sprintf("%s does not say what pulled a package in: exclude drops %s and nothing else", r.file, strings.Join(dropped, ", ")))
	}
	return notes
}
