// Package commands tells which files of an npm package are its commands.
package commands

import (
	"bytes"
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// Set says which files of a package are its commands. Those are executable,
// whatever the package's tarball says.
type Set struct {
	Files  []string
	Folder string // all files below it, "" for none
}

// Of reads "bin", in each of its forms, and "directories.bin" out of a
// package.json. What cannot be read names no commands: npm installs such a
// package, too.
func Of(data []byte) Set {
	// A struct would match the names of fields in any case.
	var fields map[string]json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &fields) != nil {
		return Set{}
	}
	var set Set
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
			set.Folder = inside(folder)
		}
	}
	return set
}

func (s *Set) add(target any) {
	if text, ok := target.(string); ok {
		s.Files = append(s.Files, inside(text))
	}
}

// inside gives a path below the package's folder: no ".." leads out of it.
func inside(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
}

// Has tells whether the file at a path in the package is a command.
func (s Set) Has(name string) bool {
	if s.Folder != "" {
		rest, ok := strings.CutPrefix(name, s.Folder+"/")
		return ok && !strings.HasPrefix(rest, ".") && !strings.Contains(rest, "/.")
	}
	return slices.Contains(s.Files, name)
}
