package python

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// missing says why none of a package's files fits, as precisely as their names
// allow: the nearest miss is the one that people can act on.
func (c *chooser) missing(p lockedPackage) string {
	var near misses
	wheels := 0
	for _, f := range p.files {
		if wheel, ok := wheelOf(f, p.name); ok {
			near.add(c, candidate{file: f, wheel: wheel})
			wheels++
		}
	}
	switch {
	case len(p.files) == 0:
		return "no file of it is locked"
	case wheels == 0:
		return "published as source only"
	}
	return near.text(c.target)
}

// misses gathers what keeps a package's wheels from fitting.
type misses struct {
	requires  string           // requires-python of a wheel whose tags fit
	glibc     []runtimes.Glibc // for the right Python and architecture
	pythons   map[string]bool  // for the right platform
	arches    map[string]bool  // on Linux with glibc, whatever the Python
	platforms map[string]bool  // for other systems, whatever the Python
}

func (m *misses) add(c *chooser, w candidate) {
	if _, fits := c.tags.Rank(w.wheel); fits {
		m.requires = w.file.RequiresPython
		return
	}
	for _, tag := range w.wheel.Tags {
		p := parsePlatform(tag.Platform)
		switch {
		case p.system != "Linux":
			note(&m.platforms, p.system)
		case p.arch != "" && p.arch != archName(c.target.Arch):
			note(&m.arches, p.arch)
		case c.rightPython(tag):
			m.glibc = append(m.glibc, p.glibc)
		case tag.ABI != tag.Python && strings.HasPrefix(tag.ABI, tag.Python): // cp313t: without the global lock
			note(&m.pythons, tag.Python+" with the interface "+tag.ABI)
		default:
			note(&m.pythons, tag.Python)
		}
	}
}

// rightPython tells whether a tag's interpreter and interface are the
// target's: whether it would fit on the platform that every target has.
func (c *chooser) rightPython(tag pep.Tag) bool {
	tag.Platform = "linux_" + archName(c.target.Arch)
	_, fits := c.tags.Rank(pep.Wheel{Tags: []pep.Tag{tag}})
	return fits
}

func (m *misses) text(t runtimes.Target) string {
	info := t.Runtime
	switch {
	case m.requires != "":
		return fmt.Sprintf("its wheels require python%s", m.requires)
	case len(m.glibc) > 0:
		least := slices.MinFunc(m.glibc, compareGlibc)
		return fmt.Sprintf("its wheels for %s need glibc %s; %s has %s", t.Arch, least, place(info), info.Glibc)
	case len(m.pythons) > 0:
		return fmt.Sprintf("no wheel for %s, only for %s", info.Name, joinNames(m.pythons))
	case len(m.arches) > 0:
		return fmt.Sprintf("no wheel for %s, only for %s", t.Arch, joinNames(m.arches))
	default:
		return fmt.Sprintf("wheels for %s only", joinNames(m.platforms))
	}
}

func compareGlibc(a, b runtimes.Glibc) int {
	if a.Major != b.Major {
		return a.Major - b.Major
	}
	return a.Minor - b.Minor
}

// platform is what a platform tag says.
type platform struct {
	system string // "Linux" where it means glibc
	arch   string // "" for any
	glibc  runtimes.Glibc
}

// oldLevels are the names of glibc levels before PEP 600.
var oldLevels = map[string]runtimes.Glibc{
	"manylinux1":    {Major: 2, Minor: 5},
	"manylinux2010": {Major: 2, Minor: 12},
	"manylinux2014": {Major: 2, Minor: 17},
}

func parsePlatform(tag string) platform {
	kind, rest, _ := strings.Cut(tag, "_")
	switch {
	case tag == "any":
		return platform{system: "Linux"}
	case kind == "linux":
		return platform{system: "Linux", arch: rest}
	case kind == "manylinux":
		if parts := strings.SplitN(rest, "_", 3); len(parts) == 3 {
			major, err1 := strconv.Atoi(parts[0])
			minor, err2 := strconv.Atoi(parts[1])
			if err1 == nil && err2 == nil {
				return platform{"Linux", parts[2], runtimes.Glibc{Major: major, Minor: minor}}
			}
		}
	case oldLevels[kind] != (runtimes.Glibc{}):
		return platform{"Linux", rest, oldLevels[kind]}
	case strings.HasPrefix(tag, "musllinux"):
		return platform{system: "musl Linux"}
	case strings.HasPrefix(tag, "macosx"):
		return platform{system: "macOS"}
	case strings.HasPrefix(tag, "win"):
		return platform{system: "Windows"}
	}
	return platform{system: tag}
}

// archName is an architecture as platform tags call it.
func archName(a runtimes.Arch) string {
	if a == runtimes.ARM64 {
		return "aarch64"
	}
	return string(a)
}

func note(set *map[string]bool, name string) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[name] = true
}

// joinNames joins names for people: "a, b and c".
func joinNames(set map[string]bool) string {
	names := slices.SortedFunc(maps.Keys(set), byLength) // cp39 before cp310
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}

func byLength(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
