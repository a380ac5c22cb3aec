package resolver

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// answer is what uv said for one place.
type answer struct {
	place    runtimes.Place
	packages []runtimes.Pinned
}

// uvGlibc are the minor versions of glibc 2 that uv knows as platforms.
var uvGlibc = []int{17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40}

// uvPlatform is the widest platform that uv knows and the place fits: what has a
// wheel there has one that runs.
func uvPlatform(p runtimes.Place) string {
	best := uvGlibc[0]
	for _, minor := range uvGlibc {
		if minor <= p.Runtime.Glibc.Minor {
			best = minor
		}
	}
	return fmt.Sprintf("%s-manylinux_2_%d", machineOf(p.Arch), best)
}

// machineOf is an architecture in Python's words.
func machineOf(a runtimes.Arch) string {
	if a == runtimes.ARM64 {
		return "aarch64"
	}
	return string(a)
}

// at is a pinned package as it is at a place, without its marker; ok is false
// where it is not there.
func at(place runtimes.Place, p runtimes.Pinned) (pinned runtimes.Pinned, ok bool) {
	req, err := pep.ParseRequirement(p.Requirement)
	if err != nil || !req.Marker.Eval(pep.EnvironmentFor(runtimes.Target{Runtime: place.Runtime, Arch: place.Arch})) {
		return p, false
	}
	req.Marker = pep.Marker{}
	return runtimes.Pinned{Requirement: req.String(), SHA256: p.SHA256}, true
}

// prefer puts what was just decided before what was decided earlier.
func prefer(now, earlier []runtimes.Pinned) []runtimes.Pinned {
	all := slices.Clone(now)
	decided := make(map[string]bool)
	for _, p := range now {
		decided[nameOf(p)] = true
	}
	for _, p := range earlier {
		if !decided[nameOf(p)] {
			all = append(all, p)
		}
	}
	return all
}

func nameOf(p runtimes.Pinned) string {
	req, err := pep.ParseRequirement(p.Requirement)
	if err != nil {
		return p.Requirement
	}
	return req.Name
}

// join makes one resolution of the answers. What is the same everywhere has no
// marker; the rest says where it is meant.
func join(answers []answer) ([]runtimes.Pinned, error) {
	var all []runtimes.Place
	where := make(map[string][]runtimes.Place)
	sums := make(map[string][]string)
	for _, a := range answers {
		all = append(all, a.place)
		for _, p := range a.packages {
			where[p.Requirement] = append(where[p.Requirement], a.place)
			sums[p.Requirement] = append(sums[p.Requirement], p.SHA256...)
		}
	}
	var joined []runtimes.Pinned
	for _, text := range slices.Sorted(maps.Keys(where)) {
		p := runtimes.Pinned{Requirement: text, SHA256: slices.Compact(slices.Sorted(slices.Values(sums[text])))}
		if len(where[text]) < len(all) {
			p.Requirement += " ; " + markerFor(where[text], all)
		}
		if _, err := pep.ParseRequirement(p.Requirement); err != nil {
			return nil, err
		}
		joined = append(joined, p)
	}
	slices.SortFunc(joined, func(a, b runtimes.Pinned) int { return cmp.Compare(a.Requirement, b.Requirement) })
	return joined, nil
}

// markerFor tells some places from all the others.
func markerFor(some, all []runtimes.Place) string {
	of := func(places []runtimes.Place, key func(runtimes.Place) string) map[string]int {
		count := make(map[string]int)
		for _, p := range places {
			count[key(p)]++
		}
		return count
	}
	version := func(p runtimes.Place) string { return "python_version == '" + p.Runtime.Version + "'" }
	arch := func(p runtimes.Place) string { return "platform_machine == '" + machineOf(p.Arch) + "'" }
	for _, key := range []func(runtimes.Place) string{version, arch} {
		mine, whole := of(some, key), of(all, key)
		if !slices.ContainsFunc(some, func(p runtimes.Place) bool { return mine[key(p)] < whole[key(p)] }) {
			return strings.Join(slices.Sorted(maps.Keys(mine)), " or ")
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(of(some, func(p runtimes.Place) string { return version(p) + " and " + arch(p) }))), " or ")
}
