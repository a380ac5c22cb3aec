package builder

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change is one difference between what two keys hash.
type Change struct {
	What   string `json:"what"`             // "package", "include", "option", "rules", "image", "setup", "env", "copy", "tool" or "step"
	Name   string `json:"name"`             // of the package, the path in the layer, the field …
	Before string `json:"before,omitempty"` // "" where it is new
	After  string `json:"after,omitempty"`  // "" where it is gone
	File   string `json:"file,omitempty"`   // that says so now, as a path in the project
	Line   int    `json:"line,omitempty"`   // in File, where that is known
}

// String is a change in a few words: "urllib3 2.2.1 → 2.2.2 in uv.lock:14".
func (c Change) String() string {
	text := c.Name
	switch {
	case c.Before == "":
		text += " " + c.After + " is new"
	case c.After == "":
		text += " " + c.Before + " is gone"
	default:
		text += " " + c.Before + " → " + c.After
	}
	if c.File != "" {
		text += " in " + c.File
		if c.Line > 0 {
			text += fmt.Sprintf(":%d", c.Line)
		}
	}
	return text
}

// shownChanges are as many as a message of one line names.
const shownChanges = 3

// changesText joins a few of many changes.
func changesText(changes []Change) string {
	var all []string
	for _, c := range changes {
		all = append(all, c.String())
	}
	if len(all) > shownChanges+1 {
		return fmt.Sprintf("%s, and %d more changes", strings.Join(all[:shownChanges], ", "), len(all)-shownChanges)
	}
	return strings.Join(all, ", ")
}

// changesOf are the differences between what two keys hash. There is one at
// least wherever the two differ.
func changesOf(before, after keyInput) []Change {
	changes := packageChanges(before.Packages, after.Packages)
	changes = append(changes, includeChanges(before.Include, after.Include)...)
	field := func(what, name, old, now string) {
		if old != now {
			changes = append(changes, Change{What: what, Name: name, Before: orNone(old), After: orNone(now)})
		}
	}
	field("option", "prefix", before.Prefix, after.Prefix)
	field("option", "consoleScripts", fmt.Sprint(before.ConsoleScripts), fmt.Sprint(after.ConsoleScripts))
	field("option", "interpreter", before.Interpreter, after.Interpreter)
	field("option", "excludeFiles", strings.Join(before.ExcludeFiles, ", "), strings.Join(after.ExcludeFiles, ", "))
	field("option", "slim", strings.Join(before.Slim, ", "), strings.Join(after.Slim, ", "))
	field("rules", "kind of the key", before.Kind, after.Kind)
	field("rules", "layerbuild's rules of layout", before.Layout, after.Layout)
	field("rules", "layerbuild's archive format", before.Zip, after.Zip)
	field("rules", "format of the key", before.Format, after.Format)
	changes = append(changes, ownChanges(before.Own, after.Own)...)
	return append(changes, recipeChanges(before.Recipe, after.Recipe, "")...)
}

// orNone is a value for people; the lack of one is a value, too.
func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// packageChanges pairs the packages of a name. Only of npm's may there be
// several; then those that are equal are set aside first.
func packageChanges(before, after []keyedPackage) []Change {
	var changes []Change
	old, now := packagesByName(before), packagesByName(after)
	for _, name := range sortedNames(old, now) {
		gone, come := notAmong(old[name], now[name]), notAmong(now[name], old[name])
		for i := range max(len(gone), len(come)) {
			c := Change{What: "package", Name: name}
			switch {
			case i >= len(come):
				c.Before = gone[i].Version
			case i >= len(gone):
				c.After = come[i].Version
			default:
				c.Before, c.After = packageDifference(gone[i], come[i])
			}
			changes = append(changes, c)
		}
	}
	return changes
}

func packagesByName(packages []keyedPackage) map[string][]keyedPackage {
	byName := make(map[string][]keyedPackage)
	for _, p := range packages {
		byName[p.Name] = append(byName[p.Name], p)
	}
	return byName
}

// notAmong lists the packages that the others do not have just so.
func notAmong(packages, others []keyedPackage) []keyedPackage {
	return slices.DeleteFunc(slices.Clone(packages), func(p keyedPackage) bool {
		return slices.ContainsFunc(others, func(q keyedPackage) bool { return samePackage(p, q) })
	})
}

func samePackage(p, q keyedPackage) bool {
	places := slices.Equal(p.Places, q.Places)
	p.Places, q.Places = nil, nil
	return places && fmt.Sprint(p) == fmt.Sprint(q)
}

// packageDifference says in what two packages of a name differ, the gravest
// first.
func packageDifference(old, now keyedPackage) (before, after string) {
	switch {
	case old.Version != now.Version:
		return old.Version, now.Version
	case old.File != now.File:
		return old.Version + " from " + old.File, "from " + now.File
	case old.SHA256 != now.SHA256:
		return fmt.Sprintf("%s with SHA-256 %.12s", old.Version, orNone(old.SHA256)), fmt.Sprintf("%.12s", orNone(now.SHA256))
	case old.Integrity != now.Integrity:
		return old.Version + " with " + orNone(old.Integrity), orNone(now.Integrity)
	case old.Scripts != now.Scripts:
		said := map[bool]string{true: "with its install scripts", false: "without its install scripts"}
		return old.Version + " " + said[old.Scripts], said[now.Scripts]
	}
	return old.Version + " in " + strings.Join(old.Places, ", "), strings.Join(now.Places, ", ")
}

func sortedNames[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

func includeChanges(before, after []keyedFile) []Change {
	var changes []Change
	old, now := filesByPath(before), filesByPath(after)
	for _, path := range sortedNames(old, now) {
		b, a := old[path], now[path]
		if b == a {
			continue
		}
		c := Change{What: "include", Name: path, Before: fileText(b), After: fileText(a)}
		if b.Mode == a.Mode && b.Link == "" && a.Link == "" {
			c.Before, c.After = short12(b.SHA256), short12(a.SHA256)
		}
		changes = append(changes, c)
	}
	return changes
}

func filesByPath(files []keyedFile) map[string]keyedFile {
	byPath := make(map[string]keyedFile, len(files))
	for _, f := range files {
		byPath[f.Path] = f
	}
	return byPath
}

func fileText(f keyedFile) string {
	switch {
	case f.Path == "":
		return ""
	case f.Link != "":
		return "link to " + f.Link
	}
	return fmt.Sprintf("%.12s with mode %s", f.SHA256, f.Mode)
}

// recipeChanges names what differs of two recipes; of says whose they are, where
// they are not the layer's own.
func recipeChanges(before, after *keyedRecipe, of string) []Change {
	if before == nil || after == nil {
		return nil // the kind of the key says it, or the number of parts
	}
	var changes []Change
	field := func(what, name, old, now string) {
		if old != now {
			changes = append(changes, Change{What: what, Name: name + of, Before: orNone(old), After: orNone(now)})
		}
	}
	field("image", "image", before.Image, after.Image)
	field("option", "architecture", before.Arch, after.Arch)
	field("option", "bytecode", fmt.Sprint(before.Bytecode), fmt.Sprint(after.Bytecode))
	for _, name := range sortedNames(before.Tools, after.Tools) {
		field("tool", name, before.Tools[name], after.Tools[name])
	}
	for i := range max(len(before.Steps), len(after.Steps)) {
		name := fmt.Sprintf("step %d", i+1)
		switch {
		case i >= len(before.Steps):
			field("step", name, "", strings.Join(after.Steps[i].Args, " "))
		case i >= len(after.Steps):
			field("step", name, strings.Join(before.Steps[i].Args, " "), "")
		default:
			stepChanges(before.Steps[i], after.Steps[i], name, field)
		}
	}
	field("step", "number of parts", fmt.Sprint(len(before.Parts)), fmt.Sprint(len(after.Parts)))
	if len(before.Parts) == len(after.Parts) { // else there is no telling which became which
		for i, old := range before.Parts {
			part := fmt.Sprintf(" of part %d", i+1)
			field("step", "folder"+part, old.Path, after.Parts[i].Path)
			changes = append(changes, recipeChanges(old.Recipe, after.Parts[i].Recipe, part)...)
		}
	}
	if len(changes) == 0 { // else it would say most of that again
		return recipeChanges(before.Instead, after.Instead, " without parts")
	}
	return changes
}

func stepChanges(before, after keyedStep, name string, field func(what, name, old, now string)) {
	field("step", name+": command", strings.Join(before.Args, " "), strings.Join(after.Args, " "))
	field("step", name+": environment", strings.Join(before.Env, " "), strings.Join(after.Env, " "))
	old, now := inputsByPath(before), inputsByPath(after)
	for _, path := range sortedNames(old, now) {
		field("step", name+": "+path, short12(old[path]), short12(now[path]))
	}
}

func inputsByPath(s keyedStep) map[string]string {
	byPath := make(map[string]string, len(s.Inputs))
	for _, in := range s.Inputs {
		byPath[in.Path] = in.SHA256
	}
	return byPath
}

func short12(sum string) string { return fmt.Sprintf("%.12s", sum) }
