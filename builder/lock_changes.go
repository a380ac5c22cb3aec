package builder

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// LockChange is one line of the difference.
type LockChange struct {
	In   string `json:"in"`             // "images", "tools", or what was resolved: "services/api/requirements.txt"
	Name string `json:"name"`           // image, tool, package; "" for all of In
	From string `json:"from,omitempty"` // version or digest; "" where it is new
	To   string `json:"to,omitempty"`   // "" where it is gone
}

// differences lists what changed, in the file's order.
func differences(from, to runtimes.Pins) []LockChange {
	changes := compare("images", from.Images, to.Images)
	versions := func(tools map[string]runtimes.Tool) map[string]string {
		all := make(map[string]string)
		for name, tool := range tools {
			all[name] = tool.Version
		}
		return all
	}
	changes = append(changes, compare("tools", versions(from.Tools), versions(to.Tools))...)
	changes = append(changes, compareResolutions("", from.Requirements, to.Requirements)...)
	return append(changes, compareResolutions("build of ", from.Builds, to.Builds)...)
}

func compareResolutions(prefix string, from, to map[string]runtimes.Resolution) (changes []LockChange) {
	names := maps.Clone(from)
	if names == nil {
		names = make(map[string]runtimes.Resolution)
	}
	maps.Copy(names, to)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		of := compare(prefix+name, versionsOf(from[name]), versionsOf(to[name]))
		if len(of) == 0 && !reflect.DeepEqual(from[name], to[name]) {
			of = []LockChange{{In: prefix + name, From: "the same versions", To: whatDiffers(from[name], to[name])}}
		}
		changes = append(changes, of...)
	}
	return changes
}

// whatDiffers names what is new of a resolution whose versions are the same.
func whatDiffers(from, to runtimes.Resolution) string {
	switch {
	case from.Input != to.Input:
		return "for another input"
	case !slices.Equal(from.Places, to.Places):
		return "for " + strings.Join(to.Places, ", ")
	}
	return "with other hashes"
}

// versionsOf gives each package's version, or versions, where it differs by
// marker.
func versionsOf(res runtimes.Resolution) map[string]string {
	versions := make(map[string]string)
	for _, p := range res.Packages {
		name, version := nameVersion(p.Requirement)
		versions[name] = strings.TrimPrefix(versions[name]+", "+version, ", ")
	}
	return versions
}

func compare(in string, from, to map[string]string) (changes []LockChange) {
	for name, version := range from {
		if to[name] != version {
			changes = append(changes, LockChange{in, name, version, to[name]})
		}
	}
	for name, version := range to {
		if _, ok := from[name]; !ok {
			changes = append(changes, LockChange{In: in, Name: name, To: version})
		}
	}
	slices.SortFunc(changes, func(a, b LockChange) int { return cmp.Compare(a.Name, b.Name) })
	return changes
}

// String is the change for people, without In.
func (c LockChange) String() string {
	name := c.Name
	switch {
	case c.Name == "":
		return c.From + ", " + c.To
	case c.From == "":
		return fmt.Sprintf("added %s %s", name, shortDigest(c.To))
	case c.To == "":
		return fmt.Sprintf("dropped %s %s", name, shortDigest(c.From))
	}
	return fmt.Sprintf("%s %s → %s", name, shortDigest(c.From), shortDigest(c.To))
}

func shortDigest(s string) string {
	if sha256Pattern.MatchString(s) {
		return s[:len("sha256:")+12]
	}
	return s
}
