package inspect

import (
	"cmp"
	"slices"
	"strings"
)

// What may have happened to a package.
const (
	Added   = "added"
	Removed = "removed"
	Version = "version" // it has another one
	Content = "content" // its files are others, of the same version
)

// Change is a package that is not as it was.
type Change struct {
	What   string `json:"what"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Before *Side  `json:"before,omitempty"` // nil where it is new
	After  *Side  `json:"after,omitempty"`  // nil where it is gone
}

// Side is one side of a [Change]. The sizes are 0 where they are not known.
type Side struct {
	Version    string `json:"version,omitempty"`
	Size       int64  `json:"unzippedSize"`
	Compressed int64  `json:"compressedSize"`
}

// Difference is what became of a package's size, unzipped.
func (c Change) Difference() (n int64) {
	if c.Before != nil {
		n -= c.Before.Size
	}
	if c.After != nil {
		n += c.After.Size
	}
	return n
}

// Compare lists what differs between two inventories, the largest difference
// first. Of before only the packages may be known ([Planned]): then only their
// versions count, and not what files belong to none.
func Compare(before, after *Inventory, planned bool) []Change {
	old, now := byName(before, planned), byName(after, planned)
	names := make(map[[2]string]bool)
	for key := range old {
		names[key] = true
	}
	for key := range now {
		names[key] = true
	}
	all := []Change{}
	for key := range names {
		gone, come := notAmong(old[key], now[key], planned), notAmong(now[key], old[key], planned)
		for i := range max(len(gone), len(come)) {
			c := Change{Kind: key[0], Name: key[1]}
			if i < len(gone) {
				c.Before = &Side{gone[i].Version, gone[i].Size, gone[i].Compressed}
			}
			if i < len(come) {
				c.After = &Side{come[i].Version, come[i].Size, come[i].Compressed}
			}
			switch {
			case c.Before == nil:
				c.What = Added
			case c.After == nil:
				c.What = Removed
			case c.Before.Version != c.After.Version:
				c.What = Version
			default:
				c.What = Content
			}
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b Change) int {
		x, y := a.Difference(), b.Difference()
		return cmp.Or(cmp.Compare(max(y, -y), max(x, -x)), strings.Compare(a.Name, b.Name), strings.Compare(a.Kind, b.Kind))
	})
	return all
}

func byName(inv *Inventory, planned bool) map[[2]string][]Package {
	all := make(map[[2]string][]Package)
	for _, p := range inv.Packages {
		if !planned || p.Kind != Files {
			key := [2]string{p.Kind, p.Name}
			all[key] = append(all[key], p)
		}
	}
	for _, packages := range all {
		slices.SortFunc(packages, func(a, b Package) int { return strings.Compare(a.Version, b.Version) })
	}
	return all
}

// notAmong lists the packages that the others do not have just so.
func notAmong(packages, others []Package, planned bool) []Package {
	return slices.DeleteFunc(slices.Clone(packages), func(p Package) bool {
		return slices.ContainsFunc(others, func(q Package) bool {
			return p.Version == q.Version && (planned || p.sum == q.sum)
		})
	})
}
