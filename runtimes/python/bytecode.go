package python

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pyc"
)

// maxModule bounds what is read of a module or its bytecode.
const maxModule = 64 << 20

// inCache tells whether a file lies where Python keeps its bytecode.
func inCache(p string) bool {
	return strings.HasPrefix(p, "__pycache__/") || strings.Contains(p, "/__pycache__/")
}

// modulePath matches a module below an installed site-packages.
var modulePath = regexp.MustCompile(`(?s)^lib(?:64)?/python3\.([0-9]+)/site-packages/(?:.+/)?([^/]+)\.py$`)

// cached gives the path of a module's bytecode, with folders as the module's.
// The module's own place in the installed tree tells for which Python it is.
func cached(module string) (string, bool) {
	m := modulePath.FindStringSubmatch(module)
	if m == nil {
		return "", false
	}
	return path.Join(path.Dir(module), "__pycache__", m[2]+".cpython-3"+m[1]+".pyc"), true
}

// ourBytecode tells whether the file at p is what the recipe's compiler made
// of a package's module.
func (n *normaliser) ourBytecode(p string) bool {
	dir, name := path.Split(p)
	end := strings.LastIndex(name, ".cpython-")
	if !n.recipe.Bytecode || end < 0 {
		return false
	}
	module := path.Join(path.Dir(path.Clean(dir)), name[:end]+".py")
	at, ok := cached(module)
	return ok && at == p && n.owned[module]
}

// addBytecode puts the bytecode of each module of the layer beside it, for the
// same packages. A module that does not compile has none.
func (n *normaliser) addBytecode(out runtimes.Tree) error {
	for _, p := range out.Paths() {
		claims := n.claims[p]
		last := claims[len(claims)-1]
		from, ok := cached(last.at)
		if !ok {
			continue
		}
		f, ok := n.in[from]
		to := path.Join(path.Dir(p), "__pycache__", path.Base(from))
		if !ok || n.recipe.Excluded(to) {
			continue
		}
		if err := checkBytecode(f, last.found); err != nil {
			return fmt.Errorf("installed tree: %s: %w", from, err)
		}
		f.Mode, f.Package = mode(false), last.dist.name
		out[to] = f
		for _, c := range claims {
			n.claims[to] = append(n.claims[to], claim{dist: c.dist, at: from, found: f, file: f})
		}
	}
	return nil
}

// checkBytecode makes sure that the file f is bound to the module by the
// hash of its source, and that Python will take it without looking.
func checkBytecode(f, module runtimes.TreeFile) error {
	if f.Mode.Type() != 0 {
		return fmt.Errorf("not a regular file")
	}
	data, err := f.ReadAll(maxModule)
	if err != nil {
		return err
	}
	head, err := pyc.Parse(data)
	if err != nil {
		return err
	}
	if head.Flags != pyc.ByHash {
		return fmt.Errorf("compiled with flags %#b, not %#b: unchecked, by the hash of its source", head.Flags, pyc.ByHash)
	}
	source, err := module.ReadAll(maxModule)
	if err != nil {
		return err
	}
	if pyc.SourceHash(head.Magic, source) != head.Hash() {
		return fmt.Errorf("compiled from another source")
	}
	return nil
}
