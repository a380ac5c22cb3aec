package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// tellRule prints what is known of one check.
func (c *checking) tellRule(args []string) error {
	if len(args) > 0 {
		return &runtimes.InputError{Problem: "--explain checks nothing, so it takes no file", Hint: "leave out " + args[0]}
	}
	rule, ok := check.RuleOf(c.explain)
	if !ok {
		return unknownCheck("--explain", c.explain)
	}
	if c.sel.json {
		return c.ui.printJSON(rule)
	}
	_, err := fmt.Fprintf(c.ui.stdout, "%s (%s)\n\n%s\n%s\n%s\n", rule.ID, rule.Severity,
		fold("Finds "+rule.Finds+"."), fold(rule.Explain), fold("What to do: "+rule.Hint+". A layer that may have it says so in "+
			builder.ConfigName+": check: {allow: [{id: "+rule.ID+", reason: why}]}"))
	return err
}

// fold breaks a text into lines of at most 80 columns.
func fold(text string) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case column > 0 && column+1+n > 80:
			b.WriteByte('\n')
			column = 0
		case column > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String() + "\n"
}

// unknownCheck lists the checks that were probably meant, or all.
func unknownCheck(flag, id string) error {
	var known, near []string
	for _, rule := range check.Rules() {
		known = append(known, rule.ID)
	}
	meant := builder.Nearest(id, known)
	word, _, _ := strings.Cut(strings.ToLower(id), "-")
	for _, k := range known {
		if k == meant || word != "" && strings.Contains("-"+k, "-"+word) {
			near = append(near, k)
		}
	}
	err := &runtimes.InputError{Problem: fmt.Sprintf("%s: there is no check %q", flag, id), Hint: "the checks are: " + strings.Join(known, ", ")}
	if near != nil {
		err.Hint = "did you mean " + strings.Join(near, " or ") + "? doc/checks.md lists all"
	}
	return err
}

func completeChecks(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var all []cobra.Completion
	for _, rule := range check.Rules() {
		all = append(all, cobra.CompletionWithDesc(rule.ID, rule.Finds))
	}
	return all, nothingElse
}
