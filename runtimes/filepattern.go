package runtimes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// The patterns by which files are left out are matched against whole paths
// with slashes, below the root of what is packed. * and ? do not cross a
// slash, ** does; [a-z] and {a,b} stand for one of several.

// CheckFilePattern says what is wrong with a pattern and what to do about it,
// "" where nothing is.
func CheckFilePattern(pattern string) (problem, hint string) {
	switch {
	case pattern == "" || !doublestar.ValidatePattern(pattern):
		return fmt.Sprintf("bad pattern %q", pattern), "*, **, ?, [a-z] and {a,b} are allowed"
	case strings.HasPrefix(pattern, "/") || slices.Contains(strings.Split(pattern, "/"), ".."):
		return fmt.Sprintf("pattern %q can match nothing", pattern),
			"patterns are matched against whole paths inside, such as python/requests/api.py"
	}
	return "", ""
}

// MatchFile tells whether a pattern that CheckFilePattern accepts matches a
// file's path.
func MatchFile(pattern, path string) bool { return doublestar.MatchUnvalidated(pattern, path) }

// MatchFolder tells whether a pattern matches whatever can lie in a folder, so
// that the folder need not be read.
func MatchFolder(pattern, path string) bool {
	return strings.HasSuffix(pattern, "/**") && doublestar.MatchUnvalidated(pattern, path)
}
