package node

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// bunFormat is bun's text format.
var bunFormat = format{
	names:   []string{"bun.lock"},
	manager: "bun",
	read:    readBun,
	holds:   bunHolds,
}

// bunVersion is the version of bun that a new layerbuild.lock gets where the
// project names none.
const bunVersion = "1.4.5"

// readBun reads what the project in t's folder installs by a lock file of bun.
func readBun(project fs.FS, file string, t runtimes.Target) (*set, error) {
	l, doc, err := readBunLock(project, file)
	if err != nil {
		return nil, err
	}
	check := bunCheck{lock: l, doc: doc}
	l.check = check.project
	c := &npmClosure{lock: l, target: t, exclude: newExcluder(t)}
	if err := c.findRoot(project); err != nil {
		return nil, err
	}
	placed, err := c.complete()
	if err != nil {
		return nil, err
	}
	b := &bunInstall{closure: c, project: project, placed: placed, patched: doc.Patched}
	if err := b.readFolders(check); err != nil {
		return nil, err
	}
	s := &set{managed: true, notes: append(c.notes, c.exclude.notes(file)...), requires: c.requires}
	if s.packages, err = c.packages(project, placed); err != nil {
		return nil, err
	}
	s.notes = append(s.notes, runtimeNotes(t, s.packages)...)
	s.notes = append(s.notes, allowScripts(t, s.packages)...)
	if len(doc.Patched) == 0 {
		s.apart, s.byAddress = needsOf(s.packages, placed), byAddress(s.packages, placed)
	}
	return s, b.install(s)
}

// bunInstall says how a closure is installed by bun.
type bunInstall struct {
	closure *npmClosure
	project fs.FS
	placed  map[string]*npmNode
	patched map[string]string // patches, by package: "is-odd@3.0.1"
	notes   []string
}

// readFolders reads what the lock file does not say of the folders that are
// installed by file:, and checks what it says.
func (b *bunInstall) readFolders(check bunCheck) error {
	for _, place := range sortedKeys(b.placed) {
		n := b.placed[place]
		folder, ok := inProject(b.closure.lock.dir, strings.TrimPrefix(n.resolved, "file:"))
		if kindOf(n.resolved) != folderSpec || isTarball(n.resolved) || n.version != "" || !ok {
			continue
		}
		if l := b.closure.lock; !exists(b.project, path.Join(folder, "package.json")) {
			return l.errorf(n.location, "restore the folder, or lock again without it", "is a local package, and %s is not there", path.Join(folder, "package.json"))
		}
		m, err := readManifest(b.project, folder)
		if err != nil {
			return err
		}
		if err := check.folder(m, n); err != nil {
			return err
		}
		if n.version = cmp.Or(m.Version, "0.0.0"); !validVersion(n.version) {
			return &runtimes.InputError{File: m.file, Line: keyLine(m.data, "version"), Problem: fmt.Sprintf("%q is no version", n.version)}
		}
	}
	return nil
}

// install says how the set is installed. Where packages lie is then decided by
// bun, and no longer by the lock file.
func (b *bunInstall) install(s *set) error {
	if len(s.packages) == 0 {
		return nil
	}
	files, err := b.write(s.packages)
	if err != nil {
		return err
	}
	for i := range s.packages {
		s.packages[i].Places = nil
	}
	version, err := b.version()
	if err != nil {
		return err
	}
	s.notes = append(s.notes, b.notes...)
	managers := bunManagers(version)
	for _, m := range managers {
		s.needs = append(s.needs, m.need())
	}
	s.tools = map[string]string{"bun": b.closure.target.Pins.Tools[managers[0].tool()].Version}
	npmrc, whereabouts := b.npmrc(s.packages), b.whereabouts()
	s.steps = func(t runtimes.Target) []runtimes.Step {
		return []runtimes.Step{bringBun(t, managers), bunStep(t, len(s.packages), files, npmrc, whereabouts)}
	}
	return nil
}

// version is the version of bun that the project names, "" where it names none
// that will do.
func (b *bunInstall) version() (string, error) {
	for _, dir := range []string{path.Join(b.closure.lock.dir, b.closure.root.location), b.closure.lock.dir} {
		m, err := readManifest(b.project, dir)
		if err != nil {
			return "", err
		}
		version, ok := namedManager(m.PackageManager, "bun")
		if !ok {
			continue
		}
		if readsBunLock(version) {
			return version, nil
		}
		b.notes = append(b.notes, fmt.Sprintf("%s names bun %s; %s is installed by bun %s, since text lock files are written since 1.2", m.file, version, b.closure.lock.file, bunVersion))
		break
	}
	return "", nil
}

// readsBunLock tells whether a version of bun reads the lock file that is
// written for it.
func readsBunLock(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(minor)
	return err == nil && major == "1" && n >= 2
}

// bunPackages are those of the registry that hold bun, one for each kind of
// machine that may run the steps: the x64 one is that which asks the least of a
// processor. The package named bun would fetch them by a script.
var bunPackages = []struct{ name, cpu string }{
	{"@oven/bun-linux-aarch64", "arm64"},
	{"@oven/bun-linux-x64-baseline", "x64"},
}

func bunManagers(named string) []manager {
	var all []manager
	for _, p := range bunPackages {
		all = append(all, chooseManager(p.name, named, bunVersion))
	}
	return all
}

// bringBun is the step that installs bun: of the two that are pinned, npm takes
// the one for the machine that it runs on.
func bringBun(t runtimes.Target, managers []manager) runtimes.Step {
	wanted, packages := map[string]string{}, map[string]any{}
	for i, m := range managers {
		entry := m.entry(t.Pins)
		entry["optional"], entry["os"], entry["cpu"] = true, []string{"linux"}, []string{bunPackages[i].cpu}
		packages["node_modules/"+m.name] = entry
		wanted[m.name] = t.Pins.Tools[m.tool()].Version
	}
	return bringManagers(t, "get bun "+wanted[managers[0].name], "optionalDependencies", wanted, packages)
}

// bunStep installs a written project with the bun that was brought.
func bunStep(t runtimes.Target, packages int, files []runtimes.InlineFile, npmrc, whereabouts []byte) runtimes.Step {
	const home, cache = workFolder + "/home", workFolder + "/cache/bun"
	step := driverStep(t, fmt.Sprintf("install %d packages", packages), files,
		"bun", "install", "--frozen-lockfile", "--production", "--ignore-scripts", "--backend=copyfile", "--no-progress")
	// Only one of the two is there.
	var programs []string
	for _, p := range bunPackages {
		programs = append(programs, managersFolder+"/node_modules/"+p.name+"/bin")
	}
	// Some versions of bun read the .npmrc that npm is told of, others that of the
	// home folder alone: they get no other one.
	step.Env = slices.DeleteFunc(stepEnv(), func(v string) bool {
		return strings.HasPrefix(v, "HOME=") || strings.HasPrefix(v, "PATH=") || strings.HasPrefix(v, "npm_config_userconfig=")
	})
	step.Env = append(step.Env,
		"BUN_INSTALL_CACHE_DIR="+cache, "DO_NOT_TRACK=1", "HOME="+home,
		"PATH="+strings.Join(programs, ":")+":/var/lang/bin:/usr/local/bin:/usr/bin:/bin")
	slices.Sort(step.Env)
	step.Inputs = slices.DeleteFunc(step.Inputs, func(f runtimes.InlineFile) bool { return f.Path == npmrcFile })
	step.Inputs = append(step.Inputs,
		runtimes.InlineFile{Path: whereaboutsFile, Data: whereabouts, Whereabouts: true},
		runtimes.InlineFile{Path: home + "/.npmrc", Data: npmrc, Whereabouts: true, Logins: runtimes.Npmrc})
	step.Caches = []runtimes.CacheMount{{ID: "layerbuild-bun", Path: cache}}
	return step
}
