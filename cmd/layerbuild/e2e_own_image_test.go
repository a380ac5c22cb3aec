//go:build e2e

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// libpq is a layer of one package and of libpq with all that it needs, out of
// the image after setup. Debian's are newer than the runtime's own libraries.
const libpq = `runtimes:
  python3.11: {glibc: "2.36"}
layers:
  db:
    path: db
    runtime: python3.11
    architectures: [x86_64]
    env: {DEBIAN_FRONTEND: noninteractive}
    setup:
      - if command -v dnf; then dnf install -y libpq; else apt-get update && apt-get install -y --no-install-recommends libpq5; fi
      - |
        mkdir /closure
        ldd $(ldconfig -p | sed -n 's/.*libpq.so.5.* => //p') | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
        while read -r file; do cp -L "$file" /closure; done
        rm -f /closure/libc.so* /closure/libm.so* /closure/libpthread.so* /closure/libdl.so* /closure/libresolv.so*
        dir=$(dirname $(ldconfig -p | sed -n 's/.*libpq.so.5.* => //p'))
        cp -P "$dir"/libpq.so.5* /closure
    copy:
      /closure/*: lib/
`

// TestOwnImage takes a system library into a layer, which a function then
// loads; a second build is a hit, one from nothing gives the same bytes, and
// whatever changes of the lines is another key.
func TestOwnImage(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for _, dir := range []string{filepath.Join(r.data, "tmp"), filepath.Join(r.dir, "db")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	r.write("layerbuild.yaml", libpq)
	r.write("db/requirements.txt", "six==1.17.0\n")
	r.run(0, "build")
	want := r.outputs()
	if out, _ := r.run(0, "build", "--locked"); !strings.Contains(out, " hit ") {
		t.Errorf("the second build is no hit:\n%s", out)
	}
	layers := readIndex(t, filepath.Join(r.dir, ".layerbuild/dist/layers.json"))
	use := trial{runtime: "python3.11", files: map[string]string{"use.py": useLibpq}}
	printed := use.run(t, "x86_64", filepath.Join(r.dir, ".layerbuild/dist", layers[0].File), layers[0].SHA256)
	if !strings.Contains(printed, "RESULT 1.17.0 1 True True") {
		t.Errorf("the function printed\n%s", printed)
	}

	// Another machine, which has the same lock but no cache.
	r.data = t.TempDir()
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.run(0, "build", "--locked")
	equalFolders(t, r.outputs(), want)

	// BuildKit runs setup anew: what that leaves beside the files that are copied
	// (logs, times, caches) is another thing each time, and in no layer.
	r.run(0, "build", "--locked", "--no-cache")
	equalFolders(t, r.outputs(), want)

	r.write("layerbuild.yaml", strings.Replace(libpq, "/closure/*", "/closure/libpq.so.5", 1))
	if out, _ := r.run(0, "why", "db"); !strings.Contains(out, "copy /closure/* to lib/ is gone") || !strings.Contains(out, "copy /closure/libpq.so.5 to lib/ is new") {
		t.Errorf("why does not name what changed:\n%s", out)
	}
	r.write("layerbuild.yaml", strings.Replace(libpq, "/closure/*", "/closure/libpq.so.6", 1))
	if _, told := r.run(2, "build"); !strings.Contains(told, "copy: /closure/libpq.so.6 is not in the image; near: /closure/libpq.so.5") {
		t.Errorf("the error does not name the file:\n%s", told)
	}
}

// useLibpq loads the library by its soname, as psycopg2 does, through Lambda's
// LD_LIBRARY_PATH.
const useLibpq = `
import ctypes, os, six
pq = ctypes.CDLL("libpq.so.5")
print("RESULT", six.__version__, pq.PQisthreadsafe(), pq.PQlibVersion() > 90000, os.path.islink("/opt/lib/libpq.so.5"))
`
