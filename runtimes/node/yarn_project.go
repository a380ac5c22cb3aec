package node

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/layerbuild/layerbuild/runtimes"
)

// yarnProject is what a yarn.lock belongs to: the package.json beside it, and
// those of its workspaces.
type yarnProject struct {
	fs      fs.FS
	lock    string        // the lock file, as a path in the project
	members []*yarnMember // the root, then the workspaces by their folders
	byName  map[string]*yarnMember
	layer   *yarnMember // the one in the target's folder
}

// yarnMember is a folder with a package.json: a workspace, or what a file:,
// link: or portal: dependency names.
type yarnMember struct {
	*manifest
	dir  string // in the project
	meta yarnMeta
}

// yarnMeta is what only yarn reads of a package.json.
type yarnMeta struct {
	DependenciesMeta map[string]struct {
		Optional bool `json:"optional"`
	} `json:"dependenciesMeta"`
	InstallConfig struct {
		HoistingLimits string `json:"hoistingLimits"`
	} `json:"installConfig"`
}

// readYarnProject reads the package.json files of the project that is locked.
func readYarnProject(project fs.FS, lock string, t runtimes.Target) (*yarnProject, error) {
	p := &yarnProject{fs: project, lock: lock, byName: map[string]*yarnMember{}}
	root, err := readYarnMember(project, path.Dir(lock))
	if err != nil {
		return nil, err
	}
	dirs, err := yarnWorkspaces(project, root)
	if err != nil {
		return nil, err
	}
	p.members = []*yarnMember{root}
	for _, dir := range dirs {
		member, err := readYarnMember(project, dir)
		if err != nil {
			return nil, err
		}
		p.members = append(p.members, member)
	}
	for _, m := range p.members {
		if other := p.byName[m.Name]; other != nil && m.Name != "" {
			return nil, &runtimes.InputError{File: m.file, Problem: fmt.Sprintf("has the name of %s, %s", other.file, m.Name), Hint: "give each workspace a name of its own"}
		}
		p.byName[m.Name] = m
	}
	dir := path.Clean(t.Path)
	if t.Path == "" {
		dir = "."
	}
	i := slices.IndexFunc(p.members, func(m *yarnMember) bool { return m.dir == dir })
	if i < 0 {
		return nil, &runtimes.InputError{
			File:    path.Join(dir, "package.json"),
			Problem: fmt.Sprintf("is no workspace of %s, whose lock file would be used", root.file),
			Hint:    "add its folder to workspaces there and run `yarn install`, or give it a lock file of its own",
		}
	}
	p.layer = p.members[i]
	return p, nil
}

func readYarnMember(project fs.FS, dir string) (*yarnMember, error) {
	m, err := readManifest(project, dir)
	if err != nil {
		return nil, err
	}
	member := &yarnMember{manifest: m, dir: dir}
	if err := json.Unmarshal(m.data, &member.meta); err != nil {
		return nil, jsonProblem(m.file, m.data, err)
	}
	return member, nil
}

// yarnWorkspaces are the folders that the workspaces field of a root's
// package.json names, and theirs in turn, sorted.
func yarnWorkspaces(project fs.FS, root *yarnMember) ([]string, error) {
	var dirs []string
	for _, pattern := range root.Workspaces {
		pattern = strings.TrimSuffix(strings.TrimPrefix(pattern, "./"), "/")
		if strings.HasPrefix(pattern, "!") {
			continue
		}
		found, err := yarnGlob(project, root.dir, pattern)
		if err != nil {
			return nil, &runtimes.InputError{File: root.file, Problem: fmt.Sprintf("workspaces has %q", pattern), Err: err}
		}
		if len(found) == 0 && !strings.ContainsAny(pattern, "*?[{") {
			return nil, &runtimes.InputError{
				File:    root.file,
				Problem: fmt.Sprintf("workspaces names %s, and there is no %s", pattern, path.Join(root.dir, pattern, "package.json")),
				Hint:    "restore the folder, or take it out of workspaces and run `yarn install`",
			}
		}
		dirs = append(dirs, found...)
	}
	slices.Sort(dirs)
	dirs = slices.DeleteFunc(slices.Compact(dirs), func(dir string) bool {
		return dir == root.dir || slices.ContainsFunc(root.Workspaces, func(pattern string) bool {
			left, ok := strings.CutPrefix(pattern, "!")
			return ok && doublestar.MatchUnvalidated(path.Join(root.dir, left), dir)
		})
	})
	return dirs, nil
}

// yarnGlob lists the folders with a package.json that a pattern names.
func yarnGlob(project fs.FS, root, pattern string) ([]string, error) {
	full, ok := inProject(root, pattern)
	if !ok || !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("it is not a pattern of folders below this one")
	}
	base, _ := doublestar.SplitPattern(full)
	if _, err := fs.Stat(project, base); err != nil {
		return nil, nil
	}
	var dirs []string
	err := fs.WalkDir(project, base, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return reason(err)
		}
		if !d.IsDir() {
			return nil
		}
		if d.Name() == "node_modules" || name != base && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if doublestar.MatchUnvalidated(full, name) && exists(project, path.Join(name, "package.json")) {
			dirs = append(dirs, name)
		}
		if !strings.Contains(pattern, "**") && strings.Count(name, "/") >= strings.Count(full, "/") && name != base {
			return fs.SkipDir
		}
		return nil
	})
	return dirs, err
}

// depends lists what a member needs at run time and, with dev, to be worked
// on: sorted by name, each once.
func (m *yarnMember) depends(dev bool) []dependency {
	all := slices.DeleteFunc(m.wants(dev), func(d dependency) bool { return d.peer })
	for i := range all {
		if m.meta.DependenciesMeta[all[i].name].Optional {
			all[i].optional = true
		}
	}
	return all
}

// local reads the folder that a dependency of the member in dir names.
func (p *yarnProject) local(m *yarnMember, d dependency, folder string) (*yarnMember, error) {
	at, ok := inProject(m.dir, folder)
	if !ok {
		return nil, &runtimes.InputError{
			File: m.file, Problem: fmt.Sprintf("%s is at %s, which is outside of the project", d.name, d.spec),
			Hint: "move it below the folder of the configuration, or move the configuration up",
		}
	}
	for _, other := range p.members {
		if other.dir == at {
			return other, nil
		}
	}
	if !exists(p.fs, path.Join(at, "package.json")) {
		return nil, &runtimes.InputError{
			File: m.file, Problem: fmt.Sprintf("%s is at %s, and there is no %s", d.name, d.spec, path.Join(at, "package.json")),
			Hint: "restore the folder, or take the dependency out and run `yarn install`",
		}
	}
	member, err := readYarnMember(p.fs, at)
	if err != nil {
		return nil, err
	}
	if member.Name == "" {
		member.Name = d.name
	}
	p.members = append(p.members, member)
	return member, nil
}
