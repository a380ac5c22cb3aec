package node

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// hashOf is an integrity that stands for a file.
func hashOf(c string) string { return "sha512-" + strings.Repeat(c, 86) + "==" }

// pnpmProject makes a project of a text: "-- name --" begins a file, "#a"
// stands for an integrity.
func pnpmProject(text string) fstest.MapFS {
	project := fstest.MapFS{}
	name := ""
	for line := range strings.Lines(strings.TrimPrefix(text, "\n")) {
		if strings.HasPrefix(line, "-- ") {
			name = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "-- "), " --")
			project[name] = &fstest.MapFile{}
			continue
		}
		for _, c := range []string{"a", "b", "c", "d", "e"} {
			line = strings.ReplaceAll(line, "#"+c, hashOf(c))
		}
		project[name].Data = append(project[name].Data, line...)
	}
	return project
}

func pnpmTarget(arch runtimes.Arch) runtimes.Target {
	info, _ := runtimes.Lookup("nodejs22.x")
	return runtimes.Target{Runtime: info, Arch: arch, Path: "."}
}

// readPnpmAnswered reads a project, with a registry that knows all hashes.
func readPnpmAnswered(project fstest.MapFS, t runtimes.Target) (*set, error) {
	file := "pnpm-lock.yaml"
	s, err := readPnpm(project, file, t)
	var incomplete *runtimes.Incomplete
	if errors.As(err, &incomplete) {
		t.Files = map[string][]runtimes.File{}
		for _, q := range incomplete.Requests {
			f := runtimes.File{Integrity: hashOf("e")}
			if len(q.Hashes) > 0 {
				f.Integrity = q.Hashes[0]
			}
			t.Files[q.Key()] = []runtimes.File{f, {Integrity: hashOf("d")}}
		}
		s, err = readPnpm(project, file, t)
	}
	return s, err
}

func namesOf(s *set) []string {
	var names []string
	for _, p := range s.packages {
		names = append(names, p.Name+"@"+p.Version)
	}
	slices.Sort(names)
	return names
}

// writtenOf are the files of the project that is installed in the container.
func writtenOf(s *set, t runtimes.Target) map[string]string {
	files := map[string]string{}
	steps := s.steps(t)
	for _, in := range steps[len(steps)-1].Inputs {
		if name, ok := strings.CutPrefix(in.Path, projectFolder+"/"); ok {
			files[name] = string(in.Data)
		}
	}
	return files
}

const pnpmSimple = `
-- package.json --
{"dependencies": {"top": "^1.0.0", "wide": "npm:string-width@4.2.3"}, "optionalDependencies": {"fsevents": "^2"}, "devDependencies": {"dev": "1"}}
-- pnpm-lock.yaml --
lockfileVersion: '9.0'
settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false
importers:
  .:
    dependencies:
      top:
        specifier: ^1.0.0
        version: 1.2.0(peer@2.0.0)
      wide:
        specifier: npm:string-width@4.2.3
        version: string-width@4.2.3
    optionalDependencies:
      fsevents:
        specifier: ^2
        version: 2.3.3
    devDependencies:
      dev:
        specifier: '1'
        version: 1.0.0
packages:
  '@img/linux-arm64@1.0.0':
    resolution: {integrity: #a}
    cpu: [arm64]
    os: [linux]
    libc: [glibc]
  '@img/linux-x64@1.0.0':
    resolution: {integrity: #b}
    cpu: [x64]
    os: [linux]
    libc: glibc
  '@img/linuxmusl-x64@1.0.0':
    resolution: {integrity: #b}
    cpu: [x64]
    os: [linux]
    libc: [musl]
  dev@1.0.0:
    resolution: {integrity: #a}
  fsevents@2.3.3:
    resolution: {integrity: #a}
    os: [darwin]
  newer@1.0.0:
    resolution: {integrity: #a}
    engines: {node: '>=99'}
  nan@2.0.0:
    resolution: {integrity: #a}
  peer@2.0.0:
    resolution: {integrity: #c}
    engines: ['node >= 99']
  string-width@4.2.3:
    resolution: {integrity: #d}
  top@1.2.0:
    resolution: {integrity: #e}
    hasBin: true
    peerDependencies:
      peer: '>=2'
snapshots:
  '@img/linux-arm64@1.0.0':
    optional: true
  '@img/linux-x64@1.0.0':
    optional: true
  '@img/linuxmusl-x64@1.0.0':
    optional: true
  dev@1.0.0: {}
  fsevents@2.3.3:
    dependencies:
      nan: 2.0.0
    optional: true
  nan@2.0.0:
    optional: true
  newer@1.0.0:
    optional: true
  peer@2.0.0: {}
  string-width@4.2.3: {}
  top@1.2.0(peer@2.0.0):
    dependencies:
      peer: 2.0.0
    optionalDependencies:
      '@img/linux-arm64': 1.0.0
      '@img/linux-x64': 1.0.0
      '@img/linuxmusl-x64': 1.0.0
      newer: 1.0.0
`

const pnpmOld = `
-- package.json --
{"dependencies": {"top": "^1.0.0", "wide": "npm:string-width@4.2.3", "far": "https://files.example/far.tgz"}}
-- pnpm-lock.yaml --
lockfileVersion: '6.0'
settings:
  autoInstallPeers: true
dependencies:
  far:
    specifier: https://files.example/far.tgz
    version: '@files.example/far.tgz'
  top:
    specifier: ^1.0.0
    version: 1.2.0(peer@2.0.0)
  wide:
    specifier: npm:string-width@4.2.3
    version: /string-width@4.2.3
packages:
  '@files.example/far.tgz':
    resolution: {integrity: #a, tarball: 'https://files.example/far.tgz'}
    name: far
    version: 3.0.0
    dev: false
  /@img/linux-arm64@1.0.0:
    resolution: {integrity: #a}
    cpu: [arm64]
    requiresBuild: true
    optional: true
  /peer@2.0.0:
    resolution: {integrity: #c}
  /string-width@4.2.3:
    resolution: {integrity: #d}
  /top@1.2.0(peer@2.0.0):
    resolution: {integrity: #e}
    requiresBuild: true
    peerDependencies:
      peer: '>=2'
    dependencies:
      peer: 2.0.0
    optionalDependencies:
      '@img/linux-arm64': 1.0.0
`

const pnpmWorkspaces = `
-- package.json --
{"name": "root", "devDependencies": {"dev": "1"}, "pnpm": {"overrides": {"ms": "2.0.0"}}}
-- pnpm-workspace.yaml --
packages: ['services/*', 'libs/**']
catalog: {react: ^18}
-- services/api/package.json --
{"name": "api", "version": "1.0.0", "dependencies": {"@acme/one": "workspace:*", "react": "catalog:", "ms": "^1"}}
-- services/other/package.json --
{"name": "other", "dependencies": {"left": "1.0.0"}}
-- libs/one/package.json --
{"name": "@acme/one", "version": "1.1.0", "dependencies": {"two": "workspace:^"}, "peerDependencies": {"react": "*"}, "devDependencies": {"dev": "1"}}
-- libs/one/index.js --
one
-- libs/deep/two/package.json --
{"name": "two", "version": "2.0.0", "dependencies": {"@acme/one": "workspace:*", "left": "1.0.0"}}
-- pnpm-lock.yaml --
lockfileVersion: '9.0'
settings:
  autoInstallPeers: true
catalogs:
  default:
    react:
      specifier: ^18
      version: 18.0.0
overrides:
  ms: 2.0.0
importers:
  .:
    devDependencies:
      dev: {specifier: '1', version: 1.0.0}
  libs/deep/two:
    dependencies:
      '@acme/one': {specifier: workspace:*, version: link:../../one}
      left: {specifier: 1.0.0, version: 1.0.0}
  libs/one:
    dependencies:
      react: {specifier: '*', version: 18.0.0}
      two: {specifier: workspace:^, version: link:../deep/two}
    devDependencies:
      dev: {specifier: '1', version: 1.0.0}
  services/api:
    dependencies:
      '@acme/one': {specifier: workspace:*, version: link:../../libs/one}
      ms: {specifier: 2.0.0, version: 2.0.0}
      react: {specifier: 'catalog:', version: 18.0.0}
  services/other:
    dependencies:
      left: {specifier: 1.0.0, version: 1.0.0}
packages:
  dev@1.0.0:
    resolution: {integrity: #a}
  left@1.0.0:
    resolution: {integrity: #b}
  ms@2.0.0:
    resolution: {integrity: #c}
  react@18.0.0:
    resolution: {integrity: #d}
snapshots:
  dev@1.0.0: {}
  left@1.0.0: {}
  ms@2.0.0: {}
  react@18.0.0: {}
`

func TestPnpmRead(t *testing.T) {
	api := func(t *runtimes.Target) { t.Path = "services/api" }
	tests := []struct {
		name, project string
		change        func(*runtimes.Target)
		replace       []string // pairs
		want          string
	}{
		{name: "x86_64", project: pnpmSimple, want: "@img/linux-x64@1.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "with a document before it", project: pnpmSimple, replace: []string{"lockfileVersion: '9.0'", "---\nlockfileVersion: '9.0'\nimporters:\n  .:\n    packageManagerDependencies: {}\n\n---\nlockfileVersion: '9.0'"},
			want: "@img/linux-x64@1.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "arm64", project: pnpmSimple, change: func(t *runtimes.Target) { t.Arch = runtimes.ARM64 },
			want: "@img/linux-arm64@1.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "excluded by alias", project: pnpmSimple, change: func(t *runtimes.Target) { t.Exclude = []string{"wide"} },
			want: "@img/linux-x64@1.0.0 peer@2.0.0 top@1.2.0"},
		{name: "excluded with what only it pulled in", project: pnpmSimple, change: func(t *runtimes.Target) { t.Exclude = []string{"top"} },
			want: "string-width@4.2.3"},
		{name: "excluded by pattern", project: pnpmSimple, change: func(t *runtimes.Target) { t.Exclude = []string{"@img/*"} },
			want: "peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "required on another platform", project: pnpmSimple, replace: []string{"  '@img/linux-arm64@1.0.0':\n    optional: true", "  '@img/linux-arm64@1.0.0': {}"},
			want: "@img/linux-arm64@1.0.0 @img/linux-x64@1.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "project itself", project: pnpmWorkspaces, change: func(t *runtimes.Target) { t.Path, t.Project = "services/api", true },
			want: "@acme/one@1.1.0 api@1.0.0 left@1.0.0 ms@2.0.0 react@18.0.0 two@2.0.0"},
		{name: "version 6", project: pnpmOld, want: "far@3.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "version 6, arm64", project: pnpmOld, change: func(t *runtimes.Target) { t.Arch = runtimes.ARM64 },
			want: "@img/linux-arm64@1.0.0 far@3.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
		{name: "member with links in a circle", project: pnpmWorkspaces, change: api,
			want: "@acme/one@1.1.0 left@1.0.0 ms@2.0.0 react@18.0.0 two@2.0.0"},
		{name: "another member", project: pnpmWorkspaces, change: func(t *runtimes.Target) { t.Path = "services/other" }, want: "left@1.0.0"},
		{name: "sha1 only", project: pnpmSimple, replace: []string{hashOf("e"), "sha1-" + strings.Repeat("a", 27) + "="},
			want: "@img/linux-x64@1.0.0 peer@2.0.0 string-width@4.2.3 top@1.2.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			project, target := pnpmProject(test.project), pnpmTarget(runtimes.X86_64)
			replaceIn(project, test.replace)
			if test.change != nil {
				test.change(&target)
			}
			s, err := readPnpmAnswered(project, target)
			if err != nil {
				t.Fatal(err)
			}
			checkRequires(t, s.packages, s.requires)
			if got := strings.Join(namesOf(s), " "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func replaceIn(project fstest.MapFS, pairs []string) {
	for _, name := range slices.Sorted(maps.Keys(project)) {
		project[name].Data = []byte(strings.NewReplacer(pairs...).Replace(string(project[name].Data)))
	}
}

func TestPnpmRefuses(t *testing.T) {
	const old, simple, workspace = pnpmOld, pnpmSimple, pnpmWorkspaces
	tests := []struct {
		name, project, path string
		replace             []string
		want                string // in the message
		hint                string
	}{
		{"another specifier", simple, ".", []string{`"top": "^1.0.0"`, `"top": "^2.0.0"`}, `pnpm-lock.yaml:8: does not match the dependencies of package.json: top is asked for as "^2.0.0" and was locked as "^1.0.0"`, "pnpm install"},
		{"not locked", simple, ".", []string{`"top": "^1.0.0"`, `"top": "^1.0.0", "more": "1"`}, `more "1" is not in it`, "pnpm install"},
		{"no more asked for", simple, ".", []string{`"top": "^1.0.0", `, ``}, "top is in it, and is asked for no more", "pnpm install"},
		{"now a dev dependency", simple, ".", []string{`"top": "^1.0.0", `, ``, `"dev": "1"`, `"dev": "1", "top": "^1.0.0"`}, "does not match the dependencies", "pnpm install"},
		{"dev moved", simple, ".", []string{`"dev": "1"`, `"dev": "2"`}, `dev is asked for as "2"`, "pnpm install"},
		{"old lock, another specifier", old, ".", []string{`"top": "^1.0.0"`, `"top": "^2.0.0"`}, `top is asked for as "^2.0.0"`, "pnpm install"},
		{"stale member", workspace, "services/api", []string{`"left": "1.0.0"`, `"left": "1.0.1"`}, `dependencies of libs/deep/two/package.json: left is asked for as "1.0.1"`, "pnpm install"},
		{"stale catalog", workspace, "services/api", []string{"catalog: {react: ^18}", "catalog: {react: ^19}"}, `catalog default of pnpm-workspace.yaml: react is "^19" there and was locked as "^18"`, "pnpm install"},
		{"stale override", workspace, "services/api", []string{`{"ms": "2.0.0"}`, `{"ms": "2.0.1"}`}, `ms is "2.0.1" there and was locked as "2.0.0"`, "pnpm install"},
		{"missing member", workspace, "services/new", nil, "does not lock the project in services/new", "it holds ., libs/deep/two"},
		{"root without dependencies", workspace, ".", nil, "the workspace's root has no dependencies", "libs/deep/two"},
		{"version 5", simple, ".", []string{"lockfileVersion: '9.0'", "lockfileVersion: 5.4"}, "pnpm-lock.yaml:1: is of version 5.4", "npx pnpm@10 install --lockfile-only"},
		{"newer version", simple, ".", []string{"lockfileVersion: '9.0'", "lockfileVersion: '10.0'"}, "is of version 10.0, which is not known", "upgrade layerbuild"},
		{"no version", simple, ".", []string{"lockfileVersion: '9.0'", "x: y"}, "no lockfileVersion", "pnpm install"},
		{"conflict", simple, ".", []string{"  dev@1.0.0: {}", "<<<<<<< HEAD\n  dev@1.0.0: {}\n=======\n"}, "holds a merge conflict", "pnpm install --lockfile-only"},
		{"three documents", simple, ".", []string{"lockfileVersion: '9.0'", "---\na: b\n---\nlockfileVersion: '9.0'", "snapshots:", "---\nsnapshots:"}, "more YAML documents", "pnpm@10"},
		{"line below another document", simple, ".", []string{"lockfileVersion: '9.0'", "---\na: b\n\n---\nlockfileVersion: '9.0'", `"top": "^1.0.0"`, `"top": "^2.0.0"`}, "pnpm-lock.yaml:12: ", "pnpm install"},
		{"no release", simple, ".", []string{"version: string-width@4.2.3", "version: string-width@a/b", "string-width@4.2.3:", "string-width@a/b:"}, `"string-width@a/b" is neither a release nor at an address`, "pnpm install"},
		{"two lines in a pattern", workspace, "services/api", []string{"catalog: {react: ^18}", "catalog: {react: ^18}\nhoistPattern: [\"a\\nregistry=https://evil.example\"]"}, "is no pattern of packages", "hoistPattern"},
		{"no YAML", simple, ".", []string{"importers:", "importers: ["}, "is no lock file of pnpm", "pnpm install"},
		{"cut short", simple, ".", []string{"  peer@2.0.0: {}", "  pear@2.0.0: {}"}, "does not hold peer@2.0.0", "restore"},
		{"git", simple, ".", []string{"resolution: {integrity: " + hashOf("d") + "}", "resolution: {type: git, repo: 'https://git.example/x', commit: abc}"}, "string-width comes from version control", "exclude"},
		{"tarball without a hash", simple, ".", []string{"resolution: {integrity: " + hashOf("d") + "}", "resolution: {tarball: 'https://git.example/x.tgz'}", "string-width@4.2.3", "string-width@https://git.example/x.tgz"}, "locked without a hash", "exclude"},
		{"runtime", simple, ".", []string{"resolution: {integrity: " + hashOf("d") + "}", "resolution: {type: variations}"}, `of a kind that is not known here: "variations"`, "exclude"},
		{"password", simple, ".", []string{"resolution: {integrity: " + hashOf("d") + "}", "resolution: {integrity: " + hashOf("d") + ", tarball: 'https://me:secret@files.example/x.tgz'}"}, "holds a user or password", "credentials"},
		{"outside", workspace, "services/api", []string{"link:../../libs/one", "link:../../../one"}, "leads outside of the project", "move it"},
		{"link to no member", workspace, "services/api", []string{"link:../../libs/one", "link:../../libs"}, "does not lock the project in libs, which is linked to", "pnpm-workspace.yaml"},
		{"name that is a path", simple, ".", []string{"wide:", "'../wide':", `"wide"`, `"../wide"`}, `"../wide" is no name`, ""},
		{"link that is not locked", simple, ".", []string{"excludeLinksFromLockfile: false", "excludeLinksFromLockfile: true", `"top"`, `"linked": "link:../x", "top"`}, "leaves out linked", "exclude-links-from-lockfile=false"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			project, target := pnpmProject(test.project), pnpmTarget(runtimes.X86_64)
			replaceIn(project, test.replace)
			target.Path = test.path
			if test.path == "services/new" {
				project["services/new/package.json"] = &fstest.MapFile{Data: []byte("{}")}
			}
			_, err := readPnpmAnswered(project, target)
			var input *runtimes.InputError
			if !errors.As(err, &input) {
				t.Fatalf("got %v, not an input error", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if !strings.Contains(input.Hint, test.hint) || input.Hint == "" {
				t.Errorf("the hint is %q", input.Hint)
			}
		})
	}
}

// TestPnpmNothing is a project with development packages only.
func TestPnpmNothing(t *testing.T) {
	project := pnpmProject(pnpmSimple)
	replaceIn(project, []string{`"dependencies": {"top": "^1.0.0", "wide": "npm:string-width@4.2.3"}, `, "",
		"    dependencies:\n      top:\n        specifier: ^1.0.0\n        version: 1.2.0(peer@2.0.0)\n      wide:\n        specifier: npm:string-width@4.2.3\n        version: string-width@4.2.3\n", ""})
	_, err := Runtime{}.Recipe(project, pnpmTarget(runtimes.X86_64))
	var input *runtimes.InputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "nothing to install") {
		t.Errorf("got %v", err)
	}
}

// TestPnpmAsksForScripts holds that the registry is asked for what version 9.0
// leaves out, and that version 6.0 needs no registry.
func TestPnpmAsksForScripts(t *testing.T) {
	target := pnpmTarget(runtimes.X86_64)
	_, err := readPnpm(pnpmProject(pnpmSimple), "pnpm-lock.yaml", target)
	var incomplete *runtimes.Incomplete
	if !errors.As(err, &incomplete) || len(incomplete.Requests) != 4 {
		t.Fatalf("got %v", err)
	}
	target.Files = map[string][]runtimes.File{}
	for _, q := range incomplete.Requests {
		target.Files[q.Key()] = []runtimes.File{{Integrity: q.Hashes[0], Scripts: q.Name == "top"}}
	}
	answers := maps.Clone(target.Files)
	for key := range answers {
		answers[key] = []runtimes.File{{Integrity: hashOf("f")}}
	}
	other := target
	other.Files = answers
	if _, err := readPnpm(pnpmProject(pnpmSimple), "pnpm-lock.yaml", other); err == nil || !strings.Contains(err.Error(), "the registry has no file of @img/linux-x64 1.0.0") {
		t.Errorf("another file: %v", err)
	}
	s, err := readPnpm(pnpmProject(pnpmSimple), "pnpm-lock.yaml", target)
	if err != nil {
		t.Fatal(err)
	}
	old, err := readPnpm(pnpmProject(pnpmOld), "pnpm-lock.yaml", pnpmTarget(runtimes.X86_64))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range append(s.packages, old.packages...) {
		if p.File.Scripts != (p.Name == "top") {
			t.Errorf("%s: scripts %v", p.Name, p.File.Scripts)
		}
	}
}
