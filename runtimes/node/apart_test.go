package node

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/layerbuild/layerbuild/runtimes"
)

// placedFrom reads lines of the form "PLACE NAME@VERSION NEEDED…" into what a
// lock file's closure is.
func placedFrom(t *testing.T, lines string) ([]runtimes.Package, map[string]*npmNode) {
	t.Helper()
	placed, index := map[string]*npmNode{}, map[string]int{}
	var packages []runtimes.Package
	for line := range strings.Lines(lines) {
		fields := strings.Fields(line)
		place := "node_modules/" + strings.ReplaceAll(fields[0], ">", "/node_modules/")
		name, version, _ := strings.Cut(fields[1], "@")
		n := &npmNode{name: name, version: version}
		for _, needed := range fields[2:] {
			if bundled, ok := strings.CutPrefix(needed, "+"); ok {
				n.bundle = append(n.bundle, bundled)
				continue
			}
			n.edges = append(n.edges, npmEdge{dependency: dependency{name: needed}})
		}
		placed[place] = n
		i, ok := index[fields[1]]
		if !ok {
			i = len(packages)
			index[fields[1]] = i
			packages = append(packages, runtimes.Package{Name: name, Version: version})
		}
		packages[i].Places = append(packages[i].Places, place)
	}
	return packages, placed
}

func TestLayOut(t *testing.T) {
	const unclear = ""
	for _, test := range []struct{ name, placed, of, want string }{
		{"alone", "a a@1\nb b@1", "a@1", "a:a@1"},
		{"what needs it is not there", "a a@1 b\nb b@1", "b@1", "b:b@1"},
		{"dependencies of dependencies", "a a@1 b\nb b@1 c\nc c@1\nd d@1", "a@1", "a:a@1 b:b@1 c:c@1"},
		{"a circle", "a a@1 b\nb b@1 a", "a@1", "a:a@1 b:b@1"},
		{"what is not installed", "a a@1 fsevents", "a@1", "a:a@1"},
		{"where it lies in the layer says nothing", "x x@1 a\nx>a a@1 b\nx>b b@1\nb b@2", "a@1", "a:a@1 b:b@1"},
		{"two versions", "a a@1 b c\nb b@1 c\nb>c c@2\nc c@1", "a@1", "a:a@1 b:b@1 b>c:c@2 c:c@1"},
		{"another version of itself", "a a@1 b\nb b@1 a\nb>a a@2", "a@1", "a:a@1 b:b@1 b>a:a@2"},
		{"an alias", "a a@1 b\nb other@3", "a@1", "a:a@1 b:other@3"},
		{"other versions elsewhere", "a a@1 b\nb b@1\nx x@1 a\nx>a a@1 b\nx>b b@2", "a@1", unclear},
		{"other versions elsewhere of another package", "a a@1 b\nb b@1\nx x@1 a\nx>a a@1 b\nx>b b@2\nz z@1", "z@1", "z:z@1"},
		{"a tarball with others", "a a@1 b\nb b@1 +c", "a@1", unclear},
	} {
		packages, placed := placedFrom(t, test.placed)
		all := map[string]runtimes.Package{}
		for _, p := range packages {
			all[identity(p)] = p
		}
		var got []string
		for _, p := range needsOf(packages, placed).layOut(test.of+" ", all) {
			for _, place := range p.Places {
				place = strings.ReplaceAll(strings.TrimPrefix(place, "node_modules/"), "/node_modules/", ">")
				got = append(got, fmt.Sprintf("%s:%s", place, scriptName(p)))
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
