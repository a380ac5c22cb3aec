package node

import (
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// managersFolder is where package managers are brought to in the container.
const managersFolder = workFolder + "/managers"

// A manager is a package manager that is brought into the container by its npm
// registry package, pinned by its integrity in layerbuild.lock.
type manager struct {
	name    string // of its registry package: "pnpm", "@yarnpkg/cli-dist"
	version string // to pin where layerbuild.lock has none
	series  string // what the pin is called after: the exact version where a project names it, else the default's major
}

// namedManager is the manager that a package.json names, in "pnpm@9.15.9"; ok
// is false where it names none, or another one. The hash that may follow is
// held against the pin, see [manager.check].
func namedManager(packageManager, name string) (version string, ok bool) {
	named, version, found := strings.Cut(packageManager, "@")
	version, _, _ = strings.Cut(version, "+")
	return version, found && named == name && validVersion(version)
}

// chooseManager takes the version that a project names, or else a default, which
// layerbuild.lock keeps until its tools are upgraded.
func chooseManager(name, named, byDefault string) manager {
	if named != "" {
		return manager{name: name, version: named, series: named}
	}
	major, _, _ := strings.Cut(byDefault, ".")
	return manager{name: name, version: byDefault, series: major}
}

// tool is the manager's name in layerbuild.lock. Projects may need several
// versions of one manager, so that it has the version, too.
func (m manager) tool() string { return m.name + "@" + m.series }

// need asks for the manager's pin.
func (m manager) need() runtimes.Need {
	return runtimes.Need{Tool: m.tool(), Version: m.version, Ecosystem: "npm", Package: m.name}
}

// tools are the tools of a recipe that uses the manager, with their versions.
func (m manager) tools(pins runtimes.Pins) map[string]string {
	return map[string]string{m.name: pins.Tools[m.tool()].Version}
}

// check holds the pinned manager against the hash that a package.json has after
// the version, as corepack writes it: "pnpm@9.15.9+sha512.…".
func (m manager) check(file, packageManager string, pins runtimes.Pins) error {
	_, hash, _ := strings.Cut(packageManager, "+")
	digits, ok := strings.CutPrefix(hash, "sha512.")
	pinned := pins.Tools[m.tool()]
	if !ok || len(pinned.Files) != 1 || pinned.Version != m.version {
		return nil
	}
	digest, err := hex.DecodeString(digits)
	if err != nil || len(digest) != sha512.Size {
		return &runtimes.InputError{File: file, Problem: fmt.Sprintf("packageManager: %q is no SHA-512 in hex", digits), Hint: "`corepack use` writes it"}
	}
	if want := "sha512-" + base64.StdEncoding.EncodeToString(digest); want != pinned.Files[0].Integrity {
		return &runtimes.DigestError{What: m.name + " " + m.version, Want: want, Got: pinned.Files[0].Integrity, From: "layerbuild.lock"}
	}
	return nil
}

// folder is where [manager.bring] leaves the manager's package.
func (m manager) folder() string { return managersFolder + "/node_modules/" + m.name }

// bring is the step that installs the pinned manager with the image's npm, which
// holds what it fetches against the integrity. It runs none of its scripts.
func (m manager) bring(t runtimes.Target) runtimes.Step {
	version := t.Pins.Tools[m.tool()].Version
	return bringManagers(t, fmt.Sprintf("get %s %s", m.name, version), "dependencies",
		map[string]string{m.name: version}, map[string]any{"node_modules/" + m.name: m.entry(t.Pins)})
}

// entry is the pinned manager in a lock file of npm.
func (m manager) entry(pins runtimes.Pins) map[string]any {
	pinned := pins.Tools[m.tool()]
	entry := map[string]any{"version": pinned.Version}
	if len(pinned.Files) > 0 {
		entry["integrity"] = pinned.Files[0].Integrity
	}
	return entry
}

// bringManagers is the step that installs the given entries of a lock file of
// npm, which a package.json has as what is named by kind.
func bringManagers(t runtimes.Target, name, kind string, wanted map[string]string, packages map[string]any) runtimes.Step {
	root := map[string]any{"name": "managers", "version": "1.0.0", kind: wanted}
	packages[""] = root
	lock := map[string]any{"name": "managers", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": packages}
	return runtimes.Step{
		Name: name,
		Args: []string{"npm", "ci", "--prefix", managersFolder, "--ignore-scripts", "--no-bin-links", "--no-audit", "--no-fund", "--loglevel=http"},
		Env:  stepEnv(),
		Inputs: []runtimes.InlineFile{
			managerInput("package.json", root),
			managerInput("package-lock.json", lock),
			npmrcOf(t),
		},
		Caches:   []runtimes.CacheMount{npmCacheMount},
		CABundle: []string{"NODE_EXTRA_CA_CERTS"},
	}
}

func managerInput(name string, v any) runtimes.InlineFile {
	data, _ := json.MarshalIndent(v, "", "\t") // strings cannot fail to marshal
	return runtimes.InlineFile{Path: managersFolder + "/" + name, Data: append(data, '\n')}
}
