//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// checkInit: from what a package manager writes to a layer, by init and build of
// a released program alone. There is no container engine, no package manager in
// the PATH (but Maven for a pom), and nothing in the home folder.
func checkInit(t *testing.T, program string) {
	tools := setting(t, "LAYERBUILD_TEST_TOOLS")
	lock := func(t *testing.T, dir, program string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", program, args, err, out)
		}
	}
	for _, test := range []struct {
		name  string
		files []string // names and contents in turn
		lock  []string // what locks them
		path  string   // of build
		want  []string // in layerbuild.yaml and in the manifest
		holds string   // a file of the layer
	}{
		{"uv", []string{"pyproject.toml", "[project]\nname = \"api\"\nversion = \"0.1.0\"\nrequires-python = \">=3.11,<3.14\"\ndependencies = [\"idna==3.10\", \"markupsafe==3.0.2\"]\n"},
			[]string{filepath.Join(tools, "bin/uv"), "lock"}, "",
			[]string{"runtime: python3.13 # newest that requires-python of pyproject.toml allows: >=3.11,<3.14", `"markupsafe"`}, "python/lib/python3.13/site-packages/idna/core.py"},
		// The newest Python that has wheels of it is none of Lambda's newest.
		{"requirements", []string{"requirements.in", "markupsafe==2.1.5\n"},
			[]string{filepath.Join(tools, "bin/uv"), "pip", "compile", "--python-version", "3.12", "--generate-hashes", "-o", "requirements.txt", "requirements.in"}, "",
			[]string{"runtime: python3.12 # Lambda's newest, with everything prebuilt", `"markupsafe"`}, "python/lib/python3.12/site-packages/markupsafe/__init__.py"},
		{"npm", []string{"package.json", `{"name": "api", "engines": {"node": "22"}, "dependencies": {"ms": "2.1.3"}, "devDependencies": {"left-pad": "1.3.0"}}`},
			[]string{filepath.Join(tools, "node/bin/npm"), "install", "--package-lock-only", "--ignore-scripts"}, "",
			[]string{"runtime: nodejs22.x # newest that engines.node", `"ms"`}, "nodejs/node_modules/ms/index.js"},
		{"gradle", []string{"gradle.lockfile", gradleLockfile, "settings.gradle", "", "build.gradle", "java { toolchain { languageVersion = JavaLanguageVersion.of(21) } }\n"},
			nil, "",
			[]string{"runtime: java21 # as build.gradle says: 21", `"com.google.code.gson:gson"`}, "java/lib/gson-2.11.0.jar"},
		{"maven", []string{"pom.xml", `<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1</version>
<properties><maven.compiler.release>17</maven.compiler.release></properties>
<dependencies><dependency><groupId>com.google.code.gson</groupId><artifactId>gson</artifactId><version>2.11.0</version></dependency></dependencies></project>
`},
			nil, filepath.Join(tools, "maven/bin") + ":/usr/bin:/bin",
			[]string{"runtime: java17 # as maven.compiler.release of pom.xml says: 17", `"com.google.code.gson:gson"`}, "java/lib/gson-2.11.0.jar"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &runner{t: t, program: program, dir: filepath.Join(t.TempDir(), "api"), data: t.TempDir()}
			home := filepath.Join(r.data, "home")
			for _, dir := range []string{r.dir, home, filepath.Join(r.data, "tmp"), filepath.Join(home, "bin")} {
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			for i := 0; i < len(test.files); i += 2 {
				r.write(test.files[i], test.files[i+1])
			}
			if test.lock != nil {
				lock(t, r.dir, test.lock[0], test.lock[1:]...)
			}
			path := test.path
			if path == "" {
				path = filepath.Join(home, "bin")
			}
			r.env = []string{"HOME=" + home, "XDG_CONFIG_HOME=", "XDG_CACHE_HOME=", "PATH=" + path, "BUILDKIT_HOST=", "DOCKER_HOST=unix:///nowhere", "JAVA_HOME="}
			_, stderr := r.run(0, "init")
			if strings.Contains(stderr, "no layer") {
				t.Error(stderr)
			}
			_, stderr = r.run(0, "build")
			if !strings.Contains(stderr, "engine direct") {
				t.Errorf("not by the direct engine: %s", stderr)
			}
			written := r.read("layerbuild.yaml") + r.read(".layerbuild/dist/api.json")
			for _, want := range test.want {
				if !strings.Contains(written, want) {
					t.Errorf("no %s in:\n%s", want, written)
				}
			}
			if r.contents("api")[test.holds] == nil {
				t.Errorf("the layer lacks %s", test.holds)
			}
			// What it came to is cached and known: a second build needs nothing.
			r.env = append(r.env, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1")
			if stdout, _ := r.run(0, "build", "--locked"); !strings.Contains(stdout, "hit") {
				t.Errorf("no hit: %s", stdout)
			}
		})
	}
}

// gradleLockfile is what Gradle writes for gson with lockAllConfigurations.
const gradleLockfile = `# This is a Gradle generated file for dependency locking.
# Manual edits can break the build and are not advised.
# This file is expected to be part of source control.
com.google.code.gson:gson:2.11.0=compileClasspath,runtimeClasspath
com.google.errorprone:error_prone_annotations:2.27.0=compileClasspath,runtimeClasspath
empty=annotationProcessor
`
