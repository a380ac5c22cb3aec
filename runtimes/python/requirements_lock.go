package python

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// lockedRequirement is a package that a requirements file pins: one version,
// and the hashes of the files that may be installed.
type lockedRequirement struct {
	name    string // normalised
	version string // normal form
	extras  []string
	sha256  []string // lower-case hex, sorted; never empty
	file    string   // of the first line that asks for it
	line    int

	url       string // of the one wheel it must be, or ""
	wheelFile string // the file name in url

	local *localInput // what of the project it is, or nil
}

// locked gives what the file pins for a target, sorted by name. Requirements
// whose marker is false there, and those of t.Exclude, are left out.
//
// "Every line has ==" is no lock: open lists what the lines leave open, which a
// resolution must fill in; resolved are the lines of one.
func (r *requirementsFile) locked(t runtimes.Target, resolved []requirementLine) (set []lockedRequirement, open []openRequirement, err error) {
	env := pep.EnvironmentFor(t)
	env.Extras, env.DependencyGroups = nil, nil // those of a project, which this is not
	byName := make(map[string][]requirementLine)
	var names []string
	var refused []requirementLine
	for _, line := range slices.Concat(r.lines, resolved) {
		switch {
		case !line.marker.Eval(env) || excluded(t, line.name) || line.local.leftOut(t):
		case line.refused != "":
			refused = append(refused, line)
		default:
			if byName[line.name] == nil {
				names = append(names, line.name)
			}
			byName[line.name] = append(byName[line.name], line)
		}
	}
	for _, line := range r.constraints {
		if byName[line.name] == nil || !line.marker.Eval(env) {
			continue
		}
		if line.refused != "" {
			refused = append(refused, line)
		}
		byName[line.name] = append(byName[line.name], line)
	}
	if len(refused) > 0 {
		return nil, nil, refusedError(refused)
	}
	for _, name := range names { // in the file's order, for the messages
		l, why, err := merge(byName[name])
		if err != nil {
			return nil, nil, err
		}
		if why != "" {
			open = append(open, openRequirement{byName[name][0], why})
		}
		set = append(set, l)
	}
	slices.SortFunc(set, func(a, b lockedRequirement) int { return strings.Compare(a.name, b.name) })
	return set, open, nil
}

func excluded(t runtimes.Target, name string) bool {
	return name != "" && slices.ContainsFunc(t.Exclude, func(e string) bool { return pep.NormaliseName(e) == name })
}

// merge makes one package of all lines that name it, which must not contradict
// each other; why says what they leave open together.
func merge(lines []requirementLine) (l lockedRequirement, why string, err error) {
	first := lines[0]
	for _, line := range lines {
		if line.local != nil {
			l, err = line.local.merge(line, lines)
			return l, "", err
		}
	}
	l = lockedRequirement{name: first.name, file: first.file, line: first.line}
	var pin, hashed *requirementLine
	var version pep.Version
	for i := range lines {
		line := &lines[i]
		l.extras = append(l.extras, line.extras...)
		if v, ok := line.pinned(); ok {
			if pin != nil && v.Compare(version) != 0 {
				return l, "", contradiction(*pin, *line, "different versions")
			}
			if pin == nil {
				pin, version = line, v
			}
		}
		if line.url != "" {
			if l.url != "" && l.url != line.url {
				return l, "", contradiction(*pin, *line, "different files")
			}
			l.url, l.wheelFile = line.url, line.wheelFile
		}
		if len(line.sha256) == 0 {
			continue
		}
		if hashed == nil {
			hashed, l.sha256 = line, line.sha256
			continue
		}
		// A file must be one that every line admits, as pip has it.
		common := slices.DeleteFunc(slices.Clone(l.sha256), func(h string) bool { return !slices.Contains(line.sha256, h) })
		if len(common) == 0 {
			return l, "", contradiction(*hashed, *line, "hashes of different files")
		}
		l.sha256 = common
	}
	slices.Sort(l.extras)
	l.extras = slices.Compact(l.extras)
	if pin == nil {
		return l, "no version", nil
	}
	for _, line := range lines {
		if !line.specifiers.Contains(version) {
			return l, "", contradiction(*pin, line, "different versions")
		}
	}
	l.version = version.String()
	if hashed == nil {
		why = "no hash"
		if kind := otherHash(lines); kind != "" {
			why = "no sha256 hash, only " + kind
		}
	}
	return l, why, nil
}

// pinned is the version that a line names.
func (line requirementLine) pinned() (pep.Version, bool) {
	if line.url != "" {
		return line.wheel.Version, true
	}
	return line.specifiers.Pinned()
}

func otherHash(lines []requirementLine) string {
	for _, line := range lines {
		if line.otherHash != "" {
			return line.otherHash
		}
	}
	return ""
}

// contradiction names two lines that cannot both be followed.
func contradiction(a, b requirementLine, what string) error {
	return &runtimes.InputError{
		File: b.file, Line: b.line,
		Problem: fmt.Sprintf("%s asks for %s, and %s for %s: %s", b.place(), shortText(b.text), a.place(), shortText(a.text), what),
		Hint:    "keep one of the two lines, or give them markers that are never true together",
	}
}

// openRequirement is a package of which a lock file does not say enough.
type openRequirement struct {
	line requirementLine
	why  string
}

// maxListed bounds the list in one message.
const maxListed = 100

func openText(open []openRequirement) string {
	lines := make([]string, len(open))
	for i, o := range open {
		lines[i] = fmt.Sprintf("%s: %s: %s", o.line.place(), shortText(o.line.text), o.why)
	}
	return fmt.Sprintf("%s not locked:%s", count(len(open), "requirement is", "requirements are"), bulleted(lines))
}

func refusedError(refused []requirementLine) error {
	lines := make([]string, len(refused))
	for i, line := range refused {
		lines[i] = fmt.Sprintf("%s: %s %s", line.place(), shortText(line.text), line.refused)
	}
	return &runtimes.InputError{
		File: refused[0].file, Line: refused[0].line,
		Problem: fmt.Sprintf("%s be installed yet:%s", count(len(refused), "requirement cannot", "requirements cannot"), bulleted(lines)),
		Hint:    "leave it out of this file, or require a release from an index, with its hash",
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func bulleted(lines []string) string {
	rest := ""
	if n := len(lines) - maxListed; n > 0 {
		rest = fmt.Sprintf("\n  and %d more", n)
		lines = lines[:maxListed]
	}
	return "\n  " + strings.Join(lines, "\n  ") + rest
}
