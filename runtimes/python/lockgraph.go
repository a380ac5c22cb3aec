package python

import (
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// lockGraph is who requires whom among the packages of a lock file, as far as
// it says. Formats that say by themselves what a target installs need it only
// to leave out what an excluded package alone pulled in.
type lockGraph struct {
	nodes  map[string][]*lockNode // by name
	except map[string]bool        // names that are not followed, normalised
	loose  bool                   // edges that lead nowhere are passed over

	followed []runtimes.Requires // by the last walk
}

// lockNode is a package; tag is its place in the reader's own list.
type lockNode struct {
	name    string
	version pep.Version
	tag     int
	edges   []lockEdge
	fits    bool // the target's Python may have it
}

// lockEdge is one requirement of a package, or of the project.
type lockEdge struct {
	name   string
	extras []string
	text   string // for messages

	// holds tells whether it counts, for a package of which these extras are
	// asked for; admits whether a version meets it. Nil is always.
	holds  func(extras []string) bool
	admits func(v pep.Version) bool
}

func newLockGraph(exclude []string) *lockGraph {
	g := &lockGraph{nodes: map[string][]*lockNode{}, except: map[string]bool{}}
	mark(g.except, exclude)
	return g
}

func (g *lockGraph) add(n *lockNode) { g.nodes[n.name] = append(g.nodes[n.name], n) }

// lockWalk is a walk through the graph.
type lockWalk struct {
	graph  *lockGraph
	chosen map[string]*lockNode
	extras map[string][]string // that were asked of each
	limits map[string][]lockEdge
	queue  []string
	unsure []string // names with several nodes that fit, in the order of their first edge
}

// walk returns the packages that the edges lead to, by name; missing is the
// first edge that leads to none.
func (g *lockGraph) walk(roots []lockEdge) (chosen map[string]*lockNode, missing *lockEdge) {
	w := &lockWalk{graph: g, chosen: map[string]*lockNode{}, extras: map[string][]string{}, limits: map[string][]lockEdge{}}
	g.followed = nil
	if missing = w.follow("", roots, nil); missing != nil {
		return nil, missing
	}
	for {
		for len(w.queue) > 0 {
			name := w.queue[0]
			w.queue = w.queue[1:]
			if missing = w.follow(name, w.chosen[name].edges, w.extras[name]); missing != nil {
				return nil, missing
			}
		}
		if !w.decide() {
			return w.chosen, nil
		}
	}
}

// follow takes the edges that hold. A name with several versions is chosen when
// all that limits it is known.
func (w *lockWalk) follow(by string, edges []lockEdge, extras []string) (missing *lockEdge) {
	for i := range edges {
		e := edges[i]
		if w.graph.except[e.name] || e.holds != nil && !e.holds(extras) {
			continue
		}
		w.graph.followed = append(w.graph.followed, runtimes.Requires{By: by, Name: e.name})
		w.limits[e.name] = append(w.limits[e.name], e)
		news := w.ask(e)
		if n := w.chosen[e.name]; n != nil {
			if news {
				w.queue = append(w.queue, e.name)
			}
			continue
		}
		switch fit := w.fitting(e.name); len(fit) {
		case 0:
			if !w.graph.loose {
				return &e
			}
		case 1:
			w.choose(fit[0])
		default:
			if !slices.Contains(w.unsure, e.name) {
				w.unsure = append(w.unsure, e.name)
			}
		}
	}
	return nil
}

// ask notes an edge's extras, and tells whether one of them is new.
func (w *lockWalk) ask(e lockEdge) (news bool) {
	for _, extra := range e.extras {
		if extra = pep.NormaliseName(extra); !slices.Contains(w.extras[e.name], extra) {
			w.extras[e.name] = append(w.extras[e.name], extra)
			news = true
		}
	}
	return news
}

// fitting are the packages of a name that meet all limits met so far.
func (w *lockWalk) fitting(name string) []*lockNode {
	var fit []*lockNode
	for _, n := range w.graph.nodes[name] {
		met := n.fits
		for _, e := range w.limits[name] {
			met = met && (e.admits == nil || e.admits(n.version))
		}
		if met {
			fit = append(fit, n)
		}
	}
	return fit
}

func (w *lockWalk) choose(n *lockNode) {
	w.chosen[n.name] = n
	w.queue = append(w.queue, n.name)
}

// decide chooses the newest of the first name that is left open, as a resolver
// would; false where nothing is.
func (w *lockWalk) decide() bool {
	for len(w.unsure) > 0 {
		name := w.unsure[0]
		w.unsure = w.unsure[1:]
		if w.chosen[name] != nil {
			continue
		}
		fit := w.fitting(name)
		if len(fit) == 0 {
			continue // a later limit cannot have come without a choice
		}
		w.choose(slices.MaxFunc(fit, func(a, b *lockNode) int { return a.version.Compare(b.version) }))
		return true
	}
	return false
}

// requires lists which package needs which, as far as the lock file says it.
func (g *lockGraph) requires(roots []lockEdge) []runtimes.Requires {
	all := lockGraph{nodes: g.nodes, except: g.except, loose: true}
	all.walk(roots) // a loose walk misses nothing
	return all.followed
}

// dropped are the names that only excluded packages pulled in, and these
// themselves: what they lead to, and the roots without them do not.
func (g *lockGraph) dropped(roots []lockEdge) map[string]bool {
	gone := map[string]bool{}
	if len(g.except) == 0 {
		return gone
	}
	kept, _ := (&lockGraph{nodes: g.nodes, except: g.except, loose: true}).walk(roots)
	var from []lockEdge
	for name := range g.except {
		gone[name] = true
		for _, n := range g.nodes[name] {
			for _, e := range n.edges {
				from = append(from, lockEdge{name: e.name, extras: e.extras}) // whatever extras it was asked for with
			}
		}
	}
	led, _ := (&lockGraph{nodes: g.nodes, loose: true}).walk(from)
	for name := range led {
		if kept[name] == nil {
			gone[name] = true
		}
	}
	return gone
}
