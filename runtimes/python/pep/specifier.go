package pep

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Specifiers are conditions that a version must all meet. The zero value
// admits every version.
//
// For ~=, `packaging` cuts the text of the version before it is normalised
// and so reads "~=2.2.rev1" as ~=2.2.0; here it means what "~=2.2.post1"
// means, as PEP 440 says.
type Specifiers struct{ list []specifier }

type specifier struct {
	op      string
	version Version
	text    string // of the version, for ===
	prefix  bool   // ==1.2.* and !=1.2.*
}

// operators has longer ones before those that they start with.
var operators = []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"}

// ParseSpecifiers reads a comma-separated list; an empty one admits all.
func ParseSpecifiers(s string) (Specifiers, error) {
	var list []specifier
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		sp, err := parseSpecifier(part)
		if err != nil {
			return Specifiers{}, fmt.Errorf("version specifier %q: %w", part, err)
		}
		list = append(list, sp)
	}
	return Specifiers{list}, nil
}

func parseSpecifier(s string) (specifier, error) {
	var sp specifier
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(s, op); ok {
			sp.op, s = op, strings.TrimSpace(rest)
			break
		}
	}
	switch sp.op {
	case "":
		return sp, errors.New("no comparison such as == or >=")
	case "===":
		if strings.ContainsAny(s, " \t\r\n\f\v;)") {
			return sp, fmt.Errorf("%q is not one word", s)
		}
		sp.text = s
		return sp, nil
	}
	v, rest, err := scanVersion(s)
	if err != nil {
		return sp, err
	}
	sp.version = v
	exact := sp.op == "==" || sp.op == "!="
	if rest == ".*" && exact && isBase(v) {
		sp.prefix = true
		return sp, nil
	}
	switch {
	case rest == ".*" || rest == "*":
		return sp, errors.New(".* is only for == and !=, after a release such as 1.2")
	case rest != "":
		return sp, fmt.Errorf("unexpected %q", rest)
	case v.local != nil && !exact:
		return sp, errors.New("a local version is only for ==, != and ===")
	case sp.op == "~=" && len(v.release) < 2:
		return sp, errors.New("~= needs two numbers, as in ~=1.2")
	}
	return sp, nil
}

// isBase tells whether v is only an epoch and a release.
func isBase(v Version) bool {
	return v.pre.label == "" && v.post.label == "" && v.dev.label == "" && v.local == nil
}

// String gives the specifiers in the order in which they were written, their
// versions in normal form.
func (s Specifiers) String() string {
	parts := make([]string, len(s.list))
	for i, sp := range s.list {
		parts[i] = sp.String()
	}
	return strings.Join(parts, ",")
}

func (sp specifier) String() string {
	switch {
	case sp.op == "===":
		return sp.op + sp.text
	case sp.prefix:
		return sp.op + sp.version.String() + ".*"
	}
	return sp.op + sp.version.String()
}

// IsEmpty tells whether s admits every version for want of conditions.
func (s Specifiers) IsEmpty() bool { return len(s.list) == 0 }

// Pinned returns the version that s names with its only condition, == without
// .* or === with a version in normal form (no version equals another text).
// "==1.0" also admits "1.0.0" and "1.0+local"; "===1.0" admits neither.
func (s Specifiers) Pinned() (v Version, ok bool) {
	if len(s.list) != 1 {
		return Version{}, false
	}
	switch sp := s.list[0]; {
	case sp.op == "==" && !sp.prefix:
		return sp.version, true
	case sp.op == "===":
		v, err := ParseVersion(sp.text)
		if err == nil && sp.contains(v) {
			return v, true
		}
	}
	return Version{}, false
}

// Contains tells whether v meets every condition. Pre-releases are judged like
// other versions: whether to want them is the caller's question.
func (s Specifiers) Contains(v Version) bool {
	return !slices.ContainsFunc(s.list, func(sp specifier) bool { return !sp.contains(v) })
}

func (sp specifier) contains(v Version) bool {
	w := sp.version
	switch sp.op {
	case "===":
		return strings.EqualFold(v.String(), sp.text)
	case "==":
		return sp.equal(v)
	case "!=":
		return !sp.equal(v)
	case "~=":
		return v.Public().Compare(w) >= 0 && v.hasPrefix(w.epoch, w.release[:len(w.release)-1])
	case "<=":
		return v.Public().Compare(w) <= 0
	case ">=":
		return v.Public().Compare(w) >= 0
	case "<":
		// <3.1 is not meant to admit 3.1rc1.
		return v.Compare(w) < 0 &&
			(w.IsPrerelease() || !v.IsPrerelease() || v.base().Compare(w.base()) != 0)
	case ">":
		return v.Compare(w) > 0 && !sp.sameRelease(v)
	}
	return false
}

func (sp specifier) equal(v Version) bool {
	if sp.prefix {
		return v.hasPrefix(sp.version.epoch, sp.version.release)
	}
	if sp.version.local == nil {
		v = v.Public()
	}
	return v.Compare(sp.version) == 0
}

// sameRelease tells for > whether v is a post-release or local version of the
// very release that the specifier names: >3.1 admits neither 3.1.post1 nor
// 3.1+local.
func (sp specifier) sameRelease(v Version) bool {
	return (v.local != nil || v.post.label != "" && sp.version.post.label == "") &&
		v.base().Compare(sp.version.base()) == 0
}

// hasPrefix tells whether v's release starts with the given one; a shorter
// release is filled with zeros.
func (v Version) hasPrefix(epoch number, release []number) bool {
	if v.epoch != epoch {
		return false
	}
	for i, n := range release {
		if segment(v.release, i) != n {
			return false
		}
	}
	return true
}
