package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

func TestAllowScripts(t *testing.T) {
	packages := []runtimes.Package{
		{Name: "@a/b", Version: "1.0.0", File: runtimes.File{Scripts: true}},
		{Name: "bcrypt", Version: "5.0.0", File: runtimes.File{Scripts: true}},
		{Name: "bcrypt", Version: "6.0.0", File: runtimes.File{Scripts: true}},
		{Name: "quiet", Version: "1.0.0"},
		{Name: "sharp", Version: "1.0.0", File: runtimes.File{Scripts: true}},
	}
	notes := allowScripts(runtimes.Target{AllowScripts: []string{"bcrypt", "absent", "quiet"}}, packages)
	var run []string
	for _, p := range packages {
		if p.Scripts {
			run = append(run, p.Name+" "+p.Version)
		}
	}
	if want := []string{"bcrypt 5.0.0", "bcrypt 6.0.0"}; !slices.Equal(run, want) {
		t.Errorf("run are those of %v, want %v", run, want)
	}
	want := `install scripts are not run: those of @a/b, sharp; packages that need theirs are listed: allowScripts: ["@a/b", sharp]
allowScripts names absent, which is not in the layer
allowScripts names quiet, which has no install script`
	if got := strings.Join(notes, "\n"); got != want {
		t.Errorf("notes\n%s\nwant\n%s", got, want)
	}
}

func TestIsLeftoverIn(t *testing.T) {
	for name, want := range map[string]bool{
		"node_modules/bcrypt/build-tmp-napi-v3/Release/.deps/layer/node_modules/bcrypt/lib/b.node.d": true,
		"node_modules/.pnpm/a@1/node_modules/@x/addon/build/Makefile":                                true,
		"node_modules/a/lib/binding/a.node":                                                          false,
		"node_modules/a/build/index.js":                                                              false,
	} {
		if got := isLeftoverIn(name, true); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for name, want := range map[string]bool{
		"node_modules/node-addon-api/nothing.o":   true,
		"node_modules/node-addon-api/nothing.c":   false,
		"node_modules/other/build/Makefile":       false,
		"node_modules/node-addon-api/x.target.mk": true,
	} {
		if got := isLeftoverIn(name, false); got != want {
			t.Errorf("%s beside: %t", name, got)
		}
	}
}

func TestIsLeftover(t *testing.T) {
	for name, want := range map[string]bool{
		"build/Makefile": true, "build/binding.Makefile": true, "build/addon.target.mk": true, "build/config.gypi": true,
		"build/Release/addon.node": false, "build/Release/libvips.so": false, "build/Release/.deps/Release/addon.node.d": true,
		"build/Release/obj.target/addon.node": true, "build/Release/addon.a": true, "build/node_gyp_bins/python3": true,
		"build-tmp-napi-v3/Release/addon.node": true, "lib/binding/napi-v3/addon.node": false,
		"node-addon-api/nothing.target.mk": true, "Makefile": false, "build/index.js": false, "build/cjs/a.d.ts": false, "src/a.o": false,
	} {
		if got := isLeftover(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
