package java

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// checkJars reads every jar of the tree, and says what will not work as one may
// think: classes that two jars have, classes that are newer than the runtime,
// native libraries that are for other platforms only.
func checkJars(r runtimes.Recipe, t runtimes.Tree) ([]string, error) {
	c := jarChecker{recipe: r, classes: make(map[string]classOwner), pairs: make(map[[2]int]*jarPair)}
	c.java, _ = strconv.Atoi(r.Target.Runtime.Version)
	for _, name := range jarPaths(t) {
		j, err := openArchive(t, name)
		if err != nil {
			return nil, err
		}
		err = c.read(j)
		j.closer.Close()
		if err != nil {
			return nil, err
		}
	}
	return slices.Concat(c.newer, c.natives, c.duplicates()), nil
}

type jarChecker struct {
	recipe  runtimes.Recipe
	java    int                   // the runtime's version, 0 where unknown
	jars    []string              // names of those read so far
	classes map[string]classOwner // by the entry's name
	pairs   map[[2]int]*jarPair
	newer   []string
	natives []string
}

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

func (c *jarChecker) read(j *archive) error {
	c.jars = append(c.jars, j.name())
	newest, newer, example := 0, 0, ""
	var natives []native
	for _, f := range j.zip.File {
		switch {
		case isNative(f):
			n, ok, err := nativeOf(f)
			if err != nil {
				return brokenJar(j, f, err)
			}
			if ok {
				natives = append(natives, n)
			}
		case isClass(f):
			c.count(f)
			version, err := classVersion(f)
			if err != nil {
				return brokenJar(j, f, err)
			}
			if c.java > 0 && version > c.java {
				newest, newer = max(newest, version), newer+1
				if example == "" {
					example = className(f)
				}
			}
		}
	}
	if newer > 0 {
		c.newer = append(c.newer, fmt.Sprintf("%s needs Java %d (%s, such as %s), and %s has Java %d",
			j.name(), newest, classes(newer), example, c.recipe.Target.Runtime.Name, c.java))
	}
	c.checkNatives(j, natives)
	return nil
}

func brokenJar(j *archive, f *zip.File, err error) error {
	return &runtimes.PackageError{File: j.name(), Problem: fmt.Sprintf("broken zip archive: %s: %v", f.Name, err)}
}

// isClass tells whether an entry is a class that every version of Java sees.
// Descriptions of modules and packages, and what is only for newer versions,
// are not.
func isClass(f *zip.File) bool {
	base := path.Base(f.Name)
	return strings.HasSuffix(base, ".class") && base != "module-info.class" && base != "package-info.class" &&
		!strings.HasPrefix(f.Name, "META-INF/")
}

func className(f *zip.File) string {
	return strings.ReplaceAll(strings.TrimSuffix(f.Name, ".class"), "/", ".")
}

// classVersion is the Java version that a class was compiled for, 0 where the
// entry is no class after all.
func classVersion(f *zip.File) (int, error) {
	data, err := head(f, 8)
	if err != nil || len(data) < 8 || binary.BigEndian.Uint32(data) != 0xcafebabe {
		return 0, err
	}
	const java0 = 44 // Java 1.1 wrote 45
	return int(binary.BigEndian.Uint16(data[6:])) - java0, nil
}

// count remembers a class, or the pair of jars that both have it.
func (c *jarChecker) count(f *zip.File) {
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
		pair = &jarPair{example: className(f)}
		c.pairs[key] = pair
	}
	pair.count++
	pair.differ = pair.differ || first.crc != f.CRC32
}

// maxPairs bounds what is told of duplicate classes.
const maxPairs = 20

// duplicates tells of each pair of jars with the same classes.
func (c *jarChecker) duplicates() []string {
	var keys [][2]int
	for key := range c.pairs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	var notes []string
	for _, key := range keys[:min(len(keys), maxPairs)] {
		pair := c.pairs[key]
		note := fmt.Sprintf("%s and %s both have %s, such as %s", c.jars[key[0]], c.jars[key[1]], classes(pair.count), pair.example)
		if pair.differ {
			note += ", and not the same ones: which are loaded depends on the order of the class path; exclude one of the two"
		}
		notes = append(notes, note)
	}
	if more := len(keys) - maxPairs; more > 0 {
		notes = append(notes, fmt.Sprintf("%d more pairs of jars have the same classes", more))
	}
	return notes
}

func classes(n int) string {
	if n == 1 {
		return "1 class"
	}
	return fmt.Sprintf("%d classes", n)
}

// checkNatives tells of a jar whose native libraries are all for other
// platforms than one that the layer is built for.
func (c *jarChecker) checkNatives(j *archive, natives []native) {
	if len(natives) == 0 {
		return
	}
	for _, arch := range c.arches() {
		if slices.ContainsFunc(natives, func(n native) bool { return n.fits(arch) }) {
			continue
		}
		var others []string
		for _, n := range natives {
			if n.arch != "" {
				n.other = "Linux on " + string(n.arch)
			}
			others = append(others, n.other)
		}
		slices.Sort(others)
		others = slices.Compact(others)
		c.natives = append(c.natives, fmt.Sprintf("%s has native libraries for %s, and none for Lambda on %s", j.name(), strings.Join(others, ", "), arch))
	}
}

// arches are the architectures that the tree may serve: one archive is for all
// of them where nothing in it depends on it.
func (c *jarChecker) arches() []runtimes.Arch {
	arches := []runtimes.Arch{c.recipe.Target.Arch}
	if slimsPlatforms(c.recipe) {
		return arches
	}
	for _, p := range c.recipe.Target.Places {
		if !slices.Contains(arches, p.Arch) {
			arches = append(arches, p.Arch)
		}
	}
	slices.Sort(arches)
	return arches
}
