package inspect

import (
	"bytes"
	"cmp"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

func pythonName(name string) string { return pep.NormaliseName(name) }

// searchedBy splits a path at the folder in which Python's modules lie, false
// where there is none.
func searchedBy(name string) (base, rest string, ok bool) {
	const sites = "site-packages/"
	if i := strings.LastIndex(name, sites); i >= 0 && (i == 0 || name[i-1] == '/') {
		return name[:i+len(sites)], name[i+len(sites):], true
	}
	if rest, ok := strings.CutPrefix(name, "python/"); ok {
		return "python/", rest, true
	}
	return "", "", false
}

// python finds distributions by their metadata. Those that another one brings
// within itself, as setuptools does, are part of that.
func (r *reader) python(known []Known) {
	modules := make(map[string]*Package) // that no RECORD lists, by path
	for _, info := range r.infoFolders() {
		files := r.below(info)
		if r.owner[files[0]] != nil {
			continue
		}
		p, names := r.distribution(info)
		for _, name := range files {
			r.owner[name] = p
		}
		if record, ok := r.t[path.Join(info, "RECORD")]; ok {
			for name := range check.Recorded(record, info) {
				r.own(name, p)
			}
			continue
		}
		for _, name := range names {
			modules[path.Dir(info)+"/"+name] = p
		}
	}
	byName := make(map[string]Known)
	for _, k := range known {
		byName[moduleName(k.Name)] = k
	}
	for _, name := range r.paths {
		if r.owner[name] == nil {
			r.own(name, r.unrecorded(name, modules, byName))
		}
	}
}

// own makes a file of the tree a package's, if it is nobody's.
func (r *reader) own(name string, p *Package) {
	if _, ok := r.t[name]; ok && p != nil && r.owner[name] == nil {
		r.owner[name] = p
	}
}

// infoFolders lists the folders of packages' metadata, outer ones first.
func (r *reader) infoFolders() []string {
	found := make(map[string]bool)
	for _, name := range r.paths {
		dir, base := path.Dir(name), path.Base(name)
		ext := path.Ext(dir)
		if ext == ".dist-info" && (base == "METADATA" || base == "RECORD") || ext == ".egg-info" && base == "PKG-INFO" {
			found[dir] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")), strings.Compare(a, b))
	})
}

// below lists the files in a folder, in order.
func (r *reader) below(folder string) []string {
	begin, _ := slices.BinarySearch(r.paths, folder+"/")
	end := begin
	for end < len(r.paths) && strings.HasPrefix(r.paths[end], folder+"/") {
		end++
	}
	return r.paths[begin:end]
}

// distribution reads a package's metadata, and lists its modules at the top. The
// folder's name tells name and version, too.
func (r *reader) distribution(info string) (p *Package, modules []string) {
	name, version, _ := strings.Cut(strings.TrimSuffix(path.Base(info), path.Ext(info)), "-")
	version, _, _ = strings.Cut(version, "-") // an egg's Python follows
	var l pythonLicense
	for _, base := range []string{"PKG-INFO", "METADATA"} {
		metadata, ok := r.t[path.Join(info, base)]
		if !ok {
			continue
		}
		for field, value := range check.MetadataFields(metadata) {
			switch field {
			case "name":
				name = value
			case "version":
				version = value
			}
			l.add(field, value)
		}
	}
	p = r.add(Python, pythonName(name), version, info)
	p.license(l.String())
	modules = []string{moduleName(name)}
	if top, ok := r.t[path.Join(info, "top_level.txt")]; ok && top.Mode.IsRegular() {
		data, _ := top.ReadAll(maxTopLevel) // what cannot be read names nothing
		for line := range bytes.Lines(data) {
			modules = append(modules, moduleName(string(bytes.TrimSpace(line))))
		}
	}
	return p, modules
}

// maxTopLevel is more than any package's list of modules has.
const maxTopLevel = 64 << 10

// moduleName is the name of a module or distribution, so that they compare.
func moduleName(name string) string { return strings.ReplaceAll(pythonName(name), "-", "_") }

// unrecorded is the package of a file that no RECORD names, nil where it is not
// known: that of a module's source for its bytecode, and what its folder's name
// says where the metadata lists no files, or is gone.
func (r *reader) unrecorded(name string, modules map[string]*Package, known map[string]Known) *Package {
	dir, base := path.Split(name)
	if folder, ok := strings.CutSuffix(dir, "__pycache__/"); ok {
		module, _, _ := strings.Cut(base, ".")
		if p := r.owner[folder+module+".py"]; p != nil {
			return p
		}
	}
	site, rest, ok := searchedBy(name)
	if !ok {
		return nil
	}
	top, _, _ := strings.Cut(rest, "/")
	top, _, _ = strings.Cut(top, ".")
	top = moduleName(top)
	if p := modules[site+top]; p != nil {
		return p
	}
	if k, ok := known[top]; ok {
		return r.add(Python, pythonName(k.Name), k.Version, "")
	}
	return nil
}

// pythonLicense gathers what a package's metadata says of its licence.
type pythonLicense struct {
	expression, short, long string
	classifiers             []string
}

// shortLicense is the longest text that is a name and no beginning of a licence.
const shortLicense = 40

func (l *pythonLicense) add(field, value string) {
	switch {
	case field == "license-expression":
		l.expression = value
	case field == "classifier" && strings.HasPrefix(value, "License :: "):
		parts := strings.Split(value, " :: ")
		if last := parts[len(parts)-1]; last != "OSI Approved" {
			l.classifiers = append(l.classifiers, last)
		}
	case field != "license" || strings.EqualFold(value, "UNKNOWN"):
	case len(value) <= shortLicense && !strings.HasPrefix(value, "Copyright"):
		l.short = value
	default:
		l.long = value
	}
}

// String is the most exact of it: an SPDX expression, a short name, the
// classifiers, or the first line of a text.
func (l *pythonLicense) String() string {
	return cmp.Or(l.expression, l.short, strings.Join(l.classifiers, ", "), l.long)
}
