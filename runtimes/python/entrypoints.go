package python

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/layerbuild/layerbuild/runtimes"
)

// entryPoint is a command that a package declares.
type entryPoint struct {
	Name   string // of the command
	Module string // "pkg.cli"
	Attr   string // "main" or "App.run"
}

// parseEntryPoints reads the commands out of an entry_points.txt, by the rules
// of Python's importlib.metadata. What else plugins declare there is passed
// over.
func parseEntryPoints(data []byte) ([]entryPoint, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("not UTF-8")
	}
	var points []entryPoint
	var section string
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && strings.HasSuffix(line, "]") {
			section = strings.TrimSpace(line[1 : len(line)-1])
			continue
		}
		if section != "console_scripts" && section != "gui_scripts" {
			continue
		}
		p, err := parseEntryPoint(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		points = append(points, p)
	}
	return points, nil
}

// parseEntryPoint reads "name = module:attr [extras]".
func parseEntryPoint(line string) (entryPoint, error) {
	name, value, _ := strings.Cut(line, "=")
	value, _, _ = strings.Cut(value, "[") // the extras it needs
	module, attr, _ := strings.Cut(value, ":")
	p := entryPoint{strings.TrimSpace(name), strings.TrimSpace(module), strings.TrimSpace(attr)}
	if !validCommand(p.Name) {
		return p, fmt.Errorf("%q cannot be the name of a command", p.Name)
	}
	// Both go into a program: nothing but names may get there.
	if !dottedName(p.Module) || !dottedName(p.Attr) {
		return p, fmt.Errorf("%q is not of the form module:function", strings.TrimSpace(value))
	}
	return p, nil
}

func validCommand(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) < 256 &&
		!strings.ContainsFunc(name, func(c rune) bool { return c == '/' || c == '\\' || unicode.IsControl(c) })
}

// dottedName tells whether s is Python's "a.b.c".
func dottedName(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		for i, c := range part {
			if c != '_' && !unicode.IsLetter(c) && (i == 0 || !unicode.In(c, unicode.Nd, unicode.Mn, unicode.Mc)) {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

// readHead returns the first bytes of a file, at most n.
func readHead(f runtimes.TreeFile, n int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, n))
}
