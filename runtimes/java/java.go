// Package java reads what the dependencies of Java projects are locked to, and
// knows how their jars are laid out in a layer.
//
// The terms:
//
//   - A pom.xml says what a project depends on, but is no lock. Maven is asked
//     once what it comes to, see [runtimes.Unresolved], and layerbuild.lock
//     holds the answer.
//   - A gradle.lockfile names modules in their versions, but no files.
//   - A jar is named by its coordinate, see package coordinate.
package java

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Runtime is the plugin for Java.
type Runtime struct{}

var _ runtimes.Runtime = Runtime{}

// layout is the version of the rules by which jars are laid out. Any change of
// those rules that changes a layer's bytes changes it.
const layout = "java/1"

// prefix is the one folder in which Lambda's Java looks for a layer's jars.
const prefix = "java/lib"

// Name implements [runtimes.Runtime].
func (Runtime) Name() string { return "java" }

// Recipe implements [runtimes.Runtime].
func (Runtime) Recipe(project fs.FS, t runtimes.Target) (runtimes.Recipe, error) {
	found, err := findLock(project, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	read := readMaven
	if found.gradle {
		read = readGradle
	}
	set, err := read(project, found.file, t)
	if err != nil {
		return runtimes.Recipe{}, err
	}
	if len(set.files) == 0 {
		return runtimes.Recipe{}, nothingToInstall(found.file, t)
	}
	r := runtimes.Recipe{
		Target:       t,
		Runtime:      "java",
		Layout:       layout,
		Prefix:       prefix,
		ExcludeFiles: t.ExcludeFiles,
		Slim:         slimOf(t),
		LockFile:     found.file,
		Notes:        slices.Concat(found.notes, set.notes),
	}
	r.Indexes, r.Mirrored = indexesOf(t, set.repositories)
	if r.Packages, err = place(found.file, set.files); err != nil {
		return runtimes.Recipe{}, err
	}
	r.Needs, r.Container = container(t, r)
	return r, nil
}

// indexesOf are the repositories to ask. Where the user configured a mirror of
// all, it takes the place of those that the project names, too.
func indexesOf(t runtimes.Target, named []string) (indexes []string, mirrored bool) {
	if len(t.Indexes) == 0 {
		return append([]string{""}, named...), false
	}
	if !slices.Contains(t.Indexes, "") {
		return t.Indexes, true
	}
	others := slices.DeleteFunc(slices.Concat(t.Indexes[1:], named), func(index string) bool { return index == "" })
	return append([]string{t.Indexes[0]}, others...), false
}

// place says where each jar goes. Its name is that in the repository; jars of
// one name get their group before it.
func place(file string, all []jar) ([]runtimes.Package, error) {
	count := make(map[string]int)
	for _, j := range all {
		count[strings.ToLower(j.file.Name)]++
	}
	taken := make(map[string]string)
	packages := make([]runtimes.Package, 0, len(all))
	for _, j := range all {
		name := j.file.Name
		if count[strings.ToLower(name)] > 1 {
			name = j.Group + "-" + name
		}
		p := runtimes.Package{Name: j.Module(), Version: j.Version, File: j.file, Places: []string{prefix + "/" + name}}
		if j.Classifier != "" {
			p.Name += ":" + j.Classifier
		}
		if other, ok := taken[strings.ToLower(name)]; ok {
			return nil, &runtimes.InputError{
				File: file, Problem: p.Name + " and " + other + " both bring " + name,
				Hint: "exclude one of the two",
			}
		}
		taken[strings.ToLower(name)] = p.Name
		packages = append(packages, p)
	}
	slices.SortFunc(packages, func(a, b runtimes.Package) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return packages, nil
}

func nothingToInstall(file string, t runtimes.Target) error {
	hint := "only what is needed at run time goes into a layer: dependencies of the scopes compile and runtime, not provided and test"
	if len(t.Exclude) > 0 {
		hint += "; check exclude"
	}
	return &runtimes.InputError{File: file, Problem: "nothing to install for " + t.Runtime.Name + " on " + string(t.Arch), Hint: hint}
}
