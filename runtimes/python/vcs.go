package python

import (
	"fmt"
	"net/url"
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

// lockedGit makes a package of what a lock file says of a Git repository. All
// lock formats come here.
func lockedGit(file string, line int, p lockedPackage, source gitSource) (lockedPackage, error) {
	return p, &runtimes.InputError{
		File: file, Line: line,
		Problem: fmt.Sprintf("%s comes from %s; version control cannot be installed from yet", p.name, source),
		Hint:    fmt.Sprintf("put it into the function itself, and list %s under exclude", p.name),
	}
}

// gitFromURL reads the form that uv.lock has:
// https://host/repository?rev=v1&subdirectory=x#COMMIT.
func gitFromURL(text string) gitSource {
	text = strings.TrimPrefix(withoutUser(text), "git+")
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
	text = strings.TrimPrefix(withoutUser(text), "git+")
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
