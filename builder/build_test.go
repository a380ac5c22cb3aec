package builder_test

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/direct"
	"github.com/layerbuild/layerbuild/cache"
	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
	"github.com/layerbuild/layerbuild/testdata/wheelhouse"
)

// The tests here run the whole flow with the real parts: a package index on
// loopback, the Python plugin, the direct engine, the zipper and the cache.

// testWheels is what the index of every test serves.
func testWheels() []wheelhouse.Wheel {
	native := func(tag, content string) wheelhouse.Wheel {
		return wheelhouse.Wheel{Name: "fastmath", Version: "1.0", Tag: tag,
			Files: map[string]string{"fastmath/__init__.py": "", "fastmath/_core.so": content}}
	}
	pure := func(name, version string, requires ...string) wheelhouse.Wheel {
		return wheelhouse.Wheel{Name: name, Version: version, Requires: requires,
			Files: map[string]string{name + "/__init__.py": "version = '" + version + "'\n"}}
	}
	return []wheelhouse.Wheel{
		pure("api", "1.0", "core>=1"), pure("api", "1.1", "core>=1"),
		pure("core", "1.0"), pure("core", "2.0"),
		pure("lint", "1.0"), pure("lint", "2.0"),
		native("cp311-cp311-manylinux_2_17_x86_64", "x86"), native("cp311-cp311-manylinux_2_17_aarch64", "arm"),
		native("cp312-cp312-manylinux_2_17_x86_64", "x86 for 3.12"), native("cp312-cp312-manylinux_2_28_aarch64", "arm for 3.12"),
	}
}

func serve(t *testing.T) *wheelhouse.Index {
	t.Helper()
	index, err := wheelhouse.Serve(testWheels()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(index.Close)
	return index
}

// project is a folder with a configuration and lock files.
type project struct {
	t     *testing.T
	dir   string
	index *wheelhouse.Index
	cache string

	mu     sync.Mutex
	events []builder.Event
}

func newProject(t *testing.T, index *wheelhouse.Index, files map[string]string) *project {
	t.Helper()
	p := &project{t: t, dir: t.TempDir(), index: index, cache: t.TempDir()}
	for name, content := range files {
		p.write(name, content)
	}
	return p
}

func (p *project) write(name, content string) {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// builder opens the cache and joins the parts, as the command line does.
func (p *project) builder() *builder.Builder {
	p.t.Helper()
	config, err := builder.LoadConfig(filepath.Join(p.dir, builder.ConfigName))
	if err != nil {
		p.t.Fatal(err)
	}
	store, err := cache.Open(p.cache)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { store.Close() })
	return &builder.Builder{
		Config: config, Cache: store,
		Runtimes: []runtimes.Runtime{python.Runtime{}},
		Index:    &direct.Index{Client: http.DefaultClient},
		Indexes:  map[string][]string{"python": {p.index.SimpleURL()}},
		Direct:   &direct.Engine{Downloads: storedDownloads{store}, Client: http.DefaultClient},
		Report: func(e builder.Event) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.events = append(p.events, e)
		},
	}
}

func (p *project) build(opts builder.Options) (*builder.Result, error) {
	p.t.Helper()
	p.events = nil
	return p.builder().Build(p.t.Context(), opts)
}

func (p *project) mustBuild() []builder.Built {
	p.t.Helper()
	result, err := p.build(builder.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	return result.Layers
}

// storedDownloads keeps downloads among the cache's blobs.
type storedDownloads struct{ cache *cache.Cache }

type stored struct {
	*os.File
	size int64
}

func (s stored) Size() int64 { return s.size }

func (d storedDownloads) Open(ctx context.Context, sum string) (direct.ReadAtCloser, error) {
	digest, err := cache.ParseDigest(sum)
	if err != nil {
		return nil, err
	}
	f, err := d.cache.OpenBlob(ctx, cache.Blob{SHA256: digest, Size: -1})
	if err != nil {
		return nil, errors.Join(os.ErrNotExist, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return stored{f, info.Size()}, nil
}

func (d storedDownloads) Save(ctx context.Context, sum string, fetch func(io.Writer) error) (direct.ReadAtCloser, error) {
	w, err := d.cache.NewBlob()
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if err := fetch(w); err != nil {
		return nil, err
	}
	if got := w.Blob().SHA256.String(); got != sum {
		return nil, &runtimes.DigestError{Want: sum, Got: got}
	}
	if _, err := w.Commit(); err != nil {
		return nil, err
	}
	return d.Open(ctx, sum)
}

// requirements locks packages ("api==1.0") with the hashes of all their files.
func requirements(index *wheelhouse.Index, pins ...string) string {
	var b strings.Builder
	for _, pin := range pins {
		name, version, _ := strings.Cut(pin, "==")
		b.WriteString(pin)
		for _, f := range index.Files(name) {
			if strings.HasPrefix(f.Name, name+"-"+version+"-") {
				b.WriteString(" \\\n    --hash=sha256:" + f.SHA256)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

// uvLock locks the same in uv's format; dev are members of the group dev.
func uvLock(index *wheelhouse.Index, pins, dev []string) string {
	var b strings.Builder
	b.WriteString("version = 1\nrevision = 3\nrequires-python = \">=3.11\"\n")
	deps := func(pins []string) string {
		var list []string
		for _, pin := range pins {
			name, _, _ := strings.Cut(pin, "==")
			list = append(list, "{ name = \""+name+"\" }")
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	for _, pin := range append(slices.Clone(pins), dev...) {
		name, version, _ := strings.Cut(pin, "==")
		fmt.Fprintf(&b, "\n[[package]]\nname = %q\nversion = %q\nsource = { registry = %q }\nwheels = [\n", name, version, index.SimpleURL())
		for _, f := range index.Files(name) {
			if strings.HasPrefix(f.Name, name+"-"+version+"-") {
				fmt.Fprintf(&b, "    { url = \"%s/files/%s/%s\", hash = \"sha256:%s\", size = %d },\n", index.URL, name, f.Name, f.SHA256, len(f.Data))
			}
		}
		b.WriteString("]\n")
	}
	fmt.Fprintf(&b, "\n[[package]]\nname = \"svc\"\nversion = \"1\"\nsource = { virtual = \".\" }\ndependencies = %s\n", deps(pins))
	fmt.Fprintf(&b, "\n[package.dev-dependencies]\ndev = %s\n", deps(dev))
	fmt.Fprintf(&b, "\n[package.metadata]\nrequires-dist = %s\n\n[package.metadata.requires-dev]\ndev = %s\n", deps(pins), deps(dev))
	return b.String()
}

func pyproject(pins, dev []string) string {
	quoted := func(pins []string) string {
		var list []string
		for _, pin := range pins {
			name, _, _ := strings.Cut(pin, "==")
			list = append(list, `"`+name+`"`)
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	return "[project]\nname = \"svc\"\nversion = \"1\"\nrequires-python = \">=3.11\"\ndependencies = " + quoted(pins) +
		"\n\n[dependency-groups]\ndev = " + quoted(dev) + "\n"
}

const oneLayer = "layers:\n  api: {path: svc, runtime: python3.11, architectures: [x86_64]}\n"

func zipNames(t *testing.T, file string) []string {
	t.Helper()
	r, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var names []string
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	return names
}
