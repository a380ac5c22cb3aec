package check

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// A distribution is an installed package, by its metadata.
type distribution struct {
	name     string // normalised
	version  string
	path     string // of the metadata, or of its folder
	folder   string // see Python
	python   string // Requires-Python
	requires []string
}

// metadataFile matches what tells of a package, in one of the folders that
// Python searches: a wheel's metadata, or what setuptools left before there
// were wheels.
func metadataFile(rest string) bool {
	dir, base := path.Split(rest)
	switch path.Ext(strings.TrimSuffix(dir, "/")) {
	case ".dist-info":
		return base == "METADATA" && strings.Count(rest, "/") == 1
	case ".egg-info":
		return base == "PKG-INFO" && strings.Count(rest, "/") == 1
	}
	return dir == "" && path.Ext(base) == ".egg-info"
}

// distributions lists the packages that lie where Python searches. A folder
// without readable metadata tells name and version itself.
func distributions(t runtimes.Tree, names []string) (all []distribution) {
	at := make(map[string]int) // folder of the metadata → place in all
	for _, name := range names {
		folder, rest, _ := inPython(name)
		info, _, _ := strings.Cut(rest, "/")
		ext := path.Ext(info)
		if ext != ".dist-info" && ext != ".egg-info" {
			continue
		}
		where := strings.TrimSuffix(name, rest) + info
		i, known := at[where]
		if !known {
			i = len(all)
			at[where] = i
			name, version, _ := strings.Cut(strings.TrimSuffix(info, ext), "-")
			version, _, _ = strings.Cut(version, "-") // an egg's Python follows
			all = append(all, distribution{name: pep.NormaliseName(name), version: version, path: where, folder: folder})
		}
		if metadataFile(rest) {
			all[i].path = name
			all[i].read(t[name])
		}
	}
	return all
}

// maxHead is more than the fields of a package's metadata take; its
// description follows them and is not read.
const maxHead = 4 << 20

// read takes the fields of a metadata file, as far as it can be read.
func (d *distribution) read(f runtimes.TreeFile) {
	for field, value := range MetadataFields(f) {
		switch field {
		case "name":
			d.name = pep.NormaliseName(value)
		case "version":
			d.version = value
		case "requires-python":
			d.python = value
		case "requires-dist":
			d.requires = append(d.requires, value)
		}
	}
}

// MetadataFields lists the fields of a Python package's METADATA or PKG-INFO,
// their names in lower case, as far as the file can be read. Lines that continue
// a field have names that are no field's.
func MetadataFields(f runtimes.TreeFile) iter.Seq2[string, string] {
	return func(yield func(field, value string) bool) {
		if !f.Mode.IsRegular() {
			return
		}
		r, err := f.Open()
		if err != nil {
			return
		}
		defer r.Close()
		lines := bufio.NewScanner(io.LimitReader(r, maxHead))
		lines.Buffer(nil, maxHead)
		for lines.Scan() && lines.Text() != "" {
			field, value, _ := strings.Cut(lines.Text(), ":")
			if !yield(strings.ToLower(field), strings.TrimSpace(value)) {
				return
			}
		}
	}
}

// RequiredPython is which Python a package asks for.
type RequiredPython struct {
	Path     string `json:"path"`
	Package  string `json:"package"`
	Folder   string `json:"folder,omitempty"` // see Python
	Versions string `json:"versions"`         // Requires-Python
}

func requiredPythons(dists []distribution) (all []RequiredPython) {
	for _, d := range dists {
		if d.python != "" {
			all = append(all, RequiredPython{d.path, d.name, d.folder, d.python})
		}
	}
	return all
}

// findings says whether a target's Python is one that the package asks for. What
// cannot be read asks for nothing, as with pip.
func (r RequiredPython) findings(t Target) []Finding {
	versions, err := pep.ParseSpecifiers(r.Versions)
	if err != nil {
		return nil
	}
	full := pep.EnvironmentFor(runtimes.Target{Runtime: t.Runtime, Arch: t.Arch}).PythonFullVersion
	python, err := pep.ParseVersion(full)
	if err != nil || versions.Contains(python) {
		return nil
	}
	f := Finding{ID: PythonRequires, Path: r.Path, Package: r.Package,
		Problem: fmt.Sprintf("asks for Python %s, and the runtime is %s", r.Versions, t.Runtime.Name)}
	if admitsOlder(versions, python) {
		f.ID = PythonCapped
	}
	return []Finding{f}
}

// admitsOlder tells whether specifiers admit some Python before v, so that v is
// too new for them.
func admitsOlder(versions pep.Specifiers, v pep.Version) bool {
	for minor := range 100 {
		for _, patch := range []int{0, 99} {
			older, err := pep.ParseVersion(fmt.Sprintf("3.%d.%d", minor, patch))
			if err != nil || older.Compare(v) >= 0 {
				return false
			}
			if versions.Contains(older) {
				return true
			}
		}
	}
	return false
}

// Unmet is a requirement that the packages of a tree do not meet, if its marker
// holds.
type Unmet struct {
	Path    string `json:"path"`
	Package string `json:"package"`          // that requires it
	Folder  string `json:"folder,omitempty"` // what a Python of that version sees; "" for one without a folder of its own
	Text    string `json:"text"`             // of the requirement
	Has     string `json:"has,omitempty"`    // the version that is there
}

// unmet holds the packages that each Python sees against one another. present
// are the names of modules at the top, by folder: where somebody has removed a
// package's metadata, its module is there all the same.
func unmet(dists []distribution, folders []string, present map[string][]string) (all []Unmet) {
	for _, view := range append([]string{""}, folders...) {
		seen := make(map[string]distribution)
		for _, d := range dists {
			// The folder of a version comes before the common one.
			if _, known := seen[d.name]; d.folder == view || d.folder == "" && !known {
				seen[d.name] = d
			}
		}
		for _, d := range dists {
			if seen[d.name].path != d.path {
				continue
			}
			for _, text := range d.requires {
				r, err := pep.ParseRequirement(text)
				// Old packages hold what no tool reads; pip passes it over, too.
				if err != nil || ofExtra(r.Marker) {
					continue
				}
				other, has := seen[r.Name]
				module := strings.ReplaceAll(r.Name, "-", "_")
				switch {
				case !has && (slices.Contains(present[""], module) || slices.Contains(present[view], module)):
				case has && admits(r, other.version):
				default:
					all = append(all, Unmet{d.path, d.name, view, text, other.version})
				}
			}
		}
	}
	return all
}

// ofExtra tells whether a requirement is one of an extra alone: its marker holds
// for nobody who asks for none.
func ofExtra(m pep.Marker) bool {
	text := m.String()
	return strings.Contains(text, "extra ==") && !strings.Contains(text, " or ")
}

// admits tells whether a requirement is met by a version of its package. One
// that cannot be read is no conflict.
func admits(r pep.Requirement, version string) bool {
	v, err := pep.ParseVersion(version)
	return err != nil || r.Specifiers.Contains(v)
}

// topLevel lists the modules and packages that a search path leads to, by folder,
// with names like those of distributions.
func topLevel(names []string) map[string][]string {
	all := make(map[string][]string)
	last := ""
	for _, name := range names {
		folder, rest, _ := inPython(name)
		module, _, _ := strings.Cut(rest, "/")
		module, _, _ = strings.Cut(module, ".")
		if key := folder + "/" + module; key != last {
			last = key
			all[folder] = append(all[folder], strings.ToLower(module))
		}
	}
	return all
}

// inRuntime are the packages that Lambda's Python runtimes have themselves.
var inRuntime = []string{"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}

// unmetFindings says which requirements of packages the layer does not meet for
// a target. What one package misses is one finding.
func unmetFindings(all []Unmet, t Target) (found []Finding) {
	env := pep.EnvironmentFor(runtimes.Target{Runtime: t.Runtime, Arch: t.Arch})
	missing := make(map[string][]string) // by path
	for _, u := range all {
		r, err := pep.ParseRequirement(u.Text)
		if err != nil || !r.Marker.Eval(env) {
			continue
		}
		r.Marker = pep.Marker{}
		f := Finding{ID: PythonMissing, Path: u.Path, Package: u.Package}
		switch {
		case u.Has != "":
			f.ID, f.Problem = PythonConflict, fmt.Sprintf("requires %s, and the layer has %s %s", r, r.Name, u.Has)
		case t.brings(r.Name):
			continue
		default:
			text := r.String()
			if slices.Contains(inRuntime, r.Name) {
				text += " (the runtime has one, in a version that Lambda changes)"
			}
			missing[u.Path] = append(missing[u.Path], text)
			if len(missing[u.Path]) > 1 {
				continue
			}
		}
		found = append(found, f)
	}
	for i, f := range found {
		if f.ID == PythonMissing {
			found[i].Problem = "requires " + list(missing[f.Path]) + ", and the layer has no such package"
		}
	}
	return found
}

// brings tells whether a target has a package from elsewhere.
func (t Target) brings(name string) bool {
	return slices.ContainsFunc(t.Elsewhere, func(other string) bool { return pep.NormaliseName(other) == name })
}
