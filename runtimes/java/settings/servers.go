package settings

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// server is the login of repositories of one id.
type server struct {
	ID       string `xml:"id"`
	User     string `xml:"username,omitempty"`
	Password string `xml:"password,omitempty"`
}

// HasServers tells whether there is any login.
func (s Settings) HasServers() bool { return len(s.servers) > 0 }

// Logins are those of the servers that s names, and of those that a project
// does. As in Maven, the id of a repository leads to its login.
func (s Settings) Logins(project []Repository) ([]runtimes.Login, error) {
	var logins []runtimes.Login
	for _, r := range s.all(project) {
		i := slices.IndexFunc(s.servers, func(v server) bool { return v.ID == r.ID })
		u, err := url.Parse(r.URL)
		if i < 0 || err != nil {
			continue
		}
		v := s.servers[i]
		if v.User == "" && v.Password == "" {
			continue // a key, or headers
		}
		if strings.HasPrefix(v.Password, "{") && strings.HasSuffix(v.Password, "}") {
			return nil, &runtimes.InputError{
				File: s.file, Problem: fmt.Sprintf("the password of server %q is encrypted, which only Maven can read", v.ID),
				Hint: "name a variable there: <password>${env.MAVEN_PASSWORD}</password>",
			}
		}
		l := runtimes.Login{User: v.User, Password: v.Password, From: fmt.Sprintf("server %s in %s", v.ID, s.file)}
		l.Scheme, l.Host = runtimes.Server(u)
		if m := use.FindStringSubmatch(v.User + v.Password); m != nil {
			l.Lacks, l.User, l.Password = strings.TrimPrefix(m[1], "env."), "", ""
		}
		if !slices.ContainsFunc(logins, func(o runtimes.Login) bool { return o.Scheme == l.Scheme && o.Host == l.Host }) {
			logins = append(logins, l)
		}
	}
	return logins, nil
}

// all are the mirrors and repositories of s, and those of a project.
func (s Settings) all(project []Repository) []Repository {
	var all []Repository
	for _, m := range s.Mirrors {
		if !m.Blocked {
			all = append(all, Repository{ID: m.ID, URL: m.URL})
		}
	}
	return slices.Concat(all, s.Repositories, project)
}

// XML is s as a settings.xml without logins. Its repositories are active; those
// of a project are only named, for [AddServers].
func (s Settings) XML(project []Repository) []byte {
	doc := document{Mirrors: s.Mirrors}
	if len(s.Repositories) > 0 {
		doc.Profiles = append(doc.Profiles, profile{ID: "layerbuild", Repositories: s.Repositories})
		doc.Active = []string{"layerbuild"}
	}
	if len(project) > 0 {
		doc.Profiles = append(doc.Profiles, profile{ID: "layerbuild-project", Repositories: project})
	}
	return doc.format()
}

// AddServers adds logins to a settings.xml of layerbuild's own, for the mirrors and
// repositories that it names. word is what stands for a password there. The result is nil
// where no login is needed.
func AddServers(file []byte, logins []runtimes.Login, word func(password string) string) ([]byte, error) {
	var doc document
	if err := xml.Unmarshal(file, &doc); err != nil {
		return nil, fmt.Errorf("add logins to settings.xml: %w", err)
	}
	s := Settings{Mirrors: doc.Mirrors}
	for _, p := range doc.Profiles {
		s.Repositories = append(s.Repositories, p.Repositories...)
	}
	// A token is npm's: Maven has users and passwords.
	logins = slices.DeleteFunc(slices.Clone(logins), func(l runtimes.Login) bool { return l.Bearer })
	doc.Servers = nil
	for _, r := range s.all(nil) {
		u, err := url.Parse(r.URL)
		if err != nil || slices.ContainsFunc(doc.Servers, func(v server) bool { return v.ID == r.ID }) {
			continue
		}
		l, ok := runtimes.FindLogin(logins, u)
		if !ok {
			continue
		}
		if l, err = l.Fetch(); err != nil {
			return nil, err
		}
		if use.MatchString(l.User + l.Password) {
			return nil, &runtimes.InputError{Problem: fmt.Sprintf("the user or password that %s has for %s cannot be given to Maven", l.From, l.Host),
				Hint: "Maven takes ${…} in it for a variable; or use --engine direct"}
		}
		doc.Servers = append(doc.Servers, server{ID: r.ID, User: l.User, Password: word(l.Password)})
	}
	if len(doc.Servers) == 0 {
		return nil, nil
	}
	return doc.format(), nil
}

func (d document) format() []byte {
	data, _ := xml.MarshalIndent(d, "", " ") // strings cannot fail to marshal
	return append([]byte(xml.Header), data...)
}
