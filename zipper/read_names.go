package zipper

import (
	"slices"
	"strings"
)

// checkNames refuses entries that cannot be files of one tree, as checkTree
// does, in a time that hostile names cannot drive up: sorted so that a slash
// comes before all other bytes, what is below a path follows it at once.
func checkNames(entries []ArchiveEntry) error {
	sorted := make([]*ArchiveEntry, len(entries))
	for i := range entries {
		sorted[i] = &entries[i]
	}
	slices.SortFunc(sorted, func(a, b *ArchiveEntry) int { return compareTree(a.Name, b.Name) })
	for i := 1; i < len(sorted); i++ {
		e := sorted[i]
		above := strings.TrimSuffix(sorted[i-1].Name, "/")
		rest, ok := strings.CutPrefix(e.Name, above)
		switch {
		case !ok:
		case rest == "" || rest == "/":
			return e.refused("there are two entries of this name")
		case rest[0] == '/' && !sorted[i-1].Mode.IsDir():
			return e.refused("it lies below %q, which is no folder", above)
		}
	}
	return nil
}

// compareTree compares names with the slash before all other bytes.
func compareTree(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		if a[i] == '/' || b[i] != '/' && a[i] < b[i] {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}
