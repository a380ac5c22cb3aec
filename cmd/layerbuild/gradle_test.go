package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// mavenRepository is a Maven repository on loopback.
type mavenRepository struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte
	refuse map[string]int // path → status
	asked  int
}

func newMavenRepository(t *testing.T) *mavenRepository {
	t.Helper()
	m := &mavenRepository{files: map[string][]byte{}, refuse: map[string]int{}}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.asked++
		name := strings.TrimPrefix(r.URL.Path, "/m2/")
		if code, ok := m.refuse[name]; ok {
			w.WriteHeader(code)
			return
		}
		data, ok := m.files[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	t.Cleanup(m.Close)
	return m
}

// set changes what the repository says of a file: its content, nil for none,
// or a status.
func (m *mavenRepository) set(name string, data []byte, status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	delete(m.refuse, name)
	if data != nil {
		m.files[name] = data
	}
	if status != 0 {
		m.refuse[name] = status
	}
}

// add adds a module with a jar of one class; it returns the jar.
func (m *mavenRepository) add(t *testing.T, group, artifact, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(artifact + "/Main.class")
	if err == nil {
		_, err = w.Write([]byte("\xca\xfe\xba\xbe\x00\x00\x00\x34" + group + version)) // Java 8
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	base := fmt.Sprintf("%s/%s/%s/%[2]s-%[3]s", strings.ReplaceAll(group, ".", "/"), artifact, version)
	m.set(base+".pom", []byte("<project/>"), 0)
	m.set(base+".jar", b.Bytes(), 0)
	return b.Bytes()
}

const orderLock = `# This is a Gradle generated file for dependency locking.
com.acme:core:1.0=compileClasspath,runtimeClasspath
com.acme:util:1.0=runtimeClasspath
org.other:util:1.0=runtimeClasspath
org.test:junit:4=testRuntimeClasspath
empty=annotationProcessor
`

// newGradleRunner is a project with a Gradle lock, whose user has the
// repository as Maven's mirror.
func newGradleRunner(t *testing.T) (*runner, *mavenRepository) {
	t.Helper()
	m := newMavenRepository(t)
	m.add(t, "com.acme", "core", "1.0")
	m.add(t, "com.acme", "util", "1.0")
	m.add(t, "org.other", "util", "1.0")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	r.env = []string{"HOME=" + r.data, "BUILDKIT_HOST="}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(r.data, ".m2/settings.xml"), "<settings><mirrors><mirror><id>m</id><mirrorOf>*</mirrorOf><url>"+m.URL+"/m2</url></mirror></mirrors></settings>")
	put(t, filepath.Join(r.dir, "layerbuild.yaml"), "engine: direct\nlayers:\n  svc: {path: app, runtime: java21, architectures: [x86_64, arm64]}\n")
	put(t, filepath.Join(r.dir, "app/gradle.lockfile"), orderLock)
	put(t, filepath.Join(r.dir, "app/build.gradle"), "throw new Exception('a build script that must not be run')\n")
	return r, m
}

func put(t *testing.T, file, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(file), 0o777)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGradle builds a layer of a Gradle lock, from nothing to a hit.
func TestGradle(t *testing.T) {
	r, m := newGradleRunner(t)
	lock := filepath.Join(r.dir, "layerbuild.lock")

	// Locked, its hashes are not known.
	_, stderr := r.run(2, "build", "--locked")
	if !strings.Contains(stderr, "app/gradle.lockfile: the hashes of its jars are not in layerbuild.lock") || !strings.Contains(stderr, "hint: run: layerbuild lock") {
		t.Error(stderr)
	}
	r.run(0, "build")
	first := r.outputs()
	names := zipNames(t, first["svc-java21-x86_64.zip"])
	if names != "java/lib/com.acme-util-1.0.jar java/lib/core-1.0.jar java/lib/org.other-util-1.0.jar" {
		t.Errorf("the layer holds %s", names)
	}
	if !bytes.Equal(first["svc-java21-x86_64.zip"], first["svc-java21-arm64.zip"]) {
		t.Error("without natives, the architectures differ")
	}
	asked := m.asked
	stdout, _ := r.run(0, "build", "--locked")
	if !strings.Contains(stdout, " hit ") || strings.Contains(stdout, " built ") || m.asked != asked {
		t.Errorf("the second time: %s%d requests", stdout, m.asked-asked)
	}
	r.run(0, "lock", "--check")
	locked, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}

	// A test's dependency changes nothing; one that runs must be locked anew.
	put(t, filepath.Join(r.dir, "app/gradle.lockfile"), strings.Replace(orderLock, "junit:4", "junit:5", 1))
	if stdout, _ := r.run(0, "build", "--locked"); !strings.Contains(stdout, " hit ") || strings.Contains(stdout, " built ") {
		t.Errorf("a test's dependency: %s", stdout)
	}
	m.add(t, "com.acme", "core", "1.1")
	put(t, filepath.Join(r.dir, "app/gradle.lockfile"), strings.Replace(orderLock, "core:1.0", "core:1.1", 1))
	_, stderr = r.run(2, "lock", "--check")
	if !strings.Contains(stderr, "com.acme:core:1.1 (line 2), and layerbuild.lock has 1.0") {
		t.Error(stderr)
	}
	if stdout, _ := r.run(0, "lock"); !strings.Contains(stdout, "com.acme:core 1.0 → 1.1") {
		t.Errorf("lock does not say what changed: %s", stdout)
	}
	if now, err := os.ReadFile(lock); err != nil || bytes.Count(now, []byte("\n")) != bytes.Count(locked, []byte("\n")) || !bytes.Contains(now, []byte("com.acme:core:1.1:")) {
		t.Errorf("%v in layerbuild.lock:\n%s", err, now)
	}
	r.run(0, "build", "--locked")

	// The project's own jar is one that the configuration adds.
	put(t, filepath.Join(r.dir, "layerbuild.yaml"), "engine: direct\nlayers:\n  svc:\n    {path: app, runtime: java21, architectures: [x86_64], include: {app/build/libs/app.jar: java/lib/app.jar}}\n")
	// A jar needs nothing but a table of contents, which an empty one has.
	put(t, filepath.Join(r.dir, "app/build/libs/app.jar"), "PK\x05\x06"+strings.Repeat("\x00", 18))
	r.run(0, "build", "--locked")
	if names := zipNames(t, r.outputs()["svc.zip"]); !strings.HasPrefix(names, "java/lib/app.jar java/lib/com.acme-util-1.0.jar ") {
		t.Errorf("with the project's own jar, the layer holds %s", names)
	}
}

func zipNames(t *testing.T, data []byte) string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

// TestGradleFails has what may be wrong at the repository and with the lock:
// nothing is written, and the file, the module and the way out are named.
func TestGradleFails(t *testing.T) {
	const jar, pom = "com/acme/core/1.0/core-1.0.jar", "com/acme/core/1.0/core-1.0.pom"
	sum := sha256.Sum256([]byte("other"))
	verification := `<verification-metadata><components><component group="com.acme" name="core" version="1.0"><artifact name="core-1.0.jar"><sha256 value="` +
		hex.EncodeToString(sum[:]) + `"/></artifact></component></components></verification-metadata>`
	for name, test := range map[string]struct {
		locked bool // after a first build, whose downloads are lost
		change func(t *testing.T, r *runner, m *mavenRepository)
		code   int
		want   []string
	}{
		"no module": {change: func(_ *testing.T, _ *runner, m *mavenRepository) { m.set(pom, nil, 0) }, code: 1,
			want: []string{"app/gradle.lockfile: com.acme:core:1.0 is in none of the repositories: http://127.0.0.1", "hint: it may be in a private repository"}},
		"no jar": {change: func(_ *testing.T, _ *runner, m *mavenRepository) { m.set(jar, nil, 0) }, code: 1,
			want: []string{"app/gradle.lockfile: com.acme:core:1.0 has no file core-1.0.jar", "hint: a mirror may lack it"}},
		"a private module": {change: func(_ *testing.T, _ *runner, m *mavenRepository) { m.set(pom, nil, 401) }, code: 1,
			want: []string{"com.acme:core:1.0: ", "core-1.0.pom", "wants a user and a password (401 Unauthorized)", "hint: "}},
		"another jar than verified": {change: func(t *testing.T, r *runner, _ *mavenRepository) {
			put(t, filepath.Join(r.dir, "gradle/verification-metadata.xml"), verification)
		}, code: 3, want: []string{"core-1.0.jar does not match its locked SHA-256 " + hex.EncodeToString(sum[:]), "hint: somebody changed"}},
		"another jar than locked": {locked: true, change: func(t *testing.T, _ *runner, m *mavenRepository) { m.set(jar, []byte("other"), 0) }, code: 3,
			want: []string{": layerbuild.lock: core-1.0.jar does not match its locked SHA-256 ", "got " + hex.EncodeToString(sum[:]), "hint: somebody changed"}},
		"a jar that is gone": {locked: true, change: func(t *testing.T, _ *runner, m *mavenRepository) { m.set(jar, nil, 404) }, code: 1,
			want: []string{"core-1.0.jar of com.acme:core 1.0: fetch http://127.0.0.1", "404 Not Found", "hint: "}},
		"a jar that became private": {locked: true, change: func(t *testing.T, _ *runner, m *mavenRepository) { m.set(jar, nil, 403) }, code: 1,
			want: []string{"core-1.0.jar of com.acme:core 1.0: fetch http://127.0.0.1", "(403 Forbidden)", "hint: "}},
		"no jar, but a page": {change: func(t *testing.T, _ *runner, m *mavenRepository) { m.set(jar, []byte("<html>"), 0) }, code: 1,
			want: []string{"core-1.0.jar (of com.acme:core) is no jar: ", "[jar-damaged]", "hint: "}},
		"a merge conflict": {change: func(t *testing.T, r *runner, _ *mavenRepository) {
			put(t, filepath.Join(r.dir, "app/gradle.lockfile"), strings.Replace(orderLock, "org.other", "<<<<<<< HEAD\norg.other", 1))
		}, code: 2, want: []string{"app/gradle.lockfile:4: cannot be read: a merge conflict is left in it", "hint: have Gradle write it anew"}},
		"compileClasspath alone": {change: func(t *testing.T, r *runner, _ *mavenRepository) {
			put(t, filepath.Join(r.dir, "app/gradle.lockfile"), "com.acme:core:1.0=compileClasspath\n")
		}, code: 2, want: []string{"app/gradle.lockfile: it locks compileClasspath, and not runtimeClasspath", "gradle dependencies --write-locks"}},
		"no lock": {change: func(t *testing.T, r *runner, _ *mavenRepository) {
			if err := os.Remove(filepath.Join(r.dir, "app/gradle.lockfile")); err != nil {
				t.Fatal(err)
			}
		}, code: 2, want: []string{"app/build.gradle: the Gradle project is not locked", "gradle dependencies --write-locks"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, m := newGradleRunner(t)
			if test.locked {
				r.run(0, "build")
				for _, dir := range []string{filepath.Join(r.data, "cache"), filepath.Join(r.dir, ".layerbuild")} {
					if err := os.RemoveAll(dir); err != nil {
						t.Fatal(err)
					}
				}
			}
			test.change(t, r, m)
			stdout, stderr := r.run(test.code, "build")
			if stdout != "" || len(r.outputs()) > 0 || len(r.temporaries()) > 0 {
				t.Errorf("stdout %q, outputs %v, temporary %v", stdout, r.outputs(), r.temporaries())
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in\n%s", want, stderr)
				}
			}
			if _, err := os.Stat(filepath.Join(r.dir, "layerbuild.lock")); (err == nil) != (test.locked || name == "no jar, but a page") {
				t.Errorf("layerbuild.lock: %v", err)
			}
		})
	}
}
