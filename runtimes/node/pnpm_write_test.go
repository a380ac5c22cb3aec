package node

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/layerbuild/layerbuild/runtimes"
)

// written reads a project and gives the files that are installed from.
func written(t *testing.T, project fstest.MapFS, target runtimes.Target) map[string]string {
	t.Helper()
	s, err := readPnpmAnswered(project, target)
	if err != nil {
		t.Fatal(err)
	}
	return writtenOf(s, target)
}

// TestPnpmKeyPrecision holds that only what is installed decides what is
// written: nothing of other members, of development packages, of ranges, of
// other platforms, of names, comments or what a registry says of a release.
func TestPnpmKeyPrecision(t *testing.T) {
	same := map[string][]string{
		"dev dependency":     {`"dev": "1"`, `"dev": "2"`, "specifier: '1'", "specifier: '2'", "dev@1.0.0", "dev@2.0.0", "        version: 1.0.0\n", "        version: 2.0.0\n"},
		"range":              {"^1.0.0", "^1.1.0"},
		"another platform":   {"fsevents@2.3.3", "fsevents@2.3.4", "version: 2.3.3", "version: 2.3.4"},
		"deprecated":         {"    hasBin: true\n", "    hasBin: true\n    deprecated: gone\n"},
		"comment and quotes": {"lockfileVersion: '9.0'", "# Hello\nlockfileVersion: \"9.0\""},
		"name":               {`{"dependencies"`, `{"name": "x", "version": "9.9.9", "dependencies"`},
	}
	target := pnpmTarget(runtimes.X86_64)
	want := written(t, pnpmProject(pnpmSimple), target)
	for _, name := range slices.Sorted(maps.Keys(same)) {
		project := pnpmProject(pnpmSimple)
		replaceIn(project, same[name])
		if got := written(t, project, target); !maps.Equal(got, want) {
			t.Errorf("%s decides something:\n%s\n%s", name, got["package.json"], got["pnpm-lock.yaml"])
		}
	}
	other := map[string][]string{
		"version": {"top@1.2.0", "top@1.2.1", "1.2.0(peer", "1.2.1(peer"},
		"hash":    {hashOf("c"), hashOf("a")},
		"peers":   {"(peer@2.0.0)", "(peer@3.0.0)", "peer@2.0.0", "peer@3.0.0", "peer: 2.0.0", "peer: 3.0.0"},
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		project := pnpmProject(pnpmSimple)
		replaceIn(project, other[name])
		if got := written(t, project, target); maps.Equal(got, want) {
			t.Errorf("%s decides nothing", name)
		}
	}

	// A set without machine code is the same on both architectures.
	target.Path = "services/api"
	arm := target
	arm.Arch = runtimes.ARM64
	one := written(t, pnpmProject(pnpmWorkspaces), target)
	if two := written(t, pnpmProject(pnpmWorkspaces), arm); !maps.Equal(one, two) {
		t.Error("the architecture decides something")
	}
	project := pnpmProject(pnpmWorkspaces)
	replaceIn(project, []string{"  services/other:\n    dependencies:\n      left: {specifier: 1.0.0, version: 1.0.0}\n", "  services/other: {}\n"})
	if two := written(t, project, target); !maps.Equal(one, two) {
		t.Error("another member decides something")
	}
}

// TestPnpmWrites holds the written project against what pnpm reads.
func TestPnpmWrites(t *testing.T) {
	target := pnpmTarget(runtimes.ARM64)
	files := written(t, pnpmProject(pnpmSimple), target)
	for name, parts := range map[string][]string{
		"package.json": {`"name": "layer"`, `"top": "1.2.0"`, `"wide": "npm:string-width@4.2.3"`},
		"pnpm-lock.yaml": {
			"lockfileVersion: \"9.0\"\n", "autoInstallPeers: false\n",
			"      top:\n        specifier: 1.2.0\n        version: 1.2.0(peer@2.0.0)\n",
			"  top@1.2.0:\n    resolution:\n      integrity: " + hashOf("e") + "\n    hasBin: true\n    peerDependencies:\n      peer: '>=2'\n",
			"  top@1.2.0(peer@2.0.0):\n    dependencies:\n      '@img/linux-arm64': 1.0.0\n      peer: 2.0.0\n",
		},
		".npmrc": {"auto-install-peers=false\n", "node-linker=isolated\n", "package-import-method=copy\n", "virtual-store-dir-max-length=120\n"},
	} {
		for _, part := range parts {
			if !strings.Contains(files[name], part) {
				t.Errorf("%s lacks %q:\n%s", name, part, files[name])
			}
		}
	}
	for _, not := range []string{"optional", "fsevents", "dev@", "cpu:", "engines", "linux-x64"} {
		if strings.Contains(files["pnpm-lock.yaml"], not) {
			t.Errorf("the lock file holds %q", not)
		}
	}

	files = written(t, pnpmProject(pnpmOld), target)
	for _, part := range []string{
		"lockfileVersion: \"6.0\"\n", "  '@files.example/far.tgz':\n    name: far\n    version: 3.0.0\n",
		"      tarball: https://files.example/far.tgz\n", "  /top@1.2.0(peer@2.0.0):\n", "    dev: false\n    dependencies:\n      '@img/linux-arm64': 1.0.0\n",
		"        version: /string-width@4.2.3\n",
	} {
		if !strings.Contains(files["pnpm-lock.yaml"], part) {
			t.Errorf("the lock of version 6 lacks %q:\n%s", part, files["pnpm-lock.yaml"])
		}
	}
}

// TestPnpmLocal holds that folders of the project go in as tarballs, with the
// files that belong to them and what they need.
func TestPnpmLocal(t *testing.T) {
	target := pnpmTarget(runtimes.X86_64)
	target.Path = "services/api"
	project := pnpmProject(pnpmWorkspaces)
	project["libs/one/node_modules/x/index.js"] = &fstest.MapFile{Data: []byte("x")}
	files := written(t, project, target)
	if len(files["local/acme-one-1.1.0.tgz"]) == 0 || len(files["local/two-2.0.0.tgz"]) == 0 {
		t.Errorf("the files are %v", slices.Sorted(maps.Keys(files)))
	}
	if !strings.Contains(files["pnpm-lock.yaml"], "  two@file:local/two-2.0.0.tgz:\n    dependencies:\n      '@acme/one': '@acme/one@file:local/acme-one-1.1.0.tgz'\n      left: 1.0.0\n") {
		t.Error(files["pnpm-lock.yaml"])
	}
	if strings.Contains(files["pnpm-lock.yaml"], "link:") {
		t.Error("a link is left")
	}
	project["libs/one/index.js"].Data = []byte("two")
	if again := written(t, project, target); again["local/acme-one-1.1.0.tgz"] == files["local/acme-one-1.1.0.tgz"] {
		t.Error("its content decides nothing")
	}

	// A folder and a tarball that are depended on by file:.
	const local = `
-- package.json --
{"dependencies": {"one": "file:one", "two": "file:two.tgz"}}
-- one/package.json --
{"name": "one", "version": "1.0.0", "dependencies": {"two": "file:../two.tgz"}}
-- two.tgz --
two
-- pnpm-lock.yaml --
lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      one: {specifier: 'file:one', version: 'file:one(two@file:two.tgz)'}
      two: {specifier: 'file:two.tgz', version: 'file:two.tgz'}
packages:
  one@file:one:
    resolution: {directory: one, type: directory}
  two@file:two.tgz:
    resolution: {integrity: #a, tarball: 'file:two.tgz'}
    version: 2.0.0
snapshots:
  one@file:one(two@file:two.tgz):
    dependencies: {two: 'file:two.tgz'}
  two@file:two.tgz: {}
`
	target.Path = "."
	project = pnpmProject(local)
	if _, err := readPnpmAnswered(project, target); err == nil || !strings.Contains(err.Error(), "two.tgz is not the file that was locked") {
		t.Errorf("another tarball: %v", err)
	}
	hash := archiveFile("two.tgz", project["two.tgz"].Data).Integrity
	replaceIn(project, []string{hashOf("a"), hash})
	files = written(t, project, target)
	if files["local/two.tgz"] != "two\n" || !strings.Contains(files["pnpm-lock.yaml"], "  one@file:local/one-1.0.0.tgz(two@file:two.tgz):\n    dependencies:\n      two: two@file:local/two.tgz\n") {
		t.Errorf("%v\n%s", slices.Sorted(maps.Keys(files)), files["pnpm-lock.yaml"])
	}
}

// TestPnpmMirror holds that a configured registry takes the place of addresses
// in the lock file, but for those that only the registry itself can know.
func TestPnpmMirror(t *testing.T) {
	tests := []struct {
		tarball string
		indexes []string
		kept    bool
	}{
		{"https://lock.example/string-width/-/string-width-4.2.3.tgz", nil, true},
		{"https://lock.example/string-width/-/string-width-4.2.3.tgz", []string{"registry=https://mirror.example/npm/"}, false},
		{"https://lock.example/string-width/-/string-width-4.2.3.tgz", []string{"@acme:registry=https://mirror.example/npm/"}, true},
		{"https://own.example/download/string-width/4.2.3/x", []string{"registry=https://own.example/"}, true},
		{"https://own.example/string-width/-/string-width-4.2.3.tgz", []string{"registry=https://own.example/"}, false},
	}
	for _, test := range tests {
		project, target := pnpmProject(pnpmSimple), pnpmTarget(runtimes.X86_64)
		replaceIn(project, []string{"{integrity: " + hashOf("d") + "}", "{integrity: " + hashOf("d") + ", tarball: '" + test.tarball + "'}"})
		target.Indexes = test.indexes
		files := written(t, project, target)
		if kept := strings.Contains(files["pnpm-lock.yaml"], test.tarball); kept != test.kept {
			t.Errorf("%s with %v: kept is %v", test.tarball, test.indexes, kept)
		}
	}
}

// TestPnpmPatches holds that a patch goes along, and that another one is refused.
func TestPnpmPatches(t *testing.T) {
	patch := "--- a/index.js\n+++ b/index.js\n"
	hashes := patchHashes([]byte(strings.ReplaceAll(patch, "\n", "\r\n")))
	for _, hash := range hashes {
		project, target := pnpmProject(pnpmSimple), pnpmTarget(runtimes.X86_64)
		replaceIn(project, []string{
			"version: string-width@4.2.3", "version: string-width@4.2.3(patch_hash=" + hash + ")",
			"  string-width@4.2.3: {}", "  string-width@4.2.3(patch_hash=" + hash + "): {}",
			"importers:", "patchedDependencies:\n  string-width@4.2.3: {hash: " + hash + ", path: patches/x.patch}\nimporters:",
		})
		project["patches/x.patch"] = &fstest.MapFile{Data: []byte(patch)}
		files := written(t, project, target)
		if files["patches/string-width@4.2.3.patch"] != patch || !strings.Contains(files["pnpm-lock.yaml"], "path: patches/string-width@4.2.3.patch") {
			t.Errorf("%v\n%s", slices.Sorted(maps.Keys(files)), files["pnpm-lock.yaml"])
		}
		s, err := readPnpmAnswered(project, target)
		if want := map[int]string{md5Letters: "pnpm@9", 64: "pnpm@10"}[len(hash)]; err != nil || s.needs[0].Tool != want {
			t.Errorf("a patch by %s needs %v, %v", hash, s.needs, err)
		}
		project["patches/x.patch"].Data = []byte("another\n")
		if _, err := readPnpmAnswered(project, target); err == nil || !strings.Contains(err.Error(), "patches/x.patch: is not the patch of string-width@4.2.3") {
			t.Errorf("another patch: %v", err)
		}
	}
}

// TestPnpmLayout holds that the settings that decide the layout are the
// project's, wherever it has them.
func TestPnpmLayout(t *testing.T) {
	tests := []struct {
		npmrc, workspace string
		want             []string
	}{
		{"", "", []string{"node-linker=isolated\n"}},
		{"node-linker=hoisted\n", "", []string{"node-linker=hoisted\n"}},
		{"; comment\n node-linker = \"hoisted\"", "", []string{"node-linker=hoisted\n"}},
		{"", "nodeLinker: hoisted\n", []string{"node-linker=hoisted\n"}},
		{"node-linker=pnp\n", "", []string{"node-linker=isolated\n"}},
		{"shamefully-hoist=true\n", "", []string{"public-hoist-pattern[]=*\n"}},
		{"", "shamefullyHoist: true\n", []string{"public-hoist-pattern[]=*\n"}},
		{"public-hoist-pattern[]=*types*\npublic-hoist-pattern[]=*lint*\n", "", []string{"public-hoist-pattern[]=*types*\npublic-hoist-pattern[]=*lint*\n"}},
		{"", "publicHoistPattern: ['*x*']\nhoistPattern: []\n", []string{"public-hoist-pattern[]=*x*\n", "hoist-pattern=\n"}},
		{"hoist=false\n", "", []string{"hoist=false\n"}},
	}
	for _, test := range tests {
		project := pnpmProject(pnpmSimple)
		if test.npmrc != "" {
			project[".npmrc"] = &fstest.MapFile{Data: []byte(test.npmrc)}
		}
		if test.workspace != "" {
			project[pnpmWorkspaceFile] = &fstest.MapFile{Data: []byte(test.workspace)}
		}
		files := written(t, project, pnpmTarget(runtimes.X86_64))
		for _, want := range test.want {
			if !strings.Contains(files[".npmrc"], want) {
				t.Errorf("%q, %q: no %q in\n%s", test.npmrc, test.workspace, want, files[".npmrc"])
			}
		}
	}
}

// TestPnpmManager holds which pnpm installs a project.
func TestPnpmManager(t *testing.T) {
	for _, test := range []struct{ project, named, want string }{
		{pnpmSimple, "", "pnpm@10"},
		{pnpmSimple, "pnpm@9.1.0", "pnpm@9.1.0"},
		{pnpmSimple, "pnpm@10.2.0", "pnpm@10.2.0"},
		{pnpmSimple, "pnpm@12.0.0", "pnpm@10"},
		{pnpmSimple, "npm@10.0.0", "pnpm@10"},
		{pnpmOld, "", "pnpm@8"},
		{pnpmOld, "pnpm@8.6.0", "pnpm@8.6.0"},
		{pnpmOld, "pnpm@9.0.0", "pnpm@8"},
	} {
		project := pnpmProject(test.project)
		replaceIn(project, []string{`{"dependencies"`, `{"packageManager": "` + test.named + `", "dependencies"`})
		s, err := readPnpmAnswered(project, pnpmTarget(runtimes.X86_64))
		if err != nil {
			t.Fatal(err)
		}
		if len(s.needs) != 1 || s.needs[0].Tool != test.want {
			t.Errorf("%q: needs %v, want %s", test.named, s.needs, test.want)
		}
	}
}

// TestPnpmOverridden holds whom an override is for.
func TestPnpmOverridden(t *testing.T) {
	for selector, want := range map[string]string{
		"a": "a", "@a/b": "@a/b", "a@^1": "a", "@a/b@>=1": "@a/b", "p>a": "a", "p@1>@a/b@>2": "@a/b", "a@>1 || >3": "a", "": "", "p>": "",
	} {
		if got := overridden(selector); got != want {
			t.Errorf("%q is for %q, want %q", selector, got, want)
		}
	}
}

// FuzzPnpmLock reads any lock file, beside a package.json that asks for what it
// has. What is read and written is read again as the same packages.
func FuzzPnpmLock(f *testing.F) {
	for _, seed := range []string{pnpmSimple, pnpmOld, pnpmWorkspaces} {
		f.Add(pnpmProject(seed)["pnpm-lock.yaml"].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parsePnpmLock("pnpm-lock.yaml", data)
		if err != nil {
			return
		}
		project := fstest.MapFS{"pnpm-lock.yaml": {Data: data}}
		for location, importer := range l.doc.Importers {
			m := map[string]map[string]string{
				"dependencies": specifiersOf(importer.Dependencies), "optionalDependencies": specifiersOf(importer.OptionalDependencies),
				"devDependencies": specifiersOf(importer.DevDependencies),
			}
			text, err := json.Marshal(m)
			if name := strings.TrimPrefix(location+"/package.json", "./"); err == nil && !strings.Contains("/"+name, "/../") {
				project[name] = &fstest.MapFile{Data: text}
			}
		}
		target := pnpmTarget(runtimes.X86_64)
		s, err := readPnpmAnswered(project, target)
		if err != nil || len(s.packages) == 0 {
			return
		}
		again := fstest.MapFS{}
		for name, text := range writtenOf(s, target) {
			again[name] = &fstest.MapFile{Data: []byte(text)}
		}
		second, err := readPnpmAnswered(again, target)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, again["pnpm-lock.yaml"].Data)
		}
		if one, two := namesOf(s), namesOf(second); !slices.Equal(one, two) {
			t.Errorf("%v, and once more %v", one, two)
		}
	})
}
