package java

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/java/coordinate"
)

// lockName is the file that holds resolutions, as messages call it.
const lockName = "layerbuild.lock"

// jars is what a project needs at run time.
type jars struct {
	files        []jar
	repositories []string // addresses that the project names, beside Maven's own
	notes        []string
}

// jar is a file of a repository.
type jar struct {
	coordinate.Coordinate
	file runtimes.File
}

// readMaven gives what Maven said that a pom comes to. A pom is no lock: what it
// comes to may be another thing tomorrow, so layerbuild.lock must hold it.
func readMaven(project fs.FS, file string, t runtimes.Target) (*jars, error) {
	if t.Project {
		return nil, &runtimes.InputError{
			File: file, Problem: "project: true needs the project to be built, which is Maven's to do",
			Hint: "build its jar with Maven, and add it with include: {target/app-1.0.jar: java/lib/app.jar}",
		}
	}
	if err := checkExclude(t.Exclude); err != nil {
		return nil, err
	}
	p, err := readPoms(project, file)
	if err != nil {
		return nil, err
	}
	repositories, err := p.repositories()
	if err != nil {
		return nil, err
	}
	q, err := p.question(t)
	if err != nil {
		return nil, err
	}
	resolution, held := t.Pins.Requirements[q.Name]
	switch {
	case !held:
		q.Why = p.unresolved()
	case !q.AnsweredBy(resolution):
		q.Why = "has changed since it was resolved"
		if q.Digest() == resolution.Input {
			q.Why = fmt.Sprintf("is resolved for %s, and not for %s", strings.Join(resolution.Places, ", "), strings.Join(q.Elsewhere(resolution), ", "))
		}
	}
	if q.Why != "" {
		return nil, &runtimes.Unresolved{Questions: []runtimes.Question{q}}
	}
	found, err := resolved(resolution, runtimes.Place{Runtime: t.Runtime, Arch: t.Arch})
	if err != nil {
		return nil, err
	}
	for _, r := range repositories {
		found.repositories = append(found.repositories, r.Address)
	}
	return found, nil
}

// unresolved says why a pom without an answer cannot be used.
func (p *poms) unresolved() string {
	const why = "is no lock, and " + lockName + " does not hold the versions that it comes to"
	open := p.open()
	if len(open) == 0 {
		return why
	}
	if more := len(open) - 3; more > 0 {
		open = append(open[:3], fmt.Sprintf("%d more", more))
	}
	return why + "; it leaves open " + strings.Join(open, ", ")
}

// What a question's options begin with.
const (
	optionPom      = "pom "      // the module's file, as a path in the project
	optionProfiles = "profiles " // their names, as -P takes them
)

// question asks what the module depends on, for every place at once. Layers of
// one pom that want other things of it ask under other names.
func (p *poms) question(t runtimes.Target) (runtimes.Question, error) {
	q := runtimes.Question{Ecosystem: "maven", Name: p.module.file, Places: t.Places, Requirements: []string{}, Indexes: t.Indexes}
	q.Options = append(q.Options, optionPom+p.module.file)
	if len(t.Profiles) > 0 {
		profiles := slices.Compact(slices.Sorted(slices.Values(t.Profiles)))
		for _, name := range profiles {
			if err := p.checkProfile(name); err != nil {
				return q, err
			}
			if name == "" || strings.ContainsAny(name, ", \t\r\n") {
				return q, &runtimes.InputError{Problem: fmt.Sprintf("profiles: %q is no name of a profile", name),
					Hint: "each is an item of its own, without commas and spaces: profiles: [lambda, prod]"}
			}
		}
		q.Options = append(q.Options, optionProfiles+strings.Join(profiles, ","))
		q.Name += " -P " + strings.Join(profiles, ",")
	}
	exclude := slices.Compact(slices.Sorted(slices.Values(t.Exclude)))
	if len(exclude) > 0 {
		q.Name += " without " + strings.Join(exclude, ",")
	}
	options, err := p.options()
	if err != nil {
		return q, err
	}
	q.Inputs = append(options, p.inputs(exclude)...)
	return q, nil
}

// checkProfile refuses the name of a profile that no pom has. Those that lie in
// repositories may have more.
func (p *poms) checkProfile(name string) error {
	chain, known := p.module.chain(), p.profiles()
	if chain[len(chain)-1].root.child("parent") != nil || slices.Contains(known, strings.TrimLeft(name, "!-?")) {
		return nil
	}
	err := &runtimes.InputError{File: p.module.file, Problem: fmt.Sprintf("has no profile %q", name), Hint: "it has none at all: leave out profiles"}
	if len(known) > 0 {
		err.Hint = "it has: " + strings.Join(known, ", ")
	}
	return err
}

// Job is what Maven is asked by a question.
type Job struct {
	Module  string // the pom's file, as a path in the project
	Reactor string // a pom that names the module among others, "" where it needs none
	Profile string // names of profiles, with commas between
}

// JobOf reads a question's options.
func JobOf(q runtimes.Question) Job {
	var job Job
	for _, option := range q.Options {
		if file, ok := strings.CutPrefix(option, optionPom); ok {
			job.Module = file
		}
		if names, ok := strings.CutPrefix(option, optionProfiles); ok {
			job.Profile = names
		}
	}
	if slices.ContainsFunc(q.Inputs, func(in runtimes.InlineFile) bool { return in.Path == reactorName }) {
		job.Reactor = reactorName
	}
	return job
}

// Requirement is a coordinate in layerbuild.lock. places are those at which it
// is needed, where it is not at all of them.
func Requirement(c coordinate.Coordinate, places []string) string {
	if len(places) == 0 {
		return c.String()
	}
	return c.String() + " ; " + strings.Join(places, ", ")
}

// resolved reads a resolution for one place.
func resolved(r runtimes.Resolution, place runtimes.Place) (*jars, error) {
	found := &jars{}
	for _, p := range r.Packages {
		text, places, some := strings.Cut(p.Requirement, " ; ")
		if some && !slices.Contains(strings.Split(places, ", "), place.String()) {
			continue
		}
		c, err := coordinate.Parse(text)
		if err == nil && len(p.SHA256) != 1 {
			err = fmt.Errorf("%d hashes, and a file has one", len(p.SHA256))
		}
		if err != nil {
			return nil, &runtimes.InputError{File: lockName, Problem: p.Requirement, Err: err, Hint: "restore it from version control, or run: layerbuild lock"}
		}
		if c.Extension != "" {
			found.notes = append(found.notes, fmt.Sprintf("%s is no jar, and is left out", text))
			continue
		}
		name := c.FileName()
		if p.File != "" {
			name = p.File
		}
		found.files = append(found.files, jar{c, runtimes.File{Name: path.Base(name), SHA256: p.SHA256[0]}})
	}
	return found, nil
}
