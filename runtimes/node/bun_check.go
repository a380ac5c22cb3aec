package node

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// bunCheck holds package.json files against a bun.lock, as `bun install
// --frozen-lockfile` does: what they ask for must be what was locked, word for
// word.
type bunCheck struct {
	lock *npmLock
	doc  *bunDocument
}

// project checks the package.json of a member, or of the lock's own folder, and
// names the first difference. Development dependencies count, too.
func (c bunCheck) project(m *manifest, location string) error {
	p, ok := c.doc.Workspaces[location]
	if !ok {
		return nil // a folder that is no member: what it asks for is in its entry
	}
	kinds := []struct {
		name          string
		asked, locked map[string]string
	}{
		{"dependencies", m.Dependencies, p.Dependencies},
		{"devDependencies", m.DevDependencies, p.Dev},
		{"optionalDependencies", m.OptionalDependencies, p.Optional},
		{"peerDependencies", m.PeerDependencies, p.Peers},
	}
	for _, kind := range kinds {
		asked := kind.asked
		for _, other := range kinds { // what is asked for twice is locked once
			locked := without(other.locked, without(other.locked, other.asked))
			asked = without(asked, without(locked, kind.locked))
		}
		if err := c.same(m, kind.name, asked, kind.locked); err != nil {
			return err
		}
	}
	if location != "" {
		return nil
	}
	return c.whole(m)
}

// whole checks what the workspace's package.json says for all members.
func (c bunCheck) whole(m *manifest) error {
	var top struct {
		bunCatalogs
		Workspaces json.RawMessage   `json:"workspaces"`
		Patched    map[string]string `json:"patchedDependencies"`
	}
	if err := json.Unmarshal(m.data, &top); err != nil {
		return jsonProblem(m.file, m.data, err)
	}
	var workspaces bunCatalogs
	_ = json.Unmarshal(top.Workspaces, &workspaces) // it may as well be a list
	catalogs := top.bunCatalogs
	if workspaces.Catalog != nil {
		catalogs.Catalog = workspaces.Catalog
	}
	if workspaces.Catalogs != nil {
		catalogs.Catalogs = workspaces.Catalogs
	}
	if err := c.same(m, "catalog", catalogs.Catalog, c.doc.Catalog); err != nil {
		return err
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(sortedKeys(catalogs.Catalogs), sortedKeys(c.doc.Catalogs)...)))) {
		if err := c.same(m, "catalogs."+name, catalogs.Catalogs[name], c.doc.Catalogs[name]); err != nil {
			return err
		}
	}
	if err := c.same(m, "overrides", plainOverrides(m.Overrides, m.Resolutions), c.overrides()); err != nil {
		return err
	}
	return c.same(m, "patchedDependencies", top.Patched, c.doc.Patched)
}

type bunCatalogs struct {
	Catalog  map[string]string            `json:"catalog"`
	Catalogs map[string]map[string]string `json:"catalogs"`
}

// overrides are those of the lock that hold everywhere.
func (c bunCheck) overrides() map[string]string {
	data, _ := json.Marshal(c.doc.Overrides) // it was read from JSON
	return plainOverrides(data)
}

// plainOverrides are the overrides and resolutions of a package.json that hold
// everywhere, and say themselves what they come to.
func plainOverrides(texts ...json.RawMessage) map[string]string {
	plain := map[string]string{}
	for _, text := range slices.Backward(texts) { // overrides win
		var all map[string]any
		_ = json.Unmarshal(text, &all) // what is no object overrides nothing
		for name, to := range all {
			spec, ok := to.(string)
			if name = strings.TrimPrefix(name, "**/"); ok && validName(name) && !strings.HasPrefix(spec, "$") {
				plain[name] = spec
			}
		}
	}
	return plain
}

// same compares what is asked for with what was locked.
func (c bunCheck) same(m *manifest, kind string, asked, locked map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(merged(asked, locked))) {
		want, isAsked := asked[name]
		have, isLocked := locked[name]
		problem := ""
		switch {
		case isAsked && !isLocked:
			problem = fmt.Sprintf("%s has %s@%s, and %s lacks it", kind, name, want, c.lock.file)
		case !isAsked:
			problem = fmt.Sprintf("%s lacks %s, and %s has it, as %s", kind, name, c.lock.file, have)
		case want != have:
			problem = fmt.Sprintf("%s has %s@%s, and %s was made for %s", kind, name, want, c.lock.file, have)
		default:
			continue
		}
		return &runtimes.InputError{
			File: m.file, Line: keyLine(m.data, name), Problem: problem,
			Hint: "run `bun install` to bring the lock file up to date, and commit it",
		}
	}
	return nil
}

// folder checks the package.json of a folder that is installed by file:.
func (c bunCheck) folder(m *manifest, n *npmNode) error {
	e := c.doc.Packages[c.lock.keys[n.location]]
	if m.Name != "" && m.Name != n.name {
		return &runtimes.InputError{
			File: m.file, Line: keyLine(m.data, "name"), Problem: fmt.Sprintf("is named %s, and %s has %s for it", m.Name, c.lock.file, n.name),
			Hint: "run `bun install` to bring the lock file up to date, and commit it",
		}
	}
	asked := without(m.Dependencies, m.OptionalDependencies)
	if err := c.same(m, "dependencies", asked, e.info.Dependencies); err != nil {
		return err
	}
	return c.same(m, "optionalDependencies", m.OptionalDependencies, e.info.Optional)
}

// bunHolds tells whether a lock file locks the project in a folder below its
// own. One that cannot be read counts: its reader says what is wrong with it.
func bunHolds(project fs.FS, file, member string) bool {
	l, _, err := readBunLock(project, file)
	if err != nil {
		return true
	}
	n := l.nodes[path.Clean(member)]
	return n != nil && n.folder
}
