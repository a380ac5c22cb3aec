package check

import (
	"encoding/base64"
	"encoding/csv"
	"iter"
	"path"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxRecord is more than the list of any package's files has.
const maxRecord = 32 << 20

// own finds out whose the files of a tree are that no plugin has normalised,
// from what the package managers leave: RECORD files and the folders of
// node_modules. A jar is a package by itself. Which of them are as they were
// published, only RECORD's hashes say; of an npm package all files but those
// that installers write to are taken for it.
func own(t runtimes.Tree) {
	for name, f := range t {
		if pkg := nodePackage(name); pkg != "" {
			base := path.Base(name)
			f.Package, f.Published = pkg, base != "package.json" && !strings.HasPrefix(base, ".")
			t[name] = f
		}
	}
	for _, name := range t.Paths() {
		info, base := path.Split(name)
		info = strings.TrimSuffix(info, "/")
		if pkg, ok := strings.CutSuffix(path.Base(info), ".dist-info"); ok && base == "RECORD" {
			pkg, _, _ = strings.Cut(pkg, "-")
			ownRecorded(t, t[name], info, pkg)
		}
	}
}

// ownRecorded gives a package the files that its RECORD, in the folder info,
// names, as far as the file can be read.
func ownRecorded(t runtimes.Tree, record runtimes.TreeFile, info, pkg string) {
	// What comes from no index, and may be a local project, has its origin
	// beside it (PEP 610).
	_, direct := t[path.Join(info, "direct_url.json")]
	for name, hash := range Recorded(record, info) {
		if f, ok := t[name]; ok {
			sum := "sha256=" + base64.RawURLEncoding.EncodeToString(f.SHA256[:])
			f.Package, f.Published = pkg, !direct && hash == sum
			t[name] = f
		}
	}
}

// Recorded lists the paths that a RECORD, in the folder info, names, with the
// hash that it gives each, as far as the file can be read. Nobody has verified
// that there are such files.
func Recorded(record runtimes.TreeFile, info string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
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
			hash := ""
			if len(line) > 1 {
				hash = line[1]
			}
			if !yield(path.Join(path.Dir(info), line[0]), hash) {
				return
			}
		}
	}
}

// nodePackage is the package in whose folder below node_modules a file lies, ""
// where it lies in none.
func nodePackage(name string) string {
	_, pkg := NodeFolder(name)
	return pkg
}

// NodeFolder is the folder of the package below node_modules in which a file
// lies, and the package's name; both are "" where it lies in none.
func NodeFolder(name string) (folder, pkg string) {
	i := strings.LastIndex("/"+name, "/node_modules/")
	if i < 0 {
		return "", ""
	}
	modules, rest := name[:i+len("node_modules/")], name[i+len("node_modules/"):]
	parts := strings.SplitN(rest, "/", 3)
	switch {
	case strings.HasPrefix(parts[0], "@") && len(parts) == 3:
		pkg = parts[0] + "/" + parts[1]
	case strings.HasPrefix(parts[0], "@"), len(parts) == 1:
		return "", ""
	default:
		pkg = parts[0]
	}
	return modules + pkg, pkg
}
