package check

import (
	"encoding/csv"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxRecord is more than the list of any package's files has.
const maxRecord = 32 << 20

// own finds out whose the files of a tree are that no plugin has normalised,
// from what the package managers leave: RECORD files and the folders of
// node_modules. A jar is a package by itself.
func own(t runtimes.Tree) {
	for name, f := range t {
		if pkg := nodePackage(name); pkg != "" {
			f.Package = pkg
			t[name] = f
		}
	}
	for _, name := range t.Paths() {
		info, base := path.Split(name)
		info = strings.TrimSuffix(info, "/")
		if pkg, ok := strings.CutSuffix(path.Base(info), ".dist-info"); ok && base == "RECORD" {
			pkg, _, _ = strings.Cut(pkg, "-")
			ownRecorded(t, t[name], path.Dir(info), pkg)
		}
	}
}

// ownRecorded gives a package the files that its RECORD names, as far as the
// file can be read.
func ownRecorded(t runtimes.Tree, record runtimes.TreeFile, dir, pkg string) {
	if !record.Mode.IsRegular() {
		return
	}
	data, err := record.ReadAll(maxRecord)
	if err != nil {
		return
	}
	r := csv.NewReader(strings.NewReader(string(data)))
	r.FieldsPerRecord = -1
	for {
		line, err := r.Read()
		if err != nil {
			return
		}
		name := path.Join(dir, line[0])
		if f, ok := t[name]; ok {
			f.Package = pkg
			t[name] = f
		}
	}
}

// nodePackage is the package in whose folder below node_modules a file lies, ""
// where it lies in none.
func nodePackage(name string) string {
	i := strings.LastIndex("/"+name, "/node_modules/")
	if i < 0 {
		return ""
	}
	parts := strings.SplitN(name[i+len("node_modules/"):], "/", 3)
	switch {
	case strings.HasPrefix(parts[0], "@") && len(parts) == 3:
		return parts[0] + "/" + parts[1]
	case strings.HasPrefix(parts[0], "@"), len(parts) == 1:
		return ""
	}
	return parts[0]
}
