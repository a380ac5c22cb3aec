package direct

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func jsonAnswer(text string) []http.HandlerFunc {
	return []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}}
}

func only(code int) []http.HandlerFunc { return []http.HandlerFunc{status(code)} }

func TestDefaultRegistry(t *testing.T) {
	if r := DefaultRegistry(); !strings.HasPrefix(r, "https://") {
		t.Errorf("npm's own registry is %q", r)
	}
}

func TestRegistryOf(t *testing.T) {
	lines := []string{"registry=https://a.example/npm/", "@team:registry = https://b.example", "registry=https://weaker.example"}
	for _, test := range []struct {
		lines      []string
		name, want string
		configured bool
	}{
		{lines, "pkg", "https://a.example/npm/", true},
		{lines, "@team/pkg", "https://b.example", true},
		{lines, "@other/pkg", "https://a.example/npm/", true},
		{lines[1:2], "pkg", DefaultRegistry(), false},
		{nil, "@team/pkg", DefaultRegistry(), false},
	} {
		if got, configured := registryOf(test.lines, test.name); got != test.want || configured != test.configured {
			t.Errorf("%q %s: got %s, %v", test.lines, test.name, got, configured)
		}
	}
}

func TestParseIntegrity(t *testing.T) {
	data := []byte("x")
	sum512 := sri(data)
	for _, test := range []struct{ text, want string }{
		{sum512, sum512},
		{"sha1-" + strings.Repeat("A", 27) + "= " + sum512 + "?opt", sum512},
		{"sha1-" + strings.Repeat("A", 27) + "=", "sha1-" + strings.Repeat("A", 27) + "="},
		{"sha384-" + strings.Repeat("A", 64) + " sha256-" + strings.Repeat("A", 43) + "=", "sha384-" + strings.Repeat("A", 64)},
		{strings.Repeat("00", 32), "sha256-" + strings.Repeat("A", 43) + "="},
		{"sha512-AAAA", ""}, {"md5-" + strings.Repeat("A", 22) + "==", ""}, {"", ""}, {"sha512-!!", ""},
	} {
		got, ok := ParseIntegrity(test.text)
		if ok != (test.want != "") || ok && got.String() != test.want {
			t.Errorf("%s: got %v, %v", test.text, got, ok)
		}
		if again, same := ParseIntegrity(got.String()); ok && (!same || again != got) {
			t.Errorf("%s: %v is read as %v", test.text, got, again)
		}
	}
	i, _ := ParseIntegrity(sum512)
	if h := i.NewHash(); h.Size() != 64 || i.Hex() == "" {
		t.Errorf("the hash has %d bytes", h.Size())
	}
}

func TestPackageVersion(t *testing.T) {
	data := tarOf(`{}`).build(t)
	sha1, _ := ParseIntegrity("sha1-" + strings.Repeat("A", 27) + "=")
	dist := func(path string) string {
		return fmt.Sprintf(`"dist":{"tarball":%q,"integrity":%q,"shasum":%q}`, path, sri(data), sha1.Hex())
	}
	s := serve(t, map[string][]http.HandlerFunc{
		"/npm/pkg/1.0.0":     jsonAnswer(`{"name":"pkg","version":"1.0.0","os":["linux","!win32"],"cpu":"x64","libc":["glibc"],"scripts":{"test":"x","postinstall":"node x"},` + dist("/npm/pkg/-/pkg-1.0.0.tgz") + `}`),
		"/npm/@team/pkg/2.0": jsonAnswer(`{"name":"@team/pkg","version":"2.0","os":null,"scripts":[],"gypfile":false,` + dist("https://user:secret@files.example/x.tgz") + `}`),
		"/npm/gyp/1.0.0":     jsonAnswer(`{"version":"1.0.0","gypfile":true,` + dist("x.tgz") + `}`),
		"/npm/old/1.0.0":     jsonAnswer(`{"version":"1.0.0","dist":{"tarball":"x.tgz","shasum":"` + sha1.Hex() + `"}}`),
		"/npm/pages/1.0.0":   only(404),
		"/npm/pages":         jsonAnswer(`{"versions":{"0.9.0":null,"1.0.0":{"version":"1.0.0","hasInstallScript":true,` + dist("/x.tgz") + `}}}`),
		"/npm/none/1.0.0":    only(404),
		"/npm/none":          only(404),
		"/npm/other/1.0.0":   jsonAnswer(`{"version":"1.0.1",` + dist("/x.tgz") + `}`),
		"/npm/bare/1.0.0":    jsonAnswer(`{"version":"1.0.0","dist":{"tarball":"/x.tgz"}}`),
		"/npm/broken/1.0.0":  jsonAnswer(`[`),
		"/npm/closed/1.0.0":  only(401),
		"/npm/busy/1.0.0":    append(only(503), jsonAnswer(`{"version":"1.0.0",`+dist("/x.tgz")+`}`)...),
	})
	e, _ := engine(t, patience)
	x := Index{Client: e.Client, newBackOff: noWait}
	ask := func(name, version string, hashes ...string) ([]runtimes.File, error) {
		return x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "npm", Name: name, Version: version, Hashes: hashes, Indexes: []string{"registry=" + s.URL + "/npm/"}})
	}
	none := &runtimes.Platform{}
	for _, test := range []struct {
		name, version string
		hashes        []string
		want          []runtimes.File
	}{
		{"pkg", "1.0.0", nil, []runtimes.File{{Name: "pkg-1.0.0.tgz", URL: s.URL + "/npm/pkg/-/pkg-1.0.0.tgz", Integrity: sri(data), Scripts: true,
			Platform: &runtimes.Platform{OS: []string{"linux", "!win32"}, CPU: []string{"x64"}, Libc: []string{"glibc"}}}}},
		{"@team/pkg", "2.0", []string{sri(data)}, []runtimes.File{{Name: "pkg-2.0.tgz", URL: "https://files.example/x.tgz", Integrity: sri(data), Platform: none}}},
		{"@team/pkg", "2.0", []string{sri([]byte("other"))}, nil},
		{"gyp", "1.0.0", []string{sha1.String()}, []runtimes.File{{Name: "gyp-1.0.0.tgz", URL: s.URL + "/npm/gyp/x.tgz", Integrity: sri(data), Scripts: true, Platform: none},
			{Name: "gyp-1.0.0.tgz", URL: s.URL + "/npm/gyp/x.tgz", Integrity: sha1.String(), Scripts: true, Platform: none}}},
		{"gyp", "1.0.0", nil, []runtimes.File{{Name: "gyp-1.0.0.tgz", URL: s.URL + "/npm/gyp/x.tgz", Integrity: sri(data), Scripts: true, Platform: none}}},
		{"old", "1.0.0", nil, []runtimes.File{{Name: "old-1.0.0.tgz", URL: s.URL + "/npm/old/x.tgz", Integrity: sha1.String(), Platform: none}}},
		{"pages", "1.0.0", nil, []runtimes.File{{Name: "pages-1.0.0.tgz", URL: s.URL + "/x.tgz", Integrity: sri(data), Scripts: true, Platform: none}}},
		{"pages", "1.0.1", nil, nil},
		{"none", "1.0.0", nil, nil},
		{"busy", "1.0.0", nil, []runtimes.File{{Name: "busy-1.0.0.tgz", URL: s.URL + "/x.tgz", Integrity: sri(data), Platform: none}}},
		{"../pkg", "1.0.0", nil, nil},
		{"pkg", "1.0.0/../x", nil, nil},
	} {
		got, err := ask(test.name, test.version, test.hashes...)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s %s %q: got %+v, %v\nwant %+v", test.name, test.version, test.hashes, got, err, test.want)
		}
	}
	for name, want := range map[string]string{"other": `answers with "1.0.1"`, "bare": "no digest", "broken": "cannot be read"} {
		var network *runtimes.NetworkError
		if _, err := ask(name, "1.0.0"); !errors.As(err, &network) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	var login *runtimes.LoginError
	if _, err := ask("closed", "1.0.0"); !errors.As(err, &login) {
		t.Errorf("closed: got %v", err)
	}
}

// TestDownloadTarball: where a tarball is looked for, and in which order.
func TestDownloadTarball(t *testing.T) {
	data := tarOf(`{"name":"pkg"}`).build(t)
	other := tarOf(`{"name":"other"}`).build(t)
	good := []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }}
	wrong := []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(other) }}
	doc := func(data []byte) []http.HandlerFunc {
		return jsonAnswer(fmt.Sprintf(`{"version":"1.0.0","dist":{"tarball":"/elsewhere.tgz","integrity":%q}}`, sri(data)))
	}
	const conventional, page = "/pkg/-/pkg-1.0.0.tgz", "/pkg/1.0.0"
	for _, test := range []struct {
		name     string
		locked   string // path at the lock file's server, "" for none
		mirror   map[string][]http.HandlerFunc
		lock     map[string][]http.HandlerFunc
		problem  string // of the error, "" for none
		requests string
	}{
		{"no address", "", map[string][]http.HandlerFunc{conventional: good}, nil, "", "mirror " + conventional},
		{"no address, not the convention", "", map[string][]http.HandlerFunc{conventional: only(404), page: doc(data), "/elsewhere.tgz": good}, nil, "",
			"mirror " + conventional + ", mirror " + page + ", mirror /elsewhere.tgz"},
		{"mirrored", conventional, map[string][]http.HandlerFunc{conventional: good}, nil, "", "mirror " + conventional},
		{"the mirror lacks it", conventional, map[string][]http.HandlerFunc{conventional: only(404), page: only(404), "/pkg": only(404)}, map[string][]http.HandlerFunc{conventional: good}, "",
			"mirror " + conventional + ", mirror " + page + ", mirror /pkg, lock " + conventional},
		{"the mirror refuses it", conventional, map[string][]http.HandlerFunc{conventional: only(403)}, nil, "403", "mirror " + conventional},
		{"the mirror has something else", conventional, map[string][]http.HandlerFunc{conventional: wrong}, nil, "does not match", "mirror " + conventional},
		{"not of a registry", "/archive/x.tgz", map[string][]http.HandlerFunc{page: doc(other)}, map[string][]http.HandlerFunc{"/archive/x.tgz": good}, "",
			"mirror " + page + ", lock /archive/x.tgz"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests []string
			note := func(who string, handlers map[string][]http.HandlerFunc) map[string][]http.HandlerFunc {
				noted := make(map[string][]http.HandlerFunc)
				for path, list := range handlers {
					for _, h := range list {
						noted[path] = append(noted[path], func(w http.ResponseWriter, r *http.Request) {
							requests = append(requests, who+" "+r.URL.Path)
							h(w, r)
						})
					}
				}
				return noted
			}
			mirror, lock := serve(t, note("mirror", test.mirror)), serve(t, note("lock", test.lock))
			e, _ := engine(t, patience)
			pkg := npmPackage("pkg", data)
			if test.locked != "" {
				pkg.File.URL = lock.URL + test.locked
			}
			r := npmRecipe(pkg)
			r.Indexes, r.Mirrored = []string{"registry=" + mirror.URL}, true
			err := e.Install(t.Context(), r, &bytes.Buffer{}, nil)
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v, want %q", err, test.problem)
			}
			if got := strings.Join(requests, ", "); got != test.requests {
				t.Errorf("asked %s\nwant  %s", got, test.requests)
			}
		})
	}
}

// TestBearer: a token goes to its own server, and appears in no error.
func TestBearer(t *testing.T) {
	var got []string
	closed := []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}}
	here, elsewhere := serve(t, map[string][]http.HandlerFunc{"/pkg/1.0.0": closed}), serve(t, map[string][]http.HandlerFunc{"/pkg/1.0.0": closed})
	u, err := url.Parse(here.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := newClient("", []runtimes.Login{{Scheme: "http", Host: u.Host, Bearer: true, Password: "t0ken", From: ".npmrc"}}, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	x := Index{Client: client, newBackOff: noWait}
	for _, server := range []string{here.URL, elsewhere.URL} {
		_, err := x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "npm", Name: "pkg", Version: "1.0.0", Indexes: []string{"registry=" + server}})
		var login *runtimes.LoginError
		if !errors.As(err, &login) || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", server, err)
		}
	}
	if want := []string{"Bearer t0ken", ""}; !reflect.DeepEqual(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// FuzzRegistry: whatever a registry answers, it is read or refused.
func FuzzRegistry(f *testing.F) {
	f.Add([]byte(`{"version":"1.0.0","os":"linux","cpu":["x64",1],"libc":{},"scripts":{"install":1},"dist":{"tarball":"x.tgz","shasum":"` + hex.EncodeToString(make([]byte, 20)) + `"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc versionDoc
		if json.Unmarshal(data, &doc) != nil {
			return
		}
		files, err := doc.files(runtimes.FileRequest{Name: "pkg", Version: doc.Version}, &url.URL{Scheme: "https", Host: "registry.example"})
		for _, file := range files {
			if _, ok := ParseIntegrity(file.Integrity); err != nil || !ok || !strings.HasPrefix(file.URL, "http") {
				t.Errorf("%+v cannot be fetched", file)
			}
		}
	})
}
