//go:build e2e

package python

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// testIndex asks package indexes which files a package has.
type testIndex struct {
	mu    sync.Mutex
	pages map[string][]runtimes.File // by the page's address
}

func newTestIndex() *testIndex { return &testIndex{pages: map[string][]runtimes.File{}} }

// answer answers the requests of an incomplete recipe.
func (x *testIndex) answer(t *testing.T, requests []runtimes.FileRequest, indexes []string) map[string][]runtimes.File {
	t.Helper()
	answers := map[string][]runtimes.File{}
	for _, q := range requests {
		var files []runtimes.File
		for _, index := range indexes {
			for _, f := range x.page(t, strings.TrimSuffix(index, "/")+"/"+q.Name+"/") {
				if slices.Contains(q.Hashes, f.SHA256) {
					files = append(files, f)
				}
			}
		}
		answers[q.Key()] = files
	}
	return answers
}

func (x *testIndex) page(t *testing.T, address string) []runtimes.File {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if files, ok := x.pages[address]; ok {
		return files
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/vnd.pypi.simple.v1+json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body struct {
		Files []struct {
			Filename string            `json:"filename"`
			URL      string            `json:"url"`
			Hashes   map[string]string `json:"hashes"`
			Size     int64             `json:"size"`
			Requires string            `json:"requires-python"`
		} `json:"files"`
	}
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", address, response.Status, err)
	}
	files := []runtimes.File{}
	for _, f := range body.Files {
		files = append(files, runtimes.File{Name: f.Filename, URL: f.URL, SHA256: f.Hashes["sha256"], Size: f.Size, RequiresPython: f.Requires})
	}
	x.pages[address] = files
	return files
}

// standInServer serves a stand-in for each wheel of a lock: an installable wheel
// without content under the same name. What uv asks for is what it chose.
type standInServer struct {
	server *httptest.Server
	mu     sync.Mutex
	files  map[string]standIn // by path
	asked  map[string]bool    // since forget
}

type standIn struct {
	data []byte
	line string // of the wheel that it stands for, as in fullSummary
}

func newStandInServer(t *testing.T) *standInServer {
	s := &standInServer{files: map[string]standIn{}, asked: map[string]bool{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *standInServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	s.asked[f.line] = true
	_, _ = w.Write(f.data) // a client that went away is no concern of ours
}

func (s *standInServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.asked)
}

func (s *standInServer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sortedKeys(s.asked)
}

// lockedWheel is a wheel's line in a uv.lock.
var lockedWheel = regexp.MustCompile(`(?m)^    \{ url = "([^"]+\.whl)", hash = "sha256:([0-9a-f]{64})".*\n`)

// standIns returns a lock file that is the same but for its wheels, which are
// stand-ins on this server. Platforms that need more than the given glibc are
// dropped from their names, and wheels that have no other: uv then chooses as
// if it had that glibc, whatever levels it knows.
func (s *standInServer) standIns(lock string, glibc runtimes.Glibc) string {
	return lockedWheel.ReplaceAllStringFunc(lock, func(line string) string {
		found := lockedWheel.FindStringSubmatch(line)
		name := path.Base(found[1])
		if plain, err := url.PathUnescape(name); err == nil {
			name = plain
		}
		served, ok := lowered(name, glibc)
		if !ok {
			return ""
		}
		parts := strings.Split(name, "-")
		f := standIn{
			data: emptyWheel(parts[0], parts[1]),
			line: strings.Join([]string{normalised(parts[0]), parts[1], name, found[2]}, " "),
		}
		place := fmt.Sprintf("/%s/%s", glibc, served)
		s.mu.Lock()
		s.files[place] = f
		s.mu.Unlock()
		sum := sha256.Sum256(f.data)
		return fmt.Sprintf("    { url = %q, hash = \"sha256:%s\", size = %d },\n",
			s.server.URL+strings.ReplaceAll(place, "+", "%2B"), hex.EncodeToString(sum[:]), len(f.data))
	})
}

// lowered drops the platforms above a level of glibc from a wheel's name.
func lowered(name string, glibc runtimes.Glibc) (string, bool) {
	stem := strings.TrimSuffix(name, ".whl")
	at := strings.LastIndexByte(stem, '-') + 1
	var kept []string
	for _, tag := range strings.Split(stem[at:], ".") {
		if p := parsePlatform(tag); compareGlibc(p.glibc, glibc) <= 0 {
			kept = append(kept, tag)
		}
	}
	return stem[:at] + strings.Join(kept, ".") + ".whl", len(kept) > 0
}

func normalised(name string) string {
	return strings.ToLower(regexp.MustCompile(`[-_.]+`).ReplaceAllString(name, "-"))
}

// emptyWheel makes a wheel that holds nothing but what a wheel must hold.
func emptyWheel(name, version string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	dir := fmt.Sprintf("%s-%s.dist-info/", name, version)
	for _, f := range []struct{ name, text string }{
		{"METADATA", fmt.Sprintf("Metadata-Version: 2.1\nName: %s\nVersion: %s\n", name, version)},
		{"WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"RECORD", dir + "METADATA,,\n" + dir + "WHEEL,,\n" + dir + "RECORD,,\n"},
	} {
		// Writing to memory does not fail.
		entry, _ := w.Create(dir + f.name)
		_, _ = entry.Write([]byte(f.text))
	}
	_ = w.Close()
	return b.Bytes()
}
