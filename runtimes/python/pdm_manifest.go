package python

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// pdmManifest is what of a pyproject.toml bears on a pdm.lock.
type pdmManifest struct {
	file     string
	name     string // normalised
	packaged bool   // it can be installed itself
	own      []string
	extras   map[string][]string // by normalised name
	groups   map[string][]string // likewise
	indexes  []string            // that it names for all packages; "": the ecosystem's own
	hashes   []string            // that its lock may have
}

// readPDMManifest reads a project's own requirements; it is nil where there is
// no such file.
func readPDMManifest(project fs.FS, file string) (*pdmManifest, error) {
	tables, err := readTables(project, file)
	if tables == nil {
		return nil, err
	}
	own, tool := tableAt(tables, "project"), tableAt(tables, "tool", "pdm")
	m := &pdmManifest{file: file, own: stringsOf(own["dependencies"]), extras: map[string][]string{}, groups: map[string][]string{}}
	if name, ok := own["name"].(string); ok {
		m.name = pep.NormaliseName(name)
	}
	m.packaged = m.name != "" && tables["build-system"] != nil
	for extra, list := range tableAt(own, "optional-dependencies") {
		m.extras[pep.NormaliseName(extra)] = stringsOf(list)
	}
	plain := map[string][]any{}
	for name, list := range tableAt(tables, "dependency-groups") {
		plain[pep.NormaliseName(name)], _ = list.([]any)
	}
	for name := range plain {
		m.groups[name], _ = includedGroup(plain, name, nil)
	}
	for name, list := range tableAt(tool, "dev-dependencies") {
		name = pep.NormaliseName(name)
		m.groups[name] = append(m.groups[name], stringsOf(list)...)
	}
	m.indexes = pdmIndexes(tool["source"])
	m.hashes = pdmHashes(tables, own, tool)
	return m, nil
}

// pdmIndexes are the package indexes of [[tool.pdm.source]]. One called "pypi"
// takes the place of the ecosystem's own; the others come to it.
func pdmIndexes(sources any) []string {
	list, _ := sources.([]any)
	var indexes []string
	main := ""
	for _, item := range list {
		table, _ := item.(map[string]any)
		address, _ := table["url"].(string)
		if kind, ok := table["type"].(string); address == "" || ok && kind != "index" {
			continue
		}
		if table["name"] == "pypi" {
			main = address
		} else {
			indexes = append(indexes, address)
		}
	}
	if len(indexes) == 0 && main == "" {
		return nil
	}
	return append([]string{main}, indexes...)
}

// pdmHashes are the content hashes of a manifest: versions of pdm differ in what
// they take of the groups, and of the table "resolution".
func pdmHashes(tables, own, tool map[string]any) []string {
	or := func(value, instead any) any {
		if value == nil {
			return instead
		}
		return value
	}
	legacy := map[string]any{}
	for name, list := range tableAt(tool, "dev-dependencies") {
		legacy[name] = list
	}
	merged := map[string]any{}
	for _, groups := range []map[string]any{tableAt(tables, "dependency-groups"), legacy} {
		for name, list := range groups {
			before, _ := merged[pep.NormaliseName(name)].([]any)
			more, _ := list.([]any)
			merged[pep.NormaliseName(name)] = slices.Concat([]any{}, before, more)
		}
	}
	resolution := or(tool["resolution"], map[string]any{})
	overrides := or(tableAt(tool, "resolution")["overrides"], map[string]any{})
	var sums []string
	for _, groups := range []any{merged, legacy} {
		for _, last := range []struct {
			key   string
			value any
		}{{"resolution", resolution}, {"overrides", overrides}} {
			sum, ok := fingerprint(map[string]any{
				"sources":               or(tool["source"], []any{}),
				"dependencies":          or(own["dependencies"], []any{}),
				"dev-dependencies":      groups,
				"optional-dependencies": or(own["optional-dependencies"], map[string]any{}),
				"requires-python":       or(own["requires-python"], ""),
				last.key:                last.value,
			}, ", ", ": ")
			if ok {
				sums = append(sums, "sha256:"+sum)
			}
		}
	}
	return sums
}

// edges are the requirements of some groups, of which extras are a kind.
func (m *pdmManifest) edges(groups []string, env pep.Environment) ([]lockEdge, error) {
	extras := map[string][]string{}
	for _, table := range []map[string][]string{m.groups, m.extras} {
		for name, list := range table {
			extras[name] = list
		}
	}
	var list []string
	for _, group := range groups {
		texts := extras[group]
		if group == "default" {
			texts = m.own
		}
		list = append(list, withExtras(m.name, extras, texts, []string{group})...)
	}
	// "-e file:///${PROJECT_ROOT}/lib#egg=lib" is pdm's own form in groups.
	list = slices.DeleteFunc(list, func(text string) bool { return strings.HasPrefix(text, "-e ") })
	edges, err := plainEdges(list, env)
	if err != nil {
		return nil, &runtimes.InputError{File: m.file, Problem: "a requirement that cannot be read", Err: err, Hint: "`pdm lock` says more"}
	}
	return append(edges, m.editable(groups)...), nil
}

// editable are the names of the "-e" requirements of some groups.
func (m *pdmManifest) editable(groups []string) []lockEdge {
	var edges []lockEdge
	for _, group := range groups {
		for _, text := range m.groups[group] {
			if _, name, ok := strings.Cut(text, "#egg="); ok && strings.HasPrefix(text, "-e ") {
				name, _, _ = strings.Cut(name, "&")
				name, _, _ = strings.Cut(name, "[")
				edges = append(edges, lockEdge{name: pep.NormaliseName(name), text: text})
			}
		}
	}
	return edges
}

// checkFresh refuses a lock that its pyproject.toml has left behind, and says
// in what where that can be told.
func (r *pdmReader) checkFresh() error {
	m := r.manifest
	if m == nil {
		r.notes = append(r.notes, "there is no pyproject.toml beside "+r.file+", so whether it is up to date was not checked")
		return nil
	}
	if slices.Contains(m.hashes, r.lock.Metadata.ContentHash) {
		return nil
	}
	versions := map[string][]pep.Version{}
	for name, nodes := range r.graph.nodes {
		for _, n := range nodes {
			versions[name] = append(versions[name], n.version)
		}
	}
	locked := r.lock.Metadata.Groups
	for _, groups := range [][]string{r.groups, locked} {
		edges, err := m.edges(groups, r.env)
		if err != nil {
			return err
		}
		if difference := firstDifference(edges, versions); difference != "" {
			return staleLock(r.file, m.file, difference, pdmRelock)
		}
	}
	if r.lock.Metadata.ContentHash == "" || len(m.hashes) == 0 {
		return nil // there is nothing more to compare
	}
	if name := r.orphan(); name != "" {
		return staleLock(r.file, m.file, name+" was removed", pdmRelock)
	}
	return staleLock(r.file, m.file, "it has changed since it was locked (the content_hash differs)", pdmRelock)
}

// orphan is the first package of the lock that nothing requires any more.
func (r *pdmReader) orphan() string {
	groups := slices.Concat([]string{"default"}, sortedKeys(r.manifest.groups), sortedKeys(r.manifest.extras))
	edges, err := r.manifest.edges(groups, r.env)
	if err != nil {
		return ""
	}
	required := map[string]bool{}
	for _, nodes := range r.graph.nodes {
		for _, n := range nodes {
			edges = append(edges, n.edges...)
		}
	}
	for _, e := range edges {
		required[e.name] = true
	}
	for _, p := range r.lock.Packages {
		if name := pep.NormaliseName(p.Name); !required[name] {
			return name
		}
	}
	return ""
}
