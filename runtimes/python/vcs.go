package python

import (
	"archive/zip"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// gitSource is a package in a Git repository, as every lock format names it.
type gitSource struct {
	url          string // of the repository, without a user or password
	commit       string // that was locked, in hex; "" where only a name was
	requested    string // the branch, tag or commit that was asked for
	subdirectory string // of the repository, "" for its root
}

func (s gitSource) String() string {
	text := "git " + s.url
	if s.commit != "" {
		text += " at " + s.commit
	} else if s.requested != "" {
		text += " at " + s.requested
	}
	if s.subdirectory != "" {
		text += ", folder " + s.subdirectory
	}
	return text
}

// check says what keeps the source from being installed: a branch or a tag may
// be another commit tomorrow.
func (s gitSource) check() string {
	if !isCommit(s.commit) {
		but := ""
		if s.requested != "" {
			but = fmt.Sprintf(", but %q", shortText(s.requested))
		}
		return fmt.Sprintf("names no commit of %s%s: write all 40 digits of one (`git ls-remote` tells them)", s.url, but)
	}
	return ""
}

// lockedGit makes a package of what a lock file says of a Git repository. All
// lock formats come here; completeGit then brings its source.
func lockedGit(file string, line int, p lockedPackage, source gitSource) (lockedPackage, error) {
	source.url = gitAddress(source.url)
	if source.commit == "" && isCommit(source.requested) {
		source.commit = source.requested
	}
	if problem := source.check(); problem != "" {
		return p, &runtimes.InputError{
			File: file, Line: line, Problem: p.name + " " + problem,
			Hint: "lock it again with a tool that pins commits",
		}
	}
	p.git = &source
	return p, nil
}

// request asks for the files of the commit.
func (s gitSource) request() runtimes.FileRequest {
	return runtimes.FileRequest{Ecosystem: "git", Name: s.url, Version: s.commit}
}

// project is the source as a project to build, of the files that were asked for
// by request.
func (s gitSource) project(files []runtimes.File, name, version string) (*localProject, error) {
	if len(files) != 1 || files[0].Local == nil {
		return nil, fmt.Errorf("%s: %d files are known", s, len(files))
	}
	archive, err := openGit(files[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s, err)
	}
	folder := path.Clean(cmp.Or(s.subdirectory, "."))
	if info, err := fs.Stat(archive, folder); err != nil || !info.IsDir() {
		return nil, &runtimes.InputError{Problem: fmt.Sprintf("%s has no folder %s", s.url, s.subdirectory), Hint: "lock it again"}
	}
	tree, err := readCommit(archive, folder)
	if err != nil {
		return nil, s.defect(err)
	}
	p, err := readProject(archive, tree, folder, name, version)
	if err != nil {
		return nil, s.defect(err)
	}
	tree.folder, p.commit = s.String(), s.commit
	return p, nil
}

// defect says of an error about a file in which commit it lies.
func (s gitSource) defect(err error) error {
	var input *runtimes.InputError
	if errors.As(err, &input) {
		return &runtimes.InputError{Problem: s.String() + ": " + input.Error(), Hint: "lock another commit"}
	}
	return err
}

// openGit reads the archive of a commit's files.
func openGit(f runtimes.File) (fs.FS, error) {
	r, err := f.Local.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(data), int64(len(data)))
}

// completeGit reads the sources of packages from Git, or asks for all that are
// not known yet.
func completeGit(file string, t runtimes.Target, packages []lockedPackage) error {
	incomplete := &runtimes.Incomplete{LockFile: file}
	for i := range packages {
		p := &packages[i]
		if p.git == nil {
			continue
		}
		q := p.git.request()
		files, known := t.Files[q.Key()]
		if !known {
			incomplete.Requests = append(incomplete.Requests, q)
			continue
		}
		var err error
		if p.project, err = p.git.project(files, p.name, p.version); err != nil {
			return err
		}
	}
	if len(incomplete.Requests) > 0 {
		return incomplete
	}
	return nil
}

// gitAddress is a repository's address without what may be a password. ssh's
// user is none: it says how to log in. The form that git alone has,
// "git@host:path", becomes an address like the others.
func gitAddress(text string) string {
	if m := scpAddress.FindStringSubmatch(text); m != nil {
		return "ssh://" + m[1] + "/" + m[2]
	}
	u, err := url.Parse(text)
	if err == nil && u.Scheme == "ssh" && u.User != nil {
		u.User = url.User(u.User.Username())
		return u.String()
	}
	return withoutUser(text)
}

var scpAddress = regexp.MustCompile(`^([A-Za-z0-9_.-]+@[A-Za-z0-9.-]+):([^/:][^:]*)$`)

// gitFromURL reads the form that uv.lock has:
// https://host/repository?rev=v1&subdirectory=x#COMMIT.
func gitFromURL(text string) gitSource {
	text = gitAddress(strings.TrimPrefix(text, "git+"))
	text, commit, _ := strings.Cut(text, "#")
	address, query, _ := strings.Cut(text, "?")
	source := gitSource{url: address, commit: commit}
	if values, err := url.ParseQuery(query); err == nil {
		source.subdirectory = values.Get("subdirectory")
		for _, key := range []string{"rev", "tag", "branch"} {
			if value := values.Get(key); value != "" {
				source.requested = value
			}
		}
	}
	return source
}

// gitFromRequirement reads the form that pip has:
// git+https://host/repository@ref#egg=name&subdirectory=x.
func gitFromRequirement(text string) gitSource {
	text = gitAddress(strings.TrimPrefix(text, "git+"))
	text, fragment, _ := strings.Cut(text, "#")
	source := gitSource{url: text}
	if at := strings.LastIndexByte(text, '@'); at > strings.LastIndexByte(text, '/') {
		source.url, source.requested = text[:at], text[at+1:]
	}
	if isCommit(source.requested) {
		source.commit = source.requested
	}
	if values, err := url.ParseQuery(fragment); err == nil {
		source.subdirectory = values.Get("subdirectory")
	}
	return source
}

// isCommit tells whether s is a commit's full name in hex.
func isCommit(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}

// sameGit tells whether both are the same source, or neither is one.
func sameGit(a, b *gitSource) bool {
	return a == nil && b == nil || a != nil && b != nil && a.url == b.url && a.commit == b.commit && a.subdirectory == b.subdirectory
}
