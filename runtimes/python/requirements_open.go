package python

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// required gives what the file pins for a target. Where it leaves something
// open, layerbuild.lock's resolution of the file must say the rest: where there
// is none that holds, the error is a [*runtimes.Unresolved].
//
// A file that is locked as a whole has no resolution, and one that was made
// when it was not is passed over.
func (r *requirementsFile) required(t runtimes.Target, indexes []string) ([]lockedRequirement, error) {
	set, open, err := r.locked(t, nil)
	if err != nil || len(open) == 0 {
		return set, err
	}
	q := r.question(t, indexes)
	resolution, ok := t.Pins.Requirements[r.file]
	lines, err := resolvedLines(resolution)
	if err != nil {
		return nil, err
	}
	switch {
	case !ok:
		q.Why = openText(open)
	case !q.AnsweredBy(resolution):
		q.Why = r.moved(q, resolution, lines)
	}
	if q.Why == "" {
		if set, open, err = r.locked(t, lines); err == nil && len(open) > 0 {
			q.Damaged = true
			q.Why = fmt.Sprintf("%s does not say which %s is meant (%s)", lockName, open[0].line.name, open[0].line.place())
		}
	}
	if q.Why != "" {
		return nil, &runtimes.Unresolved{Questions: []runtimes.Question{q}}
	}
	return set, err
}

// lockName is the file that holds resolutions, as messages call it.
const lockName = "layerbuild.lock"

// question asks for all that the file leaves open, for every target at once.
func (r *requirementsFile) question(t runtimes.Target, indexes []string) runtimes.Question {
	q := runtimes.Question{
		Ecosystem:    "pypi",
		Name:         r.file,
		Places:       t.Places,
		Requirements: []string{},
		Prereleases:  r.options.pre,
		Indexes:      indexes,
		Tool:         uvNeed(),
	}
	for _, line := range r.lines {
		if line.refused == "" && !r.localNames[line.name] {
			q.Requirements = append(q.Requirements, line.text)
		}
	}
	for _, line := range r.constraints {
		if line.refused == "" && !r.localNames[line.name] {
			q.Constraints = append(q.Constraints, line.text)
		}
	}
	return q
}

// resolvedLines reads a resolution as if its packages stood in a requirements
// file.
func resolvedLines(resolution runtimes.Resolution) ([]requirementLine, error) {
	lines := make([]requirementLine, 0, len(resolution.Packages))
	for _, p := range resolution.Packages {
		req, err := pep.ParseRequirement(p.Requirement)
		if err != nil {
			return nil, &runtimes.InputError{File: lockName, Problem: p.Requirement, Err: err, Hint: "restore it from version control, or run: layerbuild lock"}
		}
		lines = append(lines, requirementLine{
			file: lockName, text: p.Requirement,
			name: req.Name, extras: req.Extras, specifiers: req.Specifiers, marker: req.Marker, sha256: p.SHA256,
		})
	}
	return lines, nil
}

// moved says what keeps a resolution from being that of the file.
func (r *requirementsFile) moved(q runtimes.Question, resolution runtimes.Resolution, lines []requirementLine) string {
	if q.Digest() == resolution.Input {
		return fmt.Sprintf("is resolved for %s, and not for %s", strings.Join(resolution.Places, ", "), strings.Join(q.Elsewhere(resolution), ", "))
	}
	for _, line := range slices.Concat(r.lines, r.constraints) {
		if line.refused != "" || line.url != "" || r.localNames[line.name] {
			continue
		}
		var has []string
		met := false
		for _, l := range lines {
			if v, ok := l.pinned(); ok && l.name == line.name {
				has = append(has, v.String())
				met = met || line.specifiers.Contains(v)
			}
		}
		switch {
		case met || len(has) == 0 && slices.ContainsFunc(r.constraints, func(c requirementLine) bool { return c.name == line.name }):
		case len(has) == 0:
			return fmt.Sprintf("has changed since it was resolved: %s is not in %s (%s)", line.name, lockName, line.place())
		default:
			return fmt.Sprintf("has changed since it was resolved: %s (%s), and %s has %s", shortText(line.text), line.place(), lockName, has[0])
		}
	}
	return "has changed since it was resolved"
}
