package propose

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
)

// readLocks proposes a layer for each folder whose packages something locks.
func readLocks(p Project, _ string) (Proposal, error) {
	var proposal Proposal
	dirs, err := folders(p.FS, p.Paths)
	if err != nil {
		return proposal, err
	}
	var found []located
	for _, dir := range dirs {
		for _, language := range p.Languages {
			one, err := p.look(language, dir)
			input := (*runtimes.InputError)(nil)
			switch {
			case errors.As(err, &input):
				proposal.Left = append(proposal.Left, Left{Place: dir, Why: reason(input)})
			case err != nil:
				return proposal, err
			case one != nil:
				found = append(found, *one)
			}
		}
	}
	for _, dir := range dirs {
		at := func(l located) bool { return l.language == "python" && (l.Path == dir || l.Path == path.Dir(dir)) }
		if slices.ContainsFunc(found, at) {
			continue
		}
		for _, name := range otherRequirements(p.FS, dir) {
			proposal.Left = append(proposal.Left, Left{
				Place: path.Join(dir, name),
				Why:   fmt.Sprintf("requirements are looked for in requirements.txt; a layer with path: %s and lockfile: %s has these", dir, name),
			})
		}
	}
	for _, one := range found {
		if users := usersOf(one, found); len(users) > 0 {
			proposal.Left = append(proposal.Left, Left{Place: one.Path, Why: "it is in the layer of " + strings.Join(users, ", ")})
			continue
		}
		proposal.Layers = append(proposal.Layers, one.Layer)
	}
	return proposal, nil
}

// notForLambda are parts of the names of requirements files for other machines.
var notForLambda = []string{"dev", "test", "lint", "doc", "ci", "local", "constraints"}

// otherRequirements lists requirements files of a folder that have another name
// than the one that is looked for: requirements-prod.txt, requirements/prod.txt.
func otherRequirements(project fs.FS, dir string) []string {
	entries, err := fs.ReadDir(project, dir)
	if err != nil {
		return nil // what searches the folders says so
	}
	var others []string
	for _, e := range entries {
		stem, text := strings.CutSuffix(e.Name(), ".txt")
		stem, named := strings.CutPrefix(stem, "requirements")
		forLambda := !slices.ContainsFunc(notForLambda, func(part string) bool { return strings.Contains(stem, part) })
		if text && !e.IsDir() && stem != "" && (named || path.Base(dir) == "requirements") && forLambda {
			others = append(others, e.Name())
		}
	}
	return others
}

// located is a layer that is proposed for a folder.
type located struct {
	Layer
	language string
	found    runtimes.Detected
	parts    []string // other folders of the project that are in the layer
}

// has tells whether another's packages are in the layer, too.
func (l located) has(other located) bool {
	return l.language == other.language && l.Path != other.Path &&
		(slices.Contains(l.parts, other.Path) || l.found.LockFile == other.found.LockFile && other.found.Name != "" && slices.Contains(l.found.Requires, other.found.Name))
}

// usersOf lists the layers that one is a part of, as a library of a workspace.
// Of two that need each other neither is.
func usersOf(one located, all []located) []string {
	var users []string
	for _, other := range all {
		if other.has(one) && !one.has(other) {
			users = append(users, other.Path)
		}
	}
	return users
}

// look proposes the layer of one folder and language, or nil where the folder
// has no packages of the language. It returns an [*runtimes.InputError] where
// they cannot be installed.
func (p Project) look(language Language, dir string) (*located, error) {
	found, err := language.Detect(p.FS, dir)
	if err != nil || found.LockFile == "" {
		return nil, err
	}
	if found.Empty != "" {
		return nil, &runtimes.InputError{Problem: found.Empty, Hint: "own files are a layer with plain: true"}
	}
	l := Layer{Name: Name(path.Base(dir)), Path: dir, Arches: p.Arches}
	if dir == "." {
		l.Name = Name(p.Name)
	}
	l.Comment("", found.LockFile)
	if len(l.Arches) == 0 {
		l.takeDefaultArches()
	}
	choice, err := p.choose(language, l, found)
	if err != nil {
		return nil, err
	}
	l.Runtimes = choice.runtimes
	l.Comment("runtime", choice.why)
	if choice.warning != "" {
		l.Comment("", found.LockFile+"; "+choice.warning)
	}
	if language.Name() != "nodejs" { // whose manifests say it: the recipe of a workspace's root may have all
		found.Parts = append(found.Parts, choice.parts...)
	}
	return &located{l, language.Name(), found, found.Parts}, nil
}

// reason is what is wrong with a folder and what helps, in one line.
func reason(e *runtimes.InputError) string {
	text := e.Problem
	if e.File != "" {
		text = e.File + ": " + text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += "; " + oneLine(e.Hint)
	}
	return text
}

// readFile reads a file of at most limit bytes.
func readFile(project fs.FS, name string, limit int64) ([]byte, error) {
	f, err := project.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}
