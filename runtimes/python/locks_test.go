package python

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/layerbuild/layerbuild/runtimes"
)

// lockProject reads an example project of testdata/locks.
func lockProject(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	archive, err := txtar.ParseFile("testdata/locks/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range archive.Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o644}
	}
	return files
}

// completeFromName answers what a lock asks an index for: each locked hash is
// that of a file's name in the example projects.
func completeFromName(t testing.TB, files fs.FS, target runtimes.Target) (runtimes.Recipe, []runtimes.FileRequest, error) {
	t.Helper()
	r, err := Runtime{}.Recipe(files, target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) {
		return r, nil, err
	}
	target.Files = map[string][]runtimes.File{}
	for _, q := range incomplete.Requests {
		for _, name := range lockedNames {
			if sum := hexOf(name); slices.Contains(q.Hashes, sum) {
				target.Files[q.Key()] = append(target.Files[q.Key()], runtimes.File{Name: name, SHA256: sum, URL: "https://files.example/" + name})
			}
		}
	}
	r, err = Runtime{}.Recipe(files, target)
	return r, incomplete.Requests, err
}

var lockedNames = []string{
	"requests-2.32.3-py3-none-any.whl", "requests-2.32.3.tar.gz", "PySocks-1.7.1-py3-none-any.whl",
	"certifi-2024.8.30-py3-none-any.whl", "colorama-0.4.6-py2.py3-none-any.whl", "orjson-3.10.7-py3-none-any.whl",
	"numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
	"numpy-1.26.4-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
	"numpy-2.1.2-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
	"numpy-2.1.2-cp313-cp313-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
	"pytest-8.3.3-py3-none-any.whl", "pluggy-1.5.0-py3-none-any.whl",
}

// TestLocks reads one project out of each format: it is the same set.
func TestLocks(t *testing.T) {
	names := func(r runtimes.Recipe) string {
		var list []string
		for _, p := range r.Packages {
			list = append(list, p.Name+" "+p.Version)
		}
		return strings.Join(list, ", ")
	}
	const old, new = "numpy 1.26.4", "numpy 2.1.2"
	set := func(numpy string, more ...string) string {
		list := append([]string{"certifi 2024.8.30", numpy, "pysocks 1.7.1", "requests 2.32.3"}, more...)
		slices.Sort(list)
		return strings.Join(list, ", ")
	}
	all := []string{"poetry", "poetry_legacy", "poetry1", "pdm", "pdm_static", "pdm_plain", "pylock", "pipfile"}
	tests := []struct {
		name    string
		runtime string
		arch    runtimes.Arch
		with    func(*runtimes.Target)
		want    string
		only    []string
	}{
		{"fork for old Python", "python3.11", runtimes.X86_64, nil, set(old), all[:7]},
		{"fork for new Python", "python3.13", runtimes.ARM64, nil, set(new), all[:7]},
		{"an extra", "python3.13", runtimes.X86_64, func(t *runtimes.Target) { t.Extras = []string{"Fast"} }, set(new, "orjson 3.10.7"), all[:7]},
		{"a group", "python3.13", runtimes.X86_64, func(t *runtimes.Target) { t.Groups = []string{"dev"} },
			set(new, "pluggy 1.5.0", "pytest 8.3.3"), all[:7]},
		{"a group whose markers differ from the project's", "python3.11", runtimes.X86_64, func(t *runtimes.Target) { t.Groups = []string{"dev"} },
			set(old, "colorama 0.4.6", "pluggy 1.5.0", "pytest 8.3.3"), all[:3]},
		{"a group that another includes", "python3.13", runtimes.X86_64, func(t *runtimes.Target) { t.Groups = []string{"lint"} },
			set(new, "pluggy 1.5.0"), all[3:6]},
		{"exclude takes what only it pulled in", "python3.11", runtimes.X86_64, func(t *runtimes.Target) { t.Exclude = []string{"Requests"} },
			old, all[:6]},
		{"exclude where only some edges are said", "python3.13", runtimes.X86_64, func(t *runtimes.Target) { t.Exclude = []string{"pytest"}; t.Groups = []string{"dev"} },
			set(new), []string{"pylock"}},
		{"default alone", "python3.11", runtimes.X86_64, nil, set(old, "orjson 3.10.7"), all[7:]},
		{"develop", "python3.11", runtimes.ARM64, func(t *runtimes.Target) { t.Groups = []string{"dev"} },
			set(old, "orjson 3.10.7", "pluggy 1.5.0", "pytest 8.3.3"), all[7:]},
		{"a category", "python3.11", runtimes.ARM64, func(t *runtimes.Target) { t.Groups = []string{"docs", "develop"}; t.Exclude = []string{"orjson"} },
			set(old, "pluggy 1.5.0", "pytest 8.3.3"), all[7:]},
	}
	for _, tt := range tests {
		var first []runtimes.Package
		for _, format := range tt.only {
			t.Run(tt.name+"/"+format, func(t *testing.T) {
				target := target(t, tt.runtime, tt.arch)
				if tt.with != nil {
					tt.with(&target)
				}
				r, _, err := completeFromName(t, lockProject(t, format), target)
				if err != nil {
					t.Fatal(err)
				}
				if got := names(r); got != tt.want {
					t.Errorf("got  %s\nwant %s", got, tt.want)
				}
				for i := range r.Packages {
					r.Packages[i].File.URL, r.Packages[i].File.Size = "", 0 // which are in no key
				}
				if first == nil {
					first = r.Packages
				}
				if !slices.EqualFunc(r.Packages, first, func(a, b runtimes.Package) bool {
					return a.Name == b.Name && a.Version == b.Version && a.File.Name == b.File.Name && a.File.SHA256 == b.File.SHA256
				}) {
					t.Errorf("got %+v, and from %s %+v", r.Packages, tt.only[0], first)
				}
			})
		}
	}
}

// TestLockIndexes: each format names the indexes that its packages come from.
func TestLockIndexes(t *testing.T) {
	for name, want := range map[string]string{
		"poetry":        "",
		"poetry_legacy": " https://index.example/simple",
		"pdm":           "https://index.example/simple",
		"pdm_static":    "",
		"pipfile":       "https://index.example/simple https://private.example/simple",
		"pylock":        "https://index.example/simple",
	} {
		t.Run(name, func(t *testing.T) {
			target := target(t, "python3.11", runtimes.X86_64)
			r, requests, err := completeFromName(t, lockProject(t, name), target)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(r.Indexes, " "); got != want {
				t.Errorf("indexes %q, want %q", got, want)
			}
			if static := name == "pylock" || name == "pdm_static"; static != (len(requests) == 0) {
				t.Errorf("asks an index for %d packages", len(requests))
			}
			for _, q := range requests {
				if name == "pipfile" && q.Name == "orjson" && !slices.Equal(q.Indexes, []string{"https://private.example/simple"}) {
					t.Errorf("orjson is asked of %q", q.Indexes)
				}
			}
		})
	}
}

func TestLockErrors(t *testing.T) {
	type change struct{ file, old, new string }
	in := func(file, old, new string) []change { return []change{{file, old, new}} }
	ask := func(extras, groups string) func(*runtimes.Target) {
		return func(t *runtimes.Target) { t.Extras, t.Groups = strings.Fields(extras), strings.Fields(groups) }
	}
	exclude := func(t *runtimes.Target) { t.Exclude = []string{"requests", "numpy", "certifi", "pysocks", "orjson"} }
	const poetry, pdm, pipfile, pylock, toml = "poetry.lock", "pdm.lock", "Pipfile.lock", "pylock.toml", "pyproject.toml"
	tests := []struct {
		name, project string
		changes       []change
		with          func(*runtimes.Target)
		want, hint    string
	}{
		{"newer", "poetry", in(poetry, `lock-version = "2.1"`, `lock-version = "3.0"`), nil, "version 3.0 of poetry's lock format is not known, only 1 and 2", "newer layerbuild"},
		{"newer, of another shape", "poetry", in(poetry, `lock-version = "2.1"`, "lock-version = \"3.0\"\n[package]\n"), nil, "poetry.lock:", ""},
		{"no version", "poetry", in(poetry, `lock-version = "2.1"`, ``), nil, "has no version: this is not a lock file of poetry", ""},
		{"newer", "pdm", in(pdm, `"4.5.0"`, `"5.0"`), nil, "pdm.lock:6: version 5.0 of pdm's lock format is not known, only 4", "newer layerbuild"},
		{"newer", "pipfile", in(pipfile, `"pipfile-spec": 6`, `"pipfile-spec": 7`), nil, "Pipfile.lock:6: version 7 of pipenv's lock format is not known, only 6", "newer layerbuild"},
		{"no lock", "pipfile", in(pipfile, `"_meta"`, `"meta"`), nil, "has no version", ""},
		{"newer", "pylock", in(pylock, `lock-version = "1.0"`, `lock-version = "2.0"`), nil, "pylock.toml:1: version 2.0 of pylock.toml's lock format is not known, only 1", ""},

		{"merge", "poetry", in(poetry, "[[package]]", "<<<<<<< HEAD\n[[package]]"), nil, "poetry.lock:3: holds merge conflict markers", "`poetry lock`"},
		{"merge", "pdm", in(pdm, "[[package]]", "<<<<<<< HEAD\n[[package]]"), nil, "pdm.lock:12: holds merge conflict markers", "`pdm lock`"},
		{"merge", "pipfile", in(pipfile, "        \"hash\"", ">>>>>>> theirs\n        \"hash\""), nil, "Pipfile.lock:3: holds merge conflict markers", "`pipenv lock`"},
		{"merge", "pylock", in(pylock, "[[packages]]", "<<<<<<< HEAD\n[[packages]]"), nil, "pylock.toml:9: holds merge conflict markers", "resolve"},

		{"no TOML", "pylock", in(pylock, `lock-version = "1.0"`, `-----BEGIN LOCK-----`), nil, "pylock.toml:1: cannot be read as TOML", ""},
		{"no JSON", "pipfile", in(pipfile, `"default": {`, `"default": [`), nil, "cannot be read as JSON", "restore"},
		{"cut", "poetry", in(poetry, `content-hash`, `content-hash = "`), nil, "cannot be read as TOML", "cut short"},

		{"added", "poetry", in(toml, `    "requests`, "    \"rich>=13\",\n    \"requests"), nil, "does not fit pyproject.toml: rich was added", "`poetry lock`"},
		{"changed", "poetry", in(toml, `requests[socks]>=2.32`, `requests[socks]>=2.33`), nil, "does not fit pyproject.toml: it asks for requests[socks]>=2.33, and the lock has 2.32.3", ""},
		{"removed", "poetry", in(toml, "    \"colorama==0.4.6; sys_platform == 'win32'\",\n", ""), nil, "does not fit pyproject.toml: it has changed since it was locked", ""},
		{"widened", "poetry", in(toml, `requests[socks]>=2.32`, `requests[socks]>=2.31`), nil, "the content-hash differs", ""},
		{"a group changed", "poetry", in(toml, `pytest==8.3.3`, `pytest==8.4`), ask("", "dev"), "it asks for pytest==8.4, and the lock has 8.3.3", ""},
		{"legacy, added", "poetry_legacy", in(toml, `orjson = {`, "rich = \"^13\"\norjson = {"), nil, "does not fit pyproject.toml: rich was added", ""},
		{"legacy, changed", "poetry1", in(toml, `"^2.32"`, `"~2.31"`), nil, "it asks for requests ~2.31, and the lock has 2.32.3", ""},
		{"legacy, removed", "poetry1", in(toml, `requests = {version = "^2.32", extras = ["socks"]}`, ""), nil, "requests was removed", ""},
		{"legacy, Python", "poetry1", in(toml, `python = "^3.11"`, `python = "^3.10"`), nil, "it is for python ^3.10, and the lock for ^3.11", ""},
		{"added", "pdm", in(toml, `    "requests`, "    \"rich>=13\",\n    \"requests"), nil, "does not fit pyproject.toml: rich was added", "`pdm lock`"},
		{"changed", "pdm", in(toml, `orjson==3.10.7`, `orjson==3.10.8`), ask("fast", ""), "it asks for orjson==3.10.8, and the lock has 3.10.7", ""},
		{"removed", "pdm", in(toml, `"pytest==8.3.3", `, ""), nil, "pytest was removed", ""},
		{"added", "pipfile", in("Pipfile", "[packages]", "[packages]\nrich = \"*\""), nil, "does not fit Pipfile: rich was added", "`pipenv lock`"},
		{"changed", "pipfile", in("Pipfile", `numpy = "==1.26.4"`, `numpy = "==1.26.5"`), nil, "does not fit Pipfile: it asks for numpy ==1.26.5, and the lock has 1.26.4", ""},
		{"source changed", "pipfile", in("Pipfile", `private.example`, `other.example`), nil, "does not fit Pipfile: it has changed since it was locked (the hash differs)", ""},
		{"added", "pylock", in(toml, `    "requests`, "    \"rich>=13\",\n    \"requests"), nil, "does not fit pyproject.toml: rich was added", ""},
		{"changed", "pylock", in(toml, `numpy>=2.1;`, `numpy>=2.2;`), func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.13") }, "it asks for numpy>=2.2; python_version >= '3.12', and the lock has 2.1.2", ""},

		{"group", "poetry", nil, ask("", "test"), `the project has no group "test"`, "it has dev, lint"},
		{"extra", "poetry", nil, ask("slow", ""), `the project has no extra "slow"`, "it has fast"},
		{"group", "pdm", nil, ask("", "test"), `the project has no group "test"`, "it has dev, lint"},
		{"extra", "pdm", nil, ask("dev", ""), `the project has no extra "dev"`, "it has fast"},
		{"group", "pipfile", nil, ask("", "test"), `the project has no group "test"`, "it has default, develop, docs"},
		{"extra", "pipfile", nil, ask("fast", ""), "a Pipfile has no extras", "groups"},
		{"group", "pylock", nil, ask("", "test"), `the project has no group "test"`, "it has default, dev"},
		{"extra", "pylock", nil, ask("slow", ""), `the project has no extra "slow"`, "it has fast"},

		{"hash", "poetry", in(poetry, `certifi-2024.8.30-py3-none-any.whl", hash = "sha256:`, `certifi-2024.8.30-py3-none-any.whl", hash = "md5:`), nil, `the hash of certifi-2024.8.30-py3-none-any.whl is not a SHA-256: "md5:`, "SHA-256"},
		{"hash", "pdm", in(pdm, `certifi-2024.8.30-py3-none-any.whl", hash = "sha256:`, `certifi-2024.8.30-py3-none-any.whl", hash = "sha256:x`), nil, `the hash of certifi-2024.8.30-py3-none-any.whl is not a SHA-256`, "SHA-256"},
		{"hash", "pipfile", in(pipfile, "sha256:"+hexOf("certifi-2024.8.30-py3-none-any.whl"), "sha512:00"), nil, `the hash of certifi 2024.8.30 is not a SHA-256: "sha512:00"`, "SHA-256"},
		{"hash", "pylock", in(pylock, `hashes = { sha256 = "`+hexOf("certifi-2024.8.30-py3-none-any.whl")+`", md5 = "00" }`, `hashes = { md5 = "00" }`), nil, `the hash of certifi-2024.8.30-py3-none-any.whl is not a SHA-256: "md5:00"`, "SHA-256"},
		{"no hash", "pylock", in(pylock, `hashes = { sha256 = "`+hexOf("certifi-2024.8.30-py3-none-any.whl")+`", md5 = "00" }`, `hashes = {}`), nil, `certifi-2024.8.30-py3-none-any.whl is locked without a hash`, ""},

		{"nothing", "poetry", nil, exclude, "nothing to install for python3.11 on x86_64", "groups"},
		{"nothing", "pdm_static", nil, exclude, "nothing to install", "groups"},
		{"nothing", "pipfile", nil, exclude, "nothing to install", ""},
		{"nothing", "pylock", nil, exclude, "nothing to install", ""},

		{"another Python", "poetry_legacy", nil, func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.10") }, "is locked for python ^3.11, which python3.10 is not", "another runtime"},
		{"another Python", "pdm", nil, func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.10") }, "pdm.lock:10: is locked for python>=3.11", ""},
		{"another Python", "pipfile", nil, func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.12") }, "is locked for python 3.11, which python3.12 is not", ""},
		{"another Python", "pylock", nil, func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.10") }, "pylock.toml:2: is locked for python>=3.11", ""},
		{"another platform", "pdm", in(pdm, `requires_python = ">=3.11"`, "requires_python = \">=3.11\"\nplatform = \"manylinux_2_17_aarch64\""), nil, "is locked for other platforms than python3.11 on x86_64", "--append"},
		{"another environment", "pylock", in(pylock, `"sys_platform == 'linux'", `, ``), nil, "pylock.toml:3: is locked for other environments", ""},
		{"a folder that is not there", "poetry_legacy", nil, ask("", "away"), "../away, where away is, is outside of the project", "move it"},
		{"a login", "poetry_legacy", in(poetry, `url = "https://index`, `url = "https://me:secret@index`), nil, "the URL of the index of requests holds a user or password", "credentials"},
		{"two versions", "pylock", in(pylock, `"python_version < '3.12' and`, `"python_version < '3.14' and`), func(t *runtimes.Target) { t.Runtime, _ = runtimes.Lookup("python3.13") }, "1.26.4 and 2.1.2 of numpy are both chosen", ""},
		{"two categories", "pipfile", in(pipfile, `"version": "==1.5.0"`, `"version": "==1.4.0"`), ask("", "dev docs"), "pluggy is 1.4.0 in develop and 1.5.0 in docs", "one of the groups"},
		{"cut between packages", "poetry1", in(poetry, "name = \"certifi\"", "name = \"other\""), nil, "holds nothing that meets certifi >=2017.4.17", "poetry lock"},
	}
	for _, tt := range tests {
		t.Run(tt.project+"/"+tt.name, func(t *testing.T) {
			files := lockProject(t, tt.project)
			for _, c := range tt.changes {
				files = edit(t, files, c.file, c.old, c.new)
			}
			target := target(t, "python3.11", runtimes.X86_64)
			if tt.with != nil {
				tt.with(&target)
			}
			_, _, err := completeFromName(t, files, target)
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("got %v, not an InputError", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if !strings.Contains(input.Hint, tt.hint) || input.Hint == "" && tt.hint != "" {
				t.Errorf("hint %q lacks %q", input.Hint, tt.hint)
			}
		})
	}
}

// TestLockSources has what comes from elsewhere than an index, in each format.
func TestLockSources(t *testing.T) {
	const wheelFile, commit = "ext-2.0-py3-none-any.whl", "0123456789abcdef0123456789abcdef01234567"
	wheelHash := hexOf("the wheel")
	toml := map[string]string{
		"poetry.lock": `[[package]]
name = "one"
version = "1.2.0"
python-versions = "*"
groups = ["main"]
files = []
[package.source]
type = "directory"
url = "libs/one"
[[package]]
name = "ext"
version = "2.0"
python-versions = "*"
groups = ["main"]
files = [{file = "ext-2.0-py3-none-any.whl", hash = "sha256:HASH"}]
[package.source]
type = "file"
url = "wheels/ext-2.0-py3-none-any.whl"
[[package]]
name = "far"
version = "1.0"
python-versions = "*"
groups = ["main"]
files = [{file = "far-1.0-py3-none-any.whl", hash = "sha256:FAR"}]
[package.source]
type = "url"
url = "https://files.example/far-1.0-py3-none-any.whl"
[[package]]
name = "forked"
version = "1.0"
python-versions = "*"
groups = ["git"]
files = []
[package.source]
type = "git"
url = "https://git.example/forked.git"
reference = "main"
resolved_reference = "COMMIT"
subdirectory = "py"
[metadata]
lock-version = "2.1"
python-versions = ">=3.9"
`,
		"pdm.lock": `[metadata]
groups = ["default", "git"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
[[package]]
name = "one"
version = "1.2.0"
groups = ["default"]
path = "./libs/one"
editable = true
[[package]]
name = "ext"
version = "2.0"
groups = ["default"]
path = "./wheels/ext-2.0-py3-none-any.whl"
files = [{file = "ext-2.0-py3-none-any.whl", hash = "sha256:HASH"}]
[[package]]
name = "far"
version = "1.0"
groups = ["default"]
url = "https://files.example/far-1.0-py3-none-any.whl"
files = [{url = "https://files.example/far-1.0-py3-none-any.whl", hash = "sha256:FAR"}]
[[package]]
name = "forked"
version = "1.0"
groups = ["git"]
git = "https://git.example/forked.git"
ref = "main"
revision = "COMMIT"
subdirectory = "py"
`,
		"pylock.toml": `lock-version = "1.0"
dependency-groups = ["git"]
created-by = "test"
[[packages]]
name = "made-up"
directory = { path = ".", editable = true }
[[packages]]
name = "one"
version = "1.2.0"
directory = { path = "libs", subdirectory = "one" }
[[packages]]
name = "ext"
version = "2.0"
archive = { path = "wheels/ext-2.0-py3-none-any.whl", hashes = { sha256 = "HASH" } }
[[packages]]
name = "far"
version = "1.0"
archive = { url = "https://files.example/far-1.0-py3-none-any.whl", hashes = { sha256 = "FAR" } }
[[packages]]
name = "forked"
marker = "'git' in dependency_groups"
vcs = { type = "git", url = "https://git.example/forked.git", requested-revision = "main", commit-id = "COMMIT", subdirectory = "py" }
`,
		"Pipfile.lock": `{"_meta": {"pipfile-spec": 6, "hash": {}, "sources": []},
"default": {
  "one": {"path": "./libs/one", "editable": true, "version": "==1.2.0"},
  "ext": {"file": "wheels/ext-2.0-py3-none-any.whl", "hashes": ["sha256:HASH"]},
  "far": {"file": "https://files.example/far-1.0-py3-none-any.whl", "hashes": ["sha256:FAR"]}},
"git": {"forked": {"git": "https://git.example/forked.git", "ref": "COMMIT", "subdirectory": "py"}}}
`,
	}
	for name, text := range toml {
		t.Run(name, func(t *testing.T) {
			text := strings.NewReplacer("HASH", wheelHash, "FAR", hexOf("far"), "COMMIT", commit).Replace(text)
			project := files(map[string]string{
				"api/" + name:                 text,
				"api/libs/one/pyproject.toml": "[project]\nname = 'One'\nversion = '1.2.0'\n[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n",
				"api/wheels/" + wheelFile:     "the wheel",
			})
			target := target(t, "python3.12", runtimes.ARM64)
			target.Path = "api"
			r := recipeWithBuilds(t, project, &target)
			var got []string
			for _, p := range r.Packages {
				line := p.Name + " " + p.Version + " " + path.Base(p.File.Name)
				if p.Build != nil {
					line += " built of " + p.Build.Folder
				}
				got = append(got, line)
			}
			want := []string{"ext 2.0 " + wheelFile, "far 1.0 far-1.0-py3-none-any.whl", "one 1.2.0 one built of api/libs/one"}
			if !slices.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
			target.Groups = []string{"git"}
			answerGit(t, project, &target, forked)
			r = recipeWithBuilds(t, project, &target)
			i := slices.IndexFunc(r.Packages, func(p runtimes.Package) bool { return p.Name == "forked" })
			wantGit := "git https://git.example/forked.git at " + commit + ", folder py"
			if i < 0 || r.Packages[i].Build == nil || r.Packages[i].Build.Folder != wantGit {
				t.Errorf("got %+v, want one built of %s", r.Packages, wantGit)
			}
			changed := files(map[string]string{"api/wheels/" + wheelFile: "another"})
			for at, f := range project {
				if changed[at] == nil {
					changed[at] = f
				}
			}
			target.Groups = nil
			if _, err := (Runtime{}).Recipe(changed, target); err == nil || !strings.Contains(err.Error(), "is not the file that was locked") {
				t.Errorf("a changed wheel: %v", err)
			}
		})
	}
}

// TestPoetryWithoutHashes: what an old poetry locked without hashes is asked for
// once, and then as good as locked.
func TestPoetryWithoutHashes(t *testing.T) {
	project := lockProject(t, "poetry_hashless")
	target := target(t, "python3.11", runtimes.X86_64)
	target.Places = []runtimes.Place{{Runtime: target.Runtime, Arch: target.Arch}}
	_, err := Runtime{}.Recipe(project, target)
	var open *runtimes.Unresolved
	if !errors.As(err, &open) || len(open.Questions) != 1 {
		t.Fatalf("got %v, want a question", err)
	}
	q := open.Questions[0]
	want := []string{"orjson==3.10.7", "pluggy==1.5.0", "pytest==8.3.3", "requests==2.32.3"}
	if q.Name != "poetry.lock" || !slices.Equal(q.Requirements, want) || !slices.Equal(q.Options, []string{"--no-deps"}) ||
		!strings.Contains(q.Why, "requests==2.32.3") || strings.Contains(q.Why, "pytest") {
		t.Errorf("asks %+v", q)
	}
	resolution := runtimes.Resolution{Input: q.Digest(), Places: []string{q.Places[0].String()}}
	for _, text := range q.Requirements {
		name, version, _ := strings.Cut(text, "==")
		resolution.Packages = append(resolution.Packages, runtimes.Pinned{Requirement: text, SHA256: []string{hexOf(name + "-" + version + "-py3-none-any.whl")}})
	}
	target.Pins.Requirements = map[string]runtimes.Resolution{"poetry.lock": resolution}
	r, _, err := completeFromName(t, project, target)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Packages) != 4 || r.Packages[3].File.SHA256 != hexOf("requests-2.32.3-py3-none-any.whl") {
		t.Errorf("got %+v", r.Packages)
	}
	stale := target
	moved := resolution
	moved.Input = "other"
	stale.Pins.Requirements = map[string]runtimes.Resolution{"poetry.lock": moved}
	if _, err := (Runtime{}).Recipe(project, stale); !errors.As(err, &open) || !strings.Contains(open.Questions[0].Why, "has changed") {
		t.Errorf("a resolution of something else: %v", err)
	}
}

func TestPoetryConstraint(t *testing.T) {
	for text, want := range map[string]string{
		"*": "", "^1.2.3": ">=1.2.3,<2", "^0.2.3": ">=0.2.3,<0.3", "^0.0.3": ">=0.0.3,<0.0.4", "^0.0": ">=0.0,<0.1", "^0": ">=0,<1",
		"~1": ">=1,<2", "~1.2": ">=1.2,<1.3", "~1.2.3": ">=1.2.3,<1.3", "1.2.*": "==1.2.*", "2.0.1": "==2.0.1", ">= 1.0 <2": ">=1.0,<2",
		">=1.5.6,<1.5.7 || >1.5.7": ">=1.5.6,<1.5.7 | >1.5.7", "<>1.0": "!=1.0", "~=1.4": "~=1.4", "^1.0b2": ">=1.0b2,<2",
	} {
		c, err := parsePoetryConstraint(text)
		var got []string
		for _, s := range c.any {
			got = append(got, s.String())
		}
		if err != nil || strings.Join(got, " | ") != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"^x", "~", "^1!2.0", "1.2.3.z"} {
		if _, err := parsePoetryConstraint(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
