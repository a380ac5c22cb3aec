package check

import (
	"archive/zip"
	"fmt"
	"path"
	"slices"
)

// maxClasses bounds what is remembered of a class path.
const maxClasses = 2_000_000

// maxPairs bounds what is told of duplicate classes.
const maxPairs = 20

// classOwner is the first jar that has a class.
type classOwner struct {
	jar int
	crc uint32
}

// jarPair counts the classes that two jars have.
type jarPair struct {
	count   int
	example string
	differ  bool // of at least one, the bytes differ
}

// count remembers a class, or the pair of jars that both have it.
func (c *classPath) count(f *zip.File) {
	jar := len(c.jars) - 1
	first, known := c.classes[f.Name]
	switch {
	case !known:
		if len(c.classes) < maxClasses {
			c.classes[f.Name] = classOwner{jar, f.CRC32}
		}
		return
	case first.jar == jar:
		return
	}
	key := [2]int{first.jar, jar}
	pair := c.pairs[key]
	if pair == nil {
		pair = &jarPair{example: className(f.Name)}
		c.pairs[key] = pair
	}
	pair.count++
	pair.differ = pair.differ || first.crc != f.CRC32
}

// duplicates tells of each pair of jars with the same classes.
func (c *classPath) duplicates() (found []Finding) {
	var keys [][2]int
	for key := range c.pairs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	for _, key := range keys[:min(len(keys), maxPairs)] {
		pair, first, second := c.pairs[key], c.jars[key[0]], c.jars[key[1]]
		problem := fmt.Sprintf("has %s of %s, such as %s", classes(pair.count), path.Base(first.Path), pair.example)
		if pair.differ {
			problem += ", and not the same ones: which are loaded depends on the order of the class path"
		}
		found = append(found, Finding{ID: JavaTwice, Path: second.Path, Package: second.Package, Problem: problem})
	}
	if more := len(keys) - maxPairs; more > 0 {
		found = append(found, Finding{ID: JavaTwice, Problem: fmt.Sprintf("%d more pairs of jars have the same classes", more)})
	}
	return found
}
