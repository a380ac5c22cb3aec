package yamledit

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Append adds a text at the end of the list that a mapping has under a name.
func (f *File) Append(mapping *yaml.Node, name, value string) error {
	list := Get(mapping, name)
	if list == nil || list.Kind != yaml.SequenceNode {
		return byHand(mapping)
	}
	item := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
	text, err := encoded(item)
	if err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	at := 0
	if len(list.Content) == 0 {
		at, err = f.opening(list, '[')
	} else {
		last := list.Content[0]
		for _, n := range list.Content {
			if n.Line > 0 { // it stands in the text
				last = n
			}
		}
		if _, at, err = f.scalar(last); err == nil && list.Style&yaml.FlowStyle != 0 {
			text = ", " + text
		} else if err == nil {
			dash := string(f.text[f.lines[last.Line-1]:f.offset(last)])
			if strings.TrimSpace(dash) != "-" {
				return byHand(last)
			}
			at = f.lines[last.Line]
			if f.text[at-1] != '\n' {
				dash = f.newline() + dash
			}
			text = dash + text + f.newline()
		}
	}
	if err != nil {
		return err
	}
	f.edits = append(f.edits, edit{at, at, text})
	list.Content = append(list.Content, item)
	return nil
}

// Drop removes a text from the list that a mapping has under a name, and the
// name, too, where nothing else is in the list.
func (f *File) Drop(mapping *yaml.Node, name, value string) error {
	list := Get(mapping, name)
	if list == nil || list.Kind != yaml.SequenceNode {
		return byHand(mapping)
	}
	i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Value == value })
	if i < 0 {
		return fmt.Errorf("%s has no %s: %w", name, value, ErrByHand)
	}
	if len(list.Content) == 1 {
		return f.Remove(mapping, name)
	}
	item := list.Content[i]
	from, to, err := f.scalar(item)
	switch {
	case err != nil:
		return err
	case list.Style&yaml.FlowStyle == 0:
		start := f.lines[item.Line-1]
		if strings.TrimSpace(string(f.text[start:from])) != "-" {
			return byHand(item) // other lists have it as an item, too
		}
		from, to = start, f.lines[item.Line]
	default:
		behind := commaBehind.FindIndex(f.text[to:f.lines[item.Line]])
		before := commaBefore.FindIndex(f.text[f.lines[item.Line-1]:from])
		switch {
		case behind != nil:
			to += behind[1]
		case before != nil:
			from = f.lines[item.Line-1] + before[0]
		default:
			return byHand(item)
		}
	}
	f.edits = append(f.edits, edit{from, to, ""})
	list.Content = slices.Delete(list.Content, i, i+1)
	return nil
}

var (
	commaBehind = regexp.MustCompile(`^[ \t]*,[ \t]*`)
	commaBefore = regexp.MustCompile(`[ \t]*,[ \t]*$`)
)
