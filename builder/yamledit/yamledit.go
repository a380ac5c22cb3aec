// Package yamledit changes YAML as text, at the places that yaml.v3 gives its
// nodes: comments, order, quotes and indentation of all else stay as they are.
//
// Not every text can be changed so. What is written is therefore read again and
// held against what was meant, and an [ErrByHand] says that it is for its author.
package yamledit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// ErrByHand is wrapped by errors for text that only its author can change.
var ErrByHand = errors.New("cannot be changed by a program")

// A File is a text of one YAML document and the changes that are made to it.
type File struct {
	text  []byte
	lines []int // where each begins, and the end of the text
	root  *yaml.Node
	edits []edit
}

// An edit puts text between two offsets.
type edit struct {
	from, to int
	text     string
}

// Parse reads a document. An error has its line.
func Parse(text []byte) (*File, error) {
	f := &File{text: text, root: new(yaml.Node)}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(f.root); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, err
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("it has more than one document: %w", ErrByHand)
	}
	for at := 0; at < len(text); {
		f.lines = append(f.lines, at)
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	f.lines = append(f.lines, len(text))
	return f, nil
}

// Root is the document's only node, with what was changed.
func (f *File) Root() *yaml.Node { return f.root.Content[0] }

// Set makes a scalar another text's.
func (f *File) Set(scalar *yaml.Node, value string) error {
	from, to, err := f.scalar(scalar)
	if err != nil {
		return err
	}
	text := quoted(value, scalar.Style)
	f.edits = append(f.edits, edit{from, to, text})
	*scalar = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value, Line: scalar.Line, Column: scalar.Column, Style: scalar.Style}
	return nil
}

// Add adds an entry to a mapping: at the end of one whose entries stand on lines
// of their own, at the head of one in braces. The value may be what yaml.v3
// encodes.
func (f *File) Add(mapping *yaml.Node, name string, value any) error {
	entry := new(yaml.Node)
	if err := entry.Encode(map[string]any{name: value}); err != nil {
		return err
	}
	if mapping.Kind == yaml.MappingNode && mapping.Style&yaml.FlowStyle != 0 {
		return f.addFlow(mapping, entry)
	}
	if err := f.block(mapping); err != nil {
		return err
	}
	text, err := encoded(entry)
	if err != nil {
		return err
	}
	last := 0 // of those that stand in the text
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Line > 0 {
			last = i
		}
	}
	indent := strings.Repeat(" ", mapping.Content[0].Column-1)
	var out strings.Builder
	at := f.lines[f.end(mapping.Content[last])]
	if at > 0 && f.text[at-1] != '\n' {
		out.WriteString(f.newline())
	}
	if f.apart(mapping) {
		out.WriteString(f.newline())
	}
	for line := range strings.Lines(text) {
		out.WriteString(indent + strings.TrimSuffix(line, "\n") + f.newline())
	}
	f.edits = append(f.edits, edit{at, at, out.String()})
	mapping.Content = append(mapping.Content, entry.Content...)
	return nil
}

// apart tells whether a blank line stands before most entries of a mapping, or
// before the comment above them.
func (f *File) apart(mapping *yaml.Node) bool {
	entries, blanks := 0, 0
	for i := 2; i < len(mapping.Content); i += 2 {
		line := mapping.Content[i].Line - 1 // the one above, counted from 1
		for line > 1 && bytes.HasPrefix(bytes.TrimSpace(f.text[f.lines[line-1]:f.lines[line]]), []byte("#")) {
			line--
		}
		if entries++; line > 0 && blank(f.text[f.lines[line-1]:f.lines[line]]) {
			blanks++
		}
	}
	return 2*blanks > entries
}

// addFlow adds an entry to a mapping in braces.
func (f *File) addFlow(mapping, entry *yaml.Node) error {
	at, err := f.opening(mapping, '{')
	if err != nil {
		return err
	}
	flow(entry)
	text, err := encoded(entry)
	if err != nil {
		return err
	}
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "{"), "}")
	if strings.Contains(text, "\n") {
		return byHand(mapping)
	}
	if len(mapping.Content) > 0 {
		text += ", "
	}
	f.edits = append(f.edits, edit{at, at, text})
	mapping.Content = append(slices.Clone(entry.Content), mapping.Content...)
	return nil
}

// flow has a value written in braces and brackets.
func flow(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style |= yaml.FlowStyle
	}
	for _, c := range n.Content {
		flow(c)
	}
}

func encoded(n *yaml.Node) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	err := e.Encode(n)
	return out.String(), err
}

// opening is the offset behind the bracket with which a value begins.
func (f *File) opening(n *yaml.Node, bracket byte) (int, error) {
	if n.Line < 1 || n.Line >= len(f.lines) || n.Anchor != "" {
		return 0, byHand(n)
	}
	at := f.offset(n)
	if at >= len(f.text) || f.text[at] != bracket {
		return 0, byHand(n)
	}
	return at + 1, nil
}

// offset is where a node that stands in the text begins.
func (f *File) offset(n *yaml.Node) int {
	at := f.lines[n.Line-1]
	for range n.Column - 1 {
		_, size := utf8.DecodeRune(f.text[at:])
		at += size
	}
	return at
}

// Remove removes an entry of a mapping that has others, with the lines that it
// stands on. Comments above it stay.
func (f *File) Remove(mapping *yaml.Node, name string) error {
	if err := f.block(mapping); err != nil {
		return err
	}
	i := index(mapping, name)
	if i < 0 || len(mapping.Content) == 2 {
		return fmt.Errorf("%s is not there, or alone: %w", name, ErrByHand)
	}
	key := mapping.Content[i]
	line := f.text[f.lines[key.Line-1]:f.lines[key.Line]]
	if !blank(line[:min(key.Column-1, len(line))]) {
		return byHand(key) // it stands behind the dash of a list
	}
	f.edits = append(f.edits, edit{f.lines[key.Line-1], f.lines[f.end(key)], ""})
	mapping.Content = slices.Delete(mapping.Content, i, i+2)
	return nil
}

// Bytes returns the changed text.
func (f *File) Bytes() ([]byte, error) {
	edits := slices.Clone(f.edits)
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	var out []byte
	at := 0
	for _, e := range edits {
		if e.from < at {
			return nil, fmt.Errorf("changes overlap: %w", ErrByHand)
		}
		out = append(append(out, f.text[at:e.from]...), e.text...)
		at = e.to
	}
	out = append(out, f.text[at:]...)
	again, err := Parse(out)
	if err != nil || !same(again.root, f.root, 0) {
		return nil, fmt.Errorf("its layout: %w", ErrByHand)
	}
	return out, nil
}

// Get returns the value of a mapping's entry, or nil.
func Get(mapping *yaml.Node, name string) *yaml.Node {
	if i := index(mapping, name); i >= 0 {
		return mapping.Content[i+1]
	}
	return nil
}

func index(mapping *yaml.Node, name string) int {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return -1
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return i
		}
	}
	return -1
}

// block wants a mapping whose entries stand on lines of their own.
func (f *File) block(mapping *yaml.Node) error {
	if mapping.Kind != yaml.MappingNode || mapping.Style&yaml.FlowStyle != 0 || len(mapping.Content) == 0 {
		return byHand(mapping)
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		key := mapping.Content[i]
		if i > 0 && key.Line == 0 {
			continue // added
		}
		if key.Line < 1 || key.Line >= len(f.lines) || i > 0 && key.Line <= mapping.Content[i-2].Line {
			return byHand(key)
		}
	}
	return nil
}

// end is the number of the line behind an entry, counted from 0, given its key
// in the document. Blank lines and comments below the entry do not belong to it.
func (f *File) end(key *yaml.Node) int {
	last, next := key.Line, len(f.lines) // counted from 1
	var walk func(n *yaml.Node, in bool)
	walk = func(n *yaml.Node, in bool) {
		for i, c := range n.Content {
			in := in || i > 0 && n.Kind == yaml.MappingNode && n.Content[i-1] == key
			switch {
			case in:
				last = max(last, c.Line+strings.Count(c.Value, "\n"))
			case c.Line > key.Line:
				next = min(next, c.Line)
			}
			walk(c, in)
		}
	}
	walk(f.root, false)
	end := next - 1
	for end > last && unimportant(f.text[f.lines[end-1]:f.lines[end]]) {
		end--
	}
	return end
}

func unimportant(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

func blank(text []byte) bool { return len(bytes.TrimSpace(text)) == 0 }

// scalar returns where a scalar of one line stands.
func (f *File) scalar(n *yaml.Node) (from, to int, err error) {
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Line < 1 || n.Line >= len(f.lines) {
		return 0, 0, byHand(n)
	}
	line := f.text[f.lines[n.Line-1]:f.lines[n.Line]]
	at := f.offset(n) - f.lines[n.Line-1]
	if at > len(line) {
		return 0, 0, byHand(n)
	}
	source := n.Value
	switch n.Style {
	case 0:
	case yaml.DoubleQuotedStyle:
		source = `"` + source + `"`
	case yaml.SingleQuotedStyle:
		source = "'" + strings.ReplaceAll(source, "'", "''") + "'"
	default: // tagged, folded, literal
		return 0, 0, byHand(n)
	}
	if n.Value == "" || !bytes.HasPrefix(line[at:], []byte(source)) {
		return 0, 0, byHand(n)
	}
	from = f.lines[n.Line-1] + at
	return from, from + len(source), nil
}

// quoted is a text as a scalar of a style. What it cannot be Bytes notices.
func quoted(text string, style yaml.Style) string {
	switch style {
	case yaml.DoubleQuotedStyle:
		return `"` + text + `"`
	case yaml.SingleQuotedStyle:
		return "'" + strings.ReplaceAll(text, "'", "''") + "'"
	}
	return text
}

func (f *File) newline() string {
	if len(f.lines) > 1 && bytes.HasSuffix(f.text[:f.lines[1]], []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// same compares what two documents say.
func same(a, b *yaml.Node, depth int) bool {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) || depth > maxDepth {
		return false
	}
	for i := range a.Content {
		if !same(a.Content[i], b.Content[i], depth+1) {
			return false
		}
	}
	return true
}

// maxDepth bounds how deep a document is compared.
const maxDepth = 1000

func byHand(n *yaml.Node) error { return fmt.Errorf("line %d: %w", n.Line, ErrByHand) }
