package pep

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Tag says where a wheel's files run: "cp311-cp311-manylinux_2_17_x86_64".
type Tag struct{ Python, ABI, Platform string }

func (t Tag) String() string { return t.Python + "-" + t.ABI + "-" + t.Platform }

// TagList is the list of tags that a target can run, best first.
type TagList struct {
	tags []Tag
	rank map[Tag]int
}

// Tags lists what CPython on the runtime's C library can run, in the order
// that pip prefers: for the interpreter itself, then its stable interface, then
// any Python, each for the newest C library first. Lambda has glibc, so
// musllinux is never in it.
func Tags(t runtimes.Target) TagList {
	var l TagList
	minor, err := pythonMinor(t.Runtime.Version)
	if err != nil {
		return l // nothing fits what is not Python 3
	}
	platforms := platforms(t)
	add := func(python, abi string, platforms ...string) {
		for _, p := range platforms {
			l.tags = append(l.tags, Tag{python, abi, p})
		}
	}
	cp, py := fmt.Sprintf("cp3%d", minor), pythons(minor)
	add(cp, cp, platforms...)
	add(cp, "abi3", platforms...)
	add(cp, "none", platforms...)
	for m := minor - 1; m >= 2; m-- { // the stable interface began with 3.2
		add(fmt.Sprintf("cp3%d", m), "abi3", platforms...)
	}
	for _, p := range py {
		add(p, "none", platforms...)
	}
	add(cp, "none", "any")
	for _, p := range py {
		add(p, "none", "any")
	}
	l.rank = make(map[Tag]int, len(l.tags))
	for i, tag := range l.tags {
		l.rank[tag] = i
	}
	return l
}

func pythonMinor(version string) (int, error) {
	rest, ok := strings.CutPrefix(version, "3.")
	if !ok {
		return 0, fmt.Errorf("python %q is not 3.x", version)
	}
	return strconv.Atoi(rest)
}

// pythons lists the tags of interpreters that run any pure Python: py311, py3,
// py310, …, py30.
func pythons(minor int) []string {
	py := []string{fmt.Sprintf("py3%d", minor), "py3"}
	for m := minor - 1; m >= 0; m-- {
		py = append(py, fmt.Sprintf("py3%d", m))
	}
	return py
}

// legacy names the levels that had names before PEP 600.
var legacy = map[runtimes.Glibc]string{
	{Major: 2, Minor: 17}: "manylinux2014",
	{Major: 2, Minor: 12}: "manylinux2010",
	{Major: 2, Minor: 5}:  "manylinux1",
}

// platforms lists the platforms of t's architecture, for every level of glibc
// from the runtime's down to the oldest that manylinux knows.
func platforms(t runtimes.Target) []string {
	arch, oldest := machine(t.Arch), 17
	if t.Arch == runtimes.X86_64 {
		oldest = 5
	}
	var list []string
	for g := t.Runtime.Glibc; g.Major == 2 && g.Minor >= oldest; g.Minor-- {
		list = append(list, fmt.Sprintf("manylinux_%d_%d_%s", g.Major, g.Minor, arch))
		if name, ok := legacy[g]; ok {
			list = append(list, name+"_"+arch)
		}
	}
	return append(list, "linux_"+arch)
}

// machine is Python's word for an architecture.
func machine(a runtimes.Arch) string {
	if a == runtimes.ARM64 {
		return "aarch64"
	}
	return string(a)
}

// All returns the tags, best first.
func (l TagList) All() []Tag { return append([]Tag(nil), l.tags...) }

// Rank is the position of the best tag of w in the list, lower being better;
// fits tells whether any of them is in it.
func (l TagList) Rank(w Wheel) (rank int, fits bool) {
	for _, tag := range w.Tags {
		if r, ok := l.rank[tag]; ok && (!fits || r < rank) {
			rank, fits = r, true
		}
	}
	return rank, fits
}
