package pep

import (
	"slices"
	"strings"
)

// Marker is a condition on an environment. The zero value is always true.
//
// It differs from `packaging` on purpose in these points: `extra` stands for
// all extras asked for at once, so `extra != "x"` is false where x is one of
// several; a comparison of something that is no version is one of strings and
// never an error (the kernel's release is often no version); and what could
// only be a mistake is refused when it is read: a backslash in a string, an
// `extras` that is not the right side of in.
type Marker struct{ root *node }

// node is a comparison where op is empty, else the conjunction or disjunction
// of two or more nodes of another kind.
type node struct {
	op       string // "and", "or", ""
	children []*node
	compare  comparison
}

type comparison struct {
	left  operand
	op    string
	right operand
}

// operand is a variable by its name or a literal.
type operand struct {
	variable string
	literal  string
}

// join makes one node of several, without nesting an "and" in an "and".
func join(op string, nodes []*node) *node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	joined := &node{op: op}
	for _, n := range nodes {
		if n.op == op {
			joined.children = append(joined.children, n.children...)
		} else {
			joined.children = append(joined.children, n)
		}
	}
	return joined
}

// IsZero tells whether m is the marker that is always true.
func (m Marker) IsZero() bool { return m.root == nil }

// And is true where both m and n are.
func (m Marker) And(n Marker) Marker {
	switch {
	case m.root == nil:
		return n
	case n.root == nil:
		return m
	}
	return Marker{join("and", []*node{m.root, n.root})}
}

// String prints the marker with as few parentheses as it needs; the zero
// Marker prints as "".
func (m Marker) String() string {
	if m.root == nil {
		return ""
	}
	var b strings.Builder
	m.root.write(&b)
	return b.String()
}

func (n *node) write(b *strings.Builder) {
	if n.op == "" {
		c := n.compare
		b.WriteString(c.left.String() + " " + c.op + " " + c.right.String())
		return
	}
	for i, child := range n.children {
		if i > 0 {
			b.WriteString(" " + n.op + " ")
		}
		if child.op == "or" {
			b.WriteByte('(')
			child.write(b)
			b.WriteByte(')')
		} else {
			child.write(b)
		}
	}
}

func (o operand) String() string {
	switch {
	case o.variable != "":
		return o.variable
	case strings.Contains(o.literal, `"`):
		return "'" + o.literal + "'"
	}
	return `"` + o.literal + `"`
}

// Eval tells whether the marker is true in env.
func (m Marker) Eval(env Environment) bool { return m.root == nil || m.root.eval(&env) }

func (n *node) eval(env *Environment) bool {
	switch n.op {
	case "and":
		return !slices.ContainsFunc(n.children, func(c *node) bool { return !c.eval(env) })
	case "or":
		return slices.ContainsFunc(n.children, func(c *node) bool { return c.eval(env) })
	}
	return n.compare.eval(env)
}

func (c comparison) eval(env *Environment) bool {
	switch {
	case c.left.variable == "extra" || c.right.variable == "extra":
		return c.evalExtra(env.Extras)
	case c.right.variable == "extras":
		return hasName(env.Extras, c.left.literal) == (c.op == "in")
	case c.right.variable == "dependency_groups":
		return hasName(env.DependencyGroups, c.left.literal) == (c.op == "in")
	}
	return compareValues(c.left.valueIn(env), c.op, c.right.valueIn(env))
}

func (o operand) valueIn(env *Environment) string {
	if o.variable != "" {
		return env.value(o.variable)
	}
	return o.literal
}

func hasName(names []string, name string) bool {
	name = NormaliseName(name)
	return slices.ContainsFunc(names, func(n string) bool { return NormaliseName(n) == name })
}

// evalExtra compares names, never versions. Without extras, `extra` is the
// empty string. A negative comparison must hold for every extra, another for
// any.
func (c comparison) evalExtra(extras []string) bool {
	if len(extras) == 0 {
		extras = []string{""}
	}
	every := c.op == "!=" || c.op == "not in"
	for _, e := range extras {
		left, right := NormaliseName(c.left.literal), NormaliseName(c.right.literal)
		if c.left.variable != "" {
			left = NormaliseName(e)
		}
		if c.right.variable != "" {
			right = NormaliseName(e)
		}
		if compareStrings(left, c.op, right) != every {
			return !every
		}
	}
	return every
}

// compareValues compares as versions where both sides allow it and as strings
// where they do not, as PEP 508 says.
func compareValues(left, op, right string) bool {
	if op != "in" && op != "not in" {
		if sp, err := parseSpecifier(op + right); err == nil {
			if v, err := ParseVersion(left); err == nil {
				return sp.contains(v)
			}
		}
	}
	return compareStrings(left, op, right)
}

func compareStrings(left, op, right string) bool {
	switch op {
	case "in":
		return strings.Contains(right, left)
	case "not in":
		return !strings.Contains(right, left)
	case "==", "===":
		return left == right
	case "!=":
		return left != right
	case "<":
		return left < right
	case "<=":
		return left <= right
	case ">":
		return left > right
	case ">=":
		return left >= right
	}
	return false // ~= says nothing of strings
}
