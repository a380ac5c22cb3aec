package smoke

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

//go:embed worker.js
var nodeWorker []byte

func nodeFolder(version string) string { return "nodejs/node" + version + "/node_modules" }

// nodeItems are the packages that a function can name, whoever needs them, and
// that have something to load.
func nodeItems(tree runtimes.Tree, version string) (items []Item, err error) {
	seen := make(map[string]bool)
	for _, root := range []string{nodeFolder(version), "nodejs/node_modules"} {
		for name, at := range nodePackages(tree, root) {
			f, ok := tree[at+"/package.json"]
			if !ok || seen[name] {
				continue
			}
			seen[name] = true
			data, err := f.ReadAll(maxMetadata)
			if err != nil {
				return nil, fmt.Errorf("%s/package.json: %w", at, err)
			}
			var m packageJSON
			if json.Unmarshal(data, &m) != nil {
				// One of a package that Node.js never reads may be anything.
				continue
			}
			if m.loads(tree, at) {
				items = append(items, Item{Name: name, Package: strings.TrimSpace(name + " " + m.Version), line: "load " + name})
			}
		}
	}
	return items, nil
}

// nodePackages finds the packages at the top of a node_modules, by name, with
// the folder that each is in.
func nodePackages(tree runtimes.Tree, root string) map[string]string {
	found := make(map[string]string)
	for file, f := range tree {
		rest, ok := strings.CutPrefix(file, root+"/")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, "/", 4)
		n := 1
		if strings.HasPrefix(rest, "@") {
			n = 2
		}
		if len(parts) < n || strings.HasPrefix(rest, ".") {
			continue
		}
		name := strings.Join(parts[:n], "/")
		switch isLink := f.Mode&fs.ModeSymlink != 0; {
		case len(parts) > n:
			found[name] = path.Join(root, name)
		case isLink: // where pnpm has it
			found[name] = path.Join(path.Dir(file), f.Link)
		}
	}
	return found
}

// packageJSON is what decides whether a package can be loaded by its name.
type packageJSON struct {
	Version string
	Main    any // those of some packages are no strings
	Exports any
	Bin     any
}

// loads tells whether Node.js has something to load for the package in folder.
// One whose main file is a program would run it.
func (m packageJSON) loads(tree runtimes.Tree, folder string) bool {
	main, _ := m.Main.(string)
	if m.Exports != nil {
		if !exportsItself(m.Exports) {
			return false
		}
	} else if main == "" {
		main = "index.js"
		found := false
		for _, name := range []string{"index.js", "index.json", "index.node"} {
			_, ok := tree[folder+"/"+name]
			found = found || ok
		}
		if !found {
			return false
		}
	}
	if ext := path.Ext(main); m.Exports == nil && slices.Contains([]string{".ts", ".css", ".scss", ".less", ".sass", ".html", ".md"}, ext) {
		return false
	}
	switch bin := m.Bin.(type) {
	case string:
		return !sameFile(bin, main)
	case map[string]any:
		for _, file := range bin {
			if file, _ := file.(string); main != "" && sameFile(file, main) {
				return false
			}
		}
	}
	return true
}

func sameFile(a, b string) bool {
	clean := func(s string) string { return strings.TrimSuffix(path.Clean("/"+s), ".js") }
	return clean(a) == clean(b)
}

// exportsItself tells whether a value of exports has a file for the package's
// own name, under a condition that Node.js sets.
func exportsItself(exports any) bool {
	switch e := exports.(type) {
	case string:
		return !strings.HasSuffix(e, ".d.ts")
	case []any:
		return slices.ContainsFunc(e, exportsItself)
	case map[string]any:
		if own, ok := e["."]; ok {
			return exportsItself(own)
		}
		for _, condition := range []string{"node", "require", "import", "module-sync", "node-addons", "default"} {
			if exportsItself(e[condition]) {
				return true
			}
		}
	}
	return false
}
