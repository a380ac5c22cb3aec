package node

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// normaliseText normalises a tree of empty files, and tells what is there.
func normaliseText(t *testing.T, r runtimes.Recipe, names ...string) string {
	t.Helper()
	tree := runtimes.Tree{}
	for _, name := range names {
		if name, link, ok := strings.Cut(name, " -> "); ok {
			tree[name] = runtimes.TreeFile{Mode: fs.ModeSymlink | 0o777, Link: link}
			continue
		}
		name, executable := strings.CutSuffix(name, "*")
		tree[name] = runtimes.NewTreeFile([]byte("12345"), executable)
	}
	notes, err := Runtime{}.Normalise(r, tree)
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	var b strings.Builder
	for _, note := range notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	for _, name := range tree.Paths() {
		f := tree[name]
		fmt.Fprintf(&b, "%s %v %s\n", name, f.Mode, f.Package)
	}
	return b.String()
}

func twoPackages() runtimes.Recipe {
	return runtimes.Recipe{
		Prefix: prefix, Target: runtimes.Target{Arch: runtimes.X86_64},
		Packages: []runtimes.Package{
			{Name: "a", Version: "1", Places: []string{"node_modules/a"}},
			{Name: "@s/b", Version: "1", Places: []string{"node_modules/@s/b", "node_modules/a/node_modules/other"}},
		},
	}
}

func TestNormalise(t *testing.T) {
	installed := []string{
		"node_modules/a/package.json", "node_modules/a/bin/run*", "node_modules/@s/b/index.js", "node_modules/a/node_modules/other/x.js",
		"node_modules/a/node_modules/bundled/x.js",
	}
	const layer = `nodejs/node_modules/@s/b/index.js -rw-r--r-- @s/b
nodejs/node_modules/a/bin/run -rwxr-xr-x a
nodejs/node_modules/a/node_modules/bundled/x.js -rw-r--r-- a
nodejs/node_modules/a/node_modules/other/x.js -rw-r--r-- @s/b
nodejs/node_modules/a/package.json -rw-r--r-- a
`
	for _, tt := range []struct {
		name string
		more []string
		want string
	}{
		{"plain", nil, layer},
		{"state", []string{
			"package.json", "package-lock.json", "node_modules/.package-lock.json", "node_modules/.modules.yaml", "node_modules/.yarn-integrity",
			"node_modules/.yarn-state.yml", "node_modules/.pnpm-workspace-state-v1.json", "node_modules/.bin/run -> ../a/bin/run",
			"node_modules/a/node_modules/.bin/x", "node_modules/.cache/x/y", "node_modules/.pnpm/lock.yaml",
		}, layer},
		{"own folders of the same names", []string{"node_modules/a/.bin/x", "node_modules/a/.modules.yaml"}, strings.Replace(layer,
			"nodejs/node_modules/a/bin", "nodejs/node_modules/a/.bin/x -rw-r--r-- a\nnodejs/node_modules/a/.modules.yaml -rw-r--r-- a\nnodejs/node_modules/a/bin", 1)},
		{"strays", []string{"node_modules/stray/index.js", "node_modules/@s/c/index.js", "node_modules/file"},
			"note: left out, since no package of the lock file has its place there: node_modules/@s/c/index.js, node_modules/file, node_modules/stray/index.js\n" + layer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := normaliseText(t, twoPackages(), slices.Concat(installed, tt.more)...); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
	if got, want := normaliseText(t, twoPackages(), installed[:3]...), "error: @s/b: nothing was installed at node_modules/a/node_modules/other\n"; got != want {
		t.Errorf("a place without files: %s, want %s", got, want)
	}
	r := twoPackages()
	r.ExcludeFiles = []string{"nodejs/node_modules/*/bin/**", "**/index.js", "**/*.json"}
	if got, want := normaliseText(t, r, installed...), "nodejs/node_modules/a/node_modules/bundled/x.js -rw-r--r-- a\nnodejs/node_modules/a/node_modules/other/x.js -rw-r--r-- @s/b\n"; got != want {
		t.Errorf("with excludeFiles:\n%s", got)
	}
}

// TestNormaliseManaged is for trees whose places a package manager chose.
func TestNormaliseManaged(t *testing.T) {
	r := runtimes.Recipe{Prefix: prefix, Managed: true, Packages: []runtimes.Package{{Name: "a", Version: "1"}, {Name: "@s/b", Version: "1"}}}
	got := normaliseText(t, r, "node_modules/a -> .pnpm/a@1/node_modules/a", "node_modules/.pnpm/a@1/node_modules/a/index.js",
		"node_modules/.pnpm/a@1/node_modules/@s/b -> ../../../@s+b@1/node_modules/@s/b", "node_modules/.pnpm/@s+b@1/node_modules/@s/b/index.js*",
		"node_modules/.pnpm/a@1/node_modules/a/node_modules/.bin/tool", "node_modules/.pnpm/lock.yaml", "node_modules/.modules.yaml")
	const want = `nodejs/node_modules/.pnpm/@s+b@1/node_modules/@s/b/index.js -rwxr-xr-x @s/b
nodejs/node_modules/.pnpm/a@1/node_modules/@s/b Lrwxrwxrwx @s/b
nodejs/node_modules/.pnpm/a@1/node_modules/a/index.js -rw-r--r-- a
nodejs/node_modules/a Lrwxrwxrwx a
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestSlim(t *testing.T) {
	// What goes is marked with its class.
	files := map[string]string{
		"package.json": "", "LICENSE": "", "LICENSE.md": "", "license.txt": "", "NOTICE": "", "index.js": "", "README.md": "docs", "readme": "docs",
		"CHANGELOG.md": "docs", "docs/guide.html": "docs", "docs/code.js": "", "docs/data.json": "", "example/a.png": "docs", "doc/LICENSE": "",
		"index.d.ts": "types", "index.d.mts": "types", "index.ts": "", "index.js.flow": "types", "docs/index.d.ts": "types",
		"index.js.map": "maps", "index.d.ts.map": "maps", "data.map": "",
		"test/index.js": "tests", "tests/data.json": "tests", "lib/__tests__/x.js": "tests", "test/LICENSE": "", "test/package.json": "", "test.js": "", "testing/x.js": "",
		"prebuilds/linux-x64/n.node": "", "prebuilds/linux-x64/n.glibc.node": "", "prebuilds/linux-x64/n.musl.node": "otherPlatforms", "prebuilds/linux-arm64/n.node": "otherPlatforms",
		"prebuilds/linuxmusl-x64/n.node": "otherPlatforms", "prebuilds/darwin-x64+arm64/n.node": "otherPlatforms", "prebuilds/win32-x64/n.dll": "otherPlatforms", "prebuilds/android-arm64/n.armv8.node": "otherPlatforms",
		"prebuilds/linux-arm/n.armv7.node": "otherPlatforms", "prebuilds/metadata.json": "",
		"lib/binding/napi-v6-linux-glibc-x64/n.node": "", "lib/binding/napi-v6-linux-musl-x64/n.node": "otherPlatforms", "lib/binding/napi-v3-darwin-unknown-x64/n.node": "otherPlatforms",
		"build/Release/n.node": "", "bin/linux-x64-127/n.node": "", "bin/linux-arm64-127/n.node": "otherPlatforms", "x64/n.node": "", "lib/darwin/index.js": "", "arm/n.node": "",
	}
	r := runtimes.Recipe{Target: runtimes.Target{Arch: runtimes.X86_64}, Slim: []string{"docs", "maps", "otherPlatforms", "tests", "types"}}
	for name, want := range files {
		s := newSlimmer(r)
		got := ""
		if s.drops("node_modules/@s/pkg/"+name, runtimes.NewTreeFile([]byte("12345"), false)) {
			for class := range s.files {
				got = class
			}
		}
		if got != want {
			t.Errorf("%s: class %q, want %q", name, got, want)
		}
		for _, class := range r.Slim {
			one := runtimes.Recipe{Target: r.Target, Slim: []string{class}}
			if dropped := newSlimmer(one).drops("node_modules/@s/pkg/"+name, runtimes.TreeFile{}); dropped && want == "" {
				t.Errorf("%s: class %s drops it", name, class)
			}
		}
		if newSlimmer(runtimes.Recipe{}).drops("node_modules/@s/pkg/"+name, runtimes.TreeFile{}) {
			t.Errorf("%s: dropped though nothing was asked for", name)
		}
	}
	two := twoPackages()
	two.Slim = []string{"docs", "maps"}
	got := normaliseText(t, two, "node_modules/a/index.js", "node_modules/a/README.md", "node_modules/a/CHANGELOG.md", "node_modules/@s/b/index.js", "node_modules/a/node_modules/other/x.js")
	if want := "note: slim: docs left out 2 files, 10 bytes\nnote: slim: maps left out 0 files, 0 bytes\n"; !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s", got)
	}
}
