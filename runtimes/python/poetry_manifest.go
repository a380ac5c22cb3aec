package python

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// poetryManifest is what of a pyproject.toml bears on a poetry.lock.
type poetryManifest struct {
	file     string
	name     string // normalised
	version  string
	python   string // the range of Python
	packaged bool   // it can be installed itself

	standard bool                // the project's own requirements stand in [project]
	plain    []string            // of [project]
	optional map[string][]string // likewise, by extra
	legacy   map[string]any      // of [tool.poetry]
	groups   map[string]poetryGroup
	hashes   []string // that its lock may have
}

// poetryGroup is a group as it is written: it is read only where it is asked
// for.
type poetryGroup struct {
	legacy   map[string]any // of tool.poetry
	includes []string       // other groups, likewise
	plain    []string       // of dependency-groups
}

// readPoetryManifest reads a project's own requirements; it is nil where there
// is no such file.
func readPoetryManifest(project fs.FS, file string) (*poetryManifest, error) {
	tables, err := readTables(project, file)
	if tables == nil {
		return nil, err
	}
	tool, own := tableAt(tables, "tool", "poetry"), tableAt(tables, "project")
	m := &poetryManifest{file: file, groups: map[string]poetryGroup{}, optional: map[string][]string{}}
	for _, table := range []map[string]any{tool, own} {
		if s, ok := table["name"].(string); ok {
			m.name = pep.NormaliseName(s)
		}
		if s, ok := table["version"].(string); ok {
			m.version = s
		}
	}
	packageMode, ok := tool["package-mode"].(bool)
	m.packaged = m.name != "" && tables["build-system"] != nil && (packageMode || !ok)
	_, m.standard = own["dependencies"]
	m.plain, m.legacy = stringsOf(own["dependencies"]), tableAt(tool, "dependencies")
	m.python, _ = own["requires-python"].(string)
	if m.python == "" {
		m.python, _ = m.legacy["python"].(string)
	}
	for extra, list := range tableAt(own, "optional-dependencies") {
		m.optional[pep.NormaliseName(extra)] = stringsOf(list)
	}
	m.readGroups(tables, tool)
	m.hashes = poetryHashes(tables)
	return m, nil
}

func (m *poetryManifest) readGroups(tables, tool map[string]any) {
	if dev := tableAt(tool, "dev-dependencies"); dev != nil {
		m.groups["dev"] = poetryGroup{legacy: dev}
	}
	for name := range tableAt(tool, "group") {
		g := m.groups[pep.NormaliseName(name)]
		if legacy := tableAt(tool, "group", name, "dependencies"); legacy != nil {
			g.legacy = legacy
		}
		g.includes = stringsOf(tableAt(tool, "group", name)["include-groups"])
		m.groups[pep.NormaliseName(name)] = g
	}
	plain := map[string][]any{}
	for name, list := range tableAt(tables, "dependency-groups") {
		plain[name], _ = list.([]any)
	}
	for name := range plain {
		normal := pep.NormaliseName(name)
		g := m.groups[normal]
		g.plain, _ = includedGroup(plain, normal, nil) // a broken one poetry itself would have refused
		m.groups[normal] = g
	}
}

// poetryHashes are the content hashes of a manifest, the newest way of making
// them first. Before 2.3 poetry left dependency-groups out.
func poetryHashes(tables map[string]any) []string {
	var sums []string
	for _, groups := range []map[string]any{tableAt(tables, "dependency-groups"), nil} {
		own, tool := map[string]any{}, map[string]any{}
		for _, key := range []string{"requires-python", "dependencies", "optional-dependencies"} {
			if value, ok := tableAt(tables, "project")[key]; ok {
				own[key] = value
			}
		}
		for _, key := range []string{"dependencies", "source", "extras", "dev-dependencies", "group"} {
			value, ok := tableAt(tables, "tool", "poetry")[key]
			if ok || key != "group" && len(own) == 0 && len(groups) == 0 {
				tool[key] = value
			}
		}
		content := map[string]any{}
		if len(own) > 0 {
			content["project"] = own
		}
		if len(groups) > 0 {
			content["dependency-groups"] = groups
		}
		if len(content) > 0 {
			content["tool"] = map[string]any{"poetry": tool}
		} else {
			content = tool
		}
		if sum, ok := fingerprint(content, ", ", ": "); ok {
			sums = append(sums, sum)
		}
	}
	return slices.Compact(sums)
}

// stringsOf are the strings of a TOML array.
func stringsOf(value any) []string {
	list, _ := value.([]any)
	var texts []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			texts = append(texts, s)
		}
	}
	return texts
}

// tablesOf are the forms of a requirement of poetry's: a version, a table, or
// several of either under different markers.
func tablesOf(value any) []map[string]any {
	switch v := value.(type) {
	case string:
		return []map[string]any{{"version": v}}
	case map[string]any:
		return []map[string]any{v}
	case []any:
		var all []map[string]any
		for _, item := range v {
			if s, ok := item.(string); ok {
				all = append(all, map[string]any{"version": s})
			} else if table, ok := item.(map[string]any); ok {
				all = append(all, table)
			}
		}
		return all
	}
	return nil
}

// poetryEdges are the edges of one requirement of poetry's, in the project or
// in the lock. Extras are those of the package that has it, by what they add.
func poetryEdges(name string, value any, env pep.Environment, extras map[string][]string) ([]lockEdge, error) {
	var edges []lockEdge
	for _, table := range tablesOf(value) {
		version, _ := table["version"].(string)
		c, err := parsePoetryConstraint(version)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e := lockEdge{name: pep.NormaliseName(name), text: strings.TrimSpace(name + " " + version), extras: stringsOf(table["extras"])}
		if version != "" {
			e.admits = c.admits
		}
		holds, err := poetryCondition(e.name, table, env, extras)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e.holds = holds
		edges = append(edges, e)
	}
	return edges, nil
}

// poetryCondition tells when a requirement counts.
func poetryCondition(name string, table map[string]any, env pep.Environment, extras map[string][]string) (func([]string) bool, error) {
	text, _ := table["markers"].(string)
	marker, err := pep.Marker{}, error(nil)
	if text != "" {
		if marker, err = pep.ParseMarker(text); err != nil {
			return nil, err
		}
	}
	python, _ := table["python"].(string)
	range_, err := parsePoetryConstraint(python)
	if err != nil {
		return nil, err
	}
	platform, _ := table["platform"].(string)
	optional, _ := table["optional"].(bool)
	optional = optional && extras != nil && !strings.Contains(text, "extra")
	return func(asked []string) bool {
		with := env
		with.Extras = asked
		if !marker.Eval(with) || !range_.admitsPython(env) || platform != "" && platform != env.SysPlatform {
			return false
		}
		return !optional || slices.ContainsFunc(asked, func(extra string) bool { return addedBy(extras, extra, name) })
	}, nil
}

// addedBy tells whether an extra adds a package: its entries are "name (>=1)".
func addedBy(extras map[string][]string, extra, name string) bool {
	list, _ := byNormalName(extras, extra)
	return slices.ContainsFunc(list, func(entry string) bool {
		end := strings.IndexAny(entry, " [(;<>=!~")
		if end < 0 {
			end = len(entry)
		}
		return pep.NormaliseName(entry[:end]) == name
	})
}

// addNodes makes the graph of the lock.
func (r *poetryReader) addNodes() error {
	for i := range r.lock.Packages {
		p := &r.lock.Packages[i]
		n := &lockNode{name: pep.NormaliseName(p.Name), tag: i}
		fail := func(err error) error {
			return &runtimes.InputError{File: r.file, Line: r.lineOf(p.Name), Problem: "what " + p.Name + " says", Err: err, Hint: "run `poetry lock`"}
		}
		var err error
		if n.version, err = pep.ParseVersion(p.Version); err != nil {
			return fail(err)
		}
		python, err := parsePoetryConstraint(p.PythonVersions)
		if err != nil {
			return fail(err)
		}
		n.fits = python.admitsPython(r.env)
		// The edges decide nothing then: they only say what needs what.
		unused := r.lock.grouped() && len(r.graph.except) == 0
		for _, name := range sortedKeys(p.Dependencies) {
			edges, err := poetryEdges(name, p.Dependencies[name], r.env, p.Extras)
			if err != nil && unused {
				continue
			}
			if err != nil {
				return fail(err)
			}
			n.edges = append(n.edges, edges...)
		}
		r.graph.add(n)
	}
	return nil
}

// roots are the project's own requirements in some groups.
func (r *poetryReader) roots(groups []string) ([]lockEdge, error) {
	if r.manifest == nil {
		return nil, nil
	}
	var edges []lockEdge
	for _, group := range groups {
		var more []lockEdge
		var err error
		if group == "main" {
			more, err = r.ownEdges()
		} else {
			more, err = r.groupEdges(group, nil)
		}
		if err != nil {
			return nil, &runtimes.InputError{File: r.manifest.file, Problem: "a requirement that cannot be read", Err: err, Hint: "`poetry check` says more"}
		}
		edges = append(edges, more...)
	}
	return edges, nil
}

// ownEdges are the project's requirements without any group, and those of the
// extras that were asked for.
func (r *poetryReader) ownEdges() ([]lockEdge, error) {
	m := r.manifest
	if !m.standard {
		return r.legacyEdges(m.legacy)
	}
	list := m.plain
	for _, extra := range r.extras {
		list = append(list[:len(list):len(list)], withExtras(m.name, m.optional, m.optional[extra], []string{extra})...)
	}
	return plainEdges(list, r.env)
}

// plainEdges are requirements in the words of PEP 508.
func plainEdges(list []string, env pep.Environment) ([]lockEdge, error) {
	var edges []lockEdge
	for _, text := range list {
		e, err := requirementEdge(text, env)
		if err != nil {
			return nil, err
		}
		edges = append(edges, e)
	}
	return edges, nil
}

// legacyEdges are the requirements of a table of [tool.poetry].
func (r *poetryReader) legacyEdges(table map[string]any) ([]lockEdge, error) {
	extras := r.lock.Extras
	if extras == nil {
		extras = map[string][]string{}
	}
	var edges []lockEdge
	for _, name := range sortedKeys(table) {
		if strings.EqualFold(name, "python") {
			continue
		}
		more, err := poetryEdges(name, table[name], r.env, extras)
		if err != nil {
			return nil, err
		}
		for _, e := range more {
			holds := e.holds
			e.holds = func([]string) bool { return holds(r.extras) }
			edges = append(edges, e)
		}
	}
	return edges, nil
}

func (r *poetryReader) groupEdges(group string, within []string) ([]lockEdge, error) {
	g := r.manifest.groups[group]
	edges, err := plainEdges(g.plain, r.env)
	if err == nil && len(g.plain) == 0 {
		edges, err = r.legacyEdges(g.legacy)
	}
	for _, included := range g.includes {
		if included = pep.NormaliseName(included); err != nil || slices.Contains(within, included) {
			continue
		}
		var more []lockEdge
		more, err = r.groupEdges(included, append(within, group))
		edges = append(edges, more...)
	}
	return edges, err
}

// checkFresh refuses a lock that its pyproject.toml has left behind, as poetry
// does, and says in what where that can be told.
func (r *poetryReader) checkFresh() error {
	m := r.manifest
	if m == nil {
		r.notes = append(r.notes, fmt.Sprintf("there is no pyproject.toml beside %s, so whether it is up to date was not checked", r.file))
		return nil
	}
	sum := r.lock.Metadata.ContentHash
	if slices.Contains(m.hashes, sum) {
		return nil
	}
	versions := map[string][]pep.Version{}
	for _, p := range r.lock.Packages {
		name := pep.NormaliseName(p.Name)
		if v, err := pep.ParseVersion(p.Version); err == nil {
			versions[name] = append(versions[name], v)
		}
	}
	for _, groups := range [][]string{r.groups, sortedKeys(m.groups)} {
		edges, err := r.roots(groups)
		if err != nil {
			return err
		}
		if difference := firstDifference(edges, versions); difference != "" {
			return staleLock(r.file, m.file, difference, poetryRelock)
		}
	}
	if m.python != "" && m.python != r.lock.Metadata.PythonVersions && !m.standard {
		return staleLock(r.file, m.file, fmt.Sprintf("it is for python %s, and the lock for %s", m.python, r.lock.Metadata.PythonVersions), poetryRelock)
	}
	if sum == "" || len(m.hashes) == 0 {
		return nil // there is nothing more to compare
	}
	if name := r.orphan(); name != "" {
		return staleLock(r.file, m.file, name+" was removed", poetryRelock)
	}
	return staleLock(r.file, m.file, "it has changed since it was locked (the content-hash differs)", poetryRelock)
}

// orphan is the first package of the lock that nothing requires any more.
func (r *poetryReader) orphan() string {
	required := map[string]bool{}
	edges, err := r.roots(append(sortedKeys(r.manifest.groups), "main"))
	if err != nil {
		return ""
	}
	for _, e := range edges {
		required[e.name] = true
	}
	for _, list := range r.manifest.optional {
		more, _ := plainEdges(list, r.env)
		for _, e := range more {
			required[e.name] = true
		}
	}
	for _, p := range r.lock.Packages {
		mark(required, sortedKeys(p.Dependencies))
	}
	for _, p := range r.lock.Packages {
		if name := pep.NormaliseName(p.Name); !required[name] {
			return name
		}
	}
	return ""
}
