package node

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pnpmFormat is pnpm's.
var pnpmFormat = format{
	names:   []string{"pnpm-lock.yaml"},
	manager: "pnpm",
	read:    readPnpm,
	holds:   pnpmHolds,
}

// The versions of pnpm that a new layerbuild.lock gets where the project names
// none that reads its lock file.
const (
	pnpmOfOldLocks = "8.15.9"
	pnpmOfNewLocks = "10.34.9"
	pnpmOfMD5      = "9.15.9" // which names patches by another hash than later ones
)

// readPnpm reads what the project in t's folder installs by a lock file of pnpm.
func readPnpm(project fs.FS, file string, t runtimes.Target) (*set, error) {
	l, err := readPnpmLock(project, file)
	if err != nil {
		return nil, err
	}
	c := &pnpmClosure{lock: l, project: project, target: t, exclude: newExcluder(t)}
	if c.settings, err = readPnpmSettings(project, l.dir); err != nil {
		return nil, err
	}
	if err := c.findRoot(); err != nil {
		return nil, err
	}
	if err := c.find(); err != nil {
		return nil, err
	}
	if len(c.nodes) == 0 && c.location == "." && len(l.doc.Importers) > 1 {
		var members []string
		for _, name := range sortedKeys(l.doc.Importers) {
			members = append(members, path.Join(l.dir, name))
		}
		return nil, l.errorf("", "set the layer's path to one of the workspace's members: "+few(members[1:]), "nothing to install: the workspace's root has no dependencies")
	}
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &set{managed: true, requires: c.requires}
	if s.packages, err = c.packages(); err != nil {
		return nil, err
	}
	scripts := allowScripts(t, s.packages)
	if err := c.install(s); err != nil {
		return nil, err
	}
	s.notes = slices.Concat(c.settings.notes, c.notes, c.exclude.notes(file), scripts, runtimeNotes(t, s.packages))
	return s, nil
}

// install says how the set is installed, by a pnpm that reads the lock file.
func (c *pnpmClosure) install(s *set) error {
	if len(s.packages) == 0 {
		return nil
	}
	pnpm, packageManager, file := c.manager()
	if err := pnpm.check(file, packageManager, c.target.Pins); err != nil {
		return err
	}
	files, err := c.write()
	if err != nil {
		return err
	}
	s.needs = []runtimes.Need{pnpm.need()}
	s.tools = pnpm.tools(c.target.Pins)
	s.steps = func(t runtimes.Target) []runtimes.Step {
		return []runtimes.Step{pnpm.bring(t), pnpmStep(t, pnpm, len(s.packages), files)}
	}
	return nil
}

// manager is the pnpm that the project names, or else one that reads its lock.
func (c *pnpmClosure) manager() (m manager, packageManager, file string) {
	for _, named := range []*manifest{c.settings.manifest, c.manifest} {
		if named != nil && packageManager == "" {
			packageManager, file = named.PackageManager, named.file
		}
	}
	byDefault, majors := pnpmOfNewLocks, []string{"9", "10"}
	if c.lock.old {
		byDefault, majors = pnpmOfOldLocks, []string{"8"}
	}
	for _, patch := range c.lock.doc.Patches {
		if !c.lock.old && len(patch.Hash) == md5Letters {
			byDefault = pnpmOfMD5
		}
	}
	version, ok := namedManager(packageManager, "pnpm")
	major, _, _ := strings.Cut(version, ".")
	if ok && slices.Contains(majors, major) {
		return chooseManager("pnpm", version, byDefault), packageManager, file
	}
	if ok {
		c.notes = append(c.notes, fmt.Sprintf("%s names pnpm %s; %s is installed by pnpm %s, which reads it, too", file, version, c.lock.file, byDefault))
	}
	return chooseManager("pnpm", "", byDefault), "", file
}

// pnpmStep installs a written project with the pnpm that was brought.
func pnpmStep(t runtimes.Target, pnpm manager, packages int, files []runtimes.InlineFile) runtimes.Step {
	store := workFolder + "/cache/pnpm"
	step := driverStep(t, fmt.Sprintf("install %d packages", packages), files,
		t.Runtime.Interpreter, pnpm.folder()+"/bin/pnpm.cjs", "install", "--frozen-lockfile", "--prod", "--ignore-scripts",
		"--reporter=append-only", "--store-dir="+store)
	step.Env = stepEnv("CI=true", "XDG_CACHE_HOME="+"/tmp", "XDG_CONFIG_HOME=/tmp", "XDG_DATA_HOME=/tmp", "XDG_STATE_HOME=/tmp")
	step.Caches = []runtimes.CacheMount{{ID: "layerbuild-pnpm", Path: store}}
	return step
}
