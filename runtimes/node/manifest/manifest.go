// Package manifest reads the package.json of an installed npm package, as far
// as it decides how the package lies in a layer.
package manifest

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// CommandSet says which files of a package are its commands. Those are
// executable, whatever the package's tarball says.
type CommandSet struct {
	files  []string
	folder string // all files below it, "" for none
}

// Commands reads "bin", in each of its forms, and "directories.bin" out of a
// package.json. What cannot be read names no commands: npm installs such a
// package, too.
func Commands(data []byte) CommandSet {
	// A struct would match the names of fields in any case.
	var fields map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &fields) != nil {
		return CommandSet{}
	}
	var set CommandSet
	var name, one string
	var list []any
	var named map[string]any
	switch bin := fields["bin"]; {
	case json.Unmarshal(bin, &one) == nil && one != "":
		if json.Unmarshal(fields["name"], &name) == nil && name != "" {
			set.add(one)
		}
		return set
	case json.Unmarshal(bin, &list) == nil && list != nil:
		for _, target := range list {
			set.add(target)
		}
		return set
	case json.Unmarshal(bin, &named) == nil && named != nil:
		for _, target := range named {
			set.add(target)
		}
		return set
	}
	var directories map[string]any
	if json.Unmarshal(fields["directories"], &directories) == nil {
		if folder, ok := directories["bin"].(string); ok {
			set.folder = inside(folder)
		}
	}
	return set
}

func (s *CommandSet) add(target any) {
	if text, ok := target.(string); ok {
		s.files = append(s.files, inside(text))
	}
}

// inside gives a path below the package's folder: no ".." leads out of it.
func inside(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
}

// Has tells whether the file at a path in the package is a command.
func (s CommandSet) Has(name string) bool {
	if s.folder != "" {
		rest, ok := strings.CutPrefix(name, s.folder+"/")
		return ok && !strings.HasPrefix(rest, ".") && !strings.Contains(rest, "/.")
	}
	return slices.Contains(s.files, name)
}
