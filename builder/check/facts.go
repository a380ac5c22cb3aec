package check

import (
	"errors"
	"slices"

	"github.com/layerbuild/layerbuild/runtimes"
)

// factsVersion changes whenever Facts come to say more, or something else, of
// the same tree.
const factsVersion = 10

// Facts are what the checks have to know of a tree. They do not depend on who
// is going to use it, so they are stored with the archive, which may serve
// targets with other runtimes than the one it was built for.
type Facts struct {
	Version  int       `json:"version"`
	Weight   Weight    `json:"weight"`
	Binaries []Binary  `json:"binaries,omitempty"`
	Places   Places    `json:"places,omitzero"`
	Node     Node      `json:"node,omitzero"`
	Java     Java      `json:"java,omitzero"`
	Python   *Python   `json:"python,omitempty"`
	Found    []Finding `json:"found,omitempty"` // whatever the target
}

// Current tells whether the facts are those that this program would gather.
func (f Facts) Current() bool { return f.Version == factsVersion }

// Target is who is going to use a layer.
type Target struct {
	Runtime   runtimes.Info
	Arch      runtimes.Arch
	Beside    int64    // bytes of the function's code and its other layers, unzipped
	Elsewhere []string // packages that the layer leaves out, since the function has them from elsewhere
}

// Judge splits what the facts come to for the targets: errors, joined, one for
// each check a *FindingsError, and warnings. What is allowed is neither.
func (f Facts) Judge(targets []Target, allowed func(Finding) bool) ([]Finding, error) {
	var all []Finding
	all = append(all, f.Found...)
	for _, t := range targets {
		all = append(all, f.findings(t)...)
	}
	var warnings []Finding
	failed := make(map[string][]Finding)
	for i, found := range all {
		rule, _ := RuleOf(found.ID)
		switch {
		case slices.Contains(all[:i], found), allowed != nil && allowed(found):
		case rule.Severity == Warning:
			warnings = append(warnings, found)
		default:
			failed[rule.ID] = append(failed[rule.ID], found)
		}
	}
	var errs []error
	for _, rule := range rules {
		if found := failed[rule.ID]; found != nil {
			errs = append(errs, &FindingsError{rule, found})
		}
	}
	return warnings, errors.Join(errs...)
}

// findings are what the facts come to for one target.
func (f Facts) findings(t Target) []Finding {
	return slices.Concat(weightFindings(f.Weight, t), misplacedFindings(f.Places, t), elfFindings(f.Binaries, t), neededFindings(f.Binaries, t), pythonFindings(f.Python, t), nodeFindings(f.Node, t), javaFindings(f.Java, t))
}

// summary keeps one binary of those of a package that need the same.
func summary(all []linked) (kept []Binary) {
	for _, b := range all {
		if b.Package == "" || !slices.ContainsFunc(kept, b.like) {
			kept = append(kept, b.Binary)
		}
	}
	return kept
}

// like tells whether every check says the same of two binaries.
func (b Binary) like(other Binary) bool {
	return b.Package == other.Package && b.Machine == other.Machine && b.Musl == other.Musl && b.Built == other.Built &&
		isLibrary(b.Path) == isLibrary(other.Path) && slices.Equal(b.Lacks, other.Lacks) &&
		slices.EqualFunc(b.Needs, other.Needs, func(x, y SymbolVersion) bool {
			return x.Family == y.Family && slices.Equal(x.Parts, y.Parts)
		})
}
