package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The project that bun installs in the container is one that is written here:
// the packages of the set and nothing else, at their exact versions, under a
// constant name. What was optional no longer is, and where a package may run is
// left out: what is installed was decided before, and what cannot be fetched
// must be an error. The project's own folders are tarballs in it, since a link
// to them would leave the layer.

// bunConfig makes every version of bun lay packages out as npm does.
const bunConfig = "[install]\nlinker = \"hoisted\"\n"

// whereBun stands in the written lock file for the address of a package, which
// is in no key; the script puts it in.
const whereBun = "layerbuild:"

// whereabouts are the addresses of the packages that the configured registries
// have, or that the lock file knows. All others are where bun looks by itself.
func (b *bunInstall) whereabouts() []byte {
	urls := map[string]string{}
	for _, n := range b.placed {
		if n.folder || n.bundled || !n.ofRegistry() {
			continue
		}
		address := mirroredURL(b.closure.target.Indexes, n.name, n.resolved)
		if registry := registryOf(b.closure.target.Indexes, n.name); address == "" && registry != "" {
			address = strings.TrimSuffix(registry, "/") + "/" + n.name + "/-/" + tarballName(n.name, n.version)
		}
		if address != "" {
			urls[n.name+"@"+n.version] = address
		}
	}
	data, _ := json.MarshalIndent(urls, "", "\t") // strings cannot fail to marshal
	return data
}

// bunWritten is the bun.lock that is written: of version 1, which every bun
// since 1.2 reads.
type bunWritten struct {
	Version    int                      `json:"lockfileVersion"`
	Workspaces map[string]bunWrittenTop `json:"workspaces"`
	Patched    map[string]string        `json:"patchedDependencies,omitempty"`
	Packages   map[string][]any         `json:"packages"`
}

type bunWrittenTop struct {
	Name         string            `json:"name"`
	Dependencies map[string]string `json:"dependencies,omitempty"`
}

type bunWrittenInfo struct {
	bunWants
	Bundled bool `json:"bundled,omitempty"`
}

// write returns the files of the written project, by their paths in it.
func (b *bunInstall) write(packages []runtimes.Package) ([]runtimes.InlineFile, error) {
	files, ids, err := b.sources(packages)
	if err != nil {
		return nil, err
	}
	lock := bunWritten{Version: 1, Packages: map[string][]any{}}
	for place, n := range b.placed {
		info := bunWrittenInfo{bunWants: b.wanted(place, n, ids), Bundled: n.bundled}
		entry := []any{n.name + "@" + n.version, whereBun + n.name + "@" + n.version, info, strongest(n.integrity)}
		if from, ok := ids[n]; ok {
			entry = []any{n.name + "@" + from, info}
		}
		lock.Packages[bunKey(place)] = entry
	}
	own := bunWrittenTop{Name: "layer", Dependencies: b.direct(ids)}
	lock.Workspaces = map[string]bunWrittenTop{"": own}
	patched, patches, err := b.patches()
	if err != nil {
		return nil, err
	}
	lock.Patched = patched
	manifest := map[string]any{"name": own.Name, "version": "1.0.0", "private": true, "dependencies": own.Dependencies}
	if len(patched) > 0 {
		manifest["patchedDependencies"] = patched
	}
	text, err := bunText(manifest)
	if err != nil {
		return nil, err
	}
	locked, err := bunText(lock)
	if err != nil {
		return nil, err
	}
	files = append(files, patches...)
	return append(files,
		runtimes.InlineFile{Path: "package.json", Data: text},
		runtimes.InlineFile{Path: "bun.lock", Data: locked},
		runtimes.InlineFile{Path: "bunfig.toml", Data: []byte(bunConfig)}), nil
}

// bunText is v in JSON, its keys in order. Bun does not read the escapes that
// are for HTML.
func bunText(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write the project for bun: %w", err)
	}
	return text.Bytes(), nil
}

// bunKey is a place as bun's lock files name it.
func bunKey(place string) string {
	return strings.TrimPrefix(strings.ReplaceAll("/"+place, "/node_modules/", "/"), "/")
}

// sources puts the project's own packages into files, and tells where those
// come from that are of no registry.
func (b *bunInstall) sources(packages []runtimes.Package) (files []runtimes.InlineFile, ids map[*npmNode]string, err error) {
	ids = map[*npmNode]string{}
	for i, p := range packages {
		from := p.File.URL
		if p.File.Local != nil {
			data, err := readLocal(p.File.Local)
			if err != nil {
				return nil, nil, err
			}
			from = fmt.Sprintf("./local/%d/%s", i, strings.ReplaceAll(p.File.Name, "@", ""))
			if !isTarball(from) {
				from += ".tgz"
			}
			files = append(files, runtimes.InlineFile{Path: path.Clean(from), Data: data})
		} else if b.placed[p.Places[0]].ofRegistry() {
			continue
		}
		for _, place := range p.Places {
			n := b.placed[place]
			n.name, n.version = p.Name, p.Version
			ids[n] = from
		}
	}
	return files, ids, nil
}

// direct are what the written project depends on.
func (b *bunInstall) direct(ids map[*npmNode]string) map[string]string {
	c := b.closure
	specs := map[string]string{}
	for _, e := range c.roots {
		b.specify(specs, "", e, ids)
	}
	if c.target.Project {
		b.specify(specs, "", npmEdge{dependency{name: c.root.name}, c.root}, ids)
	}
	return specs
}

// wanted is what a package at a place depends on, of what is installed. A peer
// that was optional no longer is: bun would leave out what only such ones want.
func (b *bunInstall) wanted(place string, n *npmNode, ids map[*npmNode]string) bunWants {
	w := bunWants{Dependencies: map[string]string{}, Peers: map[string]string{}}
	for _, e := range n.edges {
		list := w.Dependencies
		if e.peer {
			list = w.Peers
		}
		b.specify(list, place, e, ids)
	}
	return w
}

// specify adds what a dependency of a place came to, where that is installed.
func (b *bunInstall) specify(specs map[string]string, place string, e npmEdge, ids map[*npmNode]string) {
	if e.to == nil || e.dev || b.found(place, e.name) != e.to {
		return
	}
	switch from, ok := ids[e.to]; {
	case ok:
		specs[e.name] = from
	case e.to.name != e.name:
		specs[e.name] = "npm:" + e.to.name + "@" + e.to.version
	default:
		specs[e.name] = e.to.version
	}
}

// found is the package that a name leads to from a place.
func (b *bunInstall) found(place, name string) *npmNode {
	for at, ok := place, true; ok; at, ok = outer(at) {
		if n := b.placed[path.Join(at, "node_modules", name)]; n != nil {
			return n
		}
	}
	return nil
}

// patches are the patches of installed packages, and their files.
func (b *bunInstall) patches() (patched map[string]string, files []runtimes.InlineFile, err error) {
	installed := map[string]bool{}
	for _, n := range b.placed {
		installed[n.name+"@"+n.version] = true
	}
	patched = map[string]string{}
	for _, name := range sortedKeys(b.patched) {
		if !installed[name] {
			continue
		}
		l := b.closure.lock
		file, ok := inProject(l.dir, b.patched[name])
		if !ok {
			return nil, nil, l.errorf(name, outsideHint, "its patch is outside of the project: %s", b.patched[name])
		}
		data, err := readFile(b.project, file)
		if err != nil {
			return nil, nil, err
		}
		patched[name] = "patches/" + strings.ReplaceAll(name, "/", "+") + ".patch"
		files = append(files, runtimes.InlineFile{Path: patched[name], Data: data})
	}
	return patched, files, nil
}

// npmrc says which registries the packages are of: those that are configured, or
// else those that the lock file names. It is no part of the written project, so
// that no server's name is in a key.
func (b *bunInstall) npmrc(packages []runtimes.Package) []byte {
	lines := b.closure.target.Indexes
	if len(lines) == 0 {
		lines = b.registries()
	}
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	return []byte(text.String())
}

// registries are the lines of an .npmrc for the registries that the lock file
// names. For all packages without a scope there is but one.
func (b *bunInstall) registries() []string {
	found := map[string]map[string]bool{} // by the line's beginning
	for _, n := range b.placed {
		if !n.ofRegistry() || n.folder || n.bundled {
			continue
		}
		key := "registry="
		if scope, _, ok := strings.Cut(n.name, "/"); ok {
			key = scope + ":registry="
		}
		if found[key] == nil {
			found[key] = map[string]bool{}
		}
		found[key][registryIn(n.resolved, n.name)] = true
	}
	var lines []string
	for _, key := range sortedKeys(found) {
		for address := range found[key] {
			if len(found[key]) == 1 && address != "" {
				lines = append(lines, key+address)
			}
		}
	}
	return lines
}

// registryIn is the registry whose package has an address, "" where that does
// not show.
func registryIn(address, name string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	before, _, ok := strings.Cut(u.Path, "/"+name+"/-/")
	if !ok {
		return ""
	}
	return u.Scheme + "://" + u.Host + before + "/"
}
