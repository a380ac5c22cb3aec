// Package ranges reads npm's ranges of versions.
package ranges

import (
	"strings"

	"deps.dev/util/semver"
)

// Valid tells whether a specifier is a range of versions.
func Valid(spec string) bool {
	if spec == "" || spec == "*" {
		return true
	}
	_, err := semver.NPM.ParseConstraint(spec)
	return err == nil
}

// Match tells whether a version is in a range; known is false where the range
// cannot be read.
func Match(version, versions string) (ok, known bool) {
	versions = strings.TrimSpace(versions)
	if versions == "" || versions == "*" {
		return true, true
	}
	c, err := semver.NPM.ParseConstraint(versions)
	if err != nil {
		return false, false
	}
	return c.Match(version), true
}

// Admits tells whether an engines.node admits a major version of Node.js, of
// which Lambda has some late minor release: a bound within the series is met,
// and so is a range that cannot be read, as npm has it.
func Admits(engines, major string) bool {
	for _, version := range []string{major + ".999.999", major + ".0.0"} {
		if ok, known := Match(version, engines); ok || !known {
			return true
		}
	}
	return false
}
