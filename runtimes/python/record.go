package python

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// What RECORD and the other texts in .dist-info may measure.
const maxInfoFile = 64 << 20

// dist is an installed package.
type dist struct {
	name   string // normalised
	file   string // the wheel it came from
	site   string // "lib/python3.13/site-packages"
	info   string // "numpy-2.2.6.dist-info"
	record []wheel.Entry
}

func (d *dist) errorf(format string, args ...any) error {
	return &runtimes.PackageError{File: d.file, Problem: fmt.Sprintf(format, args...)}
}

// recordPath matches an installed RECORD. Some systems keep compiled packages
// in lib64.
var recordPath = regexp.MustCompile(`^(lib(?:64)?/python[0-9.]*/site-packages)/([^/]+\.dist-info)/RECORD$`)

// findDists finds the installed packages, sorted by name, and makes sure that
// they are those of the recipe.
func findDists(r runtimes.Recipe, t runtimes.Tree) ([]*dist, error) {
	found := map[string]*dist{}
	versions := map[string]string{}
	for _, p := range t.Paths() {
		m := recordPath.FindStringSubmatch(p)
		if m == nil {
			continue
		}
		name, version, ok := wheel.SplitDistInfo(m[2])
		if !ok {
			return nil, fmt.Errorf("installed tree: %q is no name of a .dist-info folder", m[2])
		}
		if other := found[name]; other != nil {
			return nil, fmt.Errorf("installed tree: %s is there twice: %s and %s", name, other.info, m[2])
		}
		found[name] = &dist{name: name, site: m[1], info: m[2]}
		versions[name] = version
	}
	var dists []*dist
	for _, p := range r.Packages {
		d := found[p.Name]
		if d == nil {
			return nil, fmt.Errorf("%s %s was not installed: it has no .dist-info folder", p.Name, p.Version)
		}
		if v := versions[p.Name]; p.Version != localVersion && !wheel.SameVersion(v, p.Version) {
			return nil, fmt.Errorf("%s %s was installed, not %s", p.Name, v, p.Version)
		}
		delete(found, p.Name)
		d.file = p.File.Name
		if d.file == "" {
			d.file = p.Name
		}
		if err := d.readRecord(t); err != nil {
			return nil, err
		}
		dists = append(dists, d)
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		return nil, fmt.Errorf("%s was installed, which the lock file does not name", found[name].info)
	}
	slices.SortFunc(dists, func(a, b *dist) int { return strings.Compare(a.name, b.name) })
	return dists, nil
}

func (d *dist) readRecord(t runtimes.Tree) error {
	data, err := t[path.Join(d.site, d.info, "RECORD")].ReadAll(maxInfoFile)
	if err != nil {
		return fmt.Errorf("%s: RECORD: %w", d.file, err)
	}
	if d.record, err = wheel.ParseRecord(data); err != nil {
		return d.errorf("RECORD: %v", err)
	}
	// A line that is there twice claims its file once.
	seen := map[string]wheel.Entry{}
	for _, e := range d.record {
		if d.installers(e.Path) {
			continue // uv adds its own to what the wheel brought
		}
		if first, ok := seen[e.Path]; ok && (first.Algorithm != e.Algorithm || !bytes.Equal(first.Sum, e.Sum)) {
			return d.errorf("RECORD has two hashes for %s", e.Path)
		}
		seen[e.Path] = e
	}
	d.record = slices.DeleteFunc(d.record, func(e wheel.Entry) bool {
		if d.installers(e.Path) {
			return false
		}
		_, first := seen[e.Path]
		delete(seen, e.Path)
		return !first
	})
	return nil
}

// locate gives the place in the tree of a file as RECORD names it.
func (d *dist) locate(name string) (string, bool) {
	p := path.Join(d.site, name)
	return p, !path.IsAbs(name) && fs.ValidPath(p) && p != "."
}

// mayLack tells whether a file of RECORD need not be there: a folder, or a
// script that uv left in its wheel's folder, to be replaced by a command.
func (d *dist) mayLack(name string) bool {
	return strings.HasSuffix(name, "/") ||
		strings.HasPrefix(name, strings.TrimSuffix(d.info, wheel.DistInfoSuffix)+".data/")
}

// unlisted gives the paths of the files that RECORD may pass over: itself and
// its signatures.
func (d *dist) unlisted() []string {
	own := path.Join(d.site, d.info, "RECORD")
	return []string{own, own + ".jws", own + ".p7s"}
}

// installers tells whether a path in site-packages is one of the notes that
// an installer leaves beside a package.
func (d *dist) installers(name string) bool {
	switch strings.TrimPrefix(name, d.info+"/") {
	case name:
		return false
	case "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json":
		return true
	}
	return false
}

func (d *dist) isScript(at string) bool { return strings.HasPrefix(at, "bin/") }

// place gives the layer's path for the file at a path of the tree, or "" for
// what is left out.
func (d *dist) place(r runtimes.Recipe, at string) string {
	if slices.Contains(d.unlisted(), at) {
		return "" // RECORD is written anew, so that signatures are void
	}
	if name, ok := strings.CutPrefix(at, d.site+"/"); ok {
		if d.installers(name) {
			return ""
		}
		return path.Join(r.Prefix, name)
	}
	switch {
	case d.isScript(at):
		if !r.ConsoleScripts {
			return ""
		}
		return at
	case strings.HasPrefix(at, "include/site/"):
		return "" // headers serve compilers only
	}
	return path.Join(r.Prefix, at)
}

// isScriptIn tells whether a path of the layer is that of a command.
func (d *dist) isScriptIn(r runtimes.Recipe, p string) bool {
	return strings.HasPrefix(p, "bin/") && !strings.HasPrefix(p, r.Prefix+"/")
}

// matches holds a file against its line in RECORD.
func matches(e wheel.Entry, f runtimes.TreeFile) (bool, error) {
	switch e.Algorithm {
	case "":
		return true, nil
	case "sha256":
		return bytes.Equal(e.Sum, f.SHA256[:]), nil
	}
	h, err := e.NewHash()
	if err != nil {
		return false, err
	}
	content, err := f.Open()
	if err != nil {
		return false, err
	}
	defer content.Close()
	if _, err := io.Copy(h, content); err != nil {
		return false, err
	}
	return bytes.Equal(e.Sum, h.Sum(nil)), nil
}

// writeRecords gives each package a RECORD of what the layer holds of it,
// sorted, with the hashes of the files as they are there.
func writeRecords(r runtimes.Recipe, dists []*dist, claims map[string][]claim, out runtimes.Tree) error {
	entries := map[*dist][]wheel.Entry{}
	for p, cs := range claims {
		f := out[p]
		for i, c := range cs {
			if i > 0 && cs[i-1].dist == c.dist {
				continue
			}
			e := wheel.Entry{Path: wheel.Relative(r.Prefix, p), Algorithm: "sha256", Sum: f.SHA256[:], Size: f.Size}
			if inCache(p) { // as pip has it: no hash of what may be made anew
				e = wheel.Entry{Path: e.Path, Size: -1}
			}
			entries[c.dist] = append(entries[c.dist], e)
		}
	}
	for _, d := range dists {
		own := path.Join(d.info, "RECORD")
		if r.Excluded(path.Join(r.Prefix, own)) {
			continue
		}
		lines := append(entries[d], wheel.Entry{Path: own, Size: -1})
		slices.SortFunc(lines, func(a, b wheel.Entry) int { return strings.Compare(a.Path, b.Path) })
		data, err := wheel.FormatRecord(lines)
		if err != nil {
			return fmt.Errorf("%s: RECORD: %w", d.file, err)
		}
		out[path.Join(r.Prefix, own)] = runtimes.NewTreeFile(data, false)
	}
	return nil
}

func mode(executable bool) fs.FileMode {
	if executable {
		return 0o755
	}
	return 0o644
}
