package python

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// pipfileLock is a Pipfile.lock of format 6: for each category, such as
// "default" and "develop", all that is installed, with markers and no graph.
type pipfileLock struct {
	hash       string // of the Pipfile that it was made from
	python     string // "3.12", or ""
	sources    []pipfileSource
	rawSources any
	categories map[string]map[string]pipfilePackage
}

type pipfileSource struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

type pipfilePackage struct {
	Version      string   `json:"version"`
	Hashes       []string `json:"hashes"`
	Markers      string   `json:"markers"`
	Index        string   `json:"index"` // a source's name
	File         string   `json:"file"`  // a URL or a path
	Path         string   `json:"path"`
	Git          string   `json:"git"`
	Ref          string   `json:"ref"`
	Subdirectory string   `json:"subdirectory"`
}

const pipfileRelock = "pipenv lock"

// readPipfileLock reads the packages that a Pipfile.lock installs on t.
func readPipfileLock(project fs.FS, file string, t runtimes.Target) (lockedSet, error) {
	data, err := readLock(project, file, pipfileRelock)
	if err != nil {
		return lockedSet{}, err
	}
	lock, err := parsePipfileLock(file, data)
	if err != nil {
		return lockedSet{}, err
	}
	if len(t.Extras) > 0 {
		return lockedSet{}, &runtimes.InputError{
			File: file, Problem: "a Pipfile has no extras, and the layer asks for " + strings.Join(t.Extras, ", "),
			Hint: "its categories are asked for under groups",
		}
	}
	if t.Project {
		return lockedSet{}, &runtimes.InputError{
			File: file, Problem: "project: true asks for the project itself, and a Pipfile is no package",
			Hint: "leave project out",
		}
	}
	if lock.python != "" && lock.python != t.Runtime.Version {
		return lockedSet{}, lockedFor(file, lineOf(data, `            "python_version"`), t, " "+lock.python, false, pipfileRelock)
	}
	categories, err := lock.asked(file, t.Groups)
	if err != nil {
		return lockedSet{}, err
	}
	if err := lock.checkFresh(project, file, categories, baseEnvironment(t)); err != nil {
		return lockedSet{}, err
	}
	a := &assembler{project: project, file: file, target: t, relock: pipfileRelock}
	for _, s := range lock.sources {
		a.own = append(a.own, s.URL)
	}
	lock.unhashed(a)
	return lock.set(a, data, categories)
}

func parsePipfileLock(file string, data []byte) (*pipfileLock, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, jsonError(file, data, err)
	}
	var meta struct {
		Spec     int               `json:"pipfile-spec"`
		Hash     map[string]string `json:"hash"`
		Requires struct {
			Version string `json:"python_version"`
			Full    string `json:"python_full_version"`
		} `json:"requires"`
		Sources json.RawMessage `json:"sources"`
	}
	if len(raw["_meta"]) == 0 {
		return nil, unknownLockVersion(file, 0, "", "pipenv", "6")
	}
	if err := json.Unmarshal(raw["_meta"], &meta); err != nil {
		return nil, jsonError(file, nil, fmt.Errorf("_meta: %w", err))
	}
	if meta.Spec != 6 {
		return nil, unknownLockVersion(file, lineOf(data, `        "pipfile-spec"`), fmt.Sprint(meta.Spec), "pipenv", "6")
	}
	lock := &pipfileLock{hash: meta.Hash["sha256"], python: meta.Requires.Version, categories: map[string]map[string]pipfilePackage{}}
	if lock.python == "" && meta.Requires.Full != "" {
		lock.python = strings.Join(strings.SplitN(meta.Requires.Full, ".", 3)[:min(2, strings.Count(meta.Requires.Full, ".")+1)], ".")
	}
	if len(meta.Sources) > 0 {
		if err := json.Unmarshal(meta.Sources, &lock.sources); err != nil {
			return nil, jsonError(file, nil, fmt.Errorf("sources: %w", err))
		}
		if err := json.Unmarshal(meta.Sources, &lock.rawSources); err != nil {
			return nil, jsonError(file, nil, fmt.Errorf("sources: %w", err))
		}
	}
	for name, text := range raw {
		if name == "_meta" {
			continue
		}
		var packages map[string]pipfilePackage
		if err := json.Unmarshal(text, &packages); err != nil {
			return nil, jsonError(file, nil, fmt.Errorf("%s: %w", shortText(name), err))
		}
		lock.categories[name] = packages
	}
	return lock, nil
}

// jsonError says where a file is no JSON.
func jsonError(file string, data []byte, err error) error {
	problem := &runtimes.InputError{File: file, Problem: "cannot be read as JSON", Err: err, Hint: "restore the committed file, or run `pipenv lock`"}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) && int(syntax.Offset) <= len(data) {
		problem.Line = bytes.Count(data[:syntax.Offset], []byte("\n")) + 1
	}
	return problem
}

// asked are the categories to install. "dev" is what pipenv calls develop in
// the lock and dev-packages in the Pipfile.
func (l *pipfileLock) asked(file string, groups []string) ([]string, error) {
	categories := []string{"default"}
	for _, group := range groups {
		name := group
		switch group {
		case "dev", "dev-packages":
			name = "develop"
		case "packages":
			name = "default"
		}
		if _, ok := l.categories[name]; !ok {
			known := sortedKeys(l.categories)
			return nil, &runtimes.InputError{
				File: file, Problem: fmt.Sprintf("the project has no group %q", group),
				Hint: fmt.Sprintf("it has %s; run `pipenv lock` if it is new", strings.Join(known, ", ")),
			}
		}
		if !slices.Contains(categories, name) {
			categories = append(categories, name)
		}
	}
	return categories, nil
}

// set gathers the packages of the categories. One that several of them hold
// must be the same in all.
func (l *pipfileLock) set(a *assembler, data []byte, categories []string) (lockedSet, error) {
	env := baseEnvironment(a.target)
	chosen, from := map[string]pipfilePackage{}, map[string]string{}
	known := map[string]bool{}
	for _, category := range categories {
		for _, key := range sortedKeys(l.categories[category]) {
			p, name := l.categories[category][key], pep.NormaliseName(key)
			known[name] = true
			if excluded(a.target, name) {
				continue
			}
			marker, err := pep.ParseMarker(p.Markers)
			if p.Markers == "" {
				marker, err = pep.Marker{}, nil
			}
			if err != nil {
				return lockedSet{}, &runtimes.InputError{File: a.file, Line: lineOfString(data, key), Problem: "the markers of " + name, Err: err, Hint: "run `pipenv lock`"}
			}
			if !marker.Eval(env) {
				continue
			}
			if other, twice := chosen[name]; twice {
				if other.Version != p.Version || other.place() != p.place() {
					return lockedSet{}, &runtimes.InputError{
						File: a.file, Line: lineOfString(data, key), Hint: "run `pipenv lock`, or ask for one of the groups",
						Problem: fmt.Sprintf("%s is %s in %s and %s in %s", name, other.text(), from[name], p.text(), category),
					}
				}
				continue
			}
			chosen[name], from[name] = p, category
		}
	}
	for _, name := range sortedKeys(chosen) {
		if err := a.add(l.entry(name, chosen[name], lineOfString(data, name))); err != nil {
			return lockedSet{}, err
		}
	}
	a.notExcluded(func(name string) bool { return known[name] })
	if dropped := slices.DeleteFunc(slices.Clone(a.target.Exclude), func(name string) bool { return !known[pep.NormaliseName(name)] }); len(dropped) > 0 {
		a.set.notes = append(a.set.notes, fmt.Sprintf("%s does not say what pulled a package in: exclude drops %s and nothing else", a.file, strings.Join(dropped, ", ")))
	}
	return a.finish()
}

func (p pipfilePackage) place() string { return p.Git + p.Ref + p.File + p.Path }

func (p pipfilePackage) text() string {
	if p.Version != "" {
		return strings.TrimPrefix(p.Version, "==")
	}
	return withoutUser(p.place())
}

// entry is a package as the set has it.
func (l *pipfileLock) entry(name string, p pipfilePackage, line int) lockEntry {
	e := lockEntry{name: name, version: strings.TrimPrefix(p.Version, "=="), line: line}
	for _, hash := range p.Hashes {
		e.files = append(e.files, entryFile{hash: hash})
	}
	for _, s := range l.sources {
		if p.Index != "" && s.Name == p.Index {
			e.source.index = s.URL
		}
	}
	local := strings.TrimPrefix(p.Path, "file:")
	switch {
	case p.Git != "":
		e.source.git = &gitSource{url: strings.TrimPrefix(p.Git, "git+"), requested: p.Ref, subdirectory: p.Subdirectory}
		if isCommit(p.Ref) {
			e.source.git.commit = p.Ref
		}
	case isURL.MatchString(p.File) && !isFileURL(p.File):
		e.source.url, e.source.part = p.File, p.Subdirectory
	default:
		if p.File != "" {
			local = strings.TrimPrefix(p.File, "file:")
		}
		if strings.HasSuffix(local, ".whl") || isSdist(local) {
			e.source.path = local
		} else if local != "" {
			e.source.folder, e.source.part = path.Clean(local), p.Subdirectory
		}
	}
	return e
}

// unhashed notes what the whole lock has without hashes.
func (l *pipfileLock) unhashed(a *assembler) {
	for _, category := range sortedKeys(l.categories) {
		for _, name := range sortedKeys(l.categories[category]) {
			p := l.categories[category][name]
			if len(p.Hashes) > 0 || p.place() != "" || p.Version == "" {
				continue
			}
			text := pep.NormaliseName(name) + p.Version
			if p.Markers != "" {
				text += " ; " + p.Markers
			}
			a.unhashed = append(a.unhashed, text)
		}
	}
}

// pipfileName is a category of the lock as the Pipfile calls it.
func pipfileName(category string) string {
	switch category {
	case "default":
		return "packages"
	case "develop":
		return "dev-packages"
	}
	return category
}

// checkFresh refuses a lock that its Pipfile has left behind.
func (l *pipfileLock) checkFresh(project fs.FS, file string, categories []string, env pep.Environment) error {
	manifest := besideLock(file, "Pipfile")
	tables, err := readTables(project, manifest)
	if tables == nil {
		return err
	}
	sum, ok := l.fingerprint(tables)
	if ok && sum == l.hash {
		return nil
	}
	for _, category := range append(slices.Clone(categories), sortedKeys(l.categories)...) {
		versions := map[string][]pep.Version{}
		for name, p := range l.categories[category] {
			v, _ := pep.ParseVersion(strings.TrimPrefix(p.Version, "=="))
			versions[pep.NormaliseName(name)] = []pep.Version{v}
		}
		table := tableAt(tables, pipfileName(category))
		for _, name := range sortedKeys(table) {
			edges, err := poetryEdges(name, pipfileRequirement(table[name]), env, nil)
			if err != nil {
				continue // pipenv itself says more
			}
			if difference := firstDifference(edges, versions); difference != "" {
				return staleLock(file, manifest, difference, pipfileRelock)
			}
		}
	}
	if !ok || l.hash == "" {
		return nil // there is nothing more to compare
	}
	return staleLock(file, manifest, "it has changed since it was locked (the hash differs)", pipfileRelock)
}

// pipfileRequirement is a requirement of a Pipfile in a form that
// poetryEdges reads: other keys than these are pipenv's ways of saying markers.
func pipfileRequirement(value any) any {
	table, ok := value.(map[string]any)
	if !ok {
		return value
	}
	plain := map[string]any{}
	if version, ok := table["version"].(string); ok {
		plain["version"] = version
	}
	var markers []string
	if text, ok := table["markers"].(string); ok {
		markers = append(markers, "("+text+")")
	}
	for _, name := range []string{"os_name", "sys_platform", "platform_machine", "platform_system", "python_version", "implementation_name"} {
		if text, ok := table[name].(string); ok {
			markers = append(markers, name+" "+text)
		}
	}
	if len(markers) > 0 {
		plain["markers"] = strings.Join(markers, " and ")
	}
	return plain
}

// fingerprint is the hash of a Pipfile as pipenv makes it. One without sources
// has pipenv's own, which the lock names.
func (l *pipfileLock) fingerprint(tables map[string]any) (string, bool) {
	or := func(value, instead any) any {
		if value == nil {
			return instead
		}
		return value
	}
	empty := map[string]any{}
	content := map[string]any{
		"_meta": map[string]any{
			"sources":  or(tables["source"], l.rawSources),
			"requires": or(tables["requires"], empty),
		},
		"default": or(tables["packages"], empty),
		"develop": or(tables["dev-packages"], empty),
	}
	for name, value := range tables {
		switch name {
		case "source", "packages", "dev-packages", "requires", "scripts", "pipfile", "pipenv", "default", "develop":
		default:
			content[name] = value
		}
	}
	return fingerprint(content, ",", ":")
}
