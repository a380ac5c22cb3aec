package check_test

import (
	"debug/elf"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

var (
	node18 = check.Target{Runtime: row("nodejs18.x"), Arch: runtimes.X86_64}
	node20 = check.Target{Runtime: row("nodejs20.x"), Arch: runtimes.X86_64}
	node22 = check.Target{Runtime: row("nodejs22.x"), Arch: runtimes.X86_64}
	arm22  = check.Target{Runtime: row("nodejs22.x"), Arch: runtimes.ARM64}
)

// modules is a tree of packages in nodejs/node_modules: path and content.
func modules(files ...string) runtimes.Tree {
	t := runtimes.Tree{}
	for f := range slices.Chunk(files, 2) {
		owner, _, _ := strings.Cut(f[0], "/")
		t["nodejs/node_modules/"+f[0]] = file(owner, []byte(f[1]))
	}
	return t
}

// Addons, by how they say which Node.js they are for.
func addonNamed(machine elf.Machine, abi string) string {
	return string(elfFile(elfImage{machine: machine, symbols: []string{"_ZN2v87Isolate10GetCurrentEv", "+node_register_module_v" + abi}}))
}

func addonRecord(machine elf.Machine, abi int) string {
	return string(elfFile(elfImage{machine: machine, symbols: []string{"node_module_register"}, module: abi}))
}

func addonNAPI(machine elf.Machine) string {
	return string(elfFile(elfImage{machine: machine, symbols: []string{"napi_create_object", "+napi_register_module_v1"}}))
}

// addonSilent uses V8, and says nothing of its version.
func addonSilent() string {
	return string(elfFile(elfImage{machine: elf.EM_X86_64, symbols: []string{"_ZN2v87Isolate10GetCurrentEv"}}))
}

const (
	machO = "\xcf\xfa\xed\xfe\x0c\x00\x00\x01"
	dll   = "MZ\x90\x00"
)

func plantedInModules() []planted {
	const at = "nodejs/node_modules/"
	return []planted{
		{"a function for Node.js 20 on 22", node22, modules("a/build/Release/a.node", addonNamed(elf.EM_X86_64, "115")), check.NodeABI, at + "a/build/Release/a.node"},
		{"a record for Node.js 18 on 20", node20, modules("a/a.node", addonRecord(elf.EM_X86_64, 108)), check.NodeABI, at + "a/a.node"},
		{"a record for Node.js 20 on arm64", arm22, modules("@s/a/a.node", addonRecord(elf.EM_AARCH64, 115)), check.NodeABI, at + "@s/a/a.node"},
		{"prebuilt for Node.js 18 and 20", node22, modules("a/prebuilds/linux-x64/node.abi108.node", addonSilent(), "a/prebuilds/linux-x64/node.abi115.node", addonSilent()), check.NodeABI, at + "a/prebuilds/linux-x64/node.abi108.node"},
		{"in a folder for Node.js 18", node22, modules("a/lib/binding/node-v108-linux-x64/a.node", addonSilent()), check.NodeABI, at + "a/lib/binding/node-v108-linux-x64/a.node"},
		{"the right one for another processor", node22, modules("a/x64/a.node", addonNamed(elf.EM_X86_64, "115"), "a/arm64/a.node", addonNamed(elf.EM_AARCH64, "127")), check.NodeABI, at + "a/arm64/a.node"},
		{"an addon for macOS", node22, modules("a/build/Release/a.node", machO), check.NodePlatform, at + "a/build/Release/a.node"},
		{"an addon for Windows", node22, modules("a/build/Release/a.node", dll), check.NodePlatform, at + "a/build/Release/a.node"},
		{"an optional package for macOS", node22, modules("sharp/package.json", `{"optionalDependencies": {"@img/sharp-darwin-arm64": "1", "@img/sharp-linux-x64": "1", "@img/sharp-linux-arm64": "1"}}`,
			"@img/sharp-darwin-arm64/package.json", `{"os": ["darwin"]}`, "@img/sharp-darwin-arm64/lib/sharp.node", machO), check.NodePlatform, at + "sharp/package.json"},
		{"an optional package for Windows", arm22, modules("esbuild/package.json", `{"optionalDependencies": {"@esbuild/win32-x64": "1", "@esbuild/linux-arm64": "1"}}`,
			"@esbuild/win32-x64/esbuild.exe", dll), check.NodePlatform, at + "esbuild/package.json"},
		{"newer engines", node18, modules("a/package.json", `{"engines": {"node": ">=20"}}`), check.NodeEngine, at + "a/package.json"},
		{"older engines", node22, modules("@s/a/package.json", `{"engines": {"node": "^16 || ^18.0.0"}}`), check.NodeEngine, at + "@s/a/package.json"},
		{"the same engines twice", node22, modules("a/package.json", `{"engines": {"node": ">=24"}}`, "b/package.json", `{"engines": {"node": ">=24"}}`), check.NodeEngine, at + "a/package.json"},
		{"a dependency that is nowhere", node22, modules("a/package.json", `{"dependencies": {"b": "^1"}}`), check.NodeDependency, at + "a/package.json"},
		{"a dependency below another package", node22, modules("a/package.json", `{"dependencies": {"@s/b": "^1"}}`, "c/node_modules/@s/b/index.js", ""), check.NodeDependency, at + "a/package.json"},
		{"a nested package's", node22, modules("a/index.js", "", "a/node_modules/b/package.json", `{"dependencies": {"c": "^1"}}`), check.NodeDependency, at + "a/node_modules/b/package.json"},
		{"version 2 of the AWS SDK", node22, modules("a/package.json", `{"dependencies": {"aws-sdk": "^2"}}`), check.NodeDependency, at + "a/package.json"},
		{"for another version of Node.js", node22, runtimes.Tree{"nodejs/node20/node_modules/a/index.js": file("a", nil)}, check.Misplaced, "nodejs/node20/node_modules"},
	}
}

// TestModules: what is right in packages of Node.js.
func TestModules(t *testing.T) {
	for name, test := range map[string]struct {
		target check.Target
		tree   runtimes.Tree
	}{
		"Node-API":                   {node22, modules("a/a.node", addonNAPI(elf.EM_X86_64))},
		"Node-API, by another name":  {node22, modules("a/node.abi115.node", addonNAPI(elf.EM_X86_64))},
		"for this version":           {node22, modules("a/a.node", addonNamed(elf.EM_X86_64, "127"))},
		"recorded for this version":  {node22, modules("a/a.node", addonRecord(elf.EM_X86_64, 127))},
		"it does not say":            {node22, modules("a/a.node", addonSilent())},
		"prebuilt for many versions": {node22, modules("a/prebuilds/linux-x64/node.abi108.node", addonSilent(), "a/prebuilds/linux-x64/node.abi127.node", addonSilent(), "a/prebuilds/darwin-x64/node.abi127.node", machO)},
		"prebuilt, and Node-API":     {node22, modules("a/prebuilds/linux-x64/node.abi108.node", addonSilent(), "a/prebuilds/linux-x64/node.napi.node", addonNAPI(elf.EM_X86_64), "a/prebuilds/win32-x64/node.napi.node", dll)},
		"for Electron, too":          {node22, modules("a/electron.abi140.node", addonSilent(), "a/node.napi.node", addonNAPI(elf.EM_X86_64))},
		"what is for macOS only":     {node22, modules("fsevents/package.json", `{"os": ["darwin"]}`, "fsevents/fsevents.node", machO, "chokidar/package.json", `{"optionalDependencies": {"fsevents": "2"}}`)},
		"optional, for this one": {node22, modules("esbuild/package.json", `{"optionalDependencies": {"@esbuild/win32-x64": "1", "@esbuild/linux-x64": "1"}}`,
			"@esbuild/win32-x64/esbuild.exe", dll, "@esbuild/linux-x64/package.json", `{"os": ["linux"]}`)},
		"optional, for all":  {node22, modules("a/package.json", `{"optionalDependencies": {"a-darwin-x64": "1", "a-linux-x64": "1", "a-wasm32-wasi": "1"}}`, "a-darwin-x64/a.txt", "", "a-wasm32-wasi/a.wasm", "")},
		"optional, left out": {node22, modules("a/package.json", `{"dependencies": {"a-linux-x64": "1"}, "optionalDependencies": {"a-darwin-x64": "1", "a-linux-x64": "1"}}`)},
		"engines":            {node22, modules("a/package.json", `{"engines": {"node": ">=22.12"}}`, "b/package.json", `{"engines": {"node": "what?"}}`, "c/package.json", `{"engines": ["node"]}`, "d/package.json", `{"engines": {"npm": ">99"}}`)},
		"dependencies": {node22, modules("a/package.json", `{"dependencies": {"b": "1", "c": "1", "@s/d": "1"}, "peerDependencies": {"react": "*"}, "devDependencies": {"jest": "*"}}`,
			"a/node_modules/b/package.json", `{"dependencies": {"c": "1", "events": "1", "@types/node": "*"}}`, "c/index.js", "", "@s/d/index.js", "")},
		"the runtime's": {node22, modules("a/package.json", `{"dependencies": {"@aws-sdk/client-s3": "3", "@smithy/types": "4"}}`)},
		"pnpm's links": {node22, runtimes.Tree{
			"nodejs/node_modules/a": link(".pnpm/a@1/node_modules/a"),
			"nodejs/node_modules/.pnpm/a@1/node_modules/a/package.json": file("a", []byte(`{"dependencies": {"b": "1"}}`)),
			"nodejs/node_modules/.pnpm/a@1/node_modules/b":              link("../../b@1/node_modules/b"),
			"nodejs/node_modules/.pnpm/b@1/node_modules/b/index.js":     file("b", nil),
		}},
		"a package's own tests":   {node22, modules("a/test/node_modules/b/package.json", `{"dependencies": {"c": "1"}, "engines": {"node": "0.4"}}`)},
		"no package.json":         {node22, modules("a/package.json", `{"dependencies": ["b"]}`, "b/package.json", "no JSON")},
		"both folders":            {node22, runtimes.Tree{"nodejs/node22/node_modules/a/package.json": file("a", []byte(`{"dependencies": {"b": "1"}}`)), "nodejs/node_modules/b/index.js": file("b", nil)}},
		"of another language":     {al2023, modules("a/package.json", `{"engines": {"node": ">=99"}, "dependencies": {"b": "1"}}`)},
		"a Node.js of the future": {check.Target{Runtime: runtimes.Info{Name: "nodejs98.x", Family: "nodejs", Version: "98"}, Arch: runtimes.X86_64}, modules("a/a.node", addonNamed(elf.EM_X86_64, "127"))},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := check.Gather(test.tree, limit).Judge([]check.Target{test.target}, nil)
			if got := append(warnings, findings(t, err)...); got != nil {
				t.Errorf("found %q", got)
			}
		})
	}
}

// TestModuleMessages: what is said of packages of Node.js.
func TestModuleMessages(t *testing.T) {
	tree := modules(
		"a/package.json", `{"engines": {"node": ">=24"}, "dependencies": {"x": "1"}}`, "b/package.json", `{"engines": {"node": ">=24"}, "dependencies": {"x": "1"}}`,
		"c/package.json", `{"dependencies": {"x": "1"}}`, "n/n.node", addonNamed(elf.EM_X86_64, "115"), "o/o.node", addonRecord(elf.EM_X86_64, 111))
	warnings, err := check.Gather(tree, limit).Judge([]check.Target{node22}, nil)
	var got []string
	for _, f := range append(warnings, findings(t, err)...) {
		got = append(got, f.String())
	}
	want := []string{
		"nodejs/node_modules/a/package.json (of a) asks for Node.js >=24, as another package does, and nodejs22.x has 22",
		"nodejs/node_modules/a/package.json (of a) needs x, as 2 other packages do, which the layer does not have",
		"nodejs/node_modules/n/n.node (of n) is compiled for Node.js 20 (NODE_MODULE_VERSION 115), and nodejs22.x has NODE_MODULE_VERSION 127",
		"nodejs/node_modules/o/o.node (of o) is compiled for NODE_MODULE_VERSION 111, and nodejs22.x has NODE_MODULE_VERSION 127",
	}
	if !slices.Equal(got, want) {
		t.Errorf("said %q\nwant %q", got, want)
	}
}

// FuzzAddon: whatever an addon holds, the checks end.
func FuzzAddon(f *testing.F) {
	f.Add([]byte(addonNamed(elf.EM_X86_64, "115")))
	f.Add([]byte(addonRecord(elf.EM_AARCH64, 115)))
	f.Add([]byte(machO))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = check.Gather(modules("a/a.node", string(data)), limit).Judge([]check.Target{node22, arm22}, nil)
	})
}
