//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSmoke: of whole layers of each language all can be loaded in the runtimes'
// images, once; and one from which its user has left a library out by mistake is
// not delivered, and what cannot be loaded is named.
func TestSmoke(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	for _, dir := range []string{filepath.Join(r.data, "tmp"), filepath.Join(r.dir, "py"), filepath.Join(r.dir, "js"), filepath.Join(r.dir, "jvm")} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	r.write("py/requirements.txt", pinsOf(t, "cffi", "pycparser"))
	r.lockOnly("js", "sharp")
	r.write("jvm/gradle.lockfile", "com.github.luben:zstd-jni:1.5.6-9=runtimeClasspath\nempty=\n")
	const config = `defaults: {architectures: [x86_64], check: {import: true}}
layers:
  py: {path: py, runtime: python3.11, architectures: [x86_64, arm64]}
  js: {path: js, runtime: nodejs22.x}
  jvm: {path: jvm, runtime: java21}
`
	r.write("layerbuild.yaml", config)
	r.run(0, "build")
	// Loaded once, they are not loaded again: nobody is asked.
	if out, stderr := r.run(0, "build", "--locked", "--builder", "tcp://127.0.0.1:1"); strings.Count(out, "hit") != 4 {
		t.Errorf("not four hits: %s%s", out, stderr)
	}

	if err := os.MkdirAll(filepath.Join(r.dir, "slim/java/lib"), 0o777); err != nil {
		t.Fatal(err)
	}
	r.write("slim/java/lib/zstd.jar", slimmed(t, r.content("jvm", "java/lib/zstd-jni-1.5.6-9.jar"), "linux/amd64/"))
	r.write("layerbuild.yaml", strings.NewReplacer(
		"path: py,", `path: py, excludeFiles: ["**/_cffi_backend*"],`,
		", arm64]", "]",
		"path: js,", `path: js, excludeFiles: ["**/sharp-linux-x64.node"],`,
		"path: jvm,", "path: slim, plain: true,").Replace(config))
	_, stderr := r.run(1, "build")
	for _, want := range []string{
		`py \(python3\.11, x86_64\): 1 of 3 cannot be loaded by python3\.11 on x86_64 \[import\]:\n  _cffi_backend \(of cffi 2\.1\.1\): ModuleNotFoundError: No module named '_cffi_backend'\n`,
		`js \(nodejs22\.x, x86_64\): 1 of \d+ cannot be loaded by nodejs22\.x on x86_64 \[import\]:\n  sharp \(of sharp 0\.33\.5\): Error: Could not load the "sharp" module using the linux-x64 runtime`,
		`jvm \(java21, x86_64\): \d+ of \d+ cannot be loaded by java21 on x86_64 \[import\]:\n  com\.github\.luben\.zstd\.\* \(of zstd\.jar\): com\.github\.luben\.zstd\.\w+: java\.lang\.UnsatisfiedLinkError: no zstd-jni-1\.5\.6-9 in java\.library\.path: `,
		`hint: see whether excludeFiles, exclude or slim leave out what is needed`,
	} {
		if !regexp.MustCompile(want).MatchString(stderr) {
			t.Errorf("not said: %s\n%s", want, stderr)
		}
	}
	// What may be absent is passed over.
	r.write("layerbuild.yaml", "layers:\n  py: {path: py, runtime: python3.11, architectures: [x86_64], excludeFiles: ['**/_cffi_backend*'], check: {import: true, skip: [_cffi_*, no.such]}}\n")
	if _, stderr := r.run(0, "build"); !strings.Contains(stderr, "check: skip: no module, package or class to load is named no.such") {
		t.Errorf("got %s", stderr)
	}
}

// TestCheckImport: the smoke test runs on a zip file that layerbuild has not made,
// far from any configuration.
func TestCheckImport(t *testing.T) {
	setting(t, "BUILDKIT_HOST")
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	for name, content := range map[string]string{
		"python/good/__init__.py":             "x = 1\n",
		"python/good-2.0.dist-info/METADATA":  "Metadata-Version: 2.1\nName: good\nVersion: 2.0\n",
		"python/good-2.0.dist-info/RECORD":    "good/__init__.py,,\n",
		"python/lame.py":                      "import no_such_module\n",
		"python/lame-1.0.dist-info/METADATA":  "Metadata-Version: 2.1\nName: lame\nVersion: 1.0\n",
		"python/lame-1.0.dist-info/RECORD":    "lame.py,,\n",
		"python/nobody_knows_what_this_is.py": "import no_such_module\n",
	} {
		header := &zip.FileHeader{Name: name}
		header.SetMode(0o644)
		w, err := z.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	r.write("theirs.zip", file.String())
	check := []string{"check", "theirs.zip", "--runtime", "python3.11", "--arch", "x86_64"}
	if out, _ := r.run(0, check...); !strings.HasSuffix(out, ": nothing found\n") {
		t.Errorf("without --import: %s", out)
	}
	out, stderr := r.run(1, append(check, "--import")...)
	want := "theirs.zip: 1 of 2 cannot be loaded by python3.11 on x86_64 [import]:\n  lame (of lame 1.0): ModuleNotFoundError: No module named 'no_such_module'\n"
	if !strings.Contains(stderr, want) || !strings.Contains(out, ": 1 error") {
		t.Errorf("not said: %s\n%s%s", want, out, stderr)
	}
	out, _ = r.run(1, append(check, "--import", "--json")...)
	if want := `"message": "lame cannot be loaded by python3.11 on x86_64: ModuleNotFoundError: No module named 'no_such_module'"`; !strings.Contains(out, want) || !strings.Contains(out, `"id": "import"`) {
		t.Errorf("not in the JSON: %s\n%s", want, out)
	}
}

// pinsOf are the example's lines of some packages.
func pinsOf(t *testing.T, names ...string) string {
	t.Helper()
	all, err := os.ReadFile(filepath.Join(example, "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var pins strings.Builder
	for _, name := range names {
		pin := regexp.MustCompile(`(?m)^` + name + `==.*(\n .*)*\n`).Find(all)
		if pin == nil {
			t.Fatalf("the example does not lock %s", name)
		}
		pins.Write(pin)
	}
	return pins.String()
}

// lockOnly writes into folder what the example web-api locks of one package and
// of all that this needs.
func (r *runner) lockOnly(folder, name string) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(examples, "web-api/package-lock.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	var all struct{ Packages map[string]json.RawMessage }
	if err := json.Unmarshal(data, &all); err != nil {
		r.t.Fatal(err)
	}
	type manifest struct {
		Version                            string
		Dependencies, OptionalDependencies map[string]string
	}
	kept := make(map[string]json.RawMessage)
	for names := []string{name}; len(names) > 0; names = names[1:] {
		at := "node_modules/" + names[0]
		entry, ok := all.Packages[at]
		if kept[at] != nil || !ok {
			continue
		}
		kept[at] = entry
		var m manifest
		if err := json.Unmarshal(entry, &m); err != nil {
			r.t.Fatal(err)
		}
		for _, needs := range []map[string]string{m.Dependencies, m.OptionalDependencies} {
			for n := range needs {
				names = append(names, n)
			}
		}
	}
	var m manifest
	if err := json.Unmarshal(kept["node_modules/"+name], &m); err != nil {
		r.t.Fatal(err)
	}
	root := map[string]any{"name": folder, "version": "1.0.0", "dependencies": map[string]string{name: m.Version}}
	packages := map[string]any{"": root}
	for at, entry := range kept {
		packages[at] = entry
	}
	lock := map[string]any{"name": folder, "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": packages}
	for file, content := range map[string]any{"package.json": root, "package-lock.json": lock} {
		data, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			r.t.Fatal(err)
		}
		r.write(folder+"/"+file, string(data))
	}
}

// slimmed is a jar without the entries whose names hold part.
func slimmed(t *testing.T, jar, part string) string {
	t.Helper()
	z, err := zip.NewReader(strings.NewReader(jar), int64(len(jar)))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	left := 0
	for _, f := range z.File {
		if strings.Contains(f.Name, part) || strings.HasSuffix(f.Name, "/") {
			left += strings.Count(f.Name, ".so")
			continue
		}
		if err := w.Copy(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if left == 0 {
		t.Fatalf("the jar has no %s", part)
	}
	return b.String()
}
