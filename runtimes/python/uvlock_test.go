package python

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

// project reads an example project from testdata.
func project(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/uvlock/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return files
}

// edit returns the project with one piece of text replaced in a file.
func edit(t testing.TB, files fstest.MapFS, name, old, new string) fstest.MapFS {
	t.Helper()
	data := string(files[name].Data)
	if strings.Count(data, old) == 0 {
		t.Fatalf("%s does not hold %q", name, old)
	}
	edited := maps.Clone(files)
	edited[name] = &fstest.MapFile{Data: []byte(strings.Replace(data, old, new, 1)), Mode: 0o644}
	return edited
}

func target(t testing.TB, runtime string, arch runtimes.Arch) runtimes.Target {
	t.Helper()
	info, ok := runtimes.Lookup(runtime)
	if !ok {
		t.Fatalf("no runtime %s", runtime)
	}
	return runtimes.Target{Runtime: info, Arch: arch, Path: "."}
}

// summary is one line for each package.
func summary(r runtimes.Recipe) []string {
	var lines []string
	for _, p := range r.Packages {
		line := p.Name + " " + p.Version
		if p.Missing != "" {
			line += ": " + p.Missing
		} else if !strings.HasSuffix(p.File.Name, "-py3-none-any.whl") {
			line += " " + p.File.Name
		}
		lines = append(lines, line)
	}
	return lines
}

func TestUVLock(t *testing.T) {
	base := []string{"boto3 1.40.1", "botocore 1.40.1", "cycle-a 1.0", "cycle-b 1.0"}
	numpy1 := "numpy 1.26.4 numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"
	numpy2 := "numpy 2.3.4 numpy-2.3.4-cp313-cp313-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
	rest := []string{"pysocks 1.7.1", "requests 2.32.5", "s3transfer 0.14.0", "urllib3 2.5.0"}
	tests := []struct {
		name    string
		project string
		runtime string
		arch    runtimes.Arch
		with    func(*runtimes.Target)
		want    []string
	}{
		{"fork for old Python", "app", "python3.11", runtimes.X86_64, nil,
			slices.Concat(base, []string{numpy1}, rest)},
		{"fork for new Python", "app", "python3.13", runtimes.X86_64, nil,
			slices.Concat(base, []string{numpy2}, rest)},
		{"platform marker", "app", "python3.13", runtimes.ARM64, nil,
			slices.Concat(base, []string{
				"numpy 2.3.4 numpy-2.3.4-cp313-cp313-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
			}, rest, []string{
				"uvloop 0.21.0 uvloop-0.21.0-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
			})},
		{"no wheel for this Python", "app", "python3.12", runtimes.ARM64,
			func(t *runtimes.Target) { t.Exclude = []string{"boto3", "requests", "cycle-a", "numpy"} },
			[]string{"uvloop 0.21.0: no wheel for python3.12, only for cp313"}},
		{"extra", "app", "python3.13", runtimes.X86_64,
			func(t *runtimes.Target) { t.Extras = []string{"S3"} },
			slices.Concat(base, []string{numpy2}, rest[:2], []string{"s3fs 2025.9.0"}, rest[2:])},
		{"extra that includes another, source only", "app", "python3.13", runtimes.X86_64,
			func(t *runtimes.Target) { t.Extras = []string{"all"} },
			slices.Concat(base, []string{"docopt 0.6.2: published as source only", numpy2}, rest[:2], []string{"s3fs 2025.9.0"}, rest[2:])},
		{"group that asks for an extra", "app", "python3.13", runtimes.X86_64,
			func(t *runtimes.Target) { t.Groups = []string{"web"} },
			slices.Concat(base, []string{"flask 3.1.2", numpy2}, rest[:2], []string{"s3fs 2025.9.0"}, rest[2:])},
		{"the dev group, only because it is asked for", "app", "python3.13", runtimes.X86_64,
			func(t *runtimes.Target) { t.Groups = []string{"dev"} },
			slices.Concat(base, []string{numpy2, "pysocks 1.7.1", "pytest 8.4.2"}, rest[1:])},
		{"exclude takes what only it pulled in", "app", "python3.13", runtimes.X86_64,
			func(t *runtimes.Target) { t.Exclude = []string{"Boto3", "cycle_a"} },
			[]string{numpy2, "pysocks 1.7.1", "requests 2.32.5", "urllib3 2.5.0"}},
		{"workspace member with a URL", "workspace", "python3.12", runtimes.X86_64,
			func(t *runtimes.Target) { t.Path, t.Exclude = "services/api", []string{"common"} },
			[]string{"flask 3.1.2", "tool 1.0"}},
		{"workspace member in libs", "workspace", "python3.12", runtimes.ARM64,
			func(t *runtimes.Target) { t.Path = "libs/common" },
			[]string{"orjson 3.11.0 orjson-3.11.0-cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64.whl"}},
		{"conflict: neither extra", "conflicts", "python3.12", runtimes.X86_64, nil,
			[]string{"torch 2.8.0 torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl"}},
		{"conflict: one extra", "conflicts", "python3.12", runtimes.X86_64,
			func(t *runtimes.Target) { t.Extras = []string{"cpu"} },
			[]string{"torch 2.8.0+cpu torch-2.8.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"}},
		{"conflict: the other extra, and a group", "conflicts", "python3.12", runtimes.X86_64,
			func(t *runtimes.Target) { t.Extras, t.Groups = []string{"gpu"}, []string{"old"} },
			[]string{"idna 2.10", "torch 2.8.0 torch-2.8.0-cp312-cp312-manylinux_2_28_x86_64.whl"}},
		{"groups without a project", "groups", "python3.12", runtimes.X86_64,
			func(t *runtimes.Target) { t.Groups = []string{"web", "windows"} },
			[]string{"asgiref 3.9.0", "flask 3.1.2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			target := target(t, tt.runtime, tt.arch)
			if tt.with != nil {
				tt.with(&target)
			}
			r := recipeWithBuilds(t, project(t, tt.project), &target)
			if got := summary(r); !slices.Equal(got, tt.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(tt.want, "\n\t"))
			}
		})
	}
}

func TestUVLockErrors(t *testing.T) {
	app := project(t, "app")
	workspace := project(t, "workspace")
	in := func(path string) runtimes.Target {
		target := target(t, "python3.12", runtimes.X86_64)
		target.Path = path
		return target
	}
	asking := func(extras, groups []string) runtimes.Target {
		target := in(".")
		target.Extras, target.Groups = extras, groups
		return target
	}
	lines := func(data []byte, n int) []byte {
		return []byte(strings.Join(strings.SplitAfter(string(data), "\n")[:n], ""))
	}
	cut := maps.Clone(app)
	cut["uv.lock"] = &fstest.MapFile{Data: lines(app["uv.lock"].Data, 75)}
	cutBetween := maps.Clone(app)
	before, _, _ := strings.Cut(string(app["uv.lock"].Data), "[[package]]\nname = \"flask\"")
	cutBetween["uv.lock"] = &fstest.MapFile{Data: []byte(before)}

	tests := []struct {
		name   string
		files  fs.FS
		target runtimes.Target
		want   string // of the message
		hint   string // a part
	}{
		{"cut within a table", cut, in("."), "uv.lock:75: cannot be read as TOML: array is incomplete", "cut short"},
		{"cut between packages", cutBetween, in("."), "uv.lock:68: demo-app depends on numpy 2.3.4, which the lock does not hold: it was cut short or edited", "uv lock"},
		{"merge conflict", edit(t, app, "uv.lock", "[[package]]", "<<<<<<< HEAD\n[[package]]"), in("."), "uv.lock:9: holds merge conflict markers", "resolve"},
		{"wrong type", edit(t, app, "uv.lock", `version = "1.40.1"`, `version = 1`), in("."), "uv.lock:11: cannot be read as TOML, at package.version: an integer, not a string", ""},
		{"newer version", edit(t, app, "uv.lock", "version = 1", "version = 2"), in("."), "uv.lock:1: version 2 of uv's lock format is not known, only version 1", "newer layerbuild"},
		{"newer version of another shape", edit(t, edit(t, app, "uv.lock", "version = 1", "version = 7"), "uv.lock", `requires-python = ">=3.11"`, "requires-python = 3"), in("."), "uv.lock:1: version 7 of", ""},
		{"newer revision of another shape", edit(t, app, "uv.lock", "revision = 3", "revision = 99\nnew = { a = [1] }"), asking([]string{"x"}, nil), `uv.lock: the project has no extra "x"`, "it has all, s3"},
		{"no uv.lock at all", edit(t, app, "uv.lock", "version = 1", "x = 1"), in("."), "uv.lock: has no version", ""},
		{"unknown group", app, asking(nil, []string{"test"}), `uv.lock: the project has no group "test"`, "it has dev, web"},
		{"not for this Python", app, target(t, "python3.10", runtimes.X86_64), "uv.lock:3: is locked for python>=3.11, which python3.10 is not", "requires-python"},
		{"not for this environment", edit(t, app, "uv.lock", "[[package]]", "supported-markers = [\"sys_platform == 'darwin'\"]\n\n[[package]]"), in("."), "uv.lock:9: is locked for other environments than python3.12 on x86_64", ""},
		{"bad marker", edit(t, app, "uv.lock", `marker = "sys_platform == 'win32'"`, `marker = "sys_platform = 'win32'"`), in("."), "uv.lock:68: the marker of demo-app's dependency colorama", ""},
		{"wheel without hash", edit(t, app, "uv.lock", `boto3-1.40.1-py3-none-any.whl", hash`, `boto3-1.40.1-py3-none-any.whl", hush`), in("."), "uv.lock: boto3-1.40.1-py3-none-any.whl is locked without a hash", ""},
		{"weak hash", edit(t, app, "uv.lock", `boto3-1.40.1-py3-none-any.whl", hash = "sha256:`, `boto3-1.40.1-py3-none-any.whl", hash = "md5:`), in("."), "uv.lock: the hash of boto3-1.40.1-py3-none-any.whl is not a SHA-256", ""},
		{"password", edit(t, app, "uv.lock", "wheels = [\n    { url = \"https://", "wheels = [\n    { url = \"https://me:secret@"), in("."), "uv.lock: the URL of boto3-1.40.1-py3-none-any.whl holds a user or password", "credentials"},
		{"index with a password", edit(t, app, "uv.lock", `registry = "https://`, `registry = "https://me:secret@`), in("."), "uv.lock:10: the URL of the index of boto3 holds a user or password", "credentials"},
		{"requirement added", edit(t, app, "pyproject.toml", `"cycle.a",`, `"cycle.a", "rich>=13",`), in("."), "uv.lock: does not fit pyproject.toml: rich was added", "uv lock"},
		{"requirement removed", edit(t, app, "pyproject.toml", `"boto3>=1.40",`, ``), in("."), "uv.lock: does not fit pyproject.toml: boto3 was removed", ""},
		{"requirement changed", edit(t, app, "pyproject.toml", `"boto3>=1.40",`, `"boto3>=1.41",`), in("."), "uv.lock: does not fit pyproject.toml: boto3>=1.41 was changed from boto3>=1.40", ""},
		{"requirement added in a group", edit(t, app, "pyproject.toml", `"flask"]`, `"flask", "rich"]`), asking(nil, []string{"web"}), "uv.lock: does not fit pyproject.toml: rich in group web was added", ""},
		{"pyproject.toml broken", edit(t, app, "pyproject.toml", "[project]", "[project"), in("."), "pyproject.toml:1: cannot be read as TOML", ""},
		{"a member has moved", edit(t, workspace, "libs/common/pyproject.toml", `"orjson"`, `"orjson", "toolz"`), in("services/api"), "uv.lock: does not fit libs/common/pyproject.toml: toolz was added", "uv lock"},
		{"workspace root", workspace, in("."), "uv.lock: locks a workspace whose root is no project of its own", "libs/common, services/api, services/worker"},
		{"not a member", workspace, in("services/new"), "no lock file in services/new, and uv.lock does not lock a project there", ""},
		{"conflicting extras", project(t, "conflicts"), asking([]string{"cpu", "gpu"}, nil), "uv.lock: extra cpu of lab and extra gpu of lab cannot be installed together", ""},
		{"conflicting groups", project(t, "conflicts"), asking(nil, []string{"old", "new"}), "uv.lock: group new of lab and group old of lab cannot be installed together", ""},
		{"nothing", project(t, "groups"), asking(nil, nil), "uv.lock: nothing to install for python3.12 on x86_64", "groups"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Runtime{}.Recipe(tt.files, tt.target)
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("got %v, not an InputError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if !strings.Contains(input.Hint, tt.hint) {
				t.Errorf("hint %q lacks %q", input.Hint, tt.hint)
			}
			t.Log(err, "·", input.Hint)
		})
	}
}
