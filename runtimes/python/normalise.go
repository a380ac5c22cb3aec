package python

import (
	"fmt"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// Normalise turns an installed tree in prefix form (see package wheel) into
// the layer's tree. Both engines' trees come out equal: what an installer
// writes of its own accord goes, and what it may write in its own way, RECORD
// and the commands, is written anew.
//
// Which file is what, only the packages' RECORDs decide, never a folder's
// name: a package may well be called "bin".
func (Runtime) Normalise(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	dists, err := findDists(r, t)
	if err != nil {
		return nil, err
	}
	if err := checkClosed(r, dists, t); err != nil {
		return nil, err
	}
	n := &normaliser{recipe: r, in: t, owned: map[string]bool{}, claims: map[string][]claim{}}
	for _, d := range dists {
		if err := n.claim(d); err != nil {
			return nil, err
		}
	}
	if err := n.checkStrays(); err != nil {
		return nil, err
	}
	out, err := n.settle()
	if err != nil {
		return nil, err
	}
	if r.Bytecode {
		if err := n.addBytecode(out); err != nil {
			return nil, err
		}
	}
	if err := writeRecords(r, dists, n.claims, out); err != nil {
		return nil, err
	}
	if err := checkFolders(out); err != nil {
		return nil, err
	}
	clear(t)
	for p, f := range out {
		t[p] = f
	}
	return n.notes, nil
}

// normaliser sorts out which package owns which file of the layer.
type normaliser struct {
	recipe runtimes.Recipe
	in     runtimes.Tree
	owned  map[string]bool    // paths of in that some RECORD names
	claims map[string][]claim // path in the layer → owners, in the packages' order
	notes  []string
}

// claim says that a package owns a file of the layer.
type claim struct {
	dist  *dist
	entry wheel.Entry       // the RECORD's line; none for what we write ourselves
	at    string            // the path in the installed tree, or ""
	found runtimes.TreeFile // what is there
	file  runtimes.TreeFile // what the layer gets of it
}

// agrees tells whether c's package wants the file that last's package gives.
func (c claim) agrees(last claim) (bool, error) {
	if c.at == "" || c.at != last.at {
		return c.file.SHA256 == last.file.SHA256, nil
	}
	// Only one of them was there to be found: RECORD tells of the others.
	return matches(c.entry, last.found)
}

// claim goes through the files of d, as its RECORD lists them.
func (n *normaliser) claim(d *dist) error {
	commands, err := n.commands(d)
	if err != nil {
		return err
	}
	for _, name := range d.unlisted() {
		n.owned[name] = true
	}
	for _, e := range d.record {
		at, ok := d.locate(e.Path)
		if !ok {
			return d.errorf("RECORD names %q, which lies outside of the layer", e.Path)
		}
		file, ok := n.in[at]
		if !ok {
			if d.mayLack(e.Path) || n.recipe.Bytecode && inCache(at) {
				continue // what the package compiled is removed before we compile
			}
			return d.errorf("%s is in RECORD but was not installed", e.Path)
		}
		n.owned[at] = true
		to := d.place(n.recipe, at)
		if to == "" || compiled(n.in, at) {
			continue
		}
		if d.isScript(at) {
			if commands.writes(d, to) {
				continue
			}
			script, err := n.script(d, e, file)
			if err != nil {
				return err
			}
			n.add(to, claim{d, e, at, file, script})
			continue
		}
		n.add(to, claim{d, e, at, file, file})
	}
	for name, data := range commands {
		n.add(name, claim{dist: d, file: runtimes.NewTreeFile(data, true)})
	}
	return nil
}

func (n *normaliser) add(to string, c claim) {
	if !n.recipe.Excluded(to) {
		n.claims[to] = append(n.claims[to], c)
	}
}

// checkStrays looks for files that no RECORD names. An installer leaves none
// but its own lock.
func (n *normaliser) checkStrays() error {
	for _, p := range n.in.Paths() {
		if !n.owned[p] && !n.ourBytecode(p) && p != ".lock" {
			return fmt.Errorf("installed tree: %s belongs to no package: no RECORD names it", p)
		}
	}
	return nil
}

// settle decides who gives each file, and holds it against that package's
// RECORD. Of several owners the last one wins.
func (n *normaliser) settle() (runtimes.Tree, error) {
	out := make(runtimes.Tree, len(n.claims))
	var clashes []clash
	for _, p := range sortedKeys(n.claims) {
		claims := n.claims[p]
		last := claims[len(claims)-1]
		if ok, err := matches(last.entry, last.found); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		} else if !ok {
			return nil, last.dist.errorf("%s does not match its hash in RECORD", last.entry.Path)
		}
		var others []string
		for _, c := range claims[:len(claims)-1] {
			same, err := c.agrees(last)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p, err)
			}
			if same {
				continue
			}
			if c.dist == last.dist {
				return nil, c.dist.errorf("two of its files are to be installed as %s", p)
			}
			others = append(others, c.dist.name)
		}
		if others != nil {
			clashes = addClash(clashes, clash{some(others), last.dist.name, []string{p}})
		}
		f := last.file
		if f.Mode.Type() != 0 {
			return nil, last.dist.errorf("%s is not a regular file", last.entry.Path)
		}
		f.Mode = mode(f.Mode&0o111 != 0 || last.dist.isScriptIn(n.recipe, p))
		f.Package = last.dist.name
		out[p] = f
	}
	for _, c := range clashes {
		n.notes = append(n.notes, c.String())
	}
	return out, nil
}

// clash is files that several packages have, with different content.
type clash struct {
	others, winner string // packages
	paths          []string
}

// addClash adds files to those that the same packages have.
func addClash(all []clash, c clash) []clash {
	for i := range all {
		if all[i].others == c.others && all[i].winner == c.winner {
			all[i].paths = append(all[i].paths, c.paths...)
			return all
		}
	}
	return append(all, c)
}

func (c clash) String() string {
	files := c.paths[0] + " is"
	if more := len(c.paths) - 1; more > 0 {
		files = fmt.Sprintf("%s and %d more are", c.paths[0], more)
	}
	return fmt.Sprintf("%s in %s and in %s with different content: %s wins", files, c.others, c.winner, c.winner)
}

// someOf is how many of a list a message names.
const someOf = 5

// some names the first of a list.
func some(list []string) string {
	if len(list) <= someOf+1 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:someOf], ", "), len(list)-someOf)
}

// checkFolders makes sure that no file lies where others need a folder.
func checkFolders(t runtimes.Tree) error {
	for _, p := range t.Paths() {
		for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
			if _, ok := t[dir]; ok {
				return &runtimes.PackageError{File: p, Problem: "would lie in a folder that is a file"}
			}
		}
	}
	return nil
}

// compiled tells whether the file at p is bytecode that a package shipped.
// Python makes its own. Bytecode that comes without its source is the code.
func compiled(t runtimes.Tree, p string) bool {
	if inCache(p) {
		return true
	}
	stem, ok := strings.CutSuffix(p, ".pyc")
	if !ok {
		return false
	}
	_, source := t[stem+".py"]
	return source
}
