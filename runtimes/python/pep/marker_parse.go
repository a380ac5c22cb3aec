package pep

import (
	"errors"
	"fmt"
	"strings"
)

// maxDepth bounds the nesting of parentheses, maxMarker the bytes of a marker.
const (
	maxDepth  = 64
	maxMarker = 1 << 16
)

// ParseMarker reads a marker. An empty one is an error; the marker that is
// always true is the zero Marker.
func ParseMarker(s string) (Marker, error) {
	m, err := parseMarker(s)
	if err != nil {
		return Marker{}, fmt.Errorf("marker %q: %w", shorten(s), err)
	}
	return m, nil
}

func parseMarker(s string) (Marker, error) {
	if len(s) > maxMarker {
		return Marker{}, fmt.Errorf("longer than %d bytes", maxMarker)
	}
	p := markerParser{rest: s}
	root, err := p.or(0)
	if err != nil {
		return Marker{}, err
	}
	if p.rest != "" {
		return Marker{}, fmt.Errorf("expected the end or and/or at %q", shorten(p.rest))
	}
	return Marker{root}, nil
}

// shorten keeps messages about hostile input readable.
func shorten(s string) string {
	const limit = 200
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

// markerParser holds what of a marker is still to be read.
type markerParser struct{ rest string }

func (p *markerParser) or(depth int) (*node, error) {
	return p.chain("or", func() (*node, error) {
		return p.chain("and", func() (*node, error) { return p.atom(depth) })
	})
}

// chain reads one or more items with the word op between them.
func (p *markerParser) chain(op string, item func() (*node, error)) (*node, error) {
	var nodes []*node
	for {
		n, err := item()
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
		if !p.word(op) {
			return join(op, nodes), nil
		}
	}
}

// atom reads a comparison or a marker in parentheses, and the space after it.
func (p *markerParser) atom(depth int) (*node, error) {
	p.rest = skipSpace(p.rest)
	inner, ok := strings.CutPrefix(p.rest, "(")
	if !ok {
		return p.comparison()
	}
	if depth == maxDepth {
		return nil, fmt.Errorf("more than %d parentheses in each other", maxDepth)
	}
	p.rest = inner
	n, err := p.or(depth + 1)
	if err != nil {
		return nil, err
	}
	if p.rest, ok = strings.CutPrefix(p.rest, ")"); !ok {
		return nil, errors.New("a parenthesis is not closed")
	}
	p.rest = skipSpace(p.rest)
	return n, nil
}

func (p *markerParser) comparison() (*node, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	op, err := p.operator()
	if err != nil {
		return nil, err
	}
	right, err := p.operand()
	if err != nil {
		return nil, err
	}
	c := comparison{left, op, right}
	if err := c.check(); err != nil {
		return nil, err
	}
	return &node{compare: c}, nil
}

// check refuses the comparisons of a set that have no meaning.
func (c comparison) check() error {
	set := func(o operand) bool { return o.variable == "extras" || o.variable == "dependency_groups" }
	if set(c.left) || set(c.right) && (c.left.variable != "" || c.op != "in" && c.op != "not in") {
		return errors.New(`extras and dependency_groups are sets: write "name" in extras`)
	}
	if c.left.variable == "extra" && c.right.variable == "extra" {
		return errors.New("extra is compared with itself")
	}
	return nil
}

// word reads a word and the space after it.
func (p *markerParser) word(w string) bool {
	rest, ok := strings.CutPrefix(p.rest, w)
	if !ok || rest != "" && isWord(rest[0]) {
		return false
	}
	p.rest = skipSpace(rest)
	return true
}

func (p *markerParser) operator() (string, error) {
	if p.word("in") {
		return "in", nil
	}
	if rest, ok := strings.CutPrefix(p.rest, "not"); ok && rest != skipSpace(rest) {
		p.rest = skipSpace(rest)
		if p.word("in") {
			return "not in", nil
		}
		return "", errors.New("expected in after not")
	}
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(p.rest, op); ok {
			p.rest = skipSpace(rest)
			return op, nil
		}
	}
	return "", fmt.Errorf("expected a comparison such as == or in at %q", shorten(p.rest))
}

// variables pairs the spellings of variables with their names; the ones with
// dots are those of old Setuptools.
var variables = map[string]string{
	"python_version":                 "python_version",
	"python_full_version":            "python_full_version",
	"os_name":                        "os_name",
	"os.name":                        "os_name",
	"sys_platform":                   "sys_platform",
	"sys.platform":                   "sys_platform",
	"platform_release":               "platform_release",
	"platform_system":                "platform_system",
	"platform_version":               "platform_version",
	"platform.version":               "platform_version",
	"platform_machine":               "platform_machine",
	"platform.machine":               "platform_machine",
	"platform_python_implementation": "platform_python_implementation",
	"platform.python_implementation": "platform_python_implementation",
	"python_implementation":          "platform_python_implementation",
	"implementation_name":            "implementation_name",
	"implementation_version":         "implementation_version",
	"extra":                          "extra",
	"extras":                         "extras",
	"dependency_groups":              "dependency_groups",
}

// operand reads a variable or a quoted string, and the space after it.
func (p *markerParser) operand() (operand, error) {
	if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'') {
		return p.quoted()
	}
	n := 0
	for n < len(p.rest) && (isWord(p.rest[n]) || p.rest[n] == '.') {
		n++
	}
	name, ok := variables[p.rest[:n]]
	if !ok {
		return operand{}, fmt.Errorf("expected a marker variable or a quoted string at %q", shorten(p.rest))
	}
	p.rest = skipSpace(p.rest[n:])
	return operand{variable: name}, nil
}

func (p *markerParser) quoted() (operand, error) {
	end := strings.IndexByte(p.rest[1:], p.rest[0])
	if end < 0 {
		return operand{}, fmt.Errorf("no closing quote after %q", shorten(p.rest))
	}
	literal := p.rest[1 : end+1]
	if strings.ContainsAny(literal, "\\\n\r\x00") {
		return operand{}, fmt.Errorf("%q holds a character that strings of markers cannot have", literal)
	}
	p.rest = skipSpace(p.rest[end+2:])
	return operand{literal: literal}, nil
}
