package direct

import (
	"archive/zip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/wheel"
)

// sitePattern finds the version in a recipe's prefix. A universal layer's has
// none.
var sitePattern = regexp.MustCompile(`(?:^|/)lib/(python[0-9.]+)/site-packages$`)

// sitePackages gives the place of packages in the prefix form.
func sitePackages(prefix string) string {
	version := "python3"
	if m := sitePattern.FindStringSubmatch(prefix); m != nil {
		version = m[1]
	}
	return "lib/" + version + "/site-packages"
}

// place decides where each file of the wheel goes and rewrites RECORD to
// match.
func (w *wheelFile) place(files []*zip.File, record map[string]wheel.Entry) error {
	seen := make(map[string]bool, len(files))
	entries := make([]wheel.Entry, 0, len(files))
	for _, f := range files {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		to, script, err := w.destination(f.Name)
		if err != nil {
			return err
		}
		if seen[to] {
			return w.errorf("two of its files are to be installed as %s", to)
		}
		seen[to] = true
		listed, ok := record[f.Name]
		if !ok {
			listed = wheel.Entry{Size: -1}
		}
		m := member{zip: f, path: to, exec: script || executable(f), listed: listed}
		listed.Path = wheel.Relative(w.site, to)
		entries = append(entries, listed)
		w.members = append(w.members, m)
	}
	data, err := wheel.FormatRecord(entries)
	if err != nil {
		return w.errorf("RECORD: %v", err)
	}
	own := slices.IndexFunc(w.members, func(m member) bool { return m.zip.Name == w.info+"/RECORD" })
	w.members[own].zip, w.members[own].data = nil, data
	return nil
}

// destination gives the path of an entry in the prefix form. What lies in the
// wheel's .data folder goes to the place that its sub-folder names.
func (w *wheelFile) destination(name string) (to string, script bool, err error) {
	stem := strings.TrimSuffix(w.info, wheel.DistInfoSuffix)
	rest, ok := strings.CutPrefix(name, stem+".data/")
	if !ok {
		return path.Join(w.site, name), false, nil
	}
	kind, rest, _ := strings.Cut(rest, "/")
	switch {
	case rest == "":
		return "", false, w.errorf("%q is not in a folder of its kind", name)
	case kind == "purelib", kind == "platlib":
		return path.Join(w.site, rest), false, nil
	case kind == "scripts" && !strings.Contains(rest, "/"):
		return path.Join("bin", rest), true, nil
	case kind == "headers":
		version := path.Base(path.Dir(w.site))
		return path.Join("include/site", version, w.pkg.Name, rest), false, nil
	case kind == "data" && inSite(rest):
		// It would be taken for a file of a package, or of another Python.
		return "", false, w.errorf("data file %q is to be installed among the packages", rest)
	case kind == "data":
		return rest, false, nil
	}
	return "", false, w.errorf("%q is of no kind that a wheel's data may be", name)
}

var siteFolder = regexp.MustCompile(`^lib(64)?/python[^/]*/site-packages/`)

func inSite(name string) bool { return siteFolder.MatchString(name) }

// task is a file of the installed tree, or one that is only checked: a later
// package gives that path.
type task struct {
	wheel  *wheelFile
	member *member
	hidden bool
}

// layOut lays the wheels over each other, in their order.
func layOut(wheels []*wheelFile) ([]task, error) {
	var tasks []task
	owner := map[string]int{}
	for _, w := range wheels {
		for i := range w.members {
			m := &w.members[i]
			if before, ok := owner[m.path]; ok {
				tasks[before].hidden = true
			}
			owner[m.path] = len(tasks)
			tasks = append(tasks, task{wheel: w, member: m})
		}
	}
	// Within a wheel, the archive's order may be anything; ours is not.
	slices.SortStableFunc(tasks, func(a, b task) int {
		if c := strings.Compare(a.wheel.pkg.Name, b.wheel.pkg.Name); c != 0 {
			return c
		}
		return strings.Compare(a.member.path, b.member.path)
	})
	for _, t := range tasks {
		for dir := path.Dir(t.member.path); dir != "."; dir = path.Dir(dir) {
			if _, ok := owner[dir]; ok {
				return nil, &runtimes.PackageError{
					File:    t.wheel.pkg.File.Name,
					Problem: "needs the folder " + dir + ", which is a file of another package",
				}
			}
		}
	}
	return tasks, nil
}
