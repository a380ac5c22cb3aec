package java

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// element is an XML element as a pom has them: with text, or with others in
// it. Attributes, comments and namespaces say nothing in a pom.
type element struct {
	name     string
	text     string // without space around it
	line     int
	children []*element
}

// What a pom may have. The largest seen in public projects have 10,000
// elements, five deep.
const (
	maxPomSize  = 4 << 20
	maxElements = 200_000
	maxDepth    = 60
)

// parseXML reads a document. Its errors are [*runtimes.InputError]s.
func parseXML(file string, data []byte) (*element, error) {
	if line := conflictLine(data); line > 0 {
		return nil, &runtimes.InputError{
			File: file, Line: line, Problem: "holds a merge conflict",
			Hint: "decide which side is right, and delete the marks",
		}
	}
	d := xml.NewDecoder(bytes.NewReader(data))
	d.Entity = xml.HTMLEntity
	d.CharsetReader = charsetReader
	root, err := readElements(d)
	if err == nil {
		return root, nil
	}
	problem := &runtimes.InputError{File: file, Problem: "is not XML that can be read", Err: err}
	problem.Line, _ = d.InputPos()
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		problem.Line, problem.Err = syntax.Line, errors.New(syntax.Msg)
	}
	return nil, problem
}

func readElements(d *xml.Decoder) (*element, error) {
	var root *element
	var open []*element
	var texts [][]byte // of those open
	count := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			if root == nil {
				return nil, errors.New("it is empty")
			}
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local}
			e.line, _ = d.InputPos()
			switch count++; {
			case count > maxElements:
				return nil, fmt.Errorf("it has more than %d elements", maxElements)
			case len(open) >= maxDepth:
				return nil, fmt.Errorf("its elements are nested more than %d deep", maxDepth)
			case len(open) > 0:
				last := open[len(open)-1]
				last.children = append(last.children, e)
			case root != nil:
				return nil, errors.New("it has two root elements")
			default:
				root = e
			}
			open, texts = append(open, e), append(texts, nil)
		case xml.EndElement:
			last := len(open) - 1
			if e := open[last]; len(e.children) == 0 {
				e.text = strings.TrimSpace(string(texts[last]))
			}
			open, texts = open[:last], texts[:last]
		case xml.CharData:
			if last := len(open) - 1; last >= 0 {
				texts[last] = append(texts[last], token...)
			}
		}
	}
}

// charsetReader reads the encodings that poms have besides UTF-8.
func charsetReader(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1", "windows-1252": // which differ in quotation marks only
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		text := make([]rune, len(data))
		for i, b := range data {
			text[i] = rune(b)
		}
		return strings.NewReader(string(text)), nil
	}
	return nil, fmt.Errorf("the encoding %s is not known: save it as UTF-8", label)
}

// conflictLine is the line of the first mark that a merge left, 0 without one.
func conflictLine(data []byte) int {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if bytes.HasPrefix(text, []byte("<<<<<<< ")) || bytes.HasPrefix(text, []byte(">>>>>>> ")) {
			return line
		}
	}
	return 0
}

// child is the first child of a name, nil without one. It may be asked of nil.
func (e *element) child(names ...string) *element {
	for _, name := range names {
		if e == nil {
			return nil
		}
		i := slices.IndexFunc(e.children, func(c *element) bool { return c.name == name })
		if i < 0 {
			return nil
		}
		e = e.children[i]
	}
	return e
}

// value is the text of the child at a path, "" without one.
func (e *element) value(names ...string) string {
	if e = e.child(names...); e == nil {
		return ""
	}
	return e.text
}

// list is the children of the child at a path.
func (e *element) list(names ...string) []*element {
	if e = e.child(names...); e == nil {
		return nil
	}
	return e.children
}

// drop removes the children that a function picks.
func (e *element) drop(picked func(*element) bool) {
	if e != nil {
		e.children = slices.DeleteFunc(e.children, picked)
	}
}

// leaf makes an element with text, branch one with children.
func leaf(name, text string) *element { return &element{name: name, text: text} }

func branch(name string, children ...*element) *element {
	return &element{name: name, children: children}
}

// format writes a document.
func (e *element) format() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e.write(&b, "")
	return b.Bytes()
}

func (e *element) write(b *bytes.Buffer, indent string) {
	b.WriteString(indent + "<" + e.name + ">")
	if len(e.children) == 0 {
		_ = xml.EscapeText(b, []byte(e.text)) // a buffer takes everything
	} else {
		b.WriteString("\n")
		for _, c := range e.children {
			c.write(b, indent+" ")
		}
		b.WriteString(indent)
	}
	b.WriteString("</" + e.name + ">\n")
}
