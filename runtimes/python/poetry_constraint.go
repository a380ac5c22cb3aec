package python

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// poetryConstraint is a limit on versions in poetry's words, which has more
// than PEP 440: "^1.2", "~1.2", "1.2.*", "<2 || >=3". Its zero value admits all.
type poetryConstraint struct{ any []pep.Specifiers }

// parsePoetryConstraint reads a constraint.
func parsePoetryConstraint(text string) (poetryConstraint, error) {
	var c poetryConstraint
	for part := range strings.SplitSeq(strings.ReplaceAll(text, "||", "|"), "|") {
		var list []string
		for _, word := range constraintWords(part) {
			plain, err := plainConstraint(word)
			if err != nil {
				return poetryConstraint{}, fmt.Errorf("%q: %w", shortText(text), err)
			}
			if plain != "" {
				list = append(list, plain)
			}
		}
		if len(list) == 0 {
			return poetryConstraint{}, nil // "*" admits all
		}
		s, err := pep.ParseSpecifiers(strings.Join(list, ","))
		if err != nil {
			return poetryConstraint{}, fmt.Errorf("%q: %w", shortText(text), err)
		}
		c.any = append(c.any, s)
	}
	return c, nil
}

// constraintWords splits "a,b" and "a b", where an operator may stand apart
// from its version.
func constraintWords(text string) []string {
	var words []string
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if n := len(words); n > 0 && strings.Trim(words[n-1], "<>=!~^") == "" {
			words[n-1] += field
		} else {
			words = append(words, field)
		}
	}
	return words
}

// plainConstraint is one limit in the words of PEP 440, or "" for any version.
func plainConstraint(word string) (string, error) {
	if word == "*" || word == "==*" {
		return "", nil
	}
	version := strings.TrimLeft(word, "<>=!~^")
	operator := word[:len(word)-len(version)]
	star := strings.HasSuffix(version, ".x") || strings.HasSuffix(version, ".X") || strings.HasSuffix(version, ".*")
	if star {
		version = version[:len(version)-2] + ".*"
	}
	switch operator {
	case "", "=":
		return "==" + version, nil
	case "<>":
		return "!=" + version, nil
	case "^", "~":
		return compatibleRange(operator, strings.TrimSuffix(version, ".*"))
	}
	if star && operator != "==" && operator != "!=" {
		version = strings.TrimSuffix(version, ".*")
	}
	return operator + version, nil
}

// compatibleRange is "^1.2.3" or "~1.2.3" as two limits.
func compatibleRange(operator, version string) (string, error) {
	v, err := pep.ParseVersion(version)
	if err != nil {
		return "", err
	}
	public := v.Public().String()
	if at := strings.IndexByte(public, '!'); at >= 0 {
		return "", fmt.Errorf("an epoch after %s", operator)
	}
	end := strings.IndexFunc(public, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(public)
	}
	release := strings.Split(strings.Trim(public[:end], "."), ".")
	last := 0
	if operator == "~" {
		last = min(1, len(release)-1)
	} else {
		for last < len(release)-1 && release[last] == "0" {
			last++
		}
	}
	n, err := strconv.ParseUint(release[last], 10, 62)
	if err != nil {
		return "", err
	}
	upper := append(append([]string{}, release[:last]...), strconv.FormatUint(n+1, 10))
	return fmt.Sprintf(">=%s,<%s", v, strings.Join(upper, ".")), nil
}

// admits tells whether a version meets the constraint.
func (c poetryConstraint) admits(v pep.Version) bool {
	for _, s := range c.any {
		if s.Contains(v) {
			return true
		}
	}
	return len(c.any) == 0
}

// admitsPython tells whether the environment's Python meets it.
func (c poetryConstraint) admitsPython(env pep.Environment) bool {
	for _, s := range c.any {
		if ok, err := admits(s, env); ok || err != nil {
			return true
		}
	}
	return len(c.any) == 0
}
