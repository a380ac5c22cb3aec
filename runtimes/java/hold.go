package java

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"deps.dev/util/semver"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// Hold writes into the poms of a question, in place of versions that they leave
// open, those of an earlier answer that still fit, but for the modules in
// upgrade ("*": all). What only repositories leave open stays so.
func Hold(inputs []runtimes.InlineFile, earlier []runtimes.Pinned, upgrade []string) ([]runtimes.InlineFile, error) {
	held := make(map[string]string)
	for _, p := range earlier {
		text, _, _ := strings.Cut(p.Requirement, " ; ")
		c, err := coordinate.Parse(text)
		if err == nil && !slices.Contains(upgrade, "*") && !slices.Contains(upgrade, c.Module()) {
			held[c.Module()] = c.Version
		}
	}
	all := make(map[string]*pom)
	for _, in := range inputs {
		if isPom(in.Path) {
			p, err := parsePom(in.Path, in.Data)
			if err != nil {
				return nil, err
			}
			all[in.Path] = p
		}
	}
	for _, p := range all {
		file := p.parentFile()
		for _, name := range []string{file, path.Join(file, pomName)} {
			if parent := all[name]; parent != nil && parent != p && parent.isParent(p) {
				p.parent = parent
			}
		}
	}
	out := slices.Clone(inputs)
	for i, in := range out {
		p, changed := all[in.Path], false
		if p == nil {
			continue
		}
		for _, d := range p.dependencies() {
			if version := held[d.module()]; version != "" && isOpen(d.version) && admits(d.version, version) {
				d.element.child("version").text = version
				changed = true
			}
		}
		if changed {
			out[i].Data = p.root.format()
		}
	}
	return out, nil
}

// isPom tells a pom among a question's inputs: the others are Maven's own.
func isPom(file string) bool { return path.Base(path.Dir(file)) != ".mvn" && file != reactorName }

var timestamp = regexp.MustCompile(`^(.+)-\d{8}\.\d{6}-\d+$`)

// admits tells whether an open version may be a certain one.
func admits(open, version string) bool {
	base := version
	if m := timestamp.FindStringSubmatch(version); m != nil {
		base = m[1] + "-SNAPSHOT"
	}
	switch {
	case open == "LATEST":
		return true
	case open == "RELEASE":
		return !strings.HasSuffix(base, "-SNAPSHOT")
	case !strings.ContainsAny(open, "[(,"):
		return open == base
	}
	c, err := semver.Maven.ParseConstraint(open)
	if err != nil {
		return false // Maven says what it thinks of it
	}
	v, err := semver.Maven.Parse(base)
	return err == nil && c.MatchVersionPrerelease(v)
}
