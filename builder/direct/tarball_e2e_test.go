//go:build e2e

package direct

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmPins are real packages whose tarballs between them have what tarballs of
// npm packages have.
var npmPins = []string{
	"npm@10.9.0",                                                                        // nearly all of it bundled
	"node-gyp@11.0.0",                                                                   // programs in Python
	"sharp@0.33.5", "@img/sharp-linux-x64@0.33.5", "@img/sharp-libvips-linux-x64@1.0.4", // native, large
	"esbuild@0.21.5", "@esbuild/linux-x64@0.21.5", // a program
	"typescript@5.5.4",                                        // files of 9 MB
	"shelljs@0.8.5",                                           // a program without a suffix
	"mkdirp@0.3.0",                                            // the first years' tools, .gitignore files
	"express@2.5.11",                                          // links
	"socket.io@0.9.19",                                        //
	"less@1.3.3",                                              // a command
	"mime@1.2.11",                                             //
	"tap@0.7.1",                                               // bundles
	"resolve@1.22.8",                                          // odd fixtures
	"grunt-init@0.3.2",                                        // templates
	"pg@0.6.18",                                               //
	"ws@0.4.32",                                               // sources to be built
	"@types/node@20.14.0", "lodash@4.17.21", "core-js@3.38.0", // many files
}

// npmProgram is the npm to compare with: that of the testbed, or any.
func npmProgram(t *testing.T) string {
	t.Helper()
	if tools := os.Getenv("LAYERBUILD_TEST_TOOLS"); tools != "" {
		if npm := filepath.Join(tools, "node", "bin", "npm"); fileExists(npm) {
			return npm
		}
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Fatalf("there is no npm: %v", err)
	}
	return npm
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// TestEqualsNPM holds that the direct engine and npm, the real one, lay real
// packages out alike. It uses the network.
func TestEqualsNPM(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	npm := npmProgram(t)
	project := t.TempDir()
	dependencies := make(map[string]string)
	for i, pin := range npmPins {
		at := strings.LastIndex(pin, "@")
		// Aliases keep the tree flat enough for several versions of one name.
		dependencies[fmt.Sprintf("p%d", i)] = "npm:" + pin[:at] + "@" + pin[at+1:]
	}
	writeJSON(t, filepath.Join(project, "package.json"), map[string]any{"name": "project", "version": "1.0.0", "dependencies": dependencies})
	runNPM(ctx, t, npm, project, "install", "--package-lock-only", "--ignore-scripts", "--omit-lockfile-registry-resolved", "--force")
	runNPM(ctx, t, npm, project, "ci", "--ignore-scripts", "--no-bin-links", "--force")

	client, err := NewClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	registry := strings.TrimSpace(runNPM(ctx, t, npm, project, "config", "get", "registry"))
	r := recipeOfLock(t, filepath.Join(project, "package-lock.json"))
	r.Indexes = []string{"registry=" + registry}
	compareWithNPM(ctx, t, r, &Engine{Downloads: folder(t.TempDir()), Client: client}, project)
}

// TestEqualsNPMOdd does the same with a tarball for every oddity, which a
// registry on loopback serves.
func TestEqualsNPMOdd(t *testing.T) {
	npm := npmProgram(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	dependencies := make(map[string]string)
	locked := map[string]any{"": map[string]any{"name": "project", "version": "1.0.0", "dependencies": dependencies}}
	var tarballs [][]byte
	var packages []runtimes.Package
	add := func(spec tarballSpec, fields map[string]any) {
		name := fmt.Sprintf("odd%d", len(packages))
		data := spec.build(t)
		pkg := npmPackage(name, data)
		packages = append(packages, pkg)
		tarballs = append(tarballs, data)
		dependencies[name] = "1.0.0"
		file := tarballPath(name, "1.0.0")
		version := maps.Clone(fields)
		version["name"], version["version"] = name, "1.0.0"
		version["dist"] = map[string]string{"tarball": server.URL + file, "integrity": pkg.File.Integrity}
		locked["node_modules/"+name] = map[string]any{"version": "1.0.0", "integrity": pkg.File.Integrity}
		mux.HandleFunc(file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{
				"name": name, "dist-tags": map[string]string{"latest": "1.0.0"}, "versions": map[string]any{"1.0.0": version},
			})
		})
	}
	for _, odd := range oddTarballs(t) {
		add(odd.spec, map[string]any{})
	}
	for _, bin := range []any{"./bin/a", map[string]any{"x": "bin/a", "y": `\lib\c.js`}, []any{"bin/a", "/bin/b"}, map[string]any{"x": "../../bin/a"}} {
		fields := map[string]any{"name": "pkg", "bin": bin}
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		add(tarOf(string(text), tarMember{name: "package/bin/a", data: "#!/usr/bin/env node\r\n"}, tarMember{name: "package/bin/b", data: "b"},
			tarMember{name: "package/lib/c.js", data: "c"}), fields)
	}
	project := t.TempDir()
	writeJSON(t, filepath.Join(project, "package.json"), map[string]any{"name": "project", "version": "1.0.0", "dependencies": dependencies})
	writeJSON(t, filepath.Join(project, "package-lock.json"), map[string]any{
		"name": "project", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": locked,
	})
	runNPM(t.Context(), t, npm, project, "ci", "--ignore-scripts", "--no-bin-links", "--registry", server.URL)
	compareWithNPM(t.Context(), t, npmRecipe(packages...), &Engine{Downloads: downloaded(t, tarballs...)}, project)
}

// runNPM runs npm with a cache of its own.
func runNPM(ctx context.Context, t *testing.T, npm, project string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, npm, append(args, "--no-audit", "--no-fund", "--cache", filepath.Join(t.TempDir(), "cache"))...)
	cmd.Dir = project
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(npm)+string(os.PathListSeparator)+os.Getenv("PATH"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("npm %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return string(out)
}

func writeJSON(t *testing.T, name string, value any) {
	t.Helper()
	data, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(name, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// recipeOfLock reads a lock file of version 3, as simply as this test allows.
func recipeOfLock(t *testing.T, file string) runtimes.Recipe {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Name, Version, Integrity string
			InBundle, Optional       bool
		}
	}
	if err := json.Unmarshal(data, &lock); err != nil {
		t.Fatal(err)
	}
	byDigest := make(map[string]*runtimes.Package)
	for place, p := range lock.Packages {
		// Which optional packages are for another platform is the plugin's business.
		foreign := p.Optional && !fileExists(filepath.Join(filepath.Dir(file), place))
		if place == "" || p.InBundle || foreign {
			continue
		}
		name := p.Name
		if name == "" {
			name = place[strings.LastIndex(place, "node_modules/")+len("node_modules/"):]
		}
		pkg := byDigest[p.Integrity]
		if pkg == nil {
			pkg = &runtimes.Package{Name: name, Version: p.Version, File: runtimes.File{Name: tarballName(name, p.Version), Integrity: p.Integrity}}
			byDigest[p.Integrity] = pkg
		}
		pkg.Places = append(pkg.Places, place)
	}
	var packages []runtimes.Package
	for _, digest := range slices.Sorted(maps.Keys(byDigest)) {
		slices.Sort(byDigest[digest].Places)
		packages = append(packages, *byDigest[digest])
	}
	return npmRecipe(packages...)
}

// compareWithNPM holds the engine's tree against a project's node_modules.
func compareWithNPM(ctx context.Context, t *testing.T, r runtimes.Recipe, engine *Engine, project string) {
	t.Helper()
	var b bytes.Buffer
	if err := engine.Install(ctx, r, &b, nil); err != nil {
		t.Fatal(err)
	}
	ours := readTar(t, &b)
	theirs := make(map[string]string)
	err := filepath.WalkDir(filepath.Join(project, "node_modules"), func(file string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(project, file)
		if err != nil || d.IsDir() || name == "node_modules/.package-lock.json" {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file", name)
		}
		data, err := os.ReadFile(file)
		mode := 0o644
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		theirs[name] = fmt.Sprintf("%o %s", mode, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d packages, %d files", len(r.Packages), len(theirs))
	differing := 0
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if ours[name] != theirs[name] {
			if differing++; differing < 40 {
				t.Errorf("%s: ours %.60q, npm's %.60q", name, ours[name], theirs[name])
			}
		}
		delete(ours, name)
	}
	if len(ours) > 0 {
		t.Errorf("npm has not: %.40q", slices.Sorted(maps.Keys(ours)))
	}
}

// TestRegistry asks npm's own registry, which the machine may have mirrored,
// what it says of packages whose platforms and scripts are known.
func TestRegistry(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	client, err := NewClient("", nil)
	if err != nil {
		t.Fatal(err)
	}
	registry := strings.TrimSpace(runNPM(ctx, t, npmProgram(t), t.TempDir(), "config", "get", "registry"))
	x := Index{Client: client}
	for _, test := range []struct{ name, version, want string }{
		{"@img/sharp-linux-x64", "0.33.5", "sharp-linux-x64-0.33.5.tgz [linux] [x64] [glibc] false"},
		{"@img/sharp-linuxmusl-arm64", "0.33.5", "sharp-linuxmusl-arm64-0.33.5.tgz [linux] [arm64] [musl] false"},
		{"bcrypt", "5.1.1", "bcrypt-5.1.1.tgz [] [] [] true"},
		{"lodash", "4.17.21", "lodash-4.17.21.tgz [] [] [] false"},
		{"lodash", "99.0.0", ""},
	} {
		files, err := x.Files(ctx, runtimes.FileRequest{Ecosystem: "npm", Name: test.name, Version: test.version, Indexes: []string{"registry=" + registry}})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, f := range files {
			got += fmt.Sprint(f.Name, " ", f.Platform.OS, " ", f.Platform.CPU, " ", f.Platform.Libc, " ", f.Scripts)
			if i, ok := ParseIntegrity(f.Integrity); !ok || i.Algorithm != "sha512" {
				t.Errorf("%s: the integrity is %q", f.Name, f.Integrity)
			}
		}
		if got != test.want {
			t.Errorf("%s %s: got %q, want %q", test.name, test.version, got, test.want)
		}
	}
}
