package python

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// readRequirements reads the packages that a requirements file installs on t.
// The file names their hashes; t.Files says which files those are, and what it
// lacks is asked for with a [runtimes.Incomplete].
func readRequirements(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	r, err := readRequirementsFile(project, file)
	if err != nil {
		return lockedSet{}, err
	}
	if err := refuseChoice(file, t); err != nil {
		return lockedSet{}, err
	}
	locked, err := r.locked(t)
	if err != nil {
		return lockedSet{}, err
	}
	set := lockedSet{indexes: r.options.indexes(), notes: r.notes(t)}
	asked := t.Indexes
	if len(asked) == 0 {
		if asked, err = set.indexes, r.checkIndexes(); err != nil {
			return lockedSet{}, err
		}
	}
	incomplete := &runtimes.Incomplete{LockFile: file}
	for _, l := range locked {
		p := lockedPackage{name: l.name, version: l.version}
		if l.url != "" {
			p.files = []runtimes.File{{Name: l.wheelFile, URL: l.url, SHA256: l.sha256[0]}}
			set.packages = append(set.packages, p)
			continue
		}
		q := runtimes.FileRequest{Ecosystem: "pypi", Name: l.name, Version: l.version, Hashes: l.sha256, Indexes: asked}
		answer, ok := t.Files[q.Key()]
		if !ok {
			incomplete.Requests = append(incomplete.Requests, q)
			continue
		}
		if p.files = l.allowed(answer); len(p.files) == 0 {
			return lockedSet{}, &runtimes.InputError{
				File: l.file, Line: l.line,
				Problem: fmt.Sprintf("no package index has a file of %s %s with a hash that is locked here", l.name, l.version),
				Hint:    "lock it again, or configure the index that it was locked from",
			}
		}
		set.packages = append(set.packages, p)
	}
	if len(incomplete.Requests) > 0 {
		return lockedSet{}, incomplete
	}
	return set, nil
}

// refuseChoice refuses options that only a lock file with a graph can follow.
func refuseChoice(file string, t runtimes.Target) error {
	if len(t.Groups) == 0 && len(t.Extras) == 0 {
		return nil
	}
	return &runtimes.InputError{
		File:    file,
		Problem: "groups and extras cannot be chosen from a requirements file, which knows of none",
		Hint:    "export the file with them, and drop groups and extras from the layer's configuration",
	}
}

// allowed keeps the files whose hash is locked.
func (l lockedRequirement) allowed(files []runtimes.File) []runtimes.File {
	return slices.DeleteFunc(slices.Clone(files), func(f runtimes.File) bool { return !slices.Contains(l.sha256, f.SHA256) })
}

// indexes are the indexes that the file names, preferred first.
func (o requirementOptions) indexes() []string {
	var list []string
	for _, index := range append([]string{o.indexURL}, o.extraIndexURLs...) {
		if index != "" && !slices.Contains(list, index) {
			list = append(list, index)
		}
	}
	return list
}

// checkIndexes refuses what would silently ask other indexes than pip asks:
// with extra ones alone, pip asks its own index first.
func (r *requirementsFile) checkIndexes() error {
	if r.options.indexURL != "" || len(r.options.extraIndexURLs) == 0 {
		return nil
	}
	return &runtimes.InputError{
		File:    r.file,
		Problem: "names an --extra-index-url and no --index-url",
		Hint:    "name the main index too, with --index-url in the file or among the configured indexes",
	}
}

// notes says what of the file is not followed, or not as one might think.
func (r *requirementsFile) notes(t runtimes.Target) []string {
	var notes []string
	if dropped := r.dropped(t); len(dropped) > 0 {
		notes = append(notes, fmt.Sprintf("%s does not say what requires what: exclude leaves out %s and nothing with it",
			r.file, strings.Join(dropped, ", ")))
	}
	for _, option := range []struct {
		given bool
		note  string
	}{
		{len(r.options.findLinks) > 0, "--find-links is not followed: files come from a package index"},
		{r.options.noIndex, "--no-index is not followed: files come from a package index, by their hashes"},
		{len(r.options.trustedHosts) > 0, "--trusted-host is not followed: every certificate is verified"},
		{len(r.options.noBinary) > 0, "--no-binary is not followed: a wheel is installed where one is locked"},
	} {
		if option.given {
			notes = append(notes, r.file+": "+option.note)
		}
	}
	return notes
}

// dropped lists the packages of the file that t excludes.
func (r *requirementsFile) dropped(t runtimes.Target) []string {
	var names []string
	for _, line := range r.lines {
		if excluded(t, line.name) && !slices.Contains(names, line.name) {
			names = append(names, line.name)
		}
	}
	slices.Sort(names)
	return names
}
