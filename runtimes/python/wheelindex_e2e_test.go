//go:build e2e

package python

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// testWheel is a wheel that a test made.
type testWheel struct {
	name string // normalised; the version is 1.0
	data []byte
}

func (w testWheel) file() string {
	return strings.ReplaceAll(w.name, "-", "_") + "-1.0-py3-none-any.whl"
}

func (w testWheel) sha256() string {
	sum := sha256.Sum256(w.data)
	return hex.EncodeToString(sum[:])
}

// pkg is the package that w is the file of.
func (w testWheel) pkg(base string) runtimes.Package {
	return runtimes.Package{Name: w.name, Version: "1.0", File: runtimes.File{
		Name: w.file(), URL: base + "/files/" + w.file(), SHA256: w.sha256(),
	}}
}

// makeWheel packs files, with the metadata that a wheel has.
func makeWheel(t *testing.T, name string, files map[string]string) testWheel {
	t.Helper()
	dist := strings.ReplaceAll(name, "-", "_") + "-1.0"
	files = maps.Clone(files)
	files[dist+".dist-info/METADATA"] = "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n"
	files[dist+".dist-info/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
	record := &strings.Builder{}
	paths := slices.Sorted(maps.Keys(files))
	for _, path := range paths {
		sum := sha256.Sum256([]byte(files[path]))
		fmt.Fprintf(record, "%s,sha256=%s,%d\n", path, base64.RawURLEncoding.EncodeToString(sum[:]), len(files[path]))
	}
	fmt.Fprintf(record, "%s.dist-info/RECORD,,\n", dist)
	files[dist+".dist-info/RECORD"] = record.String()

	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, path := range append(paths, dist+".dist-info/RECORD") {
		f, err := zw.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return testWheel{name, buf.Bytes()}
}

// wheelIndex serves an index of listed at /simple, and all wheels at /files.
func wheelIndex(listed, unlisted []testWheel) http.Handler {
	mux := http.NewServeMux()
	for _, w := range listed {
		mux.HandleFunc("/simple/"+w.name+"/", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(rw, `<!DOCTYPE html><a href="/files/%s#sha256=%s">%[1]s</a>`, w.file(), w.sha256())
		})
	}
	for _, w := range slices.Concat(listed, unlisted) {
		mux.HandleFunc("/files/"+w.file(), func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "application/octet-stream")
			rw.Write(w.data)
		})
	}
	return mux
}

// clashing returns wheels that own a path together: apple, Pear and zebra
// differ there, and twin has apple's bytes at another path.
func clashing(t *testing.T) []testWheel {
	t.Helper()
	return []testWheel{
		makeWheel(t, "zebra", map[string]string{"tests/__init__.py": "zebra\n", "zebra.py": "z = 1\n"}),
		makeWheel(t, "apple", map[string]string{"tests/__init__.py": "apple\n", "apple.py": "a = 1\n", "shared.py": "same\n"}),
		makeWheel(t, "pear-tree", map[string]string{"tests/__init__.py": "pear\n", "tests/pear.py": "p = 1\n"}),
		makeWheel(t, "twin", map[string]string{"shared.py": "same\n", "twin.py": "t = 1\n"}),
	}
}

// full is a wheel with one of each thing that a wheel can hold.
func full(t *testing.T) testWheel {
	t.Helper()
	return makeWheel(t, "full", map[string]string{
		"full/__init__.py":                    "def main(): print('full')\n",
		"full-1.0.data/purelib/pure.py":       "p = 1\n",
		"full-1.0.data/platlib/plat.py":       "p = 2\n",
		"full-1.0.data/data/share/full/x.txt": "data\n",
		"full-1.0.data/headers/full.h":        "#define FULL\n",
		"full-1.0.data/scripts/full-script":   "#!python\nprint('script')\n",
		"full-1.0.dist-info/entry_points.txt": "[console_scripts]\nfull = full:main\n",
		"full-1.0.dist-info/licenses/LICENSE": "free\n",
	})
}
