package propose

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxSteps bounds how many aliases and variables one value may lead through,
// maxWork how many all of a file's.
const (
	maxSteps = 50
	maxWork  = 1_000_000
)

// errSteps says that a value does not come to an end.
var errSteps = errors.New("its variables lead in a circle")

// unresolved says that a value depends on how the framework is run.
type unresolved struct{ variable string }

func (e *unresolved) Error() string {
	return e.variable + " is known only when the framework runs"
}

// A document is a YAML file with the framework's variables. Those that name
// other values of the file are followed, and no others: these depend on
// options, variables of the environment, other files, or the cloud.
type document struct {
	root *yaml.Node
	work int // nodes that were followed, which merges can make many
}

// child is the value of a key of a mapping, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// get is the value at a path of keys, nil where there is none.
func (d *document) get(n *yaml.Node, keys ...string) (*yaml.Node, error) {
	return d.find(n, keys, 0)
}

func (d *document) find(n *yaml.Node, keys []string, steps int) (*yaml.Node, error) {
	n, err := d.follow(n, steps)
	if err != nil || n == nil || len(keys) == 0 {
		return n, err
	}
	if v := child(n, keys[0]); v != nil {
		return d.find(v, keys[1:], steps+1)
	}
	merged := child(n, "<<")
	if merged == nil {
		return nil, nil
	}
	if merged.Kind != yaml.SequenceNode {
		return d.find(merged, keys, steps+1)
	}
	for _, m := range merged.Content {
		if v, err := d.find(m, keys, steps+1); v != nil || err != nil {
			return v, err
		}
	}
	return nil, nil
}

var wholeVariable = regexp.MustCompile(`^\$\{self:([\w.-]+)\}$`)

// follow goes from an alias, or a variable that is all of a value, to what it
// stands for.
func (d *document) follow(n *yaml.Node, steps int) (*yaml.Node, error) {
	for ; n != nil; steps++ {
		if d.work++; steps > maxSteps || d.work > maxWork {
			return nil, errSteps
		}
		if n.Kind == yaml.AliasNode {
			n = n.Alias
			continue
		}
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			break
		}
		m := wholeVariable.FindStringSubmatch(n.Value)
		if m == nil {
			break
		}
		to, err := d.find(d.root, strings.Split(m[1], "."), steps+1)
		if err == nil && to == nil {
			err = &unresolved{n.Value}
		}
		return to, err
	}
	if n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil, nil
	}
	return n, nil
}

// text is a value that is a scalar.
func (d *document) text(n *yaml.Node) (string, error) { return d.scalar(n, 0) }

func (d *document) scalar(n *yaml.Node, steps int) (string, error) {
	n, err := d.follow(n, steps)
	if err != nil || n == nil {
		return "", err
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", errors.New("it is not one value")
	case !strings.HasPrefix(n.Tag, "!!"):
		return "", &unresolved{n.Tag + " " + n.Value}
	}
	return d.expand(n.Value, steps)
}

var innerVariable = regexp.MustCompile(`\$\{[^${}]*\}`)

// expand puts values in the place of variables.
func (d *document) expand(text string, steps int) (string, error) {
	for ; strings.Contains(text, "${"); steps++ {
		at := innerVariable.FindStringIndex(text)
		if at == nil {
			return "", &unresolved{text}
		}
		if steps > maxSteps || len(text) > 1<<16 {
			return "", errSteps
		}
		value, err := d.variable(text[at[0]:at[1]], steps+1)
		if err != nil {
			return "", err
		}
		text = text[:at[0]] + value + text[at[1]:]
	}
	return text, nil
}

var literal = regexp.MustCompile(`^(?:'([^']*)'|"([^"\\]*)")$`)

// variable is the value of ${…}, a list of sources of which the first counts
// that has one.
func (d *document) variable(v string, steps int) (string, error) {
	for _, source := range strings.Split(v[2:len(v)-1], ",") {
		source = strings.TrimSpace(source)
		if m := literal.FindStringSubmatch(source); m != nil {
			return m[1] + m[2], nil
		}
		name, ok := strings.CutPrefix(source, "self:")
		if !ok {
			break
		}
		n, err := d.find(d.root, strings.Split(name, "."), steps)
		if err != nil {
			return "", err
		}
		if n != nil {
			return d.scalar(n, steps)
		}
	}
	return "", &unresolved{v}
}

// list is a value that is a list of scalars, or one of them.
func (d *document) list(n *yaml.Node) ([]string, error) {
	n, err := d.follow(n, 0)
	if err != nil || n == nil {
		return nil, err
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var all []string
	for _, item := range items {
		text, err := d.text(item)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all, nil
}

// An entry is a key of a mapping with its value.
type entry struct {
	key   string
	value *yaml.Node // as it is written
}

// entries are those of a mapping in their order, with those that it merges.
func (d *document) entries(n *yaml.Node) ([]entry, error) {
	return d.merged(n, 0)
}

func (d *document) merged(n *yaml.Node, steps int) ([]entry, error) {
	n, err := d.follow(n, steps)
	if err != nil || n == nil {
		return nil, err
	}
	if n.Kind != yaml.MappingNode {
		if _, err := d.text(n); err != nil && n.Kind == yaml.ScalarNode {
			return nil, err
		}
		return nil, errors.New("it is no mapping")
	}
	var all, more []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i].Value, n.Content[i+1]
		if key != "<<" {
			all = append(all, entry{key, value})
			continue
		}
		from := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			from = value.Content
		}
		for _, m := range from {
			list, err := d.merged(m, steps+1)
			if err != nil {
				return nil, err
			}
			more = append(more, list...)
		}
	}
	for _, e := range more {
		if !slices.ContainsFunc(all, func(o entry) bool { return o.key == e.key }) {
			all = append(all, e)
		}
	}
	return all, nil
}
