package python

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// pyproject is what of a pyproject.toml bears on its lock file.
type pyproject struct {
	Project struct {
		Name         string              `toml:"name"`
		Version      string              `toml:"version"`
		Dependencies []string            `toml:"dependencies"`
		Extras       map[string][]string `toml:"optional-dependencies"`
		Dynamic      []string            `toml:"dynamic"`
	} `toml:"project"`
	Groups map[string][]any `toml:"dependency-groups"`
	Tool   struct {
		UV struct {
			Sources         map[string]any `toml:"sources"`
			DevDependencies []string       `toml:"dev-dependencies"`
			GroupSettings   map[string]any `toml:"dependency-groups"`
		} `toml:"uv"`
	} `toml:"tool"`
}

// readPyproject reads the pyproject.toml of a folder; it is nil where there is
// none.
func readPyproject(project fs.FS, dir string) (*pyproject, error) {
	name := path.Join(dir, "pyproject.toml")
	if !exists(project, name) {
		return nil, nil
	}
	data, err := readFile(project, name)
	if err != nil {
		return nil, err
	}
	var p pyproject
	if err := decodeTOML(name, data, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// requiredSet is what one table of a project requires on a target: for each
// name, what is asked of it. The value is empty where only the name can be
// compared, since tool.uv.sources may have replaced the rest.
type requiredSet map[string][]string

func (r requiredSet) add(name string, extras []string, specifier string) {
	r[name] = append(r[name], requirementText(name, extras, specifier))
	slices.Sort(r[name])
	r[name] = slices.Compact(r[name])
}

// requirementText is the normal form of a requirement without its marker, or
// "" where the specifier has none.
func requirementText(name string, extras []string, specifier string) string {
	specifiers, err := pep.ParseSpecifiers(specifier)
	if err != nil {
		return ""
	}
	parts := strings.Split(specifiers.String(), ",")
	slices.Sort(parts)
	text := name
	if len(extras) > 0 {
		normal := make([]string, len(extras))
		for i, e := range extras {
			normal[i] = pep.NormaliseName(e)
		}
		slices.Sort(normal)
		text += "[" + strings.Join(slices.Compact(normal), ",") + "]"
	}
	return text + strings.Join(parts, ",")
}

// staleness compares a project with what its lock file says of it. It looks
// only at the tables that the target installs, as they hold on the target: a
// marker that uv wrote more simply is no difference, nor is another group.
type staleness struct {
	lock    *uvPackage
	now     *pyproject
	root    *pyproject // the workspace's, whose sources hold for its members too; may be nil
	env     pep.Environment
	nowLeft bool // something of the project could not be compared
}

// differences says how the project differs from its lock, in people's words.
func (s *staleness) differences(extras, groups []string) []string {
	var all []string
	if !slices.Contains(s.now.Project.Dynamic, "dependencies") {
		all = append(all, s.compare("", s.main(s.now.Project.Dependencies), s.locked(s.lock.Metadata.RequiresDist, ""))...)
	}
	for _, extra := range extras {
		if slices.Contains(s.now.Project.Dynamic, "optional-dependencies") {
			break
		}
		wanted, ok := byNormalName(s.now.Project.Extras, extra)
		if !ok {
			all = append(all, "the extra "+extra+" was removed")
			continue
		}
		now := s.main(wanted)
		if _, self := now[s.lock.Name]; self {
			continue // uv may write an extra that includes others in either form
		}
		locked := s.locked(s.lock.Metadata.RequiresDist, extra)
		all = append(all, s.compare(" in extra "+extra, now, locked)...)
	}
	for _, group := range groups {
		if _, ok := byNormalName(s.now.Tool.UV.GroupSettings, group); ok {
			continue // its own requires-python becomes a part of the markers
		}
		wanted, ok := includedGroup(s.groups(), group, nil)
		if !ok {
			continue
		}
		locked := s.locked(s.lock.Metadata.RequiresDev[group], "")
		all = append(all, s.compare(" in group "+group, s.main(wanted), locked)...)
	}
	return all
}

// main reads the requirements of one table of pyproject.toml.
func (s *staleness) main(list []string) requiredSet {
	now := requiredSet{}
	for _, text := range list {
		r, err := pep.ParseRequirement(text)
		if err != nil {
			s.nowLeft = true
			continue // uv itself would have refused it
		}
		if !r.Marker.Eval(s.env) {
			continue
		}
		name := pep.NormaliseName(r.Name)
		if s.replaced(name) || r.URL != "" {
			now[name] = nil
			continue
		}
		now.add(name, r.Extras, r.Specifiers.String())
	}
	return now
}

// groups are the dependency groups of the project as it is now; uv takes its own
// older list of development dependencies into the group dev.
func (s *staleness) groups() map[string][]any {
	older := s.now.Tool.UV.DevDependencies
	if len(older) == 0 {
		return s.now.Groups
	}
	groups := maps.Clone(s.now.Groups)
	if groups == nil {
		groups = map[string][]any{}
	}
	var dev []any
	for _, requirement := range older {
		dev = append(dev, requirement)
	}
	more, _ := byNormalName(groups, "dev")
	maps.DeleteFunc(groups, func(name string, _ []any) bool { return pep.NormaliseName(name) == "dev" })
	groups["dev"] = append(dev, more...)
	return groups
}

// locked reads the requirements that the lock file recorded: those of an
// extra, or those that hold without any.
func (s *staleness) locked(list []uvRequirement, extra string) requiredSet {
	then, with := requiredSet{}, s.env
	if extra != "" {
		with.Extras = []string{extra}
	}
	for _, r := range list {
		if r.Marker != "" {
			marker, err := pep.ParseMarker(r.Marker)
			if err != nil || !marker.Eval(with) || extra != "" && marker.Eval(s.env) {
				continue
			}
		} else if extra != "" {
			continue
		}
		if s.replaced(r.Name) || r.local() {
			then[r.Name] = nil
			continue
		}
		then.add(r.Name, r.Extras, r.Specifier)
	}
	return then
}

// replaced tells whether tool.uv.sources says where a package comes from.
func (s *staleness) replaced(name string) bool {
	if _, ok := byNormalName(s.now.Tool.UV.Sources, name); ok {
		return true
	}
	if s.root == nil {
		return false
	}
	_, ok := byNormalName(s.root.Tool.UV.Sources, name)
	return ok
}

func (s *staleness) compare(where string, now, then requiredSet) []string {
	var differences []string
	for _, name := range sortedKeys(now) {
		before, ok := then[name]
		switch after := now[name]; {
		case !ok:
			differences = append(differences, name+where+" was added")
		case comparable(before) && comparable(after) && !slices.Equal(before, after):
			differences = append(differences, fmt.Sprintf("%s%s was changed from %s", strings.Join(after, " and "), where, strings.Join(before, " and ")))
		}
	}
	for _, name := range sortedKeys(then) {
		if _, ok := now[name]; !ok && !s.nowLeft {
			differences = append(differences, name+where+" was removed")
		}
	}
	return differences
}

func comparable(list []string) bool { return len(list) > 0 && !slices.Contains(list, "") }

// byNormalName finds the entry of a table whose key normalises to name.
func byNormalName[T any](table map[string]T, name string) (value T, ok bool) {
	if value, ok := table[name]; ok {
		return value, true
	}
	for key, value := range table {
		if pep.NormaliseName(key) == name {
			return value, true
		}
	}
	return value, false
}

// checkFresh refuses a lock file that its project has left behind.
func checkFresh(project fs.FS, file string, p *uvPackage, memberDir string, env pep.Environment, extras, groups []string) (notes []string, err error) {
	now, err := readPyproject(project, memberDir)
	if err != nil {
		return nil, err
	}
	if now == nil {
		return []string{fmt.Sprintf("there is no pyproject.toml in %s, so whether %s is up to date was not checked", memberDir, file)}, nil
	}
	s := staleness{lock: p, now: now, env: env}
	if root := path.Dir(file); root != memberDir {
		if s.root, err = readPyproject(project, root); err != nil {
			return nil, err
		}
	}
	if d := s.differences(extras, groups); len(d) > 0 {
		return nil, &runtimes.InputError{
			File:    file,
			Problem: fmt.Sprintf("does not fit %s: %s", path.Join(memberDir, "pyproject.toml"), some(d)),
			Hint:    "run `uv lock` and commit the result",
		}
	}
	return nil, nil
}
