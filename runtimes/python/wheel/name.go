package wheel

import (
	"strings"

	"deps.dev/util/pypi"
	"deps.dev/util/semver"
)

// DistInfoSuffix ends the name of the folder that describes a package.
const DistInfoSuffix = ".dist-info"

// SplitDistInfo takes the name of a .dist-info folder apart. The package's
// name comes back normalised, the version as the folder has it.
func SplitDistInfo(folder string) (name, version string, ok bool) {
	stem, ok := strings.CutSuffix(folder, DistInfoSuffix)
	if !ok {
		return "", "", false
	}
	cut := strings.LastIndexByte(stem, '-')
	if cut <= 0 || cut == len(stem)-1 {
		return "", "", false
	}
	return pypi.CanonPackageName(stem[:cut]), stem[cut+1:], true
}

// SplitFileName takes the name of a wheel or source archive of the package
// called name (normalised) apart and gives its version. It reports false for
// the files of other packages and for other kinds of files.
func SplitFileName(name, file string) (version string, ok bool) {
	if stem, ok := strings.CutSuffix(file, ".whl"); ok {
		parts := strings.Split(stem, "-")
		if len(parts) != 5 && len(parts) != 6 || pypi.CanonPackageName(parts[0]) != name {
			return "", false
		}
		return parts[1], parts[1] != ""
	}
	for _, suffix := range []string{".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz"} {
		stem, ok := strings.CutSuffix(file, suffix)
		if !ok {
			continue
		}
		// A name or a version may hold dashes: what normalises to the name
		// is the name, the rest the version.
		for i := range len(stem) {
			if stem[i] == '-' && pypi.CanonPackageName(stem[:i]) == name {
				return stem[i+1:], i+1 < len(stem)
			}
		}
	}
	return "", false
}

// SameVersion tells whether two versions are equal by PEP 440, "1.0" and
// "1.0.0" for one. File names write a dash as an underscore.
func SameVersion(a, b string) bool {
	if a == b {
		return true
	}
	a, b = strings.ReplaceAll(a, "_", "-"), strings.ReplaceAll(b, "_", "-")
	va, errA := semver.PyPI.Parse(a)
	vb, errB := semver.PyPI.Parse(b)
	if errA != nil || errB != nil {
		return strings.EqualFold(a, b)
	}
	return va.Compare(vb) == 0
}
