package pep

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requirement asks for a project (PEP 508).
type Requirement struct {
	Name       string   // normalised
	Extras     []string // normalised, sorted, each once
	Specifiers Specifiers
	URL        string // instead of Specifiers, or ""
	Marker     Marker
}

// ParseRequirement reads a requirement: `requests[socks]>=2,<3; os_name ==
// "posix"` or `name @ https://… ; marker`.
func ParseRequirement(s string) (Requirement, error) {
	r, err := parseRequirement(s)
	if err != nil {
		return Requirement{}, fmt.Errorf("requirement %q: %w", shorten(s), err)
	}
	return r, nil
}

func parseRequirement(s string) (Requirement, error) {
	var r Requirement
	rest := skipSpace(s)
	name := identifier(rest)
	if name == "" {
		return r, errors.New("does not start with a project's name")
	}
	r.Name = NormaliseName(name)
	rest = skipSpace(rest[len(name):])
	var err error
	if r.Extras, rest, err = parseExtras(rest); err != nil {
		return r, err
	}
	rest = skipSpace(rest)
	if url, ok := strings.CutPrefix(rest, "@"); ok {
		r.URL, rest, err = parseURL(skipSpace(url))
	} else {
		r.Specifiers, rest, err = parseVersions(rest)
	}
	if err != nil {
		return r, err
	}
	rest = skipSpace(rest)
	if rest == "" {
		return r, nil
	}
	rest, ok := strings.CutPrefix(rest, ";")
	if !ok && strings.HasSuffix(r.URL, ";") {
		return r, errors.New("a URL ends at a space: put a space before the ;")
	}
	if !ok {
		return r, fmt.Errorf("expected the end or ; at %q", shorten(rest))
	}
	r.Marker, err = ParseMarker(rest)
	return r, err
}

// parseExtras reads "[a, b]" where s starts with it.
func parseExtras(s string) (extras []string, rest string, err error) {
	rest, ok := strings.CutPrefix(s, "[")
	if !ok {
		return nil, s, nil
	}
	rest = skipSpace(rest)
	if after, ok := strings.CutPrefix(rest, "]"); ok {
		return nil, after, nil
	}
	for {
		extra := identifier(rest)
		if extra == "" {
			return nil, "", fmt.Errorf("expected the name of an extra at %q", shorten(rest))
		}
		extras = append(extras, NormaliseName(extra))
		rest = skipSpace(rest[len(extra):])
		if after, ok := strings.CutPrefix(rest, "]"); ok {
			slices.Sort(extras)
			return slices.Compact(extras), after, nil
		}
		if rest, ok = strings.CutPrefix(rest, ","); !ok {
			return nil, "", fmt.Errorf("expected , or ] at %q", shorten(rest))
		}
		rest = skipSpace(rest)
	}
}

// parseURL reads up to the first space: a URL may well hold a semicolon.
func parseURL(s string) (url, rest string, err error) {
	n := strings.IndexAny(s, " \t")
	if n < 0 {
		n = len(s)
	}
	if n == 0 {
		return "", "", errors.New("no URL after @")
	}
	if strings.ContainsFunc(s[:n], func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", errors.New("a control character in the URL")
	}
	return s[:n], s[n:], nil
}

// parseVersions reads specifiers, which may stand in parentheses.
func parseVersions(s string) (sp Specifiers, rest string, err error) {
	list, closed := "", true
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if list, rest, closed = strings.Cut(inner, ")"); !closed {
			return sp, "", errors.New("a parenthesis is not closed")
		}
	} else if n := strings.IndexByte(s, ';'); n >= 0 {
		list, rest = s[:n], s[n:]
	} else {
		list = s
	}
	// Only the last comma may have nothing after it.
	parts := strings.Split(list, ",")
	for _, part := range parts[:len(parts)-1] {
		if strings.Trim(part, " \t") == "" {
			return sp, "", errors.New("a comma without a version specifier before it")
		}
	}
	sp, err = ParseSpecifiers(list)
	return sp, rest, err
}

// String prints the requirement so that it parses to the same.
func (r Requirement) String() string {
	var b strings.Builder
	b.WriteString(r.Name)
	if len(r.Extras) > 0 {
		b.WriteString("[" + strings.Join(r.Extras, ",") + "]")
	}
	if r.URL != "" {
		b.WriteString(" @ " + r.URL + " ") // the space ends the URL
	}
	b.WriteString(r.Specifiers.String())
	if !r.Marker.IsZero() {
		b.WriteString("; " + r.Marker.String())
	}
	return strings.TrimRight(b.String(), " ")
}
