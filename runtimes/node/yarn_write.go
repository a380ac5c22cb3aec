package node

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The project that yarn installs in the container is one that is written here:
// a package.json of constant name, a lock file with what the layer needs and
// nothing else, each package under its exact version. So neither a
// development dependency nor a range decides anything, and yarn has nothing
// to choose. What lies in the project's own folders is a workspace there
// while yarn runs; its link in node_modules is then replaced by its files.

// yarnName is the name of the written project.
const yarnName = "layer"

// yarnJob is what the script that runs yarn is told.
type yarnJob struct {
	Manager string       `json:"manager"` // "yarn" or "berry"
	Project string       `json:"project"`
	Output  string       `json:"output"`
	Cache   string       `json:"cache"`
	Levels  []string     `json:"levels,omitempty"` // of compression, by which checksums are held
	Members []yarnPlaced `json:"members,omitempty"`
}

// yarnPlaced is a folder of the project in node_modules.
type yarnPlaced struct {
	Name    string `json:"name"`
	Folder  string `json:"folder"`  // as a workspace
	Tarball string `json:"tarball"` // its files, as npm packs them
}

// yarnWritten is the project for a graph.
type yarnWritten struct {
	graph       *yarnGraph
	folders     map[*yarnNode]string // of members, in the written project
	resolutions map[string]string    // of the root
	optional    bool                 // what is optional stays so
	inputs      []runtimes.InlineFile
	job         yarnJob
}

// yarnPackageJSON is a package.json that is written.
type yarnPackageJSON struct {
	Name       string            `json:"name"`
	Version    string            `json:"version"`
	Private    bool              `json:"private"`
	Workspaces []string          `json:"workspaces,omitempty"`
	Depends    map[string]string `json:"dependencies,omitempty"`
	Optional   map[string]string `json:"optionalDependencies,omitempty"`
	Resolve    map[string]string `json:"resolutions,omitempty"`
	Hoisting   *yarnHoisting     `json:"installConfig,omitempty"`
}

type yarnHoisting struct {
	Limits string `json:"hoistingLimits"`
}

// newYarnWritten begins a project: it decides where members go, and adds their
// files.
func newYarnWritten(p *yarnProject, g *yarnGraph) (*yarnWritten, error) {
	w := &yarnWritten{graph: g, folders: map[*yarnNode]string{g.root: "."}}
	for _, n := range g.nodes {
		if n.member == nil {
			continue
		}
		folder := "members/" + strings.ReplaceAll(n.name, "/", "+")
		w.folders[n] = folder
		file, err := packFolder(p.fs, packJob{n.member.dir, p.members[0].dir, n.member.manifest})
		if err != nil {
			return nil, err
		}
		n.file = file
		placed := yarnPlaced{Name: n.name, Folder: folder, Tarball: workFolder + "/files/" + path.Base(folder) + ".tgz"}
		w.inputs = append(w.inputs, runtimes.InlineFile{Path: placed.Tarball, Data: mustLocal(file)})
		w.job.Members = append(w.job.Members, placed)
	}
	slices.SortFunc(w.job.Members, func(a, b yarnPlaced) int { return cmp.Compare(a.Name, b.Name) })
	return w, nil
}

// manifest adds the package.json of the written project's root, or of a member.
func (w *yarnWritten) manifest(n *yarnNode, spec func(yarnEdge) string) {
	m := yarnPackageJSON{Name: n.name, Version: n.version, Private: true, Depends: map[string]string{}, Optional: map[string]string{}}
	if n == w.graph.root {
		m.Name, m.Version, m.Resolve = yarnName, "0.0.0", w.resolutions
		if len(w.job.Members) > 0 {
			m.Workspaces = []string{"members/*"}
		}
	}
	if limits := n.member.meta.InstallConfig.HoistingLimits; limits != "" {
		m.Hoisting = &yarnHoisting{limits}
	}
	for _, e := range n.edges {
		if e.optional && w.optional {
			m.Optional[e.name] = spec(e)
		} else {
			m.Depends[e.name] = spec(e)
		}
	}
	data, _ := json.MarshalIndent(m, "", "  ") // strings cannot fail to marshal
	w.add(path.Join(w.folders[n], "package.json"), append(data, '\n'))
}

// manifests adds the package.json files of the root and of all members.
func (w *yarnWritten) manifests(spec func(yarnEdge) string) {
	w.manifest(w.graph.root, spec)
	for _, n := range w.graph.nodes {
		if n.member != nil {
			w.manifest(n, spec)
		}
	}
}

// add adds a file of the written project.
func (w *yarnWritten) add(name string, data []byte) {
	w.inputs = append(w.inputs, runtimes.InlineFile{Path: path.Join(projectFolder, name), Data: data})
}

// finished are the inputs, in a stable order.
func (w *yarnWritten) finished() []runtimes.InlineFile {
	slices.SortFunc(w.inputs, func(a, b runtimes.InlineFile) int { return cmp.Compare(a.Path, b.Path) })
	return w.inputs
}

// localSpec is how the written project names a tarball of the project.
func localSpec(n *yarnNode) string { return "file:./tarballs/" + n.file.Name }

// yarn1Spec is the specifier by which the written project asks for a package.
func yarn1Spec(e yarnEdge) string {
	switch n := e.to; {
	case n.member != nil:
		return n.version
	case n.file.Local != nil:
		return localSpec(n)
	case n.name != e.name:
		return "npm:" + n.name + "@" + n.version
	default:
		return n.version
	}
}

// whereYarn stands in the written lock file for the address of a package,
// which is in no key; the script puts it in.
const whereYarn = "layerbuild:"

// writeYarn1 writes the project that yarn 1 installs. What is optional is
// demanded in it: it is for the target, and yarn 1 would go on without a word
// where it fails to fetch it.
func writeYarn1(p *yarnProject, g *yarnGraph, t runtimes.Target) (*set, error) {
	w, err := newYarnWritten(p, g)
	if err != nil {
		return nil, err
	}
	w.manifests(yarn1Spec)
	w.add("yarn.lock", yarn1Lock(g))
	urls := map[string]string{}
	for _, n := range g.nodes {
		switch {
		case n.member != nil:
		case n.file.Local != nil:
			w.add("tarballs/"+n.file.Name, mustLocal(n.file))
		default:
			urls[n.name+"@"+n.version] = mirroredURL(t.Indexes, n.name, n.file.URL)
		}
	}
	w.job.Manager = "yarn"
	root := p.members[0].manifest
	named, _ := namedManager(root.PackageManager, "yarn")
	if !strings.HasPrefix(named, "1.") {
		named = yarn1Default
	}
	manager := chooseManager(yarn1Package, named, "")
	if err := manager.check(root.file, root.PackageManager, t.Pins); err != nil {
		return nil, err
	}
	data, _ := json.MarshalIndent(urls, "", "\t") // strings cannot fail to marshal
	whereabouts := runtimes.InlineFile{Path: whereaboutsFile, Data: data, Whereabouts: true}
	return yarnSet(t, w, manager, whereabouts, "yarn1"), nil
}

// yarn1Lock is the lock file of the written project.
func yarn1Lock(g *yarnGraph) []byte {
	entries := map[string]*yarnNode{}
	for _, n := range append([]*yarnNode{g.root}, g.nodes...) {
		for _, e := range n.edges {
			if e.to.member == nil {
				entries[e.name+"@"+yarn1Spec(e)] = e.to
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("# yarn lockfile v1\n")
	for _, key := range sortedKeys(entries) {
		n := entries[key]
		fmt.Fprintf(&b, "\n%s:\n  version %s\n", quoted(key), quoted(n.version))
		if n.file.Local != nil {
			fmt.Fprintf(&b, "  resolved %s\n", quoted(localSpec(n)))
		} else {
			fmt.Fprintf(&b, "  resolved %s\n", quoted(whereYarn+n.name+"@"+n.version))
		}
		fmt.Fprintf(&b, "  integrity %s\n", n.file.Integrity)
		title := "  dependencies:\n"
		for _, e := range n.edges { // sorted by name
			fmt.Fprintf(&b, "%s    %s %s\n", title, quoted(e.name), quoted(yarn1Spec(e)))
			title = ""
		}
	}
	return b.Bytes()
}

// quoted is a word in quotes, as JavaScript's JSON.stringify writes it.
func quoted(word string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(word) // a string cannot fail to marshal
	return strings.TrimSuffix(b.String(), "\n")
}

// mirroredURL is where a tarball is fetched from: at the registry that the user
// configured for the package, else where the lock file says. All registries
// have a package's files below its name, behind "/-/"; what a lock file has
// elsewhere is fetched there.
func mirroredURL(indexes []string, name, locked string) string {
	registry := registryOf(indexes, name)
	at := strings.LastIndex(locked, "/"+name+"/-/")
	if registry == "" || at < 0 {
		return locked
	}
	return strings.TrimSuffix(registry, "/") + locked[at:]
}

// registryOf is the registry that lines of an .npmrc give a package, "" where
// there is none.
func registryOf(indexes []string, name string) string {
	scope, _, scoped := strings.Cut(name, "/")
	general := ""
	for _, line := range indexes {
		key, value, _ := strings.Cut(line, "=")
		switch key = strings.TrimSpace(key); {
		case scoped && key == scope+":registry":
			return strings.TrimSpace(value)
		case key == "registry" && general == "":
			general = strings.TrimSpace(value)
		}
	}
	return general
}
