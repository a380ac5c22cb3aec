package python

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// lockEntry is a package of a target's set as its lock file has it.
type lockEntry struct {
	name    string // normalised
	version string
	line    int // in the lock file, or 0
	files   []entryFile
	source  entrySource
}

// entryFile is a file of a package; a lock file may know its hash alone.
type entryFile struct {
	name string
	url  string
	hash string // with its kind: "sha256:…"
	size int64
}

// entrySource says where a package comes from; its zero value is the package
// indexes that the lock file names for all.
type entrySource struct {
	index  string // a package index
	git    *gitSource
	url    string // a wheel or source archive
	path   string // a wheel or source archive of the project, as the lock names it
	folder string // a local project, likewise
	part   string // the folder in the archive or below folder
}

// assembler makes the set of a target from the entries of its lock file,
// whichever format that has.
type assembler struct {
	project fs.FS
	file    string // the lock file
	target  runtimes.Target
	relock  string   // the command that makes the lock file anew
	own     []string // the package indexes that the lock file names for all

	// unhashed are the packages of the whole lock file that it names without a
	// hash, as requirements: they are asked for together, so that the question is
	// the same for every target.
	unhashed []string

	set      lockedSet
	requests []runtimes.FileRequest
	open     []string
}

// add takes one package into the set.
func (a *assembler) add(e lockEntry) error {
	if v, err := pep.ParseVersion(e.version); err == nil {
		e.version = v.String()
	}
	p := lockedPackage{name: e.name, version: e.version}
	var err error
	switch s := e.source; {
	case s.git != nil:
		p, err = lockedGit(a.file, e.line, p, *s.git)
	case s.folder != "":
		p, err = a.folder(e)
	case s.path != "":
		p, err = a.archive(e, p)
	case s.url != "":
		p, err = a.download(e, p)
	default:
		return a.fromIndex(e, p)
	}
	if err == nil && p.name != "" {
		a.set.packages = append(a.set.packages, p)
	}
	return err
}

// folder is a local project. The layer's own is left out: it belongs in the
// function.
func (a *assembler) folder(e lockEntry) (lockedPackage, error) {
	at, ok := inProject(path.Dir(a.file), path.Join(e.source.folder, e.source.part))
	if !ok {
		return lockedPackage{}, outside(a.file, e.line, fmt.Sprintf("%s, where %s is,", e.source.folder, e.name))
	}
	if at == path.Clean(a.target.Path) && !a.target.Project {
		return lockedPackage{}, nil
	}
	local, err := readLocalProject(a.project, at, e.name, e.version)
	if err != nil {
		return lockedPackage{}, err
	}
	return local.locked(), nil
}

// archive is a wheel or source archive of the project. It must be the one that
// was locked, where the lock file says which that is.
func (a *assembler) archive(e lockEntry, p lockedPackage) (lockedPackage, error) {
	at, ok := inProject(path.Dir(a.file), e.source.path)
	if !ok {
		return p, outside(a.file, e.line, fmt.Sprintf("%s, where %s is,", e.source.path, e.name))
	}
	f, err := localFile(a.project, at)
	if err != nil {
		return p, err
	}
	same := func(locked entryFile) bool { return locked.hash == "sha256:"+f.SHA256 }
	if len(e.files) > 0 && !slices.ContainsFunc(e.files, same) {
		return p, &runtimes.InputError{
			File: a.file, Line: e.line,
			Problem: fmt.Sprintf("%s is not the file that was locked: its hash is sha256:%s", at, f.SHA256),
			Hint:    fmt.Sprintf("restore the file, or run `%s`", a.relock),
		}
	}
	p.files = []runtimes.File{f}
	return p, nil
}

// download is a wheel or source archive at an address of its own.
func (a *assembler) download(e lockEntry, p lockedPackage) (lockedPackage, error) {
	address, _, _ := strings.Cut(e.source.url, "#")
	name := (&uvFile{URL: address}).name()
	if e.source.part != "" {
		return p, &runtimes.InputError{
			File: a.file, Line: e.line,
			Problem: fmt.Sprintf("%s comes from the folder %s of an archive, which cannot be built yet", e.name, e.source.part),
			Hint:    fmt.Sprintf("require a release of it, or list %s under exclude", e.name),
		}
	}
	if len(e.files) == 0 {
		return p, &runtimes.InputError{
			File: a.file, Line: e.line,
			Problem: fmt.Sprintf("%s is locked without a hash", name),
			Hint:    fmt.Sprintf("run `%s`, which adds it, or require a release from an index", a.relock),
		}
	}
	sum, err := a.sha256(e, e.files[0])
	if err != nil {
		return p, err
	}
	p.files = []runtimes.File{{Name: name, URL: address, SHA256: sum, Size: max(e.files[0].size, 0)}}
	return p, nil
}

// sha256 is a file's hash, in lower-case hex.
func (a *assembler) sha256(e lockEntry, f entryFile) (string, error) {
	sum, ok := strings.CutPrefix(f.hash, "sha256:")
	if sum = strings.ToLower(sum); ok && isSHA256(sum) {
		return sum, nil
	}
	problem := &runtimes.InputError{
		File: a.file, Line: e.line,
		Problem: fmt.Sprintf("the hash of %s is not a SHA-256: %q", cmp.Or(f.name, e.name+" "+e.version), shortText(f.hash)),
		Hint:    "lock it again against an index that gives SHA-256 hashes",
	}
	if f.hash == "" {
		problem.Problem = fmt.Sprintf("%s is locked without a hash", cmp.Or(f.name, e.name+" "+e.version))
	}
	return "", problem
}

// fromIndex is a package that package indexes have. Where the lock file has no
// addresses, they are asked for the files with the locked hashes.
func (a *assembler) fromIndex(e lockEntry, p lockedPackage) error {
	indexes := a.own
	if e.source.index != "" {
		indexes = []string{e.source.index}
	}
	if err := a.ask(e, indexes); err != nil {
		return err
	}
	hashes, err := a.hashes(e)
	if err != nil || len(hashes) == 0 {
		return err // or it is open
	}
	if len(e.files) > 0 && !slices.ContainsFunc(e.files, func(f entryFile) bool { return f.url == "" || f.name == "" }) {
		for i, f := range e.files {
			p.files = append(p.files, runtimes.File{Name: f.name, URL: f.url, SHA256: hashes[i], Size: max(f.size, 0)})
		}
		a.set.packages = append(a.set.packages, p)
		return nil
	}
	q := lockedRequirement{name: p.name, version: p.version, file: a.file, line: e.line}
	q.sha256 = slices.Compact(slices.Sorted(slices.Values(hashes)))
	request := runtimes.FileRequest{Ecosystem: "pypi", Name: q.name, Version: q.version, Hashes: q.sha256, Indexes: indexesOf(a.target, indexes)}
	answer, asked := a.target.Files[request.Key()]
	if !asked {
		a.requests = append(a.requests, request)
		return nil
	}
	if p.files = q.admitted(answer); len(p.files) == 0 {
		return unknownToIndex(q)
	}
	// The lock file decides which file is installed, not what an index has left
	// of them: those that it lacks are chosen from, too.
	for i, f := range e.files {
		if f.name != "" && !slices.ContainsFunc(p.files, func(found runtimes.File) bool { return found.SHA256 == hashes[i] }) {
			p.files = append(p.files, runtimes.File{Name: f.name, SHA256: hashes[i], Size: max(f.size, 0)})
			p.absent = append(p.absent, hashes[i])
		}
	}
	if n := len(q.sha256) - len(p.files); n > 0 {
		a.set.notes = append(a.set.notes, fmt.Sprintf("%s %s: the index lacks %d of the %d files that %s locks", q.name, q.version, n, len(q.sha256), q.file))
	}
	a.set.packages = append(a.set.packages, p)
	return nil
}

// ask notes which indexes the set comes from; "" is the ecosystem's own.
func (a *assembler) ask(e lockEntry, indexes []string) error {
	if len(indexes) == 0 {
		indexes = []string{""}
	}
	for _, index := range indexes {
		if withoutUser(index) != index {
			return holdsUser(a.file, e.line, "the index of "+e.name)
		}
		if !containsIndex(a.set.indexes, index) {
			a.set.indexes = append(a.set.indexes, index)
		}
	}
	return nil
}

// hashes are those of an entry's files, in their order; none where the package
// is left open, and layerbuild.lock does not have them.
func (a *assembler) hashes(e lockEntry) ([]string, error) {
	if len(e.files) == 0 {
		return a.resolved(e)
	}
	sums := make([]string, len(e.files))
	for i, f := range e.files {
		var err error
		if sums[i], err = a.sha256(e, f); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// resolved looks a package without hashes up in layerbuild.lock.
func (a *assembler) resolved(e lockEntry) ([]string, error) {
	lines, err := resolvedLines(a.target.Pins.Requirements[a.file])
	if err != nil {
		return nil, err
	}
	wanted, err := pep.ParseVersion(e.version)
	if err != nil {
		return nil, &runtimes.InputError{File: a.file, Line: e.line, Problem: fmt.Sprintf("the version of %s", e.name), Err: err, Hint: fmt.Sprintf("run `%s`", a.relock)}
	}
	for _, line := range lines {
		if v, ok := line.pinned(); ok && line.name == e.name && v.Compare(wanted) == 0 && len(line.sha256) > 0 {
			return line.sha256, nil
		}
	}
	a.open = append(a.open, e.name+"=="+e.version)
	return nil, nil
}

// finish gives the set, or says what must be asked first.
func (a *assembler) finish() (lockedSet, error) {
	if len(a.unhashed) > 0 {
		if err := a.unresolved(); err != nil {
			return lockedSet{}, err
		}
	}
	if len(a.requests) > 0 {
		return lockedSet{}, &runtimes.Incomplete{LockFile: a.file, Requests: a.requests}
	}
	if slices.Equal(a.set.indexes, []string{""}) {
		a.set.indexes = nil
	}
	return a.set, nil
}

// unresolved asks for the hashes that the lock file lacks, where layerbuild.lock
// does not have them all.
func (a *assembler) unresolved() error {
	slices.Sort(a.unhashed)
	q := runtimes.Question{
		Ecosystem: "pypi", Name: a.file, Places: a.target.Places, Options: []string{noDeps},
		Requirements: slices.Compact(a.unhashed), Prereleases: true,
		Indexes: indexesOf(a.target, a.own), Tool: uvNeed(),
	}
	resolution, ok := a.target.Pins.Requirements[a.file]
	switch {
	case len(a.open) > 0 && ok && q.AnsweredBy(resolution):
		q.Damaged = true
		q.Why = fmt.Sprintf("%s does not have the hashes of %s", lockName, a.open[0])
	case len(a.open) > 0 && ok && resolution.Input == q.Digest():
		q.Why = fmt.Sprintf("is resolved for %s, and not for %s", strings.Join(resolution.Places, ", "), strings.Join(q.Elsewhere(resolution), ", "))
	case len(a.open) > 0:
		q.Why = fmt.Sprintf("%s without hashes:%s", count(len(a.open), "package is locked", "packages are locked"), bulleted(a.open))
	case !ok || q.AnsweredBy(resolution):
		return nil
	default:
		q.Why = "has changed since its missing hashes were resolved"
	}
	return &runtimes.Unresolved{Questions: []runtimes.Question{q}}
}

// notExcluded says which names of exclude the lock file does not know.
func (a *assembler) notExcluded(known func(name string) bool) {
	for _, name := range a.target.Exclude {
		if !known(pep.NormaliseName(name)) {
			a.set.notes = append(a.set.notes, fmt.Sprintf("%s is excluded but not in %s", name, a.file))
		}
	}
}

// noDeps is the option of a question that asks for its requirements alone, and
// not for what they require.
const noDeps = "--no-deps"
