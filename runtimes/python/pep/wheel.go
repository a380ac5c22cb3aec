package pep

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Wheel is what a wheel's file name says.
type Wheel struct {
	Name    string // normalised
	Version Version
	Build   Build
	Tags    []Tag // as the name lists them
}

// Build is a wheel's build tag, "1abc". Its zero value means none.
type Build struct {
	number number
	suffix string
}

func (b Build) String() string { return string(b.number) + b.suffix }

// Compare orders the builds of one version: no build tag first, and the
// highest, which is to be preferred, last.
func (b Build) Compare(c Build) int {
	return cmp.Or(b.number.compare(c.number), strings.Compare(b.suffix, c.suffix))
}

// maxTags bounds how many tags one name may mean: real ones have some dozens.
const maxTags = 4096

// ParseWheel reads the file name of a wheel, by the rules that `packaging` has
// for it. Two of those rules keep odd files out: no "__" in the name, and a
// version that PEP 440 knows.
func ParseWheel(filename string) (Wheel, error) {
	w, err := parseWheel(filename)
	if err != nil {
		return Wheel{}, fmt.Errorf("wheel %q: %w", filename, err)
	}
	return w, nil
}

func parseWheel(filename string) (Wheel, error) {
	stem, ok := strings.CutSuffix(filename, ".whl")
	if !ok {
		return Wheel{}, errors.New("the name does not end in .whl")
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return Wheel{}, fmt.Errorf("%d parts between hyphens, not 5 or 6", len(parts))
	}
	name := parts[0]
	if name == "" || strings.Contains(name, "__") || strings.ContainsFunc(name, notInName) {
		return Wheel{}, fmt.Errorf("%q is not a project's name", name)
	}
	w := Wheel{Name: NormaliseName(name)}
	var err error
	if w.Version, err = ParseVersion(parts[1]); err != nil {
		return Wheel{}, err
	}
	if len(parts) == 6 {
		if w.Build, err = parseBuild(parts[2]); err != nil {
			return Wheel{}, err
		}
	}
	if w.Tags, err = expandTags(parts[len(parts)-3:]); err != nil {
		return Wheel{}, err
	}
	return w, nil
}

func notInName(r rune) bool {
	return r != '_' && r != '.' && !unicode.IsLetter(r) && !unicode.IsNumber(r)
}

func parseBuild(s string) (Build, error) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 {
		return Build{}, fmt.Errorf("build tag %q does not start with a digit", s)
	}
	return Build{toNumber(s[:n]), s[n:]}, nil
}

// expandTags gives every combination of what the three parts list between
// dots.
func expandTags(parts []string) ([]Tag, error) {
	var lists [3][]string
	total := 1
	for i, part := range parts {
		lists[i] = strings.Split(strings.ToLower(part), ".")
		if total *= len(lists[i]); total > maxTags {
			return nil, fmt.Errorf("more than %d tags", maxTags)
		}
	}
	tags := make([]Tag, 0, total)
	for _, python := range lists[0] {
		for _, abi := range lists[1] {
			for _, platform := range lists[2] {
				tags = append(tags, Tag{python, abi, platform})
			}
		}
	}
	return tags, nil
}
