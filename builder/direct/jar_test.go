package direct

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// jarPackage is a locked jar of the group com.acme.
func jarPackage(name, version, content string, places ...string) runtimes.Package {
	file := name + "-" + version + ".jar"
	if len(places) == 0 {
		places = []string{"java/lib/" + file}
	}
	return runtimes.Package{Name: "com.acme:" + name, Version: version, File: runtimes.File{Name: file, SHA256: hexSum([]byte(content))}, Places: places}
}

func jarRecipe(indexes []string, packages ...runtimes.Package) runtimes.Recipe {
	return runtimes.Recipe{Runtime: "java", Prefix: "java/lib", Packages: packages, Indexes: indexes}
}

func TestInstallJars(t *testing.T) {
	files := map[string][]http.HandlerFunc{
		"/one/com/acme/core/1.0/core-1.0.jar":       {status(503), content([]byte("core"))},
		"/two/com/acme/util/2.0/util-2.0.jar":       {content([]byte("util"))},
		"/one/com/acme/epoll/3.0/epoll-3.0-x.jar":   {content([]byte("native"))},
		"/one/com/acme/odd/4.0-jvm/odd-4.0-jvm.jar": {content([]byte("odd"))},
	}
	s := serve(t, files)
	e, kept := engine(t, time.Minute)
	kept.put(t, []byte("kept"))
	classifier := jarPackage("epoll", "3.0", "native", "java/lib/epoll-3.0-x.jar")
	classifier.Name, classifier.File.Name = "com.acme:epoll:x", "epoll-3.0-x.jar"
	odd := jarPackage("odd", "4.0", "odd", "java/lib/odd-4.0-jvm.jar")
	odd.File.Name, odd.File.URL = "odd-4.0-jvm.jar", "../4.0-jvm/odd-4.0-jvm.jar"
	r := jarRecipe([]string{s.URL + "/one", s.URL + "/two/"},
		jarPackage("util", "2.0", "util", "java/lib/com.acme-util-2.0.jar", "java/lib/again.jar"),
		jarPackage("core", "1.0", "core"), classifier, odd, jarPackage("kept", "1", "kept"))
	var first []byte
	for range 2 {
		var b bytes.Buffer
		if err := e.Install(t.Context(), r, &b, nil); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = bytes.Clone(b.Bytes())
		}
		if !bytes.Equal(first, b.Bytes()) {
			t.Error("the second time, the tar has other bytes")
		}
		slices.Reverse(r.Packages)
	}
	var got []string
	for tr := tar.NewReader(bytes.NewReader(first)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %o %s", h.Name, h.Mode, data))
	}
	want := []string{
		"java/lib/again.jar 644 util", "java/lib/com.acme-util-2.0.jar 644 util", "java/lib/core-1.0.jar 644 core",
		"java/lib/epoll-3.0-x.jar 644 native", "java/lib/kept-1.jar 644 kept", "java/lib/odd-4.0-jvm.jar 644 odd",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if n := len(kept.kept(t)); n != 5 {
		t.Errorf("%d files are kept", n)
	}
}

// TestJarRefused holds that whatever goes wrong names the file and the package.
func TestJarRefused(t *testing.T) {
	for name, test := range map[string]struct {
		one, two http.HandlerFunc
		want     []string
		digest   bool
		login    bool
	}{
		"nowhere":    {one: status(404), two: status(410), want: []string{"core-1.0.jar of com.acme:core 1.0", "/one/com/acme/core/1.0/core-1.0.jar", "404 Not Found", "/two/com/acme/core/1.0/core-1.0.jar"}},
		"refused":    {one: status(404), two: status(401), want: []string{"core-1.0.jar of com.acme:core 1.0", "401 Unauthorized"}, login: true},
		"changed":    {one: content([]byte("other")), two: content([]byte("core")), want: []string{"core-1.0.jar does not match its locked SHA-256", "/one/com/acme/core"}, digest: true},
		"not served": {one: status(400), two: content([]byte("core")), want: []string{"core-1.0.jar of com.acme:core 1.0", "400 Bad Request"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, map[string][]http.HandlerFunc{"/one/com/acme/core/1.0/core-1.0.jar": {test.one}, "/two/com/acme/core/1.0/core-1.0.jar": {test.two}})
			e, kept := engine(t, time.Minute)
			err := e.Install(t.Context(), jarRecipe([]string{s.URL + "/one", s.URL + "/two"}, jarPackage("core", "1.0", "core")), io.Discard, nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			var digest *runtimes.DigestError
			var login *runtimes.LoginError
			if errors.As(err, &digest) != test.digest || errors.As(err, &login) != test.login {
				t.Errorf("got %T %v", err, err)
			}
			if names := kept.kept(t); len(names) > 0 {
				t.Errorf("%v is kept", names)
			}
		})
	}
}

func TestJarRecipeRefused(t *testing.T) {
	e, _ := engine(t, time.Minute)
	missing := jarPackage("core", "1.0", "core")
	missing.Missing = "there is none"
	nowhere := jarPackage("core", "1.0", "core")
	nowhere.Places = nil
	odd := jarPackage("core", "1.0", "core")
	odd.File.URL = "../../../../../../x.jar"
	for want, packages := range map[string][]runtimes.Package{
		"has no file: there is none":                         {missing},
		"has no place in the layer":                          {nowhere},
		`cannot be installed as "../x.jar"`:                  {jarPackage("core", "1.0", "core", "../x.jar")},
		`cannot be installed as "java/lib/x.war"`:            {jarPackage("core", "1.0", "core", "java/lib/x.war")},
		"are both to be installed as java/lib/same.jar":      {jarPackage("a", "1", "a", "java/lib/same.jar"), jarPackage("b", "1", "b", "java/lib/same.jar")},
		"is not a file of com.acme:core:1.0 in a repository": {odd},
	} {
		if err := e.Install(t.Context(), jarRecipe(nil, packages...), io.Discard, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestRepository(t *testing.T) {
	s := serve(t, map[string][]http.HandlerFunc{
		"/m2/a.pom": {status(500), content([]byte("a POM"))}, "/m2/a.jar": {cut([]byte("a jar of some length")), content([]byte("a jar"))},
		"/m2/private": {status(401)}, "/m2/gone": {status(410)},
	})
	e, kept := engine(t, time.Minute)
	ctx, repository := t.Context(), s.URL+"/m2/"
	if data, err := e.Document(ctx, repository, "a.pom", 5); string(data) != "a POM" || err != nil {
		t.Errorf("Document: %q, %v", data, err)
	}
	if _, err := e.Document(ctx, repository, "a.pom", 4); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "more than 4 bytes") {
		t.Errorf("Document: %v", err)
	}
	sums, err := e.Keep(ctx, repository, "a.jar")
	if err != nil || sums.SHA256 != hexSum([]byte("a jar")) || len(sums.SHA512) != 128 || !slices.Equal(kept.kept(t), []string{sums.SHA256}) {
		t.Errorf("Keep: %+v, %v", sums, err)
	}
	for path, want := range map[string]bool{"a.pom": true, "b.pom": false, "gone": false} {
		if has, err := e.Has(ctx, repository, path); has != want || err != nil {
			t.Errorf("Has(%s) = %v, %v", path, has, err)
		}
		if _, err := e.Keep(ctx, repository, path); errors.Is(err, fs.ErrNotExist) == want {
			t.Errorf("Keep(%s): %v", path, err)
		}
	}
	var login *runtimes.LoginError
	if _, err := e.Has(ctx, repository, "private"); !errors.As(err, &login) {
		t.Errorf("Has: %v", err)
	}
}

// TestDefaultRepository says no address: it holds that one is known.
func TestDefaultRepository(t *testing.T) {
	if base := DefaultRepository(); !strings.HasPrefix(base, "https://") || strings.HasSuffix(base, "/") || strings.Contains(base, "a-1.pom") {
		t.Errorf("the default repository is %q", base)
	}
}
