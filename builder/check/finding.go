package check

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Severity says whether a finding stops a build.
type Severity string

const (
	Warning Severity = "warning"
	Error   Severity = "error"
)

// A Rule is one check: what it finds, why that matters, and what to do.
type Rule struct {
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	Finds    string   `json:"finds"`   // half a sentence
	Explain  string   `json:"explain"` // why, in full
	Hint     string   `json:"hint"`
}

// rules in the order of the documentation. Each subject's file has its own.
var rules = slices.Concat(archiveRules, nameRules, modeRules, placeRules, elfRules, neededRules, pythonRules, pythonStartRules, pythonBytecodeRules, nodeRules, javaRules, secretRules, zipRules)

// Rules lists the checks.
func Rules() []Rule { return rules }

// RuleOf is the check of that id, false where there is none.
func RuleOf(id string) (Rule, bool) {
	for _, r := range rules {
		if r.ID == id {
			return r, true
		}
	}
	return Rule{}, false
}

// A Finding is a defect that a check has found.
type Finding struct {
	ID      string `json:"id"`                // of the check
	Path    string `json:"path,omitempty"`    // in the layer, "" for the layer itself
	Package string `json:"package,omitempty"` // that owns the file
	Problem string `json:"problem"`
}

func (f Finding) String() string {
	path := printable(f.Path)
	switch {
	case path == "":
		return f.Problem
	case f.Package == "":
		return path + " " + f.Problem
	}
	return fmt.Sprintf("%s (of %s) %s", path, f.Package, f.Problem)
}

// printable is a name, quoted where a terminal would not show it as it is.
func printable(name string) string {
	unprintable := func(r rune) bool { return r == utf8.RuneError || !strconv.IsPrint(r) }
	if strings.ContainsFunc(name, unprintable) {
		return strconv.Quote(name)
	}
	return name
}

// FindingsError says that a layer does not pass one check.
type FindingsError struct {
	Rule     Rule
	Findings []Finding
}

// shown is how many findings of one check a message lists.
const shown = 8

func (e *FindingsError) Error() string {
	if len(e.Findings) == 1 {
		return fmt.Sprintf("%s [%s]", e.Findings[0], e.Rule.ID)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d files [%s]:", len(e.Findings), e.Rule.ID)
	for _, f := range e.Findings[:min(shown, len(e.Findings))] {
		fmt.Fprintf(&b, "\n  %s", f)
	}
	if n := len(e.Findings) - shown; n > 0 {
		fmt.Fprintf(&b, "\n  and %d more", n)
	}
	return b.String()
}
