// Package settings reads what Maven is configured with on this machine: which
// repositories stand for others, which are asked beside those of a project, and
// with which logins.
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

// Settings are those of a settings.xml; their zero value stands for none.
type Settings struct {
	Mirrors      []Mirror
	Repositories []Repository // of the active profiles

	file    string
	servers []server
}

// Repository is a repository of a profile or a pom.
type Repository struct {
	ID        string  `xml:"id"`
	URL       string  `xml:"url"`
	Releases  *policy `xml:"releases,omitempty"`
	Snapshots *policy `xml:"snapshots,omitempty"`
}

type policy struct {
	Enabled string `xml:"enabled,omitempty"`
}

// Mirror is a repository that stands for others.
type Mirror struct {
	ID      string `xml:"id"`
	Of      string `xml:"mirrorOf"` // which ones, in Maven's words: "central", "*", "external:*,!internal"
	URL     string `xml:"url"`
	Blocked bool   `xml:"blocked"` // nothing may be asked of those
}

// maxSize bounds a settings.xml.
const maxSize = 1 << 20

// Read reads a user's settings.xml. getenv is [os.LookupEnv].
func Read(home string, getenv func(string) (string, bool)) (Settings, error) {
	file := filepath.Join(home, ".m2", "settings.xml")
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return Settings{}, err
	}
	if len(data) > maxSize {
		return Settings{}, &runtimes.InputError{File: file, Problem: fmt.Sprintf("has more than %d bytes", maxSize)}
	}
	return parse(file, data, func(text string) string {
		return use.ReplaceAllStringFunc(strings.TrimSpace(text), func(match string) string {
			name := match[2 : len(match)-1]
			variable, ok := strings.CutPrefix(name, "env.")
			if name == "user.home" {
				return home
			}
			if value, set := getenv(variable); ok && set {
				return value
			}
			return match // as Maven leaves it
		})
	})
}

var use = regexp.MustCompile(`\$\{([^${}]+)\}`)

// document is a settings.xml.
type document struct {
	XMLName  xml.Name  `xml:"settings"`
	Mirrors  []Mirror  `xml:"mirrors>mirror"`
	Servers  []server  `xml:"servers>server"`
	Profiles []profile `xml:"profiles>profile"`
	Active   []string  `xml:"activeProfiles>activeProfile"`
}

type profile struct {
	ID           string       `xml:"id"`
	ByDefault    string       `xml:"activation>activeByDefault,omitempty"`
	Repositories []Repository `xml:"repositories>repository"`
}

func parse(file string, data []byte, fill func(string) string) (Settings, error) {
	var doc document
	if err := xml.Unmarshal(data, &doc); err != nil {
		problem := &runtimes.InputError{File: file, Problem: "is no settings.xml of Maven that can be read", Err: err}
		if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
			problem.Line, problem.Err = syntax.Line, errors.New(syntax.Msg)
		}
		return Settings{}, problem
	}
	s := Settings{Mirrors: doc.Mirrors, file: file, servers: doc.Servers}
	for i := range s.Mirrors {
		m := &s.Mirrors[i]
		m.ID, m.Of, m.URL = fill(m.ID), fill(m.Of), strings.TrimSuffix(fill(m.URL), "/")
		if err := checkURL(file, "mirror", m.ID, m.URL); err != nil && !m.Blocked {
			return Settings{}, err
		}
	}
	for _, p := range doc.active() {
		for _, r := range p.Repositories {
			r.ID, r.URL = fill(r.ID), strings.TrimSuffix(fill(r.URL), "/")
			if err := checkURL(file, "repository", r.ID, r.URL); err != nil {
				return Settings{}, err
			}
			s.Repositories = append(s.Repositories, r)
		}
	}
	for i := range s.servers {
		v := &s.servers[i]
		v.ID, v.User, v.Password = fill(v.ID), fill(v.User), fill(v.Password)
	}
	return s, nil
}

// active are the profiles that are active without being asked for: those that
// are listed, else those that are so by default.
func (d document) active() []profile {
	listed := func(p profile) bool {
		return slices.ContainsFunc(d.Active, func(id string) bool { return strings.TrimSpace(id) == strings.TrimSpace(p.ID) })
	}
	byDefault := func(p profile) bool { return strings.TrimSpace(p.ByDefault) == "true" }
	pick := byDefault
	if slices.ContainsFunc(d.Profiles, listed) {
		pick = listed
	}
	return slices.DeleteFunc(slices.Clone(d.Profiles), func(p profile) bool { return !pick(p) })
}

func checkURL(file, kind, id, address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return &runtimes.InputError{File: file, Problem: fmt.Sprintf("the address of %s %q is neither https nor http", kind, id)}
	case u.User != nil:
		return &runtimes.InputError{
			File: file, Problem: fmt.Sprintf("the address of %s %q holds a user or password", kind, id),
			Hint: "put them under servers, in a server of that id",
		}
	}
	return nil
}

// Indexes are the repositories as [runtimes.Target] wants them: first what
// stands for Maven's own repository, "" for itself; then, unless that stands for
// all others, too, "" and those of active profiles.
func (s Settings) Indexes() []string {
	var indexes []string
	central, all := s.central()
	switch {
	case all:
		return []string{central}
	case central != "":
		indexes = []string{central, ""}
	case len(s.Repositories) > 0:
		indexes = []string{""}
	}
	for _, r := range s.Repositories {
		if !slices.Contains(indexes, r.URL) {
			indexes = append(indexes, r.URL)
		}
	}
	return indexes
}

// central is what stands for Maven's own repository, and whether for all others,
// too: a mirror, or a repository of its id.
func (s Settings) central() (address string, all bool) {
	for _, exact := range []bool{true, false} {
		for _, m := range s.Mirrors {
			if central, all := m.covers(); !m.Blocked && central && exact == (m.Of == "central") {
				return m.URL, all
			}
		}
	}
	for _, r := range s.Repositories {
		if r.ID == "central" {
			return r.URL, false
		}
	}
	return "", false
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
