package direct

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	sumA = strings.Repeat("a", 64)
	sumB = strings.Repeat("b", 64)
	sumC = strings.Repeat("c", 64)
)

var htmlPage = `<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.3"></head><body>
<a href="../../files/my_pkg-1.0-py3-none-any.whl#sha256=` + sumA + `" data-requires-python="&gt;=3.8,&lt;4" data-yanked="">my_pkg-1.0-py3-none-any.whl</a><br/>
<A HREF="https://files.example/my-pkg-1.0.tar.gz?x=1#sha256=` + strings.ToUpper(sumB) + `">
  my-pkg-1.0.tar.gz </A>
<a href="my_pkg-1.0.1-py3-none-any.whl#sha256=` + sumC + `">my_pkg-1.0.1-py3-none-any.whl</a>
<a href="my_pkg-1.0-py2-none-any.whl#md5=0">my_pkg-1.0-py2-none-any.whl</a>
<a href="my_pkg-1.0-py1-none-any.whl">my_pkg-1.0-py1-none-any.whl</a>
<a href="ftp://files.example/my_pkg-1.0-py4-none-any.whl#sha256=` + sumC + `">my_pkg-1.0-py4-none-any.whl</a>
</body></html>`

var jsonPage = `{"meta": {"api-version": "1.4"}, "name": "my-pkg", "unknown": [1], "files": [
{"filename": "my_pkg-1.0-py3-none-any.whl", "url": "../../files/my_pkg-1.0-py3-none-any.whl", "hashes": {"sha256": "` + sumA + `", "md5": "0"}, "requires-python": ">=3.8,<4", "size": 123, "yanked": "broken"},
{"filename": "my-pkg-1.0.tar.gz", "url": "https://files.example/my-pkg-1.0.tar.gz?x=1", "hashes": {"sha256": "` + sumB + `"}, "requires-python": null, "yanked": false},
{"filename": "my_pkg-1.0.1-py3-none-any.whl", "url": "x.whl", "hashes": {"sha256": "` + sumC + `"}},
{"filename": "my_pkg-1.0-py2-none-any.whl", "url": "y.whl", "hashes": {}},
{"filename": "../my_pkg-1.0-py1-none-any.whl", "url": "y.whl", "hashes": {"sha256": "` + sumC + `"}}
]}`

func page(contentType, text string) []http.HandlerFunc {
	return []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, text)
	}}
}

func TestIndexFiles(t *testing.T) {
	for _, test := range []struct {
		name, contentType, text string
		size                    int64
	}{
		{"HTML", "text/html; charset=utf-8", htmlPage, 0},
		{"HTML by PEP 691", "application/vnd.pypi.simple.v1+html", htmlPage, 0},
		{"JSON", "application/vnd.pypi.simple.v1+json", jsonPage, 123},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, map[string][]http.HandlerFunc{"/simple/my-pkg/": page(test.contentType, test.text)})
			e, _ := engine(t, patience)
			x := Index{Client: e.Client, newBackOff: noWait}
			wheel := runtimes.File{Name: "my_pkg-1.0-py3-none-any.whl", URL: s.URL + "/files/my_pkg-1.0-py3-none-any.whl", SHA256: sumA, RequiresPython: ">=3.8,<4", Size: test.size, Yanked: true}
			sdist := runtimes.File{Name: "my-pkg-1.0.tar.gz", URL: "https://files.example/my-pkg-1.0.tar.gz?x=1", SHA256: sumB}
			for _, ask := range []struct {
				version string
				hashes  []string
				want    []runtimes.File
			}{
				{"1.0", nil, []runtimes.File{sdist, wheel}},
				{"1.0.0", nil, []runtimes.File{sdist, wheel}},
				{"1.0", []string{sumA, sumC}, []runtimes.File{wheel}},
				{"2.0", nil, nil},
			} {
				got, err := x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "pypi", Name: "my-pkg", Version: ask.version,
					Hashes: ask.hashes, Indexes: []string{s.URL + "/simple"}})
				if err != nil || !reflect.DeepEqual(got, ask.want) {
					t.Errorf("%s %v:\ngot  %+v, %v\nwant %+v", ask.version, ask.hashes, got, err, ask.want)
				}
			}
		})
	}
}

func TestIndexSeveral(t *testing.T) {
	link := func(name, sum string) []http.HandlerFunc {
		return page("text/html", fmt.Sprintf(`<a href="%s#sha256=%s">%[1]s</a>`, name, sum))
	}
	s := serve(t, map[string][]http.HandlerFunc{
		"/a/pkg/": link("pkg-1.0.tar.gz", sumA),
		"/b/pkg/": link("pkg-1.0-py3-none-any.whl", sumB),
		"/c/pkg/": {status(500)},
		"/d/pkg/": page("application/json", `{"meta": {"api-version": "2.0"}}`),
		"/e/pkg/": page("application/json", `{"meta`),
	})
	e, _ := engine(t, patience)
	x := Index{Client: e.Client, newBackOff: noWait}
	for _, test := range []struct {
		indexes string
		hashes  []string
		want    string // the files' hashes, or the error
	}{
		{"ab", nil, sumA},
		{"ba", nil, sumB},
		{"za", nil, sumA},
		{"ab", []string{sumA, sumB}, sumB + sumA},
		{"ab", []string{sumB}, sumB},
		{"ac", nil, sumA},
		{"ca", nil, "500"},
		{"zz", nil, ""},
		{"da", nil, "version 2.0 of the simple API"},
		{"ea", nil, "cannot be read"},
	} {
		var indexes []string
		for _, name := range test.indexes {
			indexes = append(indexes, s.URL+"/"+string(name))
		}
		files, err := x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "pypi", Name: "pkg", Version: "1.0", Hashes: test.hashes, Indexes: indexes})
		var got string
		for _, f := range files {
			got += f.SHA256
		}
		var network *runtimes.NetworkError
		if err != nil && (!errors.As(err, &network) || !strings.Contains(err.Error(), test.want)) || err == nil && got != test.want {
			t.Errorf("%s %v: got %q, %v, want %q", test.indexes, test.hashes, got, err, test.want)
		}
	}
	if _, err := x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "cargo", Name: "pkg"}); err == nil {
		t.Error("an unknown ecosystem was asked")
	}
}

func TestIndexProject(t *testing.T) {
	link := func(version, sum string) []http.HandlerFunc {
		return page("text/html", `<a href="x/my_pkg-`+version+`.tar.gz#sha256=`+sum+`">my_pkg-`+version+`.tar.gz</a>`)
	}
	s := serve(t, map[string][]http.HandlerFunc{"/first/my-pkg/": link("1.0", sumA), "/second/my-pkg/": link("2.0", sumB)})
	e, _ := engine(t, patience)
	x := Index{Client: e.Client, newBackOff: noWait}
	for _, test := range []struct {
		indexes []string
		want    string
	}{
		{[]string{"/first", "/second"}, "my_pkg-1.0.tar.gz"},
		{[]string{"/absent", "/second"}, "my_pkg-2.0.tar.gz"},
		{[]string{"/absent"}, ""},
	} {
		var indexes []string
		for _, index := range test.indexes {
			indexes = append(indexes, s.URL+index)
		}
		got, err := x.Project(t.Context(), "my-pkg", indexes)
		if names := fileNames(got); err != nil || names != test.want {
			t.Errorf("%v: %s, %v; want %s", test.indexes, names, err, test.want)
		}
	}
}

func fileNames(files []runtimes.File) string {
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func TestDefaultIndex(t *testing.T) {
	u, err := url.Parse(DefaultIndex())
	if err != nil || u.Scheme != "https" || u.Host == "" || !strings.HasSuffix(u.Path, "/") {
		t.Errorf("DefaultIndex() = %q", DefaultIndex())
	}
}

func TestClientCABundle(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the refusal
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	s.StartTLS()
	defer s.Close()
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o666); err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(bundle, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	client.CloseIdleConnections()

	// Without the bundle the certificate is refused, once and for all.
	if client, err = NewClient("", nil); err != nil {
		t.Fatal(err)
	}
	x := Index{Client: client, newBackOff: longWait}
	var network *runtimes.NetworkError
	if _, err := x.Files(t.Context(), runtimes.FileRequest{Ecosystem: "pypi", Name: "x", Indexes: []string{s.URL}}); !errors.As(err, &network) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{filepath.Join(t.TempDir(), "none"), os.Args[0]} {
		var input *runtimes.InputError
		if _, err := NewClient(name, nil); !errors.As(err, &input) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzIndexHTML(f *testing.F) {
	f.Add([]byte(htmlPage))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := parseHTML(bytes.NewReader(data), &url.URL{Scheme: "https", Host: "index.example", Path: "/simple/x/"})
		checkFiles(t, files, err)
	})
}

func FuzzIndexJSON(f *testing.F) {
	f.Add([]byte(jsonPage))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := parseJSON(data, &url.URL{Scheme: "https", Host: "index.example", Path: "/simple/x/"})
		checkFiles(t, files, err)
	})
}

// checkFiles holds what everyone may rely on.
func checkFiles(t *testing.T, files []runtimes.File, err error) {
	t.Helper()
	if err != nil && files != nil {
		t.Errorf("files beside the error %v", err)
	}
	for _, f := range files {
		u, err := url.Parse(f.URL)
		if err != nil || u.User != nil || u.Host == "" || !validSum(f.SHA256) || f.Name == "" || strings.Contains(f.Name, "/") || f.Size < 0 {
			t.Errorf("%+v, %v", f, err)
		}
	}
}
