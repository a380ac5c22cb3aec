package node

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// pnpmClosure finds what a project of a lock file installs for a target.
type pnpmClosure struct {
	lock     *pnpmLock
	project  fs.FS
	target   runtimes.Target
	settings *pnpmSettings
	exclude  *excluder
	root     *pnpmNode // whose dependencies are installed
	location string    // its importer
	manifest *manifest // its package.json

	nodes    []*pnpmNode // all that is installed, sorted by id
	requires []runtimes.Requires
	notes    []string
}

// findRoot finds whose dependencies are installed.
func (c *pnpmClosure) findRoot() error {
	l := c.lock
	c.location = importerOf(l.dir, c.target.Path)
	importer := l.doc.Importers[c.location]
	if importer == nil {
		return pnpmNotMember(l, c.location)
	}
	var err error
	folder := path.Join(l.dir, c.location)
	if c.manifest, err = readManifest(c.project, folder); err != nil {
		return err
	}
	if err := c.checkSettings(); err != nil {
		return err
	}
	if err := c.checkManifest(c.manifest, importer); err != nil {
		return err
	}
	id := "link:" + c.location
	c.root = pnpmLocalNode(id, folder, c.manifest)
	c.root.edges = importer.production()
	l.nodes[id] = c.root
	return c.checkLinks(importer)
}

// checkLinks refuses links that the lock leaves out: nothing tells what they need.
func (c *pnpmClosure) checkLinks(importer *pnpmImporter) error {
	locked := importer.production()
	for _, asked := range []map[string]string{c.manifest.Dependencies, c.manifest.OptionalDependencies} {
		for _, name := range sortedKeys(asked) {
			isLocked := slices.ContainsFunc(locked, func(e pnpmEdge) bool { return e.alias == name })
			if strings.HasPrefix(asked[name], "link:") && !isLocked && !c.exclude.excludes(name) {
				return c.lock.errorf("", fmt.Sprintf("set exclude-links-from-lockfile=false and run `pnpm install`, or list %s under exclude", name),
					"leaves out %s, which %s links to: what it needs is locked nowhere", name, c.manifest.file)
			}
		}
	}
	return nil
}

// importerOf is the layer's folder, as a lock file in dir names it.
func importerOf(dir, folder string) string {
	folder = path.Clean(folder)
	if location := memberLocation(dir, folder); location != "" && (dir == "." || location != folder) {
		return location
	}
	return "." // the lock file lies in the layer's own folder, or in one below it
}

func pnpmNotMember(l *pnpmLock, location string) error {
	folder := path.Join(l.dir, location)
	hint := fmt.Sprintf("it holds %s; add the folder to the packages of %s and run `pnpm install`, or give it a lock file of its own",
		few(sortedKeys(l.doc.Importers)), pnpmWorkspaceFile)
	return l.errorf("importers", hint, "does not lock the project in %s", folder)
}

// pnpmHolds tells whether a lock file locks the project in a folder below its
// own. One that cannot be read counts: its reader says what is wrong with it.
func pnpmHolds(project fs.FS, file, member string) bool {
	data, err := readFile(project, file)
	if err != nil {
		return true
	}
	// Parsing a large lock twice costs more than this does.
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "  ") && strings.Trim(strings.TrimSpace(line), `'":{} `) == member && !strings.HasPrefix(line, "   ") {
			return true
		}
	}
	l, err := parsePnpmLock(file, data)
	return err != nil || l.doc.Importers[member] != nil
}

// find finds all that is installed: what the root needs, without what is
// excluded or optional and not for the target, and what only that pulls in.
func (c *pnpmClosure) find() error {
	seen := map[*pnpmNode]bool{c.root: true}
	queue := []*pnpmNode{c.root}
	rooted := c.target.Project
	for len(queue) > 0 {
		from := queue[0]
		queue = queue[1:]
		edges := from.edges[:0:0]
		for _, e := range from.edges {
			if err := c.connect(from, &e); err != nil {
				return err
			}
			if c.exclude.drops(e.alias, e.to.name) || !c.fits(e.to) {
				continue
			}
			edges = append(edges, e)
			by := from.name
			if from == c.root {
				by = ""
			}
			c.requires = append(c.requires, runtimes.Requires{By: by, Name: e.to.name})
			rooted = rooted || e.to == c.root
			if !seen[e.to] {
				seen[e.to] = true
				queue = append(queue, e.to)
			}
		}
		from.edges = edges
	}
	if !rooted {
		delete(seen, c.root)
	} else {
		c.requires = append(c.requires, runtimes.Requires{Name: c.root.name})
	}
	for n := range seen {
		c.nodes = append(c.nodes, n)
	}
	slices.SortFunc(c.nodes, func(a, b *pnpmNode) int { return strings.Compare(a.id, b.id) })
	return nil
}

// fits tells whether a package is installed on the target. As with pnpm, one
// that does not fit is left out only where nothing that must be there needs it.
func (c *pnpmClosure) fits(n *pnpmNode) bool {
	platform := &runtimes.Platform{OS: n.pkg.OS, CPU: n.pkg.CPU, Libc: n.pkg.Libc}
	if n.snapshot.Optional {
		return fitsPlatform(platform, c.target) && fitsNode(string(n.pkg.Engines), c.target)
	}
	if !fitsPlatform(platform, c.target) {
		note := fmt.Sprintf("%s %s is for %s only, and is installed since %s does not have it as optional", n.name, n.version, platformWords(platform), c.lock.file)
		if !slices.Contains(c.notes, note) {
			c.notes = append(c.notes, note)
		}
	}
	return true
}
