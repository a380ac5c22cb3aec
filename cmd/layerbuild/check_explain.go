package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/layerbuild/layerbuild/builder"
	"github.com/layerbuild/layerbuild/builder/check"
	"github.com/layerbuild/layerbuild/runtimes"
)

// explainWidth is what whole paragraphs are read best in.
const explainWidth = 80

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
	width := min(proseWidth(c.ui.stdout), explainWidth)
	_, err := fmt.Fprintf(c.ui.stdout, "%s (%s)\n\n%s\n\n%s\n\n%s\n", rule.ID, rule.Severity,
		fold("Finds "+rule.Finds+".", width, 0), fold(rule.Explain, width, 0),
		fold("What to do: "+rule.Hint+". A layer that may have it says so in "+
			builder.ConfigName+": check: {allow: [{id: "+rule.ID+", reason: why}]}", width, 0))
	return err
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
