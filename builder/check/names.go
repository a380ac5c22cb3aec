package check

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/layerbuild/layerbuild/runtimes"
)

// The ids of the checks on files' names.
const (
	Name     = "name"
	NameOdd  = "name-odd"
	NameFold = "name-fold"
)

var nameRules = []Rule{
	{Name, Error, "a name that a zip or Lambda's file system cannot hold", "A zip has names of at most 65,535 bytes in UTF-8 with slashes, and some readers take a backslash for one; Linux takes 255 bytes between two slashes and 4,095 in all, with /opt/ before them. A path that begins with a slash or has .. in it leaves the layer.",
		"rename the file, or leave it out with excludeFiles"},
	{NameOdd, Warning, "a name with a control character", "A line break or an escape character in a name is nearly always an accident, and breaks the scripts and lists that meet it.",
		"rename the file, or leave it out with excludeFiles"},
	{NameFold, Warning, "two names that differ only in case or in the form of their Unicode characters", "Both are there in Lambda. Where the archive is unpacked on macOS or Windows, one takes the other's place.",
		"leave one of them out with excludeFiles, if nothing needs it"},
}

// What Linux takes of a path.
const (
	maxElement = 255
	maxPath    = 4095
)

// nameFindings are names that not every reader of an archive understands.
func nameFindings(t runtimes.Tree) (found []Finding) {
	for _, name := range t.Paths() {
		f := Finding{ID: Name, Path: name, Package: t[name].Package, Problem: nameProblem(name)}
		if f.Problem == "" && strings.ContainsFunc(name, unicode.IsControl) {
			f.ID, f.Problem = NameOdd, "has a control character in its name"
		}
		if f.Problem != "" {
			found = append(found, f)
		}
	}
	return append(found, foldFindings(t)...)
}

// nameProblem says why a path cannot be unpacked everywhere, "" where it can.
func nameProblem(name string) string {
	longest := 0
	for element := range strings.SplitSeq(name, "/") {
		longest = max(longest, len(element))
	}
	switch {
	case !utf8.ValidString(name):
		return "is no valid UTF-8"
	case strings.ContainsRune(name, 0):
		return "has a NUL character in its name"
	case strings.ContainsRune(name, '\\'):
		return "has a backslash in its name"
	case !fs.ValidPath(name) || name == ".":
		return "is no path below the layer's root"
	case longest > maxElement:
		return fmt.Sprintf("has %d bytes between two slashes, and Linux takes %d", longest, maxElement)
	case len("/opt/")+len(name) > maxPath:
		return fmt.Sprintf("is, with /opt/, a path of %d bytes, and Linux takes %d", len("/opt/")+len(name), maxPath)
	}
	return ""
}

// foldFindings are files of which only one is left where names are compared as
// macOS and Windows do. Folders may be merged, as long as their files are not.
func foldFindings(t runtimes.Tree) (found []Finding) {
	folders := make(map[string]string) // folded → a folder
	for _, folder := range slices.Sorted(maps.Keys(foldersOf(t))) {
		folders[fold(folder)] = folder
	}
	files := make(map[string]string, len(t)) // folded → the first of such files
	for _, name := range t.Paths() {
		folded := fold(name)
		first, taken := files[folded]
		if !taken {
			files[folded] = name
			if first, taken = folders[folded]; first == name { // which is a collision everywhere
				taken = false
			}
		}
		if taken {
			found = append(found, Finding{ID: NameFold, Path: name, Package: t[name].Package,
				Problem: fmt.Sprintf("differs from %s only in case or Unicode form", printable(first))})
		}
	}
	return found
}

// fold brings names to one form that file systems without case, or with a
// Unicode form of their own, take for the same.
func fold(name string) string {
	return norm.NFC.String(strings.Map(foldRune, norm.NFD.String(name)))
}

// foldRune is the smallest of the characters that are one but for their case.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		if r != 'k' && r != 's' { // to which the Kelvin sign and the long s fold
			return r
		}
	}
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return least
}
