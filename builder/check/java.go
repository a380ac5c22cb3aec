package check

import (
	"archive/zip"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/jarfile"
)

// The ids of the checks on jars.
const (
	JarDamaged = "jar-damaged"
	JavaPlace  = "java-place"
	JavaClass  = "java-class"
	JavaTwice  = "java-twice"
	JavaNative = "java-native"
	JavaLoads  = "java-loads"
)

var javaRules = []Rule{
	{JarDamaged, Error, "a jar that cannot be read", "Java passes over such a file without a word, and the function ends with NoClassDefFoundError.",
		"see whether the repository has the file in full, or lock another version"},
	{JavaPlace, Warning, "a jar that is not on the class path", "Lambda's class path has the files of java/lib that end in .jar, and nothing of its sub-folders or of the folders around it. A jar that a program loads by its path is not meant: allow it.",
		"include it to java/lib"},
	{JavaClass, Error, "a jar with classes that are newer than the runtime's Java", "The function ends with UnsupportedClassVersionError. Classes for newer versions below META-INF/versions are right there.",
		"lock a version of the library that is for the runtime's Java, or use a newer runtime"},
	{JavaTwice, Warning, "two jars with the same classes", "Which of the two is loaded depends on the order of the class path. Where they differ, NoSuchMethodError follows, now or with the next version.",
		"exclude one of the two"},
	{JavaNative, Warning, "native libraries for Linux in jars, of which none is for the layer's architecture and C library", "The jar takes a library out for the platform that it runs on: UnsatisfiedLinkError, or slow Java code in its place. All jars of one artifact count as one.",
		"lock the artifact's jar for Linux on the layer's architecture, too (its classifier), and for Maven not the one of the machine that builds (os.detected.classifier)"},
	{JavaLoads, Warning, "a native library in a jar that needs a newer C or C++ library than the runtime's", "Loading it ends with UnsatisfiedLinkError: version `GLIBC_2.28' not found.",
		"lock a version of the library that is built for older systems, or use a newer runtime (Amazon Linux 2023 has glibc 2.34)"},
}

// javaLib is the folder whose jars Lambda puts on the class path.
const javaLib = "java/lib"

// Java is what the checks have to know of a tree's jars.
type Java struct {
	Jars      []Jar     `json:"jars,omitempty"`
	Twice     []Finding `json:"twice,omitempty"`
	Misplaced []Finding `json:"misplaced,omitempty"`
}

// A Jar is what the checks have to know of a jar on the class path.
type Jar struct {
	Path    string    `json:"path"`
	Package string    `json:"package,omitempty"`
	Classes []Classes `json:"classes,omitempty"`
	Natives []Binary  `json:"natives,omitempty"` // for Lambda, on one of its architectures
	Others  []string  `json:"others,omitempty"`  // what else it has natives for, in words
}

// Classes are those of a jar that were compiled for one version of Java.
type Classes struct {
	Java    int    `json:"java"`
	Release int    `json:"release,omitempty"` // that sees them, and newer ones: those in META-INF/versions
	Count   int    `json:"count"`
	Example string `json:"example"`
}

// jars reads every jar on the class path, once.
func jars(t runtimes.Tree) (j Java, damaged []Finding) {
	c := classPath{classes: make(map[string]classOwner), pairs: make(map[[2]int]*jarPair)}
	for _, name := range jarfile.Paths(t) {
		f := t[name]
		if dir := path.Dir(name); dir != javaLib {
			if top, _, _ := strings.Cut(name, "/"); top == "java" || dir == "lib" {
				j.Misplaced = append(j.Misplaced, Finding{ID: JavaPlace, Path: name, Package: f.Package, Problem: "is not in " + javaLib + " itself: Lambda's class path does not have it"})
			}
			continue
		}
		jar := Jar{Path: name, Package: f.Package}
		if err := c.read(&jar, f); err != nil {
			damaged = append(damaged, Finding{ID: JarDamaged, Path: name, Package: f.Package, Problem: err.Error()})
			continue
		}
		j.Jars = append(j.Jars, jar)
	}
	j.Twice = c.duplicates()
	return j, damaged
}

// classPath is what jars have in common.
type classPath struct {
	jars    []*Jar
	classes map[string]classOwner // by the entry's name
	pairs   map[[2]int]*jarPair
}

func (c *classPath) read(jar *Jar, f runtimes.TreeFile) error {
	a, err := jarfile.Open(f)
	if err != nil {
		return err
	}
	defer a.Close()
	c.jars = append(c.jars, jar)
	multi := isMultiRelease(a)
	for _, f := range a.Files {
		var err error
		switch release, name := splitRelease(f.Name); {
		case jarfile.IsNative(f):
			err = jar.addNative(f)
		case !isClass(name), release > 0 && !multi:
		default:
			if release == 0 {
				c.count(f)
			}
			err = jar.addClass(f, release, name)
		}
		if err != nil {
			return fmt.Errorf("broken zip archive: %s: %w", f.Name, err)
		}
	}
	slices.Sort(jar.Others)
	jar.Others = slices.Compact(jar.Others)
	return nil
}

// splitRelease is the version of Java for which an entry of a multi-release jar
// is, 0 where it is for all, and the name that it has there.
func splitRelease(name string) (release int, rest string) {
	number, below, ok := strings.Cut(strings.TrimPrefix(name, "META-INF/versions/"), "/")
	if !ok || !strings.HasPrefix(name, "META-INF/versions/") {
		return 0, name
	}
	if n, err := strconv.Atoi(number); err == nil && n > 8 {
		return n, below
	}
	return 0, name
}

// maxManifest bounds what is read of a jar's manifest.
const maxManifest = 1 << 20

// isMultiRelease tells whether a jar's manifest says so.
func isMultiRelease(a *jarfile.Archive) bool {
	for _, f := range a.Files {
		if !strings.EqualFold(f.Name, "META-INF/MANIFEST.MF") {
			continue
		}
		data, err := content(f, maxManifest)
		if err != nil {
			return false
		}
		main, _, _ := strings.Cut(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n\n")
		for line := range strings.Lines(main) {
			key, value, _ := strings.Cut(line, ":")
			if strings.EqualFold(key, "Multi-Release") && strings.EqualFold(strings.TrimSpace(value), "true") {
				return true
			}
		}
		return false
	}
	return false
}

// isClass tells whether an entry is a class that code refers to. Descriptions
// of modules and packages are not, and what lies in META-INF is nobody's.
func isClass(name string) bool {
	base := path.Base(name)
	return strings.HasSuffix(base, ".class") && base != "module-info.class" && base != "package-info.class" &&
		!strings.HasPrefix(name, "META-INF/")
}

func className(name string) string {
	return strings.ReplaceAll(strings.TrimSuffix(name, ".class"), "/", ".")
}

// addClass counts a class for the version of Java that it was compiled for.
func (j *Jar) addClass(f *zip.File, release int, name string) error {
	data, err := jarfile.Head(f, 8)
	if err != nil || len(data) < 8 || binary.BigEndian.Uint32(data) != 0xcafebabe {
		return err
	}
	const java0 = 44 // Java 1.1 wrote 45
	java := int(binary.BigEndian.Uint16(data[6:])) - java0
	i := slices.IndexFunc(j.Classes, func(c Classes) bool { return c.Java == java && c.Release == release })
	if i < 0 {
		i = len(j.Classes)
		j.Classes = append(j.Classes, Classes{Java: java, Release: release, Example: className(name)})
	}
	j.Classes[i].Count++
	return nil
}

// javaFindings are what a target's Java would not find, or not load.
func javaFindings(j Java, t Target) []Finding {
	if t.Runtime.Family != "java" {
		return nil
	}
	found := slices.Clone(j.Misplaced)
	java, _ := strconv.Atoi(t.Runtime.Version) // 0 where unknown
	for _, jar := range j.Jars {
		if problem := jar.tooNew(java, t.Runtime.Name); java > 0 && problem != "" {
			found = append(found, Finding{ID: JavaClass, Path: jar.Path, Package: jar.Package, Problem: problem})
		}
	}
	return slices.Concat(found, j.Twice, nativeFindings(j.Jars, t))
}

// tooNew says which classes a version of Java would refuse, "" for none.
func (j *Jar) tooNew(java int, runtime string) string {
	newest, count, example := 0, 0, ""
	for _, c := range j.Classes {
		if c.Release > java || c.Java <= java {
			continue
		}
		newest, count = max(newest, c.Java), count+c.Count
		if example == "" {
			example = c.Example
		}
	}
	if count == 0 {
		return ""
	}
	return fmt.Sprintf("needs Java %d (%s, such as %s), and %s has Java %d", newest, classes(count), example, runtime, java)
}

func classes(n int) string {
	if n == 1 {
		return "1 class"
	}
	return fmt.Sprintf("%d classes", n)
}
