//go:build e2e

package node

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/builder/buildkit"
	"github.com/layerbuild/layerbuild/runtimes"
)

// watchdog ends a test that hangs.
const watchdog = 15 * time.Minute

// engine is the daemon of the testbed.
func engine(t *testing.T) *buildkit.Engine {
	t.Helper()
	address := os.Getenv("BUILDKIT_HOST")
	if address == "" {
		t.Fatal("BUILDKIT_HOST is not set")
	}
	const system = "/etc/ssl/certs/ca-certificates.crt"
	if _, err := os.Stat(system); err != nil {
		t.Fatal(err)
	}
	return &buildkit.Engine{Address: address, CABundle: system, NoCache: true}
}

// pinnedTarget is a target of nodejs22.x with the image that the testbed has.
func pinnedTarget(t *testing.T, arch runtimes.Arch) runtimes.Target {
	t.Helper()
	target := nodeTarget(t, "nodejs22.x", arch)
	digest, err := engine(t).ResolveImage(t.Context(), target.Runtime.Image)
	if err != nil {
		t.Fatal(err)
	}
	target.Pins.Images = map[string]string{target.Runtime.Image: digest}
	return target
}

// installInContainer runs a recipe's steps, and returns what its layer holds.
func installInContainer(t *testing.T, r runtimes.Recipe) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	var spool bytes.Buffer
	if err := engine(t).Install(ctx, r, &spool, nil); err != nil {
		var failed *runtimes.InstallError
		if errors.As(err, &failed) {
			t.Log(strings.Join(failed.Lines, "\n"))
		}
		t.Fatal(err)
	}
	tree := runtimes.Tree{}
	for archive := tar.NewReader(&spool); ; {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeReg:
			tree[strings.TrimPrefix(h.Name, "./")] = runtimes.NewTreeFile(data, h.Mode&0o100 != 0)
		case tar.TypeSymlink:
			tree[strings.TrimPrefix(h.Name, "./")] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: h.Linkname}
		}
	}
	return normalised(t, r, tree)
}

// normalised tells what a layer holds: mode, owner and hash of each file.
func normalised(t *testing.T, r runtimes.Recipe, tree runtimes.Tree) map[string]string {
	t.Helper()
	notes, err := Runtime{}.Normalise(r, tree)
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) > 0 {
		t.Errorf("notes: %v", notes)
	}
	files := map[string]string{}
	for name, f := range tree {
		files[name] = f.Mode.String() + " " + f.Package + " " + f.Link + " " + string(f.SHA256[:])
	}
	return files
}

// TestInstallInContainer follows the recipes of a project that has all that
// npm knows, and holds the layer against what `npm ci` makes of the project's
// own lock file on this machine; twice, from different folders.
func TestInstallInContainer(t *testing.T) {
	p := generated{version: 3, files: map[string]string{
		"package.json": text(map[string]any{
			"name": "made-up", "version": "1.0.0",
			"dependencies": map[string]string{
				"express": "4.21.1", "sharp": "0.33.5", "esbuild": "0.24.0", "old-debug": "npm:debug@3.2.7", "react-dom": "18.3.1", "react": "18.3.1",
				"bundler": "file:lib/bundler-1.0.0.tgz", "@made-up/archive": "file:lib/archive.tgz", "bcrypt": "5.1.1",
			},
			"devDependencies": map[string]string{"left-pad": "1.3.0"},
		}),
		"bundler/package.json": text(map[string]any{
			"name": "bundler", "version": "1.0.0", "dependencies": map[string]string{"within": "1.0.0", "ms": "2.1.3"}, "bundleDependencies": []string{"within"},
			"bin": map[string]string{"run": "run.js"},
		}),
		"bundler/run.js": "#!/usr/bin/env node\r\n",
		"bundler/node_modules/within/package.json": text(map[string]any{"name": "within", "version": "1.0.0"}),
		"bundler/node_modules/within/index.js":     "module.exports = 1\n",
		"archive/package.json":                     text(map[string]any{"name": "@made-up/archive", "version": "3.0.0", "dependencies": map[string]string{"ms": "1.0.0"}}),
		"archive/index.js":                         "exports.x = 1\n",
		"lib/.keep":                                "",
	}}
	dir := t.TempDir()
	p.write(t, dir)
	runNPM(t, filepath.Join(dir, "bundler"), "pack", "--ignore-scripts", "--pack-destination", filepath.Join(dir, "lib"))
	runNPM(t, filepath.Join(dir, "archive"), "pack", "--ignore-scripts", "--pack-destination", filepath.Join(dir, "lib"))
	if err := os.Rename(filepath.Join(dir, "lib/made-up-archive-3.0.0.tgz"), filepath.Join(dir, "lib/archive.tgz")); err != nil {
		t.Fatal(err)
	}
	runNPM(t, dir, "install", "--package-lock-only", "--ignore-scripts", "--before="+before)
	for _, arch := range runtimes.Arches() {
		t.Run(string(arch), func(t *testing.T) {
			target := pinnedTarget(t, arch)
			r, err := recipeOf(t, os.DirFS(dir), target)
			if err != nil {
				t.Fatal(err)
			}
			got := installInContainer(t, r)

			copied := t.TempDir()
			for _, name := range []string{"package.json", "package-lock.json", "lib"} {
				if err := os.CopyFS(copied, only{os.DirFS(dir), name}); err != nil {
					t.Fatal(err)
				}
			}
			runNPM(t, copied, "ci", "--omit=dev", "--ignore-scripts", "--no-bin-links", "--os=linux", "--cpu="+targetCPU(arch), "--libc=glibc")
			tree := readTree(t, copied)
			// This npm writes no libc into its lock, and installs what is for musl.
			maps.DeleteFunc(tree, func(name string, _ runtimes.TreeFile) bool { return strings.Contains(name, "linuxmusl") })
			equalFiles(t, "npm ci", got, normalised(t, r, tree))

			again, err := recipeOf(t, os.DirFS(copied), target)
			if err != nil {
				t.Fatal(err)
			}
			equalFiles(t, "the second time", got, installInContainer(t, again))
			t.Logf("%d packages, %d files", len(r.Packages), len(got))
		})
	}
}

// only is a file system with one of its top entries.
type only struct {
	fs.FS
	name string
}

func (o only) Open(name string) (fs.File, error) { return o.FS.Open(name) }

func (o only) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	if name != "." {
		return entries, err
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() != o.name }), err
}

func equalFiles(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	different := 0
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if got[name] != want[name] {
			if different++; different < 20 {
				t.Errorf("%s: %s: %q, want %q", what, name, got[name], want[name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[name]; !ok {
			if different++; different < 20 {
				t.Errorf("%s: lacks %s", what, name)
			}
		}
	}
}

// readTree reads an installed tree from a folder.
func readTree(t *testing.T, dir string) runtimes.Tree {
	t.Helper()
	tree := runtimes.Tree{}
	err := filepath.WalkDir(filepath.Join(dir, "node_modules"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, _ := filepath.Rel(dir, name)
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(name)
			tree[below] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: link}
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		tree[below] = runtimes.NewTreeFile(data, info.Mode()&0o100 != 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
