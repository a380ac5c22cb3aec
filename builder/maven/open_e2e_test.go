//go:build e2e

package maven

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// repository is one of Maven's over HTTP, with releases and snapshots of x:lib.
type repository struct {
	mu       sync.Mutex
	versions []string          // of releases
	state    int               // of the snapshot
	content  map[string]string // of jars, by version, where it is not the version
	refuse   int               // a status for all, or 0
}

func (s *repository) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/x/lib/"), "/")
	name := parts[len(parts)-1]
	time := fmt.Sprintf("20240101.12000%d", s.state)
	switch {
	case s.refuse != 0:
		w.WriteHeader(s.refuse)
	case strings.HasSuffix(name, ".sha1") || strings.HasSuffix(name, ".md5") || len(parts) > 2:
		http.NotFound(w, r)
	case name == "maven-metadata.xml" && len(parts) == 1:
		fmt.Fprintf(w, "<metadata><groupId>x</groupId><artifactId>lib</artifactId><versioning><versions><version>%s</version></versions></versioning></metadata>",
			strings.Join(s.versions, "</version><version>"))
	case name == "maven-metadata.xml":
		fmt.Fprintf(w, "<metadata><groupId>x</groupId><artifactId>lib</artifactId><version>2-SNAPSHOT</version><versioning>"+
			"<snapshot><timestamp>%s</timestamp><buildNumber>%d</buildNumber></snapshot></versioning></metadata>", time, s.state)
	case strings.HasSuffix(name, ".pom"):
		fmt.Fprintf(w, "<project><modelVersion>4.0.0</modelVersion><groupId>x</groupId><artifactId>lib</artifactId><version>%s</version></project>", parts[0])
	default:
		fmt.Fprintf(w, "jar %s %s", name, s.content[parts[0]])
	}
}

func (s *repository) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// TestOpen: what a project leaves open stays at what it came to, until somebody
// upgrades it; a release that changes, and a repository that refuses, are
// errors of their kinds.
func TestOpen(t *testing.T) {
	repo := &repository{versions: []string{"1.0", "1.1"}, state: 1, content: map[string]string{}}
	server := httptest.NewServer(repo)
	defer server.Close()
	question := func(version string) runtimes.Question {
		text := "<project><modelVersion>4.0.0</modelVersion><groupId>t</groupId><artifactId>app</artifactId><version>1</version><repositories><repository><id>mine</id><url>" +
			server.URL + "</url></repository></repositories><dependencies>" + dep("x", "lib", version, "") + "</dependencies></project>"
		return questionOf(t, fstest.MapFS{"app/pom.xml": {Data: []byte(text)}})
	}
	r := newResolver(t)
	resolve := func(version string, earlier []runtimes.Pinned, upgrade ...string) []runtimes.Pinned {
		t.Helper()
		packages, err := r.Resolve(t.Context(), question(version), runtimes.Tool{}, earlier, upgrade)
		if err != nil {
			t.Fatal(err)
		}
		return packages
	}
	want := func(packages []runtimes.Pinned, requirement string) {
		t.Helper()
		if len(packages) != 1 || packages[0].Requirement != requirement {
			t.Errorf("got %+v, want %s", packages, requirement)
		}
	}
	ranged, snapshot := resolve("[1,2)", nil), resolve("2-SNAPSHOT", nil)
	want(ranged, "x:lib:1.1")
	want(snapshot, "x:lib:2-20240101.120001-1")
	repo.set(func() { repo.versions, repo.state = append(repo.versions, "1.2"), 2 })
	want(resolve("[1,2)", ranged), "x:lib:1.1")
	want(resolve("2-SNAPSHOT", snapshot), "x:lib:2-20240101.120001-1")
	want(resolve("[1,2)", ranged, "x:lib"), "x:lib:1.2")
	want(resolve("2-SNAPSHOT", snapshot, "*"), "x:lib:2-20240101.120002-2")

	fails := func(earlier []runtimes.Pinned, target any, text string) {
		t.Helper()
		_, err := r.Resolve(t.Context(), question("1.1"), runtimes.Tool{}, earlier, nil)
		if !errors.As(err, target) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
	repo.set(func() { repo.content["1.1"] = "changed" })
	fails(ranged, new(*runtimes.DigestError), "x:lib:1.1 does not match its locked SHA-256 "+ranged[0].SHA256[0])
	repo.set(func() { repo.refuse = http.StatusUnauthorized })
	fails(nil, new(*runtimes.LoginError), "wants a user and a password (401 Unauthorized)")
	repo.set(func() { repo.refuse = http.StatusNotFound })
	fails(nil, new(*runtimes.InputError), "the repository mine does not have x:lib:jar:1.1")
}
