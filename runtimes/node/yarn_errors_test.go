package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// replaced changes a file of a project.
func replaced(name, old, text string) func(map[string]string, *runtimes.Target) {
	return func(files map[string]string, _ *runtimes.Target) {
		if !strings.Contains(files[name], old) {
			panic(name + " lacks " + old)
		}
		files[name] = strings.Replace(files[name], old, text, 1)
	}
}

// TestYarn1Refused holds what is an error, with what it names.
func TestYarn1Refused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(files map[string]string, t *runtimes.Target)
		problem string
	}{
		{"stale", replaced("package.json", `"image": "^1.0.0"`, `"image": "^2.0.0"`),
			`yarn.lock: is stale: package.json asks for image "^2.0.0", and locked is ^1.0.0`},
		{"stale, nothing locked", replaced("packages/lib/package.json", `"debug"`, `"deburr"`),
			`yarn.lock: is stale: packages/lib/package.json asks for deburr "2.6.9", and locked is nothing of that name`},
		{"stale in development", replaced("package.json", `"left-pad": "1.3.0"`, `"left-pad": "1.2.0"`),
			`yarn.lock: is stale: package.json asks for left-pad "1.2.0", and locked is 1.3.0`},
		{"a hole", replaced("yarn.lock", "ms@2.1.2:", "sm@2.1.2:"), `yarn.lock:34: debug needs ms "2.1.2", which is not locked`},
		{"a merge conflict", replaced("yarn.lock", "left-pad@1.3.0:", "<<<<<<< HEAD\nleft-pad@1.3.0:"), "yarn.lock:53: holds a merge conflict"},
		{"a newer format", replaced("yarn.lock", "lockfile v1", "lockfile v2"), "yarn.lock:2: the version of the lock file, 2, is not known"},
		{"a missing member", replaced("package.json", "packages/*", "packages/lost"), "package.json: workspaces names packages/lost, and there is no packages/lost/package.json"},
		{"no member", func(files map[string]string, t *runtimes.Target) {
			files["tools/package.json"], t.Path = "{}", "tools"
		}, "tools/package.json: is no workspace of package.json, whose lock file would be used"},
		{"two members of a name", func(files map[string]string, _ *runtimes.Target) {
			files["packages/two/package.json"] = `{"name": "lib"}`
		}, "packages/two/package.json: has the name of packages/lib/package.json, lib"},
		{"a missing folder", replaced("package.json", `"lib": "*"`, `"x": "file:./libs/x"`), "package.json: x is at file:./libs/x, and there is no libs/x/package.json"},
		{"a folder outside", replaced("package.json", `"lib": "*"`, `"x": "link:../x"`), "package.json: x is at link:../x, which is outside of the project"},
		{"git", replaced("yarn.lock", "https://registry.example/debug/-/debug-4.3.4.tgz#aa\"\n  integrity sha512-debugfour==", "git+ssh://git@git.example/debug.git#0123abc\""),
			"yarn.lock:34: debug 4.3.4 comes from git, for which yarn locks no hash of its content"},
		{"no hash", replaced("yarn.lock", "#aa\"\n  integrity sha512-debugfour==", "\""), "yarn.lock:34: debug 4.3.4 is locked without a hash"},
		{"a password", replaced("yarn.lock", "https://registry.example/debug/-/debug-4", "https://user:secret@registry.example/debug/-/debug-4"), "yarn.lock:34: the URL of debug holds a user or password"},
		{"no address", replaced("yarn.lock", "https://registry.example/debug/-/debug-4", "ftp:x"), "yarn.lock:34: debug 4.3.4 is locked without an address"},
		{"needed and foreign", replaced("packages/lib/package.json", `{"debug"`, `{"@img/win32": "1.0.0", "debug"`),
			"yarn.lock:20: @img/win32 1.0.0 is needed on every platform and is for win32 only"},
		{"not yarn's", replaced("yarn.lock", "  version \"1.3.0\"", "   version \"1.3.0\""), "yarn.lock:54: "},
		{"locked twice", replaced("yarn.lock", "left-pad@1.3.0:", "ms@2.1.2:"), "yarn.lock:68: ms@2.1.2 is locked twice"},
		{"resolutions", replaced("package.json", `{"debug/ms": "2.1.3"}`, `["x"]`), "package.json: resolutions are not versions by package"},
		{"a registry without it", func(_ map[string]string, t *runtimes.Target) {
			t.Exclude = []string{"none"}
		}, "yarn.lock:21: @img/win32 1.0.0: none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, target := yarn1Files(), yarnTarget(runtimes.X86_64)
			tt.change(files, &target)
			_, err := readYarnFiles(mapFS(files), target)
			if tt.name == "a registry without it" {
				if err != nil {
					t.Fatal(err)
				}
				err = withoutAnswers(t, files, target)
				tt.problem = "the registry has no file of"
			}
			var input *runtimes.InputError
			if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.problem) {
				t.Fatalf("got  %v\nwant %s", err, tt.problem)
			}
			if input.Hint == "" {
				t.Error("no hint")
			}
		})
	}
}

// withoutAnswers reads a project where the registry has nothing.
func withoutAnswers(t *testing.T, files map[string]string, target runtimes.Target) error {
	t.Helper()
	_, err := readYarn(mapFS(files), "yarn.lock", target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) {
		t.Fatal(err)
	}
	target.Files = map[string][]runtimes.File{}
	for _, q := range incomplete.Requests {
		target.Files[q.Key()] = nil
	}
	_, err = readYarn(mapFS(files), "yarn.lock", target)
	return err
}

// TestYarnNothingToInstall has development packages only.
func TestYarnNothingToInstall(t *testing.T) {
	files := yarn1Files()
	files["package.json"] = `{"devDependencies": {"left-pad": "1.3.0"}}`
	_, err := Runtime{}.Recipe(mapFS(files), yarnTarget(runtimes.X86_64))
	if err == nil || !strings.Contains(err.Error(), "nothing to install") {
		t.Errorf("got %v", err)
	}
}

// TestYarnLocalTarball holds a tarball of the project against what is locked.
func TestYarnLocalTarball(t *testing.T) {
	files := map[string]string{
		"package.json":         `{"dependencies": {"local": "file:./libs/local-1.0.0.tgz"}}`,
		"libs/local-1.0.0.tgz": "not looked into",
		"yarn.lock":            "\"local@file:./libs/local-1.0.0.tgz\":\n  version \"1.0.0\"\n  resolved \"file:./libs/local-1.0.0.tgz#SUM\"\n",
	}
	read := func(sum string) (*set, error) {
		files := map[string]string{"package.json": files["package.json"], "libs/local-1.0.0.tgz": files["libs/local-1.0.0.tgz"], "yarn.lock": strings.Replace(files["yarn.lock"], "SUM", sum, 1)}
		return readYarnFiles(mapFS(files), yarnTarget(runtimes.X86_64))
	}
	_, err := read("0c3e8eb8ea9d9bc3a9fe8efd6f8ac3cb3b5d95f8")
	var wrong *runtimes.DigestError
	if !errors.As(err, &wrong) {
		t.Fatalf("got %v", err)
	}
	s, err := read(wrong.Got)
	if err != nil {
		t.Fatal(err)
	}
	inputs := keyed(t, s, yarnTarget(runtimes.X86_64))
	if inputs["/layerbuild/project/tarballs/local-1.0.0.tgz"] != "not looked into" {
		t.Error("the tarball is not brought")
	}
	if lock := inputs["/layerbuild/project/yarn.lock"]; !strings.Contains(lock, `resolved "file:./tarballs/local-1.0.0.tgz"`) {
		t.Error(lock)
	}
}
