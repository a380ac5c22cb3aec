package node

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/node/ranges"
)

// Detect says what a layer of the folder dir would be read from, and for which
// versions of Node.js the project is. It returns an [*runtimes.InputError]
// where dir has a project that nothing locks.
func (Runtime) Detect(project fs.FS, dir string) (runtimes.Detected, error) {
	if !runtimes.HasProject(project, dir, "nodejs") {
		return runtimes.Detected{}, nil
	}
	found, err := findLock(project, runtimes.Target{Path: dir})
	m, readErr := readManifest(project, dir)
	if readErr == nil && len(m.wants(false)) == 0 {
		if err != nil {
			return runtimes.Detected{}, nil // a package.json of scripts, or of settings
		}
		return runtimes.Detected{LockFile: found.file, Empty: m.file + " has no dependencies of its own that run"}, nil
	}
	if err := errors.Join(err, readErr); err != nil {
		return runtimes.Detected{}, err
	}
	d := runtimes.Detected{LockFile: found.file, Notes: found.notes, Versions: versionFacts(project, dir), Name: m.Name}
	for _, w := range m.wants(false) {
		d.Requires = append(d.Requires, w.name)
	}
	return d, nil
}

// codenames are the long-term releases of Node.js, as an .nvmrc names them.
var codenames = map[string]string{
	"lts/fermium": "14", "lts/gallium": "16", "lts/hydrogen": "18", "lts/iron": "20", "lts/jod": "22", "lts/krypton": "24",
}

// versionFacts are what a project's files say of Node.js's version.
func versionFacts(project fs.FS, dir string) []runtimes.VersionFact {
	var facts []runtimes.VersionFact
	exactly := func(text, from string) {
		version := strings.ToLower(text)
		if known, ok := codenames[version]; ok {
			version = known
		}
		major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
		if major != "" && strings.Trim(major, "0123456789") == "" {
			facts = append(facts, runtimes.VersionFact{
				Says: "as " + from + " says: " + text, Allows: func(version string) bool { return version == major },
			})
		}
	}
	if file, version := runtimes.VersionFile(project, dir, "nodejs", ".nvmrc", ".node-version"); file != "" {
		exactly(version, file)
	}
	for at := path.Clean(dir); ; at = path.Dir(at) {
		file := path.Join(at, "package.json")
		var m struct {
			Volta, Engines struct {
				Node looseString `json:"node"`
			}
		}
		if data, err := fs.ReadFile(project, file); err == nil && json.Unmarshal(data, &m) == nil {
			exactly(string(m.Volta.Node), "volta.node of "+file)
			if engines := string(m.Engines.Node); engines != "" && ranges.Valid(engines) {
				return append(facts, runtimes.VersionFact{
					Says:   "newest that engines.node of " + file + " allows: " + engines,
					Allows: func(version string) bool { return ranges.Admits(engines, version) },
				})
			}
		}
		if at == "." {
			return facts
		}
	}
}
