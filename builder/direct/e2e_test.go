//go:build e2e

package direct

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python"
)

// pins are real packages that between them have all that a wheel may have.
var pins = []string{
	"boto3==1.40.0", "botocore==1.40.0", "jmespath==1.0.1", // .data/scripts
	"requests==2.32.3", "urllib3==2.2.2", "idna==3.7",
	"pydantic==2.11.7", "pydantic-core==2.33.2", "typing-extensions==4.12.2",
	"numpy==2.2.6", "pandas==2.2.3", "cryptography==43.0.3",
	"httpie==3.2.4",              // man pages in .data/data, commands
	"ruff==0.6.9",                // a program in .data/scripts
	"greenlet==3.1.1",            // .data/headers
	"jupyterlab-widgets==3.0.13", // many data files
	"tqdm==4.66.5", "python-dateutil==2.9.0.post0", "setuptools==75.1.0", "pip==24.2", "certifi==2024.8.30",
	"docutils==0.21.2", "awscli==1.34.0", "pywin32-ctypes==0.2.3", "pyyaml==6.0.2", "protobuf==5.28.2",
}

// TestEqualsUV holds that the direct engine and uv, the real one, give the
// same layer. LAYERBUILD_TEST_UV names uv; it and the test use the network.
func TestEqualsUV(t *testing.T) {
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV is not set: it names the uv to compare with")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	client, err := NewClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := resolve(ctx, t, client)

	compareEngines(ctx, t, uv, r, &Engine{Downloads: folder(t.TempDir()), Client: client})
}

// TestEqualsUVOdd does the same with a wheel that has every oddity.
func TestEqualsUVOdd(t *testing.T) {
	uv := os.Getenv("LAYERBUILD_TEST_UV")
	if uv == "" {
		t.Fatal("LAYERBUILD_TEST_UV is not set: it names the uv to compare with")
	}
	const data = "pkg-1.0.data/"
	spec := good()
	spec.entries = append(spec.entries, []entry{
		{name: "bin/__init__.py", data: "a package called bin"},
		{name: "pkg/other.sh", data: "x", edit: func(h *zip.FileHeader) { h.ExternalAttrs = 0o100645 << 16 }},
		{name: "pkg/__pycache__/x.cpython-311.pyc", data: "bytecode"},
		{name: data + "scripts/crlf", data: "#!python\r\nprint(1)\r\n"},
		{name: data + "scripts/cr", data: "#!python\rprint(1)\n"},
		{name: data + "scripts/args", data: "#!python -E\nprint(1)\n"},
		{name: data + "scripts/window", data: "#!pythonw\nprint(1)\n"},
		{name: data + "scripts/versioned", data: "#!python3.7\nprint(1)\n"},
		{name: data + "scripts/bare", data: "#!python"},
		{name: data + "scripts/env", data: "#!/usr/bin/env python\nprint(1)\n"},
		{name: data + "scripts/absolute", data: "#!/usr/bin/python3\nprint(1)\n"},
		{name: data + "scripts/cmd-script.py", data: "#!python\nreplaced"},
		{name: data + "data/etc/run", data: "x", edit: func(h *zip.FileHeader) { h.ExternalAttrs = 0o100755 << 16 }},
		{name: data + "data/bin/from-data", data: "#!python\nx"},
		{name: "pkg-1.0.dist-info/RECORD.jws", data: "signature"},
		{name: "pkg-1.0.dist-info/INSTALLER", data: "other"},
		{name: "pkg-1.0.dist-info/REQUESTED", data: ""},
		{name: "pkg-1.0.dist-info/entry_points.txt", data: "# note\n[console_scripts]\ncmd = pkg:main\nsub=pkg.x:a.b [extra]\n[gui_scripts]\ngui = pkg:gui\n[other]\nx = y\n"},
	}...)
	wheels := t.TempDir()
	content := spec.build(t)
	if err := os.WriteFile(filepath.Join(wheels, spec.fileName()), content, 0o666); err != nil {
		t.Fatal(err)
	}
	downloads := folder(t.TempDir())
	downloads.put(t, content)
	compareEngines(t.Context(), t, uv, recipe(spec.pkg(content)), &Engine{Downloads: downloads}, "--no-index", "--find-links", wheels)
}

// compareEngines installs with uv and with the engine.
func compareEngines(ctx context.Context, t *testing.T, uv string, r runtimes.Recipe, engine *Engine, args ...string) {
	t.Helper()
	prefix := t.TempDir()
	runUV(ctx, t, uv, prefix, r, args...)
	var b bytes.Buffer
	if err := engine.Install(ctx, r, &b, nil); err != nil {
		t.Fatal(err)
	}
	for _, scripts := range []bool{false, true} {
		t.Run(fmt.Sprintf("scripts=%v", scripts), func(t *testing.T) {
			r := r
			if r.ConsoleScripts = scripts; scripts {
				r.Interpreter = "/var/lang/bin/python3.11"
			}
			theirs, ours := treeOfFolder(t, prefix), treeOfTar(t, &b)
			normalise(t, r, theirs)
			normalise(t, r, ours)
			t.Logf("%d files, %d bytes", len(ours), ours.Size())
			compare(t, theirs, ours)
		})
	}
}

// resolve makes a recipe of the pins with the wheels for Python 3.11.
func resolve(ctx context.Context, t *testing.T, client *http.Client) runtimes.Recipe {
	t.Helper()
	r := runtimes.Recipe{Runtime: "python", Prefix: "python/lib/python3.11/site-packages"}
	index := Index{Client: client}
	for _, pin := range pins {
		name, version, _ := strings.Cut(pin, "==")
		files, err := index.Files(ctx, runtimes.FileRequest{Ecosystem: "pypi", Name: name, Version: version})
		if err != nil {
			t.Fatal(err)
		}
		pkg := runtimes.Package{Name: name, Version: version}
		for _, f := range files {
			linux := strings.Contains(f.Name, "manylinux") && strings.Contains(f.Name, "x86_64")
			if strings.HasSuffix(f.Name, "-none-any.whl") ||
				linux && (strings.Contains(f.Name, "-cp311-cp311-") || strings.Contains(f.Name, "-abi3-") || strings.Contains(f.Name, "-py3-none-")) {
				pkg.File = f
			}
		}
		if pkg.File.Name == "" {
			t.Fatalf("no wheel of %s in %+v", pin, files)
		}
		r.Packages = append(r.Packages, pkg)
	}
	return r
}

// runUV installs as the container engine does.
func runUV(ctx context.Context, t *testing.T, uv, prefix string, r runtimes.Recipe, args ...string) {
	t.Helper()
	var lines strings.Builder
	for _, p := range r.Packages {
		fmt.Fprintf(&lines, "%s==%s --hash=sha256:%s\n", p.Name, p.Version, p.File.SHA256)
	}
	requirements := filepath.Join(t.TempDir(), "requirements.txt")
	if err := os.WriteFile(requirements, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, uv, "pip", "install", "--prefix", prefix, "--link-mode", "copy", "--no-compile-bytecode",
		"--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", "3.11",
		"--python-platform", "x86_64-manylinux_2_40", "--no-config", "--cache-dir", t.TempDir(), "-r", requirements)
	cmd.Args = append(cmd.Args, args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

func normalise(t *testing.T, r runtimes.Recipe, tree runtimes.Tree) {
	t.Helper()
	notes, err := python.Runtime{}.Normalise(r, tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range notes {
		t.Log(note)
	}
}

func compare(t *testing.T, want, got runtimes.Tree) {
	t.Helper()
	for _, p := range want.Paths() {
		w, g := want[p], got[p]
		if w.Mode != g.Mode || w.SHA256 != g.SHA256 || w.Size != g.Size {
			t.Errorf("%s: uv gives %v %d %x, direct %v %d %x", p, w.Mode, w.Size, w.SHA256[:4], g.Mode, g.Size, g.SHA256[:4])
		}
	}
	for _, p := range got.Paths() {
		if _, ok := want[p]; !ok {
			t.Errorf("%s: only direct gives it", p)
		}
	}
}

func treeOfFolder(t *testing.T, root string) runtimes.Tree {
	t.Helper()
	tree := runtimes.Tree{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		tree[filepath.ToSlash(name)] = runtimes.NewTreeFile(data, info.Mode()&0o111 != 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func treeOfTar(t *testing.T, b *bytes.Buffer) runtimes.Tree {
	t.Helper()
	tree := runtimes.Tree{}
	for tr := tar.NewReader(bytes.NewReader(b.Bytes())); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return tree
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		tree[h.Name] = runtimes.NewTreeFile(data, h.Mode&0o111 != 0)
	}
}
