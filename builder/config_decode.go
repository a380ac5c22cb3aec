package builder

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/runtimes"
)

// maxNodes bounds how many values a file may hold once its aliases are
// followed: a few lines of nested aliases can stand for billions.
const maxNodes = 100_000

// decoder walks the nodes of one file and gathers its defects, so that a user
// sees all of them at once.
//
// It works on nodes, since only they know their lines, and since yaml.v3
// forgets its strictness inside a type's own UnmarshalYAML.
type decoder struct {
	file    string
	root    string
	nodes   int
	merging map[*yaml.Node]bool // mappings being merged, to end a cycle
	errs    []*runtimes.InputError
	tooMany bool // maxNodes is passed
	private bool // what is read may be a password in a wrong place

	runtimes []runtimes.Info // of the file's own
}

func (d *decoder) addf(line int, hint, format string, args ...any) {
	d.errs = append(d.errs, &runtimes.InputError{
		File: d.file, Line: line, Problem: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// err joins the defects in the order of their lines. One defect that is
// reached twice, through an alias, is said once.
func (d *decoder) err() error {
	if d.tooMany { // the rest only follows from what was not read
		return &runtimes.InputError{File: d.file, Hint: "write nested aliases out",
			Problem: fmt.Sprintf("the file stands for more than %d values", maxNodes)}
	}
	slices.SortStableFunc(d.errs, func(a, b *runtimes.InputError) int { return cmp.Compare(a.Line, b.Line) })
	d.errs = slices.CompactFunc(d.errs, func(a, b *runtimes.InputError) bool { return *a == *b })
	if len(d.errs) == 1 {
		return d.errs[0]
	}
	var errs []error
	for _, e := range d.errs {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// document parses data, which must hold exactly one document.
func (d *decoder) document(data []byte) *yaml.Node {
	example := "for example:\n\n" + ConfigExample
	var first, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&first)
	if err == io.EOF || err == nil && first.Content[0].ShortTag() == "!!null" {
		d.addf(0, example, "the file is empty")
		return nil
	}
	if err == nil {
		err = dec.Decode(&second)
		if err == nil {
			d.addf(second.Line, "", "the file holds more than one YAML document")
			return nil
		}
	}
	if err != io.EOF {
		d.syntax(data, err)
		return nil
	}
	return first.Content[0]
}

var (
	parserProblem = regexp.MustCompile(`^did not find expected (key|node content|'|<)|^found (duplicate|undefined|incompatible)`)
	syntaxLine    = regexp.MustCompile(`^yaml: line (\d+): (?s)(.*)$`)
	unknownAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
)

// syntax reports what yaml.v3 cannot parse, whose errors are text only.
func (d *decoder) syntax(data []byte, err error) {
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		hint := "indents are spaces, each quote and bracket is closed, and a value with ': ' or ' #' in it is quoted"
		if parserProblem.MatchString(m[2]) {
			// yaml.v3 counts the lines of its parser from 0, those of its
			// scanner from 1, and names the beginning of what it was reading.
			line++
			hint = "look at this line and those that follow"
		}
		d.addf(line, hint, "not valid YAML: %s", m[2])
		return
	}
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		// Its name is not shown: it may be a password that begins with *.
		d.addf(1+bytes.Count(before, []byte("\n")), "an anchor is defined above its first use", "unknown anchor")
		return
	}
	d.addf(0, "", "not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
}

// follow returns what an alias stands for. It counts the nodes visited and
// returns nil where there are too many.
func (d *decoder) follow(n *yaml.Node) *yaml.Node {
	if d.nodes++; d.nodes > maxNodes {
		d.tooMany = true
		return nil
	}
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// entry is one field of a mapping.
type entry struct {
	name string
	line int
	node *yaml.Node
}

// entries lists the fields of a mapping: its own, then what merge keys bring
// and the mapping itself has not.
func (d *decoder) entries(n *yaml.Node) []entry {
	var own, merged []entry
	lines := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := d.follow(n.Content[i]), d.follow(n.Content[i+1])
		if key == nil || value == nil {
			return nil
		}
		line := n.Content[i].Line // of its use, where the key is an alias
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!null" {
			d.addf(line, "", "the name of a field must be a string, not %s", describe(key))
			continue
		}
		if first, ok := lines[key.Value]; ok {
			name := strconv.Quote(key.Value)
			if d.private {
				name = "a name"
			}
			d.addf(line, "remove one of them", "%s is given twice, first on line %d", name, first)
			continue
		}
		lines[key.Value] = line
		if key.ShortTag() == "!!merge" {
			merged = d.merge(line, value)
			continue
		}
		own = append(own, entry{key.Value, line, value})
	}
	for _, e := range merged {
		if _, ok := lines[e.name]; !ok {
			own = append(own, e)
		}
	}
	return own
}

// merge lists the fields that a merge key brings, of the first mapping before
// those of the next.
func (d *decoder) merge(line int, n *yaml.Node) []entry {
	mappings := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		mappings = n.Content
	}
	var all []entry
	has := make(map[string]bool)
	for _, m := range mappings {
		m = d.follow(m)
		if m == nil {
			return nil
		}
		if m.Kind != yaml.MappingNode {
			d.addf(line, "", "<< takes a mapping or a list of mappings, not %s", describe(m))
			return nil
		}
		if d.merging[m] {
			d.addf(line, "", "<< merges a mapping into itself")
			return nil
		}
		d.merging[m] = true
		for _, e := range d.entries(m) {
			if !has[e.name] {
				has[e.name] = true
				all = append(all, e)
			}
		}
		delete(d.merging, m)
	}
	return all
}

// field is one row of the table of fields that a type has.
type field[T any] struct {
	name   string
	schema func() schema // what it takes, for editors
	set    func(v value, into *T)
}

// value is what a field was given.
type value struct {
	d    *decoder
	name string // of the field
	line int    // of the field
	node *yaml.Node
}

// mapping reads a mapping whose fields are those of a table. It returns the
// lines of the fields that are there, nil where n is no mapping.
func mapping[T any](v value, fields []field[T], into *T) map[string]int {
	d := v.d
	if v.node.Kind != yaml.MappingNode {
		v.wrong("a mapping")
		return nil
	}
	lines := make(map[string]int)
	for _, e := range d.entries(v.node) {
		i := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == e.name })
		if i < 0 {
			d.unknown(e, v.name, names(fields))
			continue
		}
		lines[e.name] = e.line
		fields[i].set(value{d, e.name, e.line, e.node}, into)
	}
	return lines
}

// unknown reports a field that is none of the known. Where it may be a password
// it is named only if it is nearly one of them, not if it only begins like one.
func (d *decoder) unknown(e entry, in string, known []string) {
	near := Nearest(e.name, known)
	if d.private && (near == "" || len(e.name) > len(near)+2) {
		d.addf(e.line, "allowed are "+strings.Join(known, ", "), "unknown field in %s", in)
		return
	}
	d.addf(e.line, hint(e.name, known), "unknown field %q in %s", e.name, in)
}

// names lists the fields of a table.
func names[T any](fields []field[T]) []string {
	var all []string
	for _, f := range fields {
		all = append(all, f.name)
	}
	return all
}

func (v value) addf(hint, format string, args ...any) { v.d.addf(v.line, hint, format, args...) }

// wrong reports a value of another type than the field has.
func (v value) wrong(want string) {
	hint := ""
	switch {
	case v.node.Kind != yaml.ScalarNode:
	case v.node.ShortTag() == "!!null":
		hint = "give it a value or remove the line"
	case strings.HasPrefix(want, "a string"):
		hint = fmt.Sprintf("put it in quotes: %q", short(v.node.Value))
	case strings.HasPrefix(want, "a list"):
		hint = fmt.Sprintf("put it in brackets: [%s]", short(v.node.Value))
	}
	v.addf(hint, "%s must be %s, not %s", v.name, want, describe(v.node))
}

// describe says what a node is, for messages.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!str":
		return "the string " + strconv.Quote(short(n.Value))
	case "!!int", "!!float":
		return "the number " + short(n.Value)
	case "!!timestamp":
		return "the date " + short(n.Value)
	case "!!bool":
		return short(n.Value)
	}
	return fmt.Sprintf("%s (%s)", short(n.Value), n.Tag)
}

// short bounds a value that is shown in a message.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

func (v value) isString() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!str"
}

// str reads a string that is not empty.
func (v value) str() (string, bool) {
	if !v.isString() {
		v.wrong("a string")
		return "", false
	}
	if v.node.Value == "" {
		v.addf("give it a value or remove the line", "%s is empty", v.name)
		return "", false
	}
	return v.node.Value, true
}

func (v value) boolean() bool {
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!bool" {
		v.wrong("true or false")
		return false
	}
	return v.node.Value[0] == 't' || v.node.Value[0] == 'T'
}

// items lists the values of a list, without repetition.
func (v value) items() []value {
	if v.node.Kind != yaml.SequenceNode {
		v.wrong("a list of strings")
		return nil
	}
	var all []value
	lines := make(map[string]int)
	for _, n := range v.node.Content {
		line := n.Line
		n = v.d.follow(n)
		if n == nil {
			return nil
		}
		item := value{v.d, "an item of " + v.name, line, n}
		s, ok := item.str()
		if !ok {
			continue
		}
		if first, ok := lines[s]; ok {
			item.addf("remove one of them", "%s lists %q twice, first on line %d", v.name, s, first)
			continue
		}
		lines[s] = line
		all = append(all, item)
	}
	return all
}

// strs reads a list of strings. An empty list is not nil: it replaces a
// default.
func (v value) strs() []string {
	all := []string{}
	for _, item := range v.items() {
		all = append(all, item.node.Value)
	}
	return all
}
