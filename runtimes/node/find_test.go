package node

import (
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// TestFind says which lock file is taken of several.
func TestFind(t *testing.T) {
	const lock = `{"name": "app", "lockfileVersion": 3, "packages": {"": {"name": "app"}, "packages/a": {"name": "a"}}}`
	for _, tt := range []struct {
		name, files, dir, lockFile string
		want                       string
	}{
		{"alone", "package-lock.json package.json", ".", "", "package-lock.json"},
		{"shrinkwrap", "package-lock.json npm-shrinkwrap.json", ".", "", "npm-shrinkwrap.json; npm-shrinkwrap.json is used, as npm does, and not package-lock.json beside it"},
		{"named", "package-lock.json npm-shrinkwrap.json", ".", "package-lock.json", "package-lock.json"},
		{"of a workspace", "package-lock.json packages/a/package.json", "packages/a", "", "package-lock.json"},
		{"of a workspace, named", "package-lock.json packages/a/package.json", "packages/a", "package-lock.json", "package-lock.json"},
		{"own lock in a workspace", "package-lock.json packages/a/package-lock.json", "packages/a", "", "packages/a/package-lock.json"},
		{"no member", "package-lock.json packages/b/package.json", "packages/b", "", "package-lock.json: does not lock the project in packages/b"},
		{"not there", "package-lock.json", ".", "npm-shrinkwrap.json", "npm-shrinkwrap.json: there is no such lock file"},
		{"unknown", "package-lock.json", ".", "deps.lock", "deps.lock: not the name of a lock file that is known"},
		{"none", "package.json", ".", "", "no lock file in the project's folder; `npm install --package-lock-only`"},
		{"no folder", "package.json", "x/y", "", "there is no folder x/y"},
		{"bun's binary one", "package.json bun.lockb", ".", "", "bun.lockb: lock files of this kind are not read"},
		{"another language", "svc/uv.lock", "svc", "", "no lock file in svc; uv.lock is of python"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			project := fstest.MapFS{}
			for _, name := range strings.Fields(tt.files) {
				project[name] = &fstest.MapFile{Data: []byte(lock)}
			}
			found, err := findLock(project, runtimes.Target{Path: tt.dir, LockFile: tt.lockFile})
			got := strings.Join(append([]string{found.file}, found.notes...), "; ")
			if err != nil {
				got = err.Error()
				if input, ok := err.(*runtimes.InputError); ok {
					got += "; " + input.Hint
				}
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestChoose is for the lock files of several package managers.
func TestChoose(t *testing.T) {
	all := func(dir string) []foundLock {
		var all []foundLock
		for _, f := range []format{
			{names: []string{"package-lock.json"}, manager: "npm"}, {names: []string{"pnpm-lock.yaml"}, manager: "pnpm"}, {names: []string{"yarn.lock"}, manager: "yarn"},
		} {
			all = append(all, foundLock{file: path.Join(dir, f.names[0]), format: f})
		}
		return all
	}
	for manifest, want := range map[string]string{
		`{"packageManager": "pnpm@10.1.0+sha512.abc"}`: "svc/pnpm-lock.yaml is used, as packageManager says, and not package-lock.json, yarn.lock beside it",
		`{"packageManager": "yarn@1.22.22"}`:           "svc/yarn.lock is used, as packageManager says, and not package-lock.json, pnpm-lock.yaml beside it",
		`{"packageManager": "bun@1.2.0"}`:              "svc/package-lock.json is used, by layerbuild's order, and not pnpm-lock.yaml, yarn.lock beside it",
		`{}`:                                           "svc/package-lock.json is used, by layerbuild's order, and not pnpm-lock.yaml, yarn.lock beside it",
		`broken`:                                       "svc/package-lock.json is used, by layerbuild's order, and not pnpm-lock.yaml, yarn.lock beside it",
	} {
		project := fstest.MapFS{"svc/package.json": {Data: []byte(manifest)}}
		found := choose(project, "svc", all("svc"))
		if len(found.notes) != 1 || !strings.HasPrefix(found.notes[0], want) || !strings.HasPrefix(want, found.file) {
			t.Errorf("%s: %s, %v", manifest, found.file, found.notes)
		}
	}
}
