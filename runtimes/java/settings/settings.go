// Package settings reads what Maven is configured with on this machine: which
// repositories stand for others.
package settings

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Mirror is a repository that stands for others.
type Mirror struct {
	ID      string `xml:"id"`
	Of      string `xml:"mirrorOf"` // which ones, in Maven's words: "central", "*", "external:*,!internal"
	URL     string `xml:"url"`
	Blocked bool   `xml:"blocked"` // nothing may be asked of those
}

// maxSize bounds a settings.xml.
const maxSize = 1 << 20

// Read gives the mirrors of a user's settings.xml, in Maven's order; none where
// there is no such file. getenv is [os.Getenv].
func Read(home string, getenv func(string) string) ([]Mirror, error) {
	file := filepath.Join(home, ".m2", "settings.xml")
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("has more than %d bytes", maxSize)}
	}
	return parse(file, data, func(name string) string {
		if name == "user.home" {
			return home
		}
		if variable, ok := strings.CutPrefix(name, "env."); ok {
			return getenv(variable)
		}
		return ""
	})
}

var use = regexp.MustCompile(`\$\{([^${}]+)\}`)

func parse(file string, data []byte, value func(string) string) ([]Mirror, error) {
	var doc struct {
		XMLName xml.Name `xml:"settings"`
		Mirrors []Mirror `xml:"mirrors>mirror"`
	}
	if err := xml.Unmarshal(data, &doc); err != nil {
		problem := &runtimes.InputError{File: file, Problem: "is no settings.xml of Maven that can be read", Err: err}
		if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
			problem.Line, problem.Err = syntax.Line, errors.New(syntax.Msg)
		}
		return nil, problem
	}
	for i := range doc.Mirrors {
		m := &doc.Mirrors[i]
		for _, field := range []*string{&m.ID, &m.Of, &m.URL} {
			*field = use.ReplaceAllStringFunc(strings.TrimSpace(*field), func(text string) string { return value(text[2 : len(text)-1]) })
		}
		m.URL = strings.TrimSuffix(m.URL, "/")
		u, err := url.Parse(m.URL)
		switch {
		case m.Blocked:
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return nil, &runtimes.InputError{File: file, Problem: fmt.Sprintf("the address of mirror %q is neither https nor http", m.ID)}
		case u.User != nil:
			return nil, &runtimes.InputError{
				File: file, Problem: fmt.Sprintf("the address of mirror %q holds a user or password", m.ID),
				Hint: "private repositories cannot be used yet",
			}
		}
	}
	return doc.Mirrors, nil
}

// Indexes are the mirrors as [runtimes.Target] wants them: the one that stands
// for Maven's own repository; with "" behind it where it does not stand for all
// others, too.
func Indexes(mirrors []Mirror) []string {
	for _, exact := range []bool{true, false} {
		for _, m := range mirrors {
			central, all := m.covers()
			if m.Blocked || !central || exact != (m.Of == "central") {
				continue
			}
			if all {
				return []string{m.URL}
			}
			return []string{m.URL, ""}
		}
	}
	return nil
}

// covers tells whether m stands for Maven's own repository, and whether for
// all.
func (m Mirror) covers() (central, all bool) {
	var patterns []string
	for pattern := range strings.SplitSeq(m.Of, ",") {
		patterns = append(patterns, strings.TrimSpace(pattern))
	}
	if slices.Contains(patterns, "!central") {
		return false, false
	}
	wide := slices.Contains(patterns, "*") || slices.Contains(patterns, "external:*")
	return wide || slices.Contains(patterns, "central"), wide && len(patterns) == 1
}
