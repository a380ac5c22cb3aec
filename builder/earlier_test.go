package builder_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/zipper"
)

// manyFiles is a plain layer of files that do not compress to nothing.
func manyFiles(t *testing.T) *project {
	t.Helper()
	p := newProject(t, serve(t), map[string]string{
		builder.ConfigName: "layers:\n  own: {path: own, plain: true, runtime: python3.11, architectures: [x86_64]}\n",
	})
	for i := range 40 {
		p.write(fmt.Sprintf("own/python/%d.py", i), source(i, 3000))
	}
	p.write("own/python/big.py", source(99, 1_500_000))
	return p
}

func source(seed, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "def f%x(x):\n    return x + %d\n", i*seed*7919, i)
	}
	return b.String()
}

// alone builds a copy of the project's files with a cache of its own, from
// which nothing can be taken.
func (p *project) alone() builder.Built {
	p.t.Helper()
	other := &project{t: p.t, dir: p.t.TempDir(), index: p.index, cache: p.t.TempDir()}
	if err := os.CopyFS(other.dir, os.DirFS(p.dir)); err != nil {
		p.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(other.dir, ".layerbuild")); err != nil {
		p.t.Fatal(err)
	}
	return other.mustBuild()[0]
}

// TestEarlierArchive: after an edit, what did not change is taken from the
// layer's earlier archive, and the bytes are those of a build without it.
func TestEarlierArchive(t *testing.T) {
	p := manyFiles(t)
	if first := p.mustBuild()[0]; first.Spliced != 0 {
		t.Errorf("%d bytes came from nowhere", first.Spliced)
	}
	for name, edit := range map[string]func(){
		"a changed file":     func() { p.write("own/python/7.py", source(100, 3000)) },
		"a new file":         func() { p.write("own/python/new.py", source(101, 3000)) },
		"a file less":        func() { os.Remove(filepath.Join(p.dir, "own/python/8.py")) },
		"a changed big file": func() { p.write("own/python/big.py", source(102, 1_500_000)) },
		"a mode":             func() { os.Chmod(filepath.Join(p.dir, "own/python/9.py"), 0o755) },
		"another name": func() {
			os.Rename(filepath.Join(p.dir, "own/python/10.py"), filepath.Join(p.dir, "own/python/ten.py"))
		},
	} {
		edit()
		got, want := p.mustBuild()[0], p.alone()
		if got.SHA256 != want.SHA256 {
			t.Errorf("%s: other bytes", name)
		}
		if got.Hit || got.Spliced < 50_000 || want.Spliced != 0 {
			t.Errorf("%s: hit %v, %d bytes spliced; without a cache %d", name, got.Hit, got.Spliced, want.Spliced)
		}
		// A build that is to use nothing of the cache takes nothing from there.
		result, err := p.build(builder.Options{NoCache: true})
		if err != nil {
			t.Fatal(err)
		}
		if again := result.Layers[0]; again.Spliced != 0 || again.SHA256 != want.SHA256 {
			t.Errorf("%s, without the cache: %d bytes spliced, SHA-256 %s", name, again.Spliced, again.SHA256)
		}
	}
}

// TestEarlierArchiveDamaged: whatever happened to the files of the earlier
// build, the next one gives the right bytes.
func TestEarlierArchiveDamaged(t *testing.T) {
	for name, damage := range map[string]func(file string, data []byte) error{
		"removed": func(file string, _ []byte) error { return os.Remove(file) },
		"cut":     func(file string, data []byte) error { return os.WriteFile(file, data[:len(data)/2], 0o644) },
		"flipped": func(file string, data []byte) error {
			data[len(data)/2] ^= 1
			return os.WriteFile(file, data, 0o644)
		},
	} {
		want := ""
		for i, n := 0, 1; i < n; i++ {
			p := manyFiles(t)
			p.mustBuild()
			files := cacheFiles(t, p.cache)
			n = len(files)
			data, err := os.ReadFile(files[i])
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(files[i], data); err != nil {
				t.Fatal(err)
			}
			p.write("own/python/7.py", source(100, 3000))
			if want == "" {
				want = p.alone().SHA256
			}
			if got := p.mustBuild()[0]; got.SHA256 != want {
				t.Errorf("%s %s: other bytes", files[i], name)
			}
		}
	}
}

// TestEarlierVersion: nothing is taken from what another version of the zipper
// has made.
func TestEarlierVersion(t *testing.T) {
	p := manyFiles(t)
	built := p.mustBuild()[0]
	key, err := cache.ParseDigest(built.Key)
	if err != nil {
		t.Fatal(err)
	}
	store := p.builder().Cache
	entry, err := store.Lookup(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	f, err := store.OpenBlob(t.Context(), entry.Blobs["keyinput"])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	input, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(input), zipper.Version, "zip/0", 1)
	if entry.Blobs["keyinput"], err = store.PutBlob(t.Context(), strings.NewReader(other)); err != nil {
		t.Fatal(err)
	}
	if err := store.Store(t.Context(), entry); err != nil {
		t.Fatal(err)
	}
	p.write("own/python/7.py", source(100, 3000))
	if got := p.mustBuild()[0]; got.Spliced != 0 {
		t.Errorf("%d bytes were spliced", got.Spliced)
	}
}
