package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/testdata/webserver"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// A store is a cache server in memory that wants a login, where it has one.
type store struct {
	*httptest.Server
	authorization string // "" lets everybody in

	mu    sync.Mutex
	files map[string][]byte
	puts  int
	came  map[string]bool // what Authorization headers came
}

func newStore(t *testing.T, tls bool) *store {
	s := &store{files: make(map[string][]byte), came: make(map[string]bool)}
	if tls {
		s.Server = httptest.NewTLSServer(s)
	} else {
		s.Server = httptest.NewServer(s)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came[r.Header.Get("Authorization")] = true
	have, ok := s.files[r.URL.Path]
	switch {
	case s.authorization != "" && r.Header.Get("Authorization") != s.authorization:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == http.MethodPut:
		s.files[r.URL.Path] = data
		s.puts++
	case !ok:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(have)))
		w.Write(have)
	}
}

// uploads is how many there were.
func (s *store) uploads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

// onlyCame tells whether every request had one login.
func (s *store) onlyCame(authorization string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.came[authorization] && len(s.came) == 1
}

// holds tells whether a file on the server holds a text.
func (s *store) holds(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, data := range s.files {
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// monorepo writes a project of fifty services with ten distinct package sets.
func monorepo(t *testing.T) (*wheelhouse.Index, *runner) {
	t.Helper()
	var wheels []wheelhouse.Wheel
	for i := range 10 {
		name := fmt.Sprintf("lib%d", i)
		wheels = append(wheels, wheelhouse.Wheel{Name: name, Version: "1.0", Files: map[string]string{name + "/__init__.py": name}})
	}
	index, err := wheelhouse.Serve(wheels...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	r := newRunner(t, index, "lib0==1.0")
	config := "defaults: {runtime: python3.11, architectures: [x86_64]}\nlayers:\n"
	for i := range 50 {
		name := fmt.Sprintf("s%02d", i)
		config += fmt.Sprintf("  %s: {path: services/%s}\n", name, name)
		lock, project := uvLock(index, []string{fmt.Sprintf("lib%d==1.0", i%10)})
		dir := filepath.Join(r.dir, "services", name)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, "uv.lock"), lock)
		writeFile(t, filepath.Join(dir, "pyproject.toml"), project)
	}
	writeFile(t, filepath.Join(r.dir, "layerbuild.yaml"), config)
	return index, r
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// results counts what a build's JSON says of its layers.
func results(t *testing.T, stdout string) (built, fetched, hit, same int) {
	t.Helper()
	var result struct {
		Layers []struct {
			Hit    bool
			From   string
			Engine string
			SameAs *struct{ Layer string }
		}
	}
	if err := json.Unmarshal([]byte(stdout), &result); err != nil {
		t.Fatal(err)
	}
	for _, l := range result.Layers {
		switch {
		case l.SameAs != nil:
			same++
		case l.From != "":
			fetched++
		case l.Hit:
			hit++
		default:
			built++
		}
	}
	return built, fetched, hit, same
}

// TestFifty: fifty services, ten distinct package sets. One machine builds ten
// layers; a second one, whose only network is the remote, builds none.
func TestFifty(t *testing.T) {
	shared := newStore(t, false)
	index, r := monorepo(t)
	r.env = []string{"LAYERBUILD_CACHE_FROM=" + shared.URL, "LAYERBUILD_CACHE_TO=" + shared.URL}
	stdout, stderr := r.run(0, "build", "--engine", "direct", "--json")
	if built, fetched, hit, same := results(t, stdout); built != 10 || fetched != 0 || hit != 0 || same != 40 {
		t.Errorf("cold: %d built, %d fetched, %d hits, %d the same; want 10 built and 40 the same", built, fetched, hit, same)
	}
	if strings.Contains(stderr, "warning") {
		t.Error(stderr)
	}
	if shared.uploads() != 40 { // an entry and three blobs each
		t.Errorf("%d uploads, want 40", shared.uploads())
	}
	first := r.outputs()
	index.Close()

	second := &runner{t: t, dir: r.dir, data: t.TempDir(), env: r.env}
	writable := filepath.Join(second.data, "tmp")
	if err := os.Mkdir(writable, 0o777); err != nil {
		t.Fatal(err)
	}
	stdout, _ = second.run(0, "plan")
	if want := "\n50 targets, 10 distinct: 10 in the cache, 0 to build\n"; !strings.HasSuffix(stdout, want) {
		t.Errorf("plan ends with %q, want %q", stdout[max(0, len(stdout)-200):], want)
	}
	if err := os.RemoveAll(filepath.Join(r.dir, ".layerbuild")); err != nil {
		t.Fatal(err)
	}
	// Where BuildKit would be there is nobody, and it is not asked.
	second.env = append(second.env, "BUILDKIT_HOST=unix:///nowhere.sock")
	stdout, stderr = second.run(0, "build", "--json")
	if built, fetched, hit, same := results(t, stdout); built != 0 || fetched != 10 || hit != 0 || same != 40 {
		t.Errorf("second machine: %d built, %d fetched, %d hits, %d the same; want 10 fetched and 40 the same", built, fetched, hit, same)
	}
	if stderr != "" {
		t.Errorf("it said %s", stderr)
	}
	if shared.uploads() != 40 {
		t.Errorf("%d uploads after it, want 40", shared.uploads())
	}
	for name, data := range second.outputs() {
		if !bytes.Equal(first[name], data) {
			t.Errorf("%s differs between the machines", name)
		}
	}
	shared.Close()
	stdout, stderr = second.run(0, "build", "--json") // nothing to ask for
	if built, fetched, hit, same := results(t, stdout); built != 0 || fetched != 0 || hit != 10 || same != 40 || stderr != "" {
		t.Errorf("once more: %d built, %d fetched, %d hits, %d the same\n%s", built, fetched, hit, same, stderr)
	}
}

// TestRemoteSecrets: a login for a remote reaches it, and is found nowhere: not
// in the cache, the outputs, the project, or what is said, with -v too, whether
// the server takes it or not.
func TestRemoteSecrets(t *testing.T) {
	const planted = "planted-word-5d1c"
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("ci:"+planted))
	const key = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A" // that signs
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	for name, test := range map[string]struct {
		authorization string
		remote        string // fields of the configuration's remote; "": there is none
		address       string // what stands before the host in the variables' address
		netrc         bool
		env           []string
	}{
		"token in a variable":  {"Bearer " + planted, "token: {env: CACHE_TOKEN}", "", false, []string{"CACHE_TOKEN=" + planted}},
		"token in a file":      {"Bearer " + planted, "token: {file: ../token}", "", false, nil},
		"login in the address": {basic, "", "ci:" + planted + "@", false, nil},
		"netrc":                {basic, "", "", true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newStore(t, true)
			server.authorization = test.authorization
			home := t.TempDir()
			r := newRunner(t, index, "core==1.0")
			ca := filepath.Join(home, "ca.pem")
			writeFile(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
			if test.netrc {
				writeFile(t, filepath.Join(home, ".netrc"), "machine 127.0.0.1 login ci password "+planted+"\n")
			}
			config := "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64]}\n"
			r.env = append(test.env, "HOME="+home, "SSL_CERT_FILE="+ca, "LAYERBUILD_CACHE_KEY=layerbuild-key-1:"+key)
			if test.remote != "" {
				file := filepath.Join(home, "token")
				writeFile(t, file, planted+"\n")
				remote := strings.ReplaceAll(test.remote, "../token", file)
				config += fmt.Sprintf("cache: {remotes: [{url: %q, push: true, %s}]}\n", server.URL, remote)
			} else {
				address := strings.Replace(server.URL, "https://", "https://"+test.address, 1)
				r.env = append(r.env, "LAYERBUILD_CACHE_FROM="+address, "LAYERBUILD_CACHE_TO="+address)
			}
			writeFile(t, filepath.Join(r.dir, "layerbuild.yaml"), config)
			var said strings.Builder
			build := func(want string) {
				t.Helper()
				for _, args := range [][]string{{"plan", "-v"}, {"build", "--engine", "direct", "-v"}, {"build", "--json"}} {
					stdout, stderr := r.run(0, args...)
					said.WriteString(stdout + stderr)
					if args[0] == "build" && len(args) == 4 && !strings.Contains(stdout+stderr, want) {
						t.Errorf("%v: %q is not in\n%s%s", args, want, stdout, stderr)
					}
				}
			}
			build(" built ")
			if server.uploads() != 4 || !server.onlyCame(test.authorization) {
				t.Errorf("%d uploads, or another login", server.uploads())
			}
			if !server.holds("layerbuild-sig-1:") {
				t.Error("nothing was signed")
			}
			caches := []string{r.data}
			r.data = t.TempDir()
			if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
				t.Fatal(err)
			}
			build(" fetched ")
			caches = append(caches, r.data)
			server.mu.Lock()
			server.authorization = "Bearer another"
			server.mu.Unlock()
			r.data = t.TempDir()
			if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
				t.Fatal(err)
			}
			build("401 Unauthorized: the login is wrong or has expired; it is left alone")
			caches = append(caches, r.data, r.dir)

			server.mu.Lock()
			defer server.mu.Unlock()
			encoded := strings.TrimPrefix(basic, "Basic ")
			for _, secret := range []string{planted, encoded, key} {
				if strings.Contains(said.String(), secret) {
					t.Errorf("it was said:\n%s", &said)
				}
				for _, dir := range caches {
					for file, data := range readFolder(t, dir) {
						if bytes.Contains(data, []byte(secret)) {
							t.Errorf("%s/%s holds it", dir, file)
						}
					}
				}
				for path, data := range server.files {
					if bytes.Contains(data, []byte(secret)) {
						t.Errorf("the remote's %s holds it", path)
					}
				}
			}
		})
	}
}

// TestPushAuto: with push: auto a run pushes from the trusted branch's CI alone,
// and what others need they fetch.
func TestPushAuto(t *testing.T) {
	index, err := wheelhouse.Serve(scriptWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	event := filepath.Join(t.TempDir(), "event.json")
	writeFile(t, event, `{"repository": {"default_branch": "main"}}`)
	push := []string{"GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=push", "GITHUB_REF_TYPE=branch", "GITHUB_REF=refs/heads/main", "GITHUB_EVENT_PATH=" + event}
	pull := []string{"GITHUB_ACTIONS=true", "GITHUB_EVENT_NAME=pull_request", "GITHUB_REF_TYPE=branch", "GITHUB_REF=refs/pull/1/merge", "GITHUB_EVENT_PATH=" + event}
	server := newStore(t, false)
	r := newRunner(t, index, "core==1.0")
	config := "layers:\n  svc: {path: ., runtime: python3.11, architectures: [x86_64]}\n"
	writeFile(t, filepath.Join(r.dir, "layerbuild.yaml"), config+fmt.Sprintf("cache: {remotes: [{url: %q, push: auto}]}\n", server.URL))
	for i, job := range []struct {
		env  []string
		want string
		puts int
	}{{pull, " built ", 0}, {push, " built ", 4}, {pull, " fetched ", 4}} {
		r.data, r.env = t.TempDir(), job.env
		if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
			t.Fatal(err)
		}
		stdout, _ := r.run(0, "build", "--engine", "direct")
		if !strings.Contains(stdout, job.want) || server.uploads() != job.puts {
			t.Errorf("job %d: %d uploads, want %d and %q\n%s", i, server.uploads(), job.puts, job.want, stdout)
		}
	}
}

// TestRecipes holds doc/ci.md against what is tried: its server's configuration is
// the one that tests run, its layerbuild.yaml loads, its other files are YAML.
func TestRecipes(t *testing.T) {
	data, err := os.ReadFile("../../doc/ci.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for _, block := range strings.Split(string(data), "\n```")[1:] {
		kind, text, _ := strings.Cut(block, "\n")
		if text == "" || kind == "" { // the end of a block, and what follows
			continue
		}
		text += "\n"
		first, _, _ := strings.Cut(text, "\n")
		seen[kind]++
		switch {
		case kind == "nginx":
			if text != webserver.Config() {
				t.Error("the server's configuration is not testdata/webserver/nginx.conf")
			}
		case first == "# layerbuild.yaml":
			file := filepath.Join(t.TempDir(), "layerbuild.yaml")
			writeFile(t, file, text)
			if _, err := builder.LoadConfig(file); err != nil {
				t.Error(err)
			}
		case kind == "yaml":
			var any map[string]any
			if err := yaml.Unmarshal([]byte(text), &any); err != nil || len(any) == 0 {
				t.Errorf("%s: %v", first, err)
			}
		}
	}
	if seen["nginx"] != 1 || seen["yaml"] != 7 {
		t.Errorf("found %v", seen)
	}
}
