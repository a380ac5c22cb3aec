package node

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The project that pnpm installs in the container is one that is written here:
// the packages of the set and nothing else, at their exact versions, under a
// constant name. What was optional no longer is, and where a package may run is
// left out: what is installed was decided before, and what cannot be fetched
// must be an error. The project's own folders are tarballs in it, since a link
// to them would leave the layer.

// writtenLock is the pnpm-lock.yaml that is written.
type writtenLock struct {
	Version  string `yaml:"lockfileVersion"`
	Settings struct {
		AutoInstallPeers bool `yaml:"autoInstallPeers"`
		ExcludeLinks     bool `yaml:"excludeLinksFromLockfile"`
	} `yaml:"settings"`
	Patches   map[string]pnpmPatch        `yaml:"patchedDependencies,omitempty"`
	Importers map[string]writtenImporter  `yaml:"importers"`
	Packages  map[string]*writtenPackage  `yaml:"packages"`
	Snapshots map[string]*writtenSnapshot `yaml:"snapshots,omitempty"`
}

type writtenImporter struct {
	Dependencies map[string]pnpmDirect `yaml:"dependencies"`
}

type writtenPackage struct {
	Name             string            `yaml:"name,omitempty"`
	Version          string            `yaml:"version,omitempty"`
	Resolution       writtenResolution `yaml:"resolution"`
	HasBin           bool              `yaml:"hasBin,omitempty"`
	PeerDependencies yaml.Node         `yaml:"peerDependencies,omitempty"`
	Bundled          yaml.Node         `yaml:"bundledDependencies,omitempty"`
	Dev              *bool             `yaml:"dev,omitempty"` // before 9.0

	Snapshot writtenSnapshot `yaml:",inline"` // before 9.0
}

type writtenSnapshot struct {
	Dependencies    map[string]string `yaml:"dependencies,omitempty"`
	TransitivePeers []string          `yaml:"transitivePeerDependencies,omitempty"`
	Patched         bool              `yaml:"patched,omitempty"`
}

type writtenResolution struct {
	Integrity string `yaml:"integrity"`
	Tarball   string `yaml:"tarball,omitempty"`
}

// pnpmWriter writes the project for a closure.
type pnpmWriter struct {
	c      *pnpmClosure
	lock   writtenLock
	files  []runtimes.InlineFile
	locals map[string]string // of tarballs of the project: their names, by integrity
	names  map[string]bool
}

// write returns the files of the written project, by their paths in it.
func (c *pnpmClosure) write() ([]runtimes.InlineFile, error) {
	w := &pnpmWriter{c: c, locals: map[string]string{}, names: map[string]bool{}}
	w.lock.Version = "9.0"
	w.lock.Packages = map[string]*writtenPackage{}
	if !c.lock.old {
		w.lock.Snapshots = map[string]*writtenSnapshot{}
	} else {
		w.lock.Version = "6.0"
	}
	for _, n := range c.nodes {
		if err := w.placeLocal(n); err != nil {
			return nil, err
		}
	}
	patches := map[string]string{}
	for _, n := range c.nodes {
		w.add(n)
		if !n.snapshot.Patched && !strings.Contains(n.id, "(patch_hash=") {
			continue
		}
		key, patch, data, err := c.patchOf(n)
		if err != nil {
			return nil, err
		}
		patch.Path = "patches/" + strings.ReplaceAll(key, "/", "+") + ".patch"
		if patches[key] == "" {
			w.files = append(w.files, runtimes.InlineFile{Path: patch.Path, Data: data})
		}
		patches[key] = patch.Path
		if w.lock.Patches == nil {
			w.lock.Patches = map[string]pnpmPatch{}
		}
		w.lock.Patches[key] = patch
	}
	return w.finish(patches)
}

// finish adds the files that the whole decides.
func (w *pnpmWriter) finish(patches map[string]string) ([]runtimes.InlineFile, error) {
	type manifestPnpm struct {
		Patches map[string]string `json:"patchedDependencies,omitempty"`
	}
	root := struct {
		Name         string            `json:"name"`
		Version      string            `json:"version"`
		Private      bool              `json:"private"`
		Dependencies map[string]string `json:"dependencies"`
		Pnpm         manifestPnpm      `json:"pnpm"`
	}{"layer", "1.0.0", true, map[string]string{}, manifestPnpm{patches}}
	directs := map[string]pnpmDirect{}
	edges := w.c.root.edges
	if w.c.target.Project {
		edges = append(edges[:len(edges):len(edges)], pnpmEdge{alias: w.c.root.name, to: w.c.root})
	}
	for _, e := range edges {
		spec := w.specifier(e)
		root.Dependencies[e.alias] = spec
		directs[e.alias] = pnpmDirect{spec, w.ref(e)}
	}
	w.lock.Importers = map[string]writtenImporter{".": {directs}}
	var lock bytes.Buffer
	encoder := yaml.NewEncoder(&lock)
	encoder.SetIndent(2)
	if err := encoder.Encode(w.lock); err != nil {
		return nil, fmt.Errorf("write pnpm-lock.yaml: %w", err)
	}
	manifest, _ := json.MarshalIndent(root, "", "\t") // strings cannot fail to marshal
	return append([]runtimes.InlineFile{
		{Path: "package.json", Data: append(manifest, '\n')},
		{Path: "pnpm-lock.yaml", Data: lock.Bytes()},
		{Path: ".npmrc", Data: []byte(w.c.settings.npmrc())},
	}, w.files...), nil
}

// placeLocal adds the tarball of a local package.
func (w *pnpmWriter) placeLocal(n *pnpmNode) error {
	if n.local.Local == nil {
		return nil
	}
	name, ok := w.locals[n.local.Integrity]
	if !ok {
		name = "local/" + n.local.Name
		for i := 2; w.names[name]; i++ {
			name = fmt.Sprintf("local/%d/%s", i, n.local.Name)
		}
		w.names[name], w.locals[n.local.Integrity] = true, name
		data, err := readLocal(n.local.Local)
		if err != nil {
			return err
		}
		w.files = append(w.files, runtimes.InlineFile{Path: name, Data: data})
	}
	n.fileID = "file:" + name
	if !w.c.lock.old {
		n.fileID = n.name + "@" + n.fileID
	}
	if peers := strings.IndexByte(n.id, '('); peers >= 0 && !strings.HasPrefix(n.id, "link:") {
		n.fileID += n.id[peers:]
	}
	return nil
}

// add adds a package to the lock file.
func (w *pnpmWriter) add(n *pnpmNode) {
	id, p := n.id, &writtenPackage{HasBin: n.pkg.HasBin, PeerDependencies: n.pkg.PeerDependencies, Bundled: n.pkg.Bundled}
	bare, _, _ := strings.Cut(id, "(")
	if n.fileID != "" {
		id = n.fileID
		bare, _, _ = strings.Cut(id, "(")
		_, tarball, _ := strings.Cut(bare, "file:")
		p.Resolution = writtenResolution{n.local.Integrity, "file:" + tarball}
		p.Name, p.Version = n.name, n.version
	} else {
		p.Resolution = writtenResolution{n.pkg.Resolution.Integrity, w.tarball(n)}
		if n.answered != nil {
			p.Resolution.Integrity = strongest(n.answered.Integrity)
		}
		p.Name, p.Version = n.pkg.Name, n.pkg.Version
	}
	s := writtenSnapshot{Dependencies: map[string]string{}, TransitivePeers: n.snapshot.TransitivePeers, Patched: n.snapshot.Patched}
	for _, e := range n.edges {
		s.Dependencies[e.alias] = w.ref(e)
	}
	if w.c.lock.old {
		p.Snapshot, p.Dev = s, new(bool)
		w.lock.Packages[id] = p
		return
	}
	if n.fileID != "" {
		p.Name = "" // which the id has
	}
	w.lock.Packages[bare] = p
	w.lock.Snapshots[id] = &s
}

// ref names what a dependency came to.
func (w *pnpmWriter) ref(e pnpmEdge) string {
	if e.to.fileID != "" {
		return e.to.fileID
	}
	return e.ref
}

// specifier asks for just what a dependency came to.
func (w *pnpmWriter) specifier(e pnpmEdge) string {
	switch n := e.to; {
	case n.fileID != "":
		return "file:" + w.locals[n.local.Integrity]
	case !n.ofRegistry():
		return n.pkg.Resolution.Tarball
	case e.alias != n.name:
		return "npm:" + n.name + "@" + n.version
	default:
		return n.version
	}
}

// tarball is the address that the written lock has for a package, "" where its
// registry knows: where the package is of a registry that is configured, and
// not in a place of that registry's own choice.
func (w *pnpmWriter) tarball(n *pnpmNode) string {
	address := n.pkg.Resolution.Tarball
	if address == "" || !n.ofRegistry() {
		return address
	}
	at, err := url.Parse(registryOf(w.c.target.Indexes, n.name))
	u, addressErr := url.Parse(address)
	if err != nil || addressErr != nil || at.Host == "" {
		return address
	}
	if at.Host == u.Host && !strings.HasSuffix(u.Path, "/"+n.name+"/-/"+tarballName(n.name, n.version)) {
		return address
	}
	return ""
}
