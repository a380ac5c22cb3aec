package node

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// npmClosure finds what a project of a lock file installs for a target.
type npmClosure struct {
	lock       *npmLock
	target     runtimes.Target
	exclude    *excluder
	root       *npmNode // whose dependencies are installed: the project, or a member of its workspace
	roots      []npmEdge
	workspaces []string // the patterns of the members' folders

	required map[*npmNode]bool // what must be there, whatever happens to what is optional
	broken   map[*npmNode]bool // what cannot be installed, and what needs such

	notes    []string
	requires []runtimes.Requires // that place followed
}

// find decides which packages are left out, and places the others.
func (c *npmClosure) find() (map[string]*npmNode, error) {
	if err := c.checkRequired(); err != nil {
		return nil, err
	}
	c.findBroken()
	return c.place()
}

// heeds tells whether an edge leads anywhere.
func (c *npmClosure) heeds(e npmEdge) bool {
	return e.to != nil && !e.dev && !c.exclude.excludes(e.name, e.to.name)
}

// fits tells whether a package is for the target's platform.
func (c *npmClosure) fits(n *npmNode) bool {
	return fitsPlatform(n.platform, c.target) && !isUnsaidMusl(n)
}

// isUnsaidMusl tells whether a package is for musl although the lock does not
// say so: npm before 11 writes no libc, and then installs such packages beside
// those for glibc. All that are known say it in their names.
func isUnsaidMusl(n *npmNode) bool {
	return n.platform != nil && len(n.platform.Libc) == 0 && slices.Contains(n.platform.OS, targetOS) &&
		slices.ContainsFunc(strings.FieldsFunc(n.name, func(r rune) bool { return strings.ContainsRune("-./@", r) }), func(word string) bool {
			return word == "musl" || word == "linuxmusl"
		})
}

// checkRequired goes along what must be there: its platform has to fit, and the
// lock has to hold it.
func (c *npmClosure) checkRequired() error {
	type step struct {
		n   *npmNode
		via string
	}
	seen := map[*npmNode]bool{c.root: true}
	c.required = seen
	queue := []step{{c.root, ""}}
	var peers []string
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		edges := at.n.edges
		if at.n == c.root {
			edges = c.roots
		}
		for _, e := range edges {
			if e.to == nil {
				if e.peer && !e.optional && at.n != c.root {
					peers = append(peers, fmt.Sprintf("%s (of %s)", e.name, at.n.name))
				}
				if err := c.missing(at.n, e); err != nil {
					return err
				}
				continue
			}
			if e.optional || !c.heeds(e) || seen[e.to] {
				continue
			}
			seen[e.to] = true
			via := strings.TrimPrefix(at.via+" → "+e.to.name, " → ")
			if !c.fits(e.to) {
				return &runtimes.InputError{
					File: c.lock.file, Line: c.lock.lineOf(e.to.location),
					Problem: fmt.Sprintf("%s %s runs on %s only, and %s is %s %s (%s)", e.to.name, e.to.version, platformWords(e.to.platform),
						c.target.Runtime.Name, targetOS, targetCPU(c.target.Arch), via),
					Hint: fmt.Sprintf("make it an optional dependency or a development one, or list %s under exclude", e.to.name),
				}
			}
			queue = append(queue, step{e.to, via})
		}
	}
	if len(peers) > 0 {
		slices.Sort(peers)
		c.notes = append(c.notes, fmt.Sprintf("%s holds no package for these peer dependencies: %s", c.lock.file, few(slices.Compact(peers))))
	}
	return nil
}

// missing says what it means that nothing in the lock meets a dependency.
func (c *npmClosure) missing(n *npmNode, e npmEdge) error {
	switch {
	case e.dev, e.peer, c.lock.version == 1 && n != c.root, c.exclude.excludes(e.name):
		return nil
	case !e.optional:
		return c.lock.errorf(n.location, c.lock.again, "needs %s %s, which the file does not hold", e.name, e.spec)
	case namesTarget(e.name, c.target.Arch) && slices.ContainsFunc(n.wants, func(d dependency) bool { return d.optional && c.lock.meets(n.location, d.name) != nil }):
		// npm writes such locks where node_modules was there already.
		c.notes = append(c.notes, fmt.Sprintf(
			"%s lacks %s, which %s takes on this platform: it will not work without; delete node_modules and the lock file and run `%s install`", c.lock.file, e.name, n.name, c.lock.manager))
	}
	return nil
}

// namesTarget tells whether a package's name says that it is for the target:
// "@img/sharp-linux-arm64".
func namesTarget(name string, arch runtimes.Arch) bool {
	words := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("/-_.@", r) })
	return slices.Contains(words, targetOS) && slices.Contains(words, targetCPU(arch)) && !slices.Contains(words, "musl")
}

// findBroken finds what cannot be installed: packages of other platforms, and
// those that need such ones. They are optional, or checkRequired had refused.
func (c *npmClosure) findBroken() {
	c.broken = map[*npmNode]bool{}
	var queue []*npmNode
	neededBy := map[*npmNode][]*npmNode{}
	for _, n := range c.lock.nodes {
		for _, e := range n.edges {
			if !e.optional && c.heeds(e) {
				neededBy[e.to] = append(neededBy[e.to], n)
			}
		}
		// As npm has it, engines bar only what is optional.
		if !c.fits(n) || !c.required[n] && !fitsNode(n.engines, c.target) {
			queue = append(queue, n)
		}
	}
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !c.broken[n] {
			c.broken[n] = true
			queue = append(queue, neededBy[n]...)
		}
	}
}

// few joins some names, and says how many more there are.
func few(names []string) string {
	const shown = 5
	if len(names) <= shown+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}

// place lays the packages out. Most lie where the lock has them; but what a
// member of a workspace has below its own folder goes to the top, where its
// code finds it, and a folder's packages go to where the folder is linked. What
// that would hide from other packages is put below each of them.
func (c *npmClosure) place() (map[string]*npmNode, error) {
	p := &npmPlacer{npmClosure: c, at: map[string]*npmNode{}, reached: map[string]*npmNode{}}
	c.requires = nil
	if err := p.start(); err != nil {
		return nil, err
	}
	for _, e := range c.roots {
		p.need("", e)
	}
	if c.target.Project {
		p.reach(path.Join("node_modules", c.root.name), c.root)
		p.requires = append(p.requires, runtimes.Requires{Name: c.root.name})
	}
	for len(p.queue) > 0 {
		place := p.queue[0]
		p.queue = p.queue[1:]
		for _, e := range p.at[place].edges {
			p.need(place, e)
		}
		if len(p.at) > maxNPMPackages {
			return nil, &runtimes.InputError{File: c.lock.file, Problem: "its packages cannot be laid out: too many have to be repeated"}
		}
	}
	return p.reached, nil
}

type npmPlacer struct {
	*npmClosure
	at      map[string]*npmNode // by place: what would be found there
	reached map[string]*npmNode // likewise: what something needs
	queue   []string
}

// start puts every package where the lock has it.
func (p *npmPlacer) start() error {
	if p.target.Project {
		p.at[path.Join("node_modules", p.root.name)] = p.root
	}
	// The member's own packages come first, then those of the folders above.
	for at, ok := p.root.location, true; ok; at, ok = outer(at) {
		p.move(at, "")
	}
	links := map[*npmNode][]string{}
	for _, location := range sortedKeys(p.at) {
		if folder := p.at[location]; folder.folder && folder != p.root {
			links[folder] = append(links[folder], location)
		}
	}
	for _, folder := range slices.SortedFunc(maps.Keys(links), func(a, b *npmNode) int { return strings.Compare(a.location, b.location) }) {
		for _, place := range links[folder] {
			p.move(folder.location, place)
		}
	}
	return nil
}

// move puts the packages below a folder's node_modules to below place. Of two
// with the same place the first stays, with all that is below it.
func (p *npmPlacer) move(folder, place string) {
	from := path.Join(folder, "node_modules") + "/"
	hidden := map[string]bool{}
	for _, location := range p.lock.locations {
		below, ok := strings.CutPrefix(location, from)
		if !ok {
			continue
		}
		top, _, _ := strings.Cut(below, "/node_modules/")
		to := path.Join(place, "node_modules", below)
		n := p.lock.nodes[location]
		if n.link != nil {
			n = n.link
		}
		if below == top && p.at[to] != nil {
			hidden[top] = true
		}
		if !hidden[top] && p.at[to] == nil {
			p.at[to] = n
		}
	}
}

// need makes sure that a dependency is found from place.
func (p *npmPlacer) need(place string, e npmEdge) {
	if e.to == nil || e.dev || p.exclude.drops(e.name, e.to.name) || p.broken[e.to] {
		return
	}
	by := ""
	if place != "" {
		by = p.at[place].name
	}
	p.requires = append(p.requires, runtimes.Requires{By: by, Name: e.to.name})
	for at, ok := place, true; ok; at, ok = outer(at) {
		to := path.Join(at, "node_modules", e.name)
		if found := p.at[to]; found == e.to {
			p.reach(to, found)
			return
		} else if found != nil {
			break
		}
	}
	to := path.Join(place, "node_modules", e.name)
	if e.to.bundled && p.at[to] == nil {
		return // the tarball that holds it is elsewhere, with all that finds it
	}
	p.at[to] = e.to
	p.addBundled(to, e.to)
	p.reach(to, e.to)
}

// addBundled puts what a package's tarball brings below another place of it.
func (p *npmPlacer) addBundled(place string, n *npmNode) {
	for _, location := range p.lock.locations {
		if below, ok := strings.CutPrefix(location, n.location+"/"); ok && p.lock.nodes[location].bundled {
			p.at[path.Join(place, below)] = p.lock.nodes[location]
		}
	}
}

func (p *npmPlacer) reach(place string, n *npmNode) {
	if p.reached[place] == nil {
		p.reached[place] = n
		p.queue = append(p.queue, place)
	}
}
