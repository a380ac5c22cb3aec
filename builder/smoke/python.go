package smoke

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"net/textproto"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

//go:embed worker.py
var pythonWorker []byte

// maxMetadata bounds a file of metadata, in bytes.
const maxMetadata = 32 << 20

func pythonFolder(version string) string { return "python/lib/python" + version + "/site-packages" }

// pythonItems are the top-level modules that the distributions in a layer name,
// in RECORD or, what that lacks, in top_level.txt: something may have been left
// out of the layer.
func pythonItems(tree runtimes.Tree, version string) (items []Item, err error) {
	for _, root := range []string{pythonFolder(version), "python"} {
		for name := range tree {
			info, ok := strings.CutSuffix(name, ".dist-info/METADATA")
			if !ok || path.Dir(info) != root {
				continue
			}
			d, err := readDistribution(tree, info+".dist-info/")
			if err != nil {
				return nil, err
			}
			for _, module := range d.modules() {
				items = append(items, Item{Name: module, Package: d.name, line: "import " + module})
			}
		}
	}
	return items, nil
}

type distribution struct {
	name     string // and version
	files    []string
	topLevel []string
}

func readDistribution(tree runtimes.Tree, folder string) (d distribution, err error) {
	read := func(name string) []byte {
		f, ok := tree[folder+name]
		if !ok || err != nil {
			return nil
		}
		var data []byte
		if data, err = f.ReadAll(maxMetadata); err != nil {
			err = fmt.Errorf("%s%s: %w", folder, name, err)
		}
		return data
	}
	metadata, record, topLevel := read("METADATA"), read("RECORD"), read("top_level.txt")
	if err != nil {
		return d, err
	}
	// What follows the headers, or is wrong with them, is of no interest.
	header, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(metadata))).ReadMIMEHeader()
	d.name = strings.TrimSpace(header.Get("Name") + " " + header.Get("Version"))
	if d.name == "" {
		d.name = strings.TrimSuffix(path.Base(folder), ".dist-info")
	}
	lines := csv.NewReader(bytes.NewReader(record))
	lines.FieldsPerRecord = -1
	all, err := lines.ReadAll()
	if err != nil {
		return d, fmt.Errorf("%sRECORD: %w", folder, err)
	}
	for _, fields := range all {
		d.files = append(d.files, fields[0])
	}
	d.topLevel = strings.Fields(string(topLevel))
	return d, nil
}

var (
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// moduleFile is a file that Python imports: its module's name is all up to
	// the first dot.
	moduleFile = regexp.MustCompile(`^([^.]+)(?:\.py|(?:\.cpython-[^./]+|\.abi3)?\.so)$`)
)

// modules are those that can be imported, each by its full name.
func (d distribution) modules() []string {
	folders := make(map[string][]string) // the modules and folders in each
	packages := make(map[string]bool)    // folders with an __init__
	for _, file := range d.files {
		if strings.HasPrefix(file, "..") || path.IsAbs(file) {
			continue
		}
		m := moduleFile.FindStringSubmatch(path.Base(file))
		if m == nil {
			continue
		}
		dir := path.Dir(file)
		if m[1] == "__init__" {
			packages[dir] = true
		} else {
			folders[dir] = append(folders[dir], path.Join(dir, m[1]))
		}
		for ; dir != "."; dir = path.Dir(dir) {
			folders[path.Dir(dir)] = append(folders[path.Dir(dir)], dir+"/")
		}
	}
	var modules []string
	var collect func(dir string, depth int)
	collect = func(dir string, depth int) {
		entries := slices.Compact(slices.Sorted(slices.Values(folders[dir])))
		for _, entry := range entries {
			name := strings.TrimSuffix(entry, "/")
			switch {
			case !importable(path.Base(name)):
			case name == entry || packages[name]:
				modules = append(modules, strings.ReplaceAll(name, "/", "."))
			case depth < 4: // a namespace, which no file is
				collect(name, depth+1)
			}
		}
	}
	collect(".", 0)
	for _, name := range d.topLevel {
		named := slices.ContainsFunc(modules, func(m string) bool { return m == name || strings.HasPrefix(m, name+".") })
		if !named && importable(name) && folders[name] == nil {
			modules = append(modules, name)
		}
	}
	slices.Sort(modules)
	return slices.Compact(modules)
}

// noModules are what some packages leave at the top by mistake, and what only
// runs as a program.
var noModules = []string{"__main__", "benchmarks", "conftest", "doc", "docs", "example", "examples", "setup", "test", "tests"}

// importable tells whether the name of a file or folder is one that is meant to
// be imported. What mypyc compiled belongs to the modules beside it.
func importable(name string) bool {
	return identifier.MatchString(name) && !slices.Contains(noModules, name) && !strings.HasPrefix(name, "test_") &&
		!strings.HasSuffix(name, "_test") && !strings.HasSuffix(name, "_tests") && !strings.HasSuffix(name, "__mypyc")
}
