package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/propose"
	"github.com/layerbuild/layerbuild/runtimes"
)

// errLeft says that the user ended the dialogue.
var errLeft = errors.New("nothing was written")

// asker asks a person for lines.
type asker struct {
	ui    *ui
	lines chan string // what was typed; closed at its end
}

func newAsker(ui *ui, stdin io.Reader) *asker {
	a := &asker{ui: ui, lines: make(chan string)}
	go func() { // that nobody ends: a read of a terminal cannot be cancelled
		in := bufio.NewScanner(stdin)
		for in.Scan() {
			a.lines <- strings.TrimSpace(in.Text())
		}
		close(a.lines)
	}()
	return a
}

// line asks for one line.
func (a *asker) line(ctx context.Context, prompt string) (string, error) {
	a.ui.prompt(prompt)
	select {
	case line, ok := <-a.lines:
		if !ok {
			a.ui.message("")
			return "", errLeft
		}
		return line, nil
	case <-ctx.Done():
		a.ui.message("")
		return "", ctx.Err()
	}
}

// ask goes through the layers of a proposal with the user.
func (s *starting) ask(ctx context.Context, p propose.Proposal) ([]propose.Layer, error) {
	a := newAsker(s.ui, s.stdin)
	s.ui.message(fmt.Sprintf("%s from %s. For each: y takes it, e edits it, s skips it,\na takes it and all others, q ends and writes nothing.", plural(len(p.Layers), "%d layer", "%d layers"), p.Source))
	var taken []propose.Layer
	for i, l := range p.Layers {
		s.ui.message("\n" + summary(l))
		answer, err := a.choice(ctx)
		if err != nil {
			return nil, err
		}
		switch answer {
		case "q":
			return nil, errLeft
		case "a":
			return append(taken, p.Layers[i:]...), nil
		case "e":
			others := slices.Concat(taken, p.Layers[i+1:])
			if l, err = a.edit(ctx, l, others); err != nil {
				return nil, err
			}
			taken = append(taken, l)
		case "y":
			taken = append(taken, l)
		}
	}
	if len(taken) == 0 {
		return nil, errLeft
	}
	return taken, nil
}

// choice asks what to do with a layer until the answer is one of those that
// there are.
func (a *asker) choice(ctx context.Context) (string, error) {
	for {
		line, err := a.line(ctx, "take it? [Y/e/s/a/q] ")
		if err != nil {
			return "", err
		}
		switch strings.ToLower(line) {
		case "", "y", "yes":
			return "y", nil
		case "e", "edit":
			return "e", nil
		case "s", "skip", "n", "no":
			return "s", nil
		case "a", "all":
			return "a", nil
		case "q", "quit":
			return "q", nil
		}
		a.ui.message("y, e, s, a or q")
	}
}

// summary shows a layer.
func summary(l propose.Layer) string {
	var b strings.Builder
	why := func(field string) string {
		if c := l.Comments[field]; c != "" {
			return "  (" + c + ")"
		}
		return ""
	}
	fmt.Fprintf(&b, "%s%s\n", l.Name, why(""))
	fmt.Fprintf(&b, "  path           %s%s\n", l.Path, why("path"))
	fmt.Fprintf(&b, "  runtime        %s%s\n", strings.Join(l.Runtimes, ", "), why("runtime"))
	fmt.Fprintf(&b, "  architectures  %s%s", strings.Join(l.Arches, ", "), why("architectures"))
	for _, o := range l.Options {
		fmt.Fprintf(&b, "\n  %-14s %v", o.Name, o.Value)
	}
	for _, n := range l.Notes {
		fmt.Fprintf(&b, "\n  not carried over: %s", n)
	}
	return b.String()
}

// edit asks for the fields of a layer that people change. Its folder is where its
// lock file was found, and stays.
func (a *asker) edit(ctx context.Context, l propose.Layer, others []propose.Layer) (propose.Layer, error) {
	name, err := a.field(ctx, "name", l.Name, func(text string) error {
		switch same := func(other propose.Layer) bool { return strings.EqualFold(other.Name, text) }; {
		case propose.Name(text) != text:
			return &runtimes.InputError{Problem: strconv.Quote(text) + " is no name that Lambda accepts", Hint: "letters, digits, - and _ are allowed, as in " + propose.Name(text)}
		case slices.ContainsFunc(others, same):
			return &runtimes.InputError{Problem: "there is another layer of this name: " + text, Hint: "give this one a name of its own"}
		}
		return nil
	})
	if err != nil {
		return l, err
	}
	l.Name = name
	language := l.Language()
	if slices.ContainsFunc(l.Options, func(o propose.Option) bool { return o.Name == "plain" }) {
		language = "" // files are for whatever runs them
	}
	known := func(text string) error {
		infos, err := builder.ParseRuntimes(list(text), nil)
		if err != nil || language == "" {
			return err
		}
		for _, info := range infos {
			if info.Family != language {
				return &runtimes.InputError{
					Problem: info.Name + " cannot run what is locked here, which is for " + language,
					Hint:    "name one of its runtimes, as " + l.Runtimes[0],
				}
			}
		}
		return nil
	}
	if l.Runtimes, err = a.list(ctx, &l, "runtime", l.Runtimes, known); err != nil {
		return l, err
	}
	arches := func(text string) error { _, err := builder.ParseArches(list(text)); return err }
	l.Arches, err = a.list(ctx, &l, "architectures", l.Arches, arches)
	return l, err
}

// list asks for a field that is a list; one that is changed needs no reason.
func (a *asker) list(ctx context.Context, l *propose.Layer, name string, now []string, check func(string) error) ([]string, error) {
	text, err := a.field(ctx, name, strings.Join(now, ","), check)
	if err != nil || text == strings.Join(now, ",") {
		return now, err
	}
	comments := l.Comments
	l.Comments = nil
	for field, why := range comments {
		if field != name {
			l.Comment(field, why)
		}
	}
	return list(text), nil
}

// field asks for a text until it is one that can be used; nothing leaves it as
// it is.
func (a *asker) field(ctx context.Context, name, now string, check func(string) error) (string, error) {
	for {
		text, err := a.line(ctx, fmt.Sprintf("  %-14s [%s] ", name, now))
		if err != nil || text == "" {
			return now, err
		}
		if err := check(text); err != nil {
			a.ui.message(errorText(err, a.ui.colourErr))
			continue
		}
		return text, nil
	}
}

// list splits a list as people write it.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}
