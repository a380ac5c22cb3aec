package node

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// A yarn reads the lock files of its own format only without changing them, and
// can hold the checksums in them only against archives that it makes itself:
// so the version is one that writes the format and the kind of archive that the
// lock file has.

// berryRelease is a version of yarn with what it writes.
type berryRelease struct {
	from    string // the first version that writes so
	format  int    // __metadata.version
	archive string // cacheKey without the level of compression
	chosen  string // the version that is used where a project names none
}

// berryReleases are the versions, oldest first; each as far as the next one.
// Older ones install for the machine that they run on and for no other, and the
// previews of yarn 4 wrote a format of their own.
var berryReleases = []berryRelease{
	{"3.1.0", 5, "8", "3.1.1"},
	{"3.2.0", 6, "8", "3.8.7"},
	{"4.0.0", 8, "10", "4.12.0"},
	{"4.14.0", 9, "10", "4.14.1"},
	{"4.15.0", 10, "10", "4.18.1"},
}

// releaseOf finds what a version of yarn writes.
func releaseOf(version string) (berryRelease, bool) {
	for i := len(berryReleases) - 1; i >= 0; i-- {
		if !strings.Contains(version, "-") && atLeast(version, berryReleases[i].from) {
			return berryReleases[i], true
		}
	}
	return berryRelease{}, false
}

// atLeast compares two versions by their numbers.
func atLeast(version, least string) bool {
	a, b := versionNumbers(version), versionNumbers(least)
	for i := range a {
		if a[i] != b[i] {
			return a[i] > b[i]
		}
	}
	return true
}

func versionNumbers(version string) (numbers [3]int) {
	version, _, _ = strings.Cut(version, "-")
	for i, part := range strings.SplitN(version, ".", 3) {
		numbers[i], _ = strconv.Atoi(part)
	}
	return numbers
}

// berryCacheKey splits "10c0" into the kind of archive and the level of
// compression, which is "mixed" where it has none.
var berryCacheKey = regexp.MustCompile(`^(\d+)(?:c(\d))?$`)

func splitCacheKey(key string) (archive, level string, ok bool) {
	m := berryCacheKey.FindStringSubmatch(key)
	if m == nil {
		return "", "", false
	}
	if m[2] == "" {
		return m[1], "mixed", true
	}
	return m[1], m[2], true
}

// yarnPathVersion finds the version in the name of a yarn that a project holds:
// ".yarn/releases/yarn-3.6.1.cjs".
var yarnPathVersion = regexp.MustCompile(`^yarn-(\d+\.\d+\.\d+)\.c?js$`)

// manager is the yarn that installs what the lock file has.
func (r *berryReader) manager() (m manager, notes []string, err error) {
	archive, _, ok := splitCacheKey(r.lock.cacheKey)
	if !ok {
		return m, nil, &runtimes.InputError{
			File: r.lock.file, Problem: fmt.Sprintf("__metadata has the cacheKey %q, which is not known", yarnClip(r.lock.cacheKey)),
			Hint: "`yarn install` makes it anew",
		}
	}
	named, where := "", ""
	if m := yarnPathVersion.FindStringSubmatch(path.Base(r.config.YarnPath)); m != nil {
		named, where = m[1], "yarnPath"
	}
	if version, ok := namedManager(r.members[0].PackageManager, "yarn"); ok {
		named, where = version, "packageManager"
	}
	if release, ok := releaseOf(named); ok && release.format == r.lock.version && release.archive == archive {
		return chooseManager(berryPackage, named, ""), nil, nil
	}
	for _, release := range berryReleases {
		if release.format != r.lock.version || release.archive != archive {
			continue
		}
		if named != "" {
			notes = []string{fmt.Sprintf("%s names yarn %s, which does not write lock files like %s: it is installed by yarn %s, which does", where, named, r.lock.file, release.chosen)}
		}
		return chooseManager(berryPackage, release.chosen, ""), notes, nil
	}
	return m, nil, &runtimes.InputError{
		File:    r.lock.file,
		Problem: fmt.Sprintf("no yarn is known that writes version %d of the format with the cacheKey %s", r.lock.version, r.lock.cacheKey),
		Hint:    "`yarn set version 4.12.0 && yarn install` makes it anew",
	}
}
