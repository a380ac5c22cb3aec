package python

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestFindLock(t *testing.T) {
	workspace := project(t, "workspace")
	tests := []struct {
		name     string
		files    string // of an empty project; "" for the workspace
		path     string
		lockFile string
		want     string // the file and notes, or the error
		hint     string
	}{
		{"uv.lock", "uv.lock", ".", "", "uv.lock", ""},
		{"requirements.txt", "api/requirements.txt", "api", "", "api/requirements.txt", ""},
		{"uv.lock wins", "api/uv.lock api/requirements.txt", "api", "",
			"api/uv.lock api/uv.lock is used, and api/requirements.txt beside it is not; set lockfile: requirements.txt to use that one", ""},
		{"unless the other is named", "uv.lock requirements.txt", ".", "requirements.txt", "requirements.txt", ""},
		{"another name", "locks/prod.txt", ".", "locks/prod.txt", "locks/prod.txt", ""},
		{"named and not there", "uv.lock", "api", "requirements.txt", "api/requirements.txt: there is no such lock file", "in the layer's folder"},
		{"named and not known", "api/deps.yaml", "api", "deps.yaml", "api/deps.yaml: not the name of a lock file that is known", "uv.lock"},
		{"poetry", "poetry.lock pyproject.toml", ".", "", "poetry.lock", ""},
		{"poetry by name", "api/poetry.lock", "api", "poetry.lock", "api/poetry.lock", ""},
		{"poetry wins over its forgotten export", "poetry.lock requirements.txt", ".", "",
			"poetry.lock poetry.lock is used, and requirements.txt beside it is not; set lockfile: requirements.txt to use that one", ""},
		{"two managers", "poetry.lock uv.lock", ".", "",
			"uv.lock uv.lock is used, and poetry.lock beside it is not; set lockfile: poetry.lock to use that one", ""},
		{"all of them", "a/requirements.txt a/Pipfile.lock a/pdm.lock a/poetry.lock a/pylock.toml", "a", "",
			"a/pylock.toml a/pylock.toml is used, and a/poetry.lock beside it is not; set lockfile: poetry.lock to use that one; " +
				"a/pylock.toml is used, and a/pdm.lock beside it is not; set lockfile: pdm.lock to use that one; " +
				"a/pylock.toml is used, and a/Pipfile.lock beside it is not; set lockfile: Pipfile.lock to use that one; " +
				"a/pylock.toml is used, and a/requirements.txt beside it is not; set lockfile: requirements.txt to use that one", ""},
		{"pipenv", "Pipfile.lock", ".", "", "Pipfile.lock", ""},
		{"pdm", "pdm.lock", ".", "", "pdm.lock", ""},
		{"pdm by another name", "pdm.prod.lock", ".", "pdm.prod.lock", "pdm.prod.lock", ""},
		{"pylock", "pylock.toml", ".", "", "pylock.toml", ""},
		{"pylock by another name", "pylock.api.toml", ".", "pylock.api.toml", "pylock.api.toml", ""},
		{"none, with a project", "pyproject.toml", ".", "", "no lock file in the project's folder", "`uv lock`"},
		{"none, with inputs", "api/requirements.in", "api", "", "no lock file in api", "--generate-hashes"},
		{"none, with a Pipfile", "Pipfile", ".", "", "no lock file in the project's folder", "`pipenv lock`"},
		{"none, with setup.py", "api/setup.py", "api", "", "no lock file in api", "setup.py -o"},
		{"another language", "api/package.json", "api", "", "no lock file in api", "package.json is of nodejs"},
		{"own code", "api/main.py", "api", "", "no lock file in api", "plain: true"},
		{"none at all", "api/main.py", "api", "", "no lock file in api", "uv.lock"},
		{"no folder", "main.py", "api", "", "there is no folder api", "path"},
		{"member", "", "services/api", "", "uv.lock", ""},
		{"member by name", "", "services/api", "uv.lock", "uv.lock", ""},
		{"not a member, with its own file", "", "services/lone", "", "services/lone/requirements.txt", ""},
		{"not a member", "", "services/new", "", "no lock file in services/new, and uv.lock does not lock a project there", "workspace"},
		{"not a member, deeper", "", "services/api/src", "", "no lock file in services/api/src, and uv.lock does not lock a project there", "workspace"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := workspace
			if tt.files != "" {
				files = fstest.MapFS{}
				for _, name := range strings.Fields(tt.files) {
					files[name] = &fstest.MapFile{Data: []byte("\n")}
				}
			}
			found, err := findLock(files, runtimes.Target{Path: tt.path, LockFile: tt.lockFile})
			got := strings.TrimSpace(found.file + " " + strings.Join(found.notes, "; "))
			if err != nil {
				got = err.Error()
				if input := err.(*runtimes.InputError); !strings.Contains(input.Hint, tt.hint) {
					t.Errorf("hint %q lacks %q", input.Hint, tt.hint)
				}
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestRecipe(t *testing.T) {
	files := project(t, "app")
	plain := target(t, "python3.13", runtimes.X86_64)
	plain.ExcludeFiles = []string{"**/tests/**"}
	r, err := Runtime{}.Recipe(files, plain)
	if err != nil {
		t.Fatal(err)
	}
	if r.Runtime != "python" || r.Layout != "python/1" || r.Prefix != "python/lib/python3.13/site-packages" || r.LockFile != "uv.lock" ||
		r.ConsoleScripts || r.Interpreter != "" || len(r.ExcludeFiles) != 1 || len(r.Indexes) != 1 || r.Indexes[0] != "https://index.example/simple" {
		t.Errorf("%+v", r)
	}
	other := plain
	other.Universal, other.ConsoleScripts, other.Indexes = true, true, []string{"https://mirror.example/simple"}
	r, err = Runtime{}.Recipe(files, other)
	if err != nil {
		t.Fatal(err)
	}
	if r.Prefix != "python" || !r.ConsoleScripts || r.Interpreter != plain.Runtime.Interpreter || r.Indexes[0] != other.Indexes[0] {
		t.Errorf("%+v", r)
	}
	if f := r.Packages[0].File; f.URL == "" || f.Size == 0 || len(f.SHA256) != 64 || f.RequiresPython != "" {
		t.Errorf("%+v", f)
	}
}
