//go:build e2e

package main

import (
	"archive/zip"
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A kind is a layer of the matrix, for both architectures.
type kind struct {
	layer    string
	runtime  string
	files    map[string]string // of its folder; npm makes the lock of a package.json
	natives  []string          // the packages with machine code that it asks for itself
	compiled bool              // on the target's own architecture
}

// kinds are the matrix, a small one of each sort first.
var kinds = []kind{
	pythonKind("keys", false, []string{"cryptography==43.0.3", "bcrypt==4.2.0"}),
	nodeKind("images", map[string]string{"sharp": "0.34.1"}, "sharp"),
	javaKind("store", []string{"org.xerial:sqlite-jdbc:3.49.1.0"}, "sqlite-jdbc"),
	pythonKind("mixed", true, []string{"cffi==1.17.1"}, "docopt==0.6.2"),
	pythonKind("pure", false, nil, "click==8.1.8", "boto3==1.35.36"),
	pythonKind("science", false, []string{"numpy==2.2.6", "scipy==1.15.3", "pandas==2.2.3"}),
	pythonKind("tables", false, []string{"lxml==5.3.0", "psycopg2-binary==2.9.10"}),
	pythonKind("compiled", true, []string{"markupsafe==3.0.2"}, "--no-binary markupsafe"),
	nodeKind("bundle", map[string]string{"esbuild": "0.25.2", "lightningcss": "1.29.3"}, "esbuild", "lightningcss"),
	nodeKind("hashes", map[string]string{"@node-rs/argon2": "2.0.2", "@node-rs/xxhash": "1.7.6"}, "@node-rs/argon2", "@node-rs/xxhash"),
	nodeKind("web", map[string]string{"express": "4.21.2", "zod": "3.24.2"}),
	javaKind("packed", []string{"org.xerial.snappy:snappy-java:1.1.10.7", "com.github.luben:zstd-jni:1.5.7-2"}, "snappy-java", "zstd-jni"),
	javaKind("plain", []string{"com.google.guava:guava:33.4.0-jre"}),
}

func pythonKind(layer string, compiled bool, natives []string, others ...string) kind {
	lines := append(slices.Clone(natives), others...)
	for i, p := range natives {
		natives[i], _, _ = strings.Cut(p, "==")
	}
	return kind{layer, "python3.11", map[string]string{"requirements.txt": strings.Join(lines, "\n") + "\n"}, natives, compiled}
}

func nodeKind(layer string, dependencies map[string]string, natives ...string) kind {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(dependencies)) {
		text = append(text, fmt.Sprintf("%q: %q", name, dependencies[name]))
	}
	manifest := fmt.Sprintf(`{"name": %q, "version": "1.0.0", "dependencies": {%s}}`, layer, strings.Join(text, ", "))
	return kind{layer: layer, runtime: "nodejs22.x", files: map[string]string{"package.json": manifest}, natives: natives}
}

func javaKind(layer string, artifacts []string, natives ...string) kind {
	var text string
	for _, a := range artifacts {
		at := strings.Split(a, ":")
		text += fmt.Sprintf("<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>", at[0], at[1], at[2])
	}
	pom := fmt.Sprintf("<project><modelVersion>4.0.0</modelVersion><groupId>example</groupId><artifactId>%s</artifactId><version>1</version>"+
		"<dependencies>%s</dependencies></project>\n", layer, text)
	return kind{layer: layer, runtime: "java21", files: map[string]string{"pom.xml": pom}, natives: natives}
}

// matrix is a project of as many kinds as LAYERBUILD_SOAK_TARGETS says, two targets
// each, else of the first four.
func matrix(t *testing.T) (*runner, []kind) {
	t.Helper()
	setting(t, "BUILDKIT_HOST")
	targets, err := strconv.Atoi(cmp.Or(os.Getenv("LAYERBUILD_SOAK_TARGETS"), "8"))
	if err != nil || targets < 2 || targets > 2*len(kinds) {
		t.Fatalf("LAYERBUILD_SOAK_TARGETS is %s: there are up to %d", os.Getenv("LAYERBUILD_SOAK_TARGETS"), 2*len(kinds))
	}
	chosen := kinds[:targets/2]
	r := &runner{t: t, dir: t.TempDir(), data: t.TempDir()}
	if err := os.Mkdir(filepath.Join(r.data, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	config := "defaults: {architectures: [x86_64, arm64]}\nlayers:\n"
	for _, k := range chosen {
		if err := os.Mkdir(filepath.Join(r.dir, k.layer), 0o777); err != nil {
			t.Fatal(err)
		}
		for name, content := range k.files {
			r.write(k.layer+"/"+name, content)
		}
		if k.files["package.json"] != "" {
			r.lockNPM(k.layer)
		}
		config += fmt.Sprintf("  %s: {path: %[1]s, runtime: %s}\n", k.layer, k.runtime)
	}
	r.write("layerbuild.yaml", config)
	return r, chosen
}

// TestMatrix: layers of all runtimes for both architectures are built on one
// machine, with machine code for their architecture alone. What is prebuilt gets
// the same bytes from a builder of the other architecture.
func TestMatrix(t *testing.T) {
	r, chosen := matrix(t)
	r.run(0, "build", "--engine", "buildkit")
	here := r.outputs()
	prebuilt := []string{"build", "--engine", "buildkit", "--locked", "--no-cache"}
	targets, roots := 0, map[string]bool{}
	soak := os.Getenv("LAYERBUILD_SOAK_TARGETS") != ""
	for i, k := range chosen {
		targets += 2
		for _, name := range k.natives {
			roots[name] = true
		}
		r.checkMachines(k)
		if !k.compiled && (soak || i == 0) { // the rest takes minutes under qemu
			prebuilt = append(prebuilt, k.layer)
		}
	}
	t.Logf("%d targets with %d native packages", targets, len(roots))

	t.Setenv("BUILDKIT_HOST", startBuildkitd(t, "linux/arm64"))
	r.run(0, prebuilt...)
	equalFolders(t, r.outputs(), here)
}

// checkMachines wants each file of machine code to be of its layer's
// architecture, and one at least where a package has some. Jars hold theirs.
func (r *runner) checkMachines(k kind) {
	r.t.Helper()
	for arch, machine := range map[string]elf.Machine{"x86_64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		found := 0
		for name, data := range r.contents(k.layer + "-" + k.runtime + "-" + arch) {
			if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
				continue
			}
			found++
			if f, err := elf.NewFile(bytes.NewReader(data)); err != nil || f.Machine != machine {
				r.t.Errorf("%s for %s: %s is for %v: %v", k.layer, arch, name, f, err)
			}
		}
		if wants := len(k.natives) > 0 && k.runtime != "java21"; wants != (found > 0) {
			r.t.Errorf("%s for %s has %d files of machine code", k.layer, arch, found)
		}
	}
}

// contents are all files of a layer.
func (r *runner) contents(layer string) map[string][]byte {
	r.t.Helper()
	z, err := zip.OpenReader(filepath.Join(r.dir, ".layerbuild", "dist", layer+".zip"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer z.Close()
	all := make(map[string][]byte)
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			r.t.Fatal(err)
		}
		all[f.Name] = data
	}
	return all
}
