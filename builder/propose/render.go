package propose

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/layerbuild/layerbuild/builder"
)

// schemaLine tells editors where the file's schema is.
const schemaLine = "yaml-language-server: $schema=https://raw.githubusercontent.com/layerbuild/layerbuild/main/doc/layerbuild.schema.json"

// columns are those that a line with its comment has at most; a longer comment
// stands above its field.
const columns = 100

// Render writes layers as a commented layerbuild.yaml. What it writes was read
// again: the error says what of the layers builder does not accept.
func Render(p Proposal) ([]byte, error) {
	if len(p.Layers) == 0 {
		return nil, fmt.Errorf("no layer to write")
	}
	file := mapping()
	layers := slices.Clone(p.Layers)
	if defaults := shared(layers); defaults != nil {
		add(file, "defaults", defaults, "")
	}
	all := mapping()
	for _, l := range layers {
		body := l.node()
		key := add(all, l.Name, body, l.Comments[""])
		key.HeadComment = wrap(join(key.HeadComment, notes(l.Notes)), columns-len("  # "))
	}
	add(file, "layers", all, "")

	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s\n", schemaLine)
	for _, note := range p.Notes {
		for line := range strings.Lines(wrap("Not carried over: "+oneLine(note), columns-len("# "))) {
			fmt.Fprintf(&out, "# %s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(file); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	_, err := builder.ReadConfig(builder.ConfigName, ".", bytes.NewReader(out.Bytes()))
	return out.Bytes(), err
}

// shared takes the architectures out of layers that all have the same, for the
// file's defaults; nil where they have not.
func shared(layers []Layer) *yaml.Node {
	first := layers[0]
	differs := func(l Layer) bool {
		return !slices.Equal(l.Arches, first.Arches) || l.Comments["architectures"] != first.Comments["architectures"]
	}
	if len(layers) == 1 || slices.ContainsFunc(layers, differs) {
		return nil
	}
	for i := range layers {
		layers[i].Arches = nil
	}
	defaults := mapping()
	add(defaults, "architectures", value(first.Arches), first.Comments["architectures"])
	return defaults
}

// node is a layer without its name.
func (l Layer) node() *yaml.Node {
	body := mapping()
	add(body, "path", value(l.Path), l.Comments["path"])
	if len(l.Runtimes) == 1 {
		add(body, "runtime", value(l.Runtimes[0]), l.Comments["runtime"])
	} else {
		add(body, "runtime", value(l.Runtimes), l.Comments["runtime"])
	}
	if l.Arches != nil {
		add(body, "architectures", value(l.Arches), l.Comments["architectures"])
	}
	for _, o := range l.Options {
		add(body, o.Name, value(o.Value), o.Comment)
	}
	return body
}

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// add puts a field into a mapping and returns its key. The comment stands behind
// the value where the line is short enough and ends with the value, else above.
func add(into *yaml.Node, name string, v *yaml.Node, comment string) *yaml.Node {
	key := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
	comment = oneLine(comment)
	switch {
	case comment == "":
	case v.Kind == yaml.MappingNode && v.Style != yaml.FlowStyle, v.Kind == yaml.ScalarNode && v.Style == yaml.LiteralStyle,
		len("    ")+len(name)+len(": ")+width(v)+len(" # ")+len([]rune(comment)) > columns:
		key.HeadComment = wrap(comment, columns-len("    # "))
	default:
		v.LineComment = comment
	}
	into.Content = append(into.Content, key, v)
	return key
}

// width is how many columns a value takes on its line.
func width(v *yaml.Node) int {
	text, err := yaml.Marshal(v)
	if err != nil {
		return columns
	}
	return len([]rune(strings.TrimSuffix(string(text), "\n")))
}

// value is the node of a field's value. Lists and mappings are written in one
// line where they are short.
func value(v any) *yaml.Node {
	n := new(yaml.Node)
	if err := n.Encode(v); err != nil {
		panic(err) // of a type that Option does not allow
	}
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
		if width(n) > columns-len("    excludeFiles: ") {
			n.Style = 0
		}
	}
	return n
}

// notes are a layer's, as text of a comment.
func notes(all []string) string {
	var lines []string
	for _, note := range all {
		lines = append(lines, "Not carried over: "+oneLine(note))
	}
	return strings.Join(lines, "\n")
}

func join(a, b string) string { return strings.Trim(a+"\n"+b, "\n") }

// oneLine makes text fit for a comment.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// wrap breaks the lines of a text that are longer than n columns. Of a word that
// is longer by itself, which is a path in deep folders, the end is kept.
func wrap(text string, n int) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		at := ""
		for _, word := range strings.Fields(line) {
			if runes := []rune(word); len(runes) > n {
				word = "…" + string(runes[len(runes)-n+1:])
			}
			if at != "" && len([]rune(at))+1+len([]rune(word)) > n {
				lines, at = append(lines, at), ""
			}
			at = strings.TrimSpace(at + " " + word)
		}
		lines = append(lines, at)
	}
	return strings.Join(lines, "\n")
}
