// Package pep evaluates the Python packaging specifications for a target,
// without Python.
//
// The terms, as the specifications use them:
//
//   - A [Version] is one release of a project, "2.2.6rc1" (PEP 440).
//   - [Specifiers] are a comma-separated list of conditions on a version,
//     ">=2,<3" (PEP 440). All of them must hold.
//   - A [Marker] is a condition on the [Environment] in which a package is
//     installed, `python_version < "3.11"` (PEP 508, PEP 751).
//   - A [Requirement] asks for a project: its name, extras, specifiers or URL,
//     and a marker (PEP 508).
//   - A [Tag] says where the files of a [Wheel] run: interpreter, binary
//     interface and platform (PEP 425, PEP 600). A [TagList] is what a target
//     runs, best first.
//
// The package is held against the library that pip uses, `packaging`: see
// testdata/generate.py. Where the two differ on purpose, the comment on the
// type says so.
package pep

import "strings"

// NormaliseName gives the form under which a project's or extra's name is
// compared (PEP 503): lower case, with each run of "-", "_" and "." as one "-".
func NormaliseName(name string) string {
	if isNormalised(name) {
		return name
	}
	var b strings.Builder
	b.Grow(len(name))
	run := false
	for _, r := range strings.ToLower(name) {
		if r == '-' || r == '_' || r == '.' {
			run = true
			continue
		}
		if run {
			b.WriteByte('-')
			run = false
		}
		b.WriteRune(r)
	}
	if run {
		b.WriteByte('-')
	}
	return b.String()
}

func isNormalised(name string) bool {
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && (i == 0 || name[i-1] != '-'):
		default:
			return false
		}
	}
	return true
}

// isWord tells whether c can be part of an identifier: a letter, a digit, "_".
func isWord(c byte) bool { return isAlnum(c) || c == '_' }

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// identifier returns the project or extra name that s starts with, or "".
func identifier(s string) string {
	if s == "" || !isAlnum(s[0]) {
		return ""
	}
	n := 1
	for n < len(s) && (isWord(s[n]) || s[n] == '.' || s[n] == '-') {
		n++
	}
	if !isAlnum(s[n-1]) {
		return "" // nothing that may follow a name starts with ".", "-" or "_"
	}
	return s[:n]
}

func skipSpace(s string) string { return strings.TrimLeft(s, " \t") }
