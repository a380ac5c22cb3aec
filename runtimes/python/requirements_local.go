package python

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/layerbuild/layerbuild/runtimes"
	"github.com/layerbuild/layerbuild/runtimes/python/pep"
)

// localInput is what a line of a requirements file names in the project: a
// wheel, a source archive, or a folder.
type localInput struct {
	name, version string
	file          runtimes.File // its zero value for a folder
	project       *localProject // nil for a file
	itself        bool          // it is the layer's own folder
}

func isFileURL(s string) bool { return len(s) > 5 && strings.EqualFold(s[:5], "file:") }

// setEditable takes the folder of -e. It is installed as any other: the layer
// has no folder to go on with.
func (line *requirementLine) setEditable(l logicalLine, value string) error {
	target, marker := splitTarget(value)
	err := line.setMarker(marker)
	if err == nil {
		err = line.setPath(target)
	}
	if err != nil {
		return l.errorf("", "%v", err)
	}
	return nil
}

// setPath takes a path, or a file: URL.
func (line *requirementLine) setPath(text string) error {
	if isFileURL(text) {
		text = text[len("file:"):]
		if rest, ok := strings.CutPrefix(text, "//"); ok {
			text = strings.TrimPrefix(rest, "localhost")
			if !strings.HasPrefix(text, "/") {
				return errors.New("a file: URL with a host")
			}
		}
		var err error
		text, fragment, _ := strings.Cut(text, "#")
		if text, err = url.PathUnescape(text); err != nil {
			return errors.New("a URL that cannot be read")
		}
		return line.setLocal(text, fragment)
	}
	text, fragment, _ := strings.Cut(text, "#")
	return line.setLocal(text, fragment)
}

func (line *requirementLine) setLocal(text, fragment string) error {
	if at := strings.LastIndexByte(text, '['); at > 0 && strings.HasSuffix(text, "]") {
		for extra := range strings.SplitSeq(text[at+1:len(text)-1], ",") {
			line.extras = append(line.extras, pep.NormaliseName(strings.TrimSpace(extra)))
		}
		text = text[:at]
	}
	query, err := url.ParseQuery(fragment)
	switch {
	case err != nil:
		return fmt.Errorf("a URL whose fragment cannot be read: %w", err)
	case query.Get("subdirectory") != "":
		line.refuse("has a subdirectory: name the folder itself")
	case query.Get("egg") != "" && line.name == "":
		name, _, _ := strings.Cut(query.Get("egg"), "[")
		line.name = pep.NormaliseName(name)
	}
	if digest := strings.ToLower(query.Get("sha256")); digest != "" {
		if !isSHA256(digest) {
			return fmt.Errorf("%q is not a sha256 in hex", shortText(digest))
		}
		line.sha256 = append(line.sha256, digest)
	}
	if text == "" {
		return errors.New("a path without a name")
	}
	if path.IsAbs(text) || strings.HasPrefix(text, "~") || drive.MatchString(text) {
		line.refuse("is outside of the project; name a folder of it by a relative path")
	}
	line.path = text
	return nil
}

// place reads what the lines name in the project, and what local projects
// depend on. Paths are relative to the layer's folder, as they are for pip where
// it is run there.
func (r *requirementsFile) place(project fs.FS, t runtimes.Target) (notes []string, err error) {
	env := baseEnvironment(t)
	var depends []requirementLine
	itself := false
	r.localNames = make(map[string]bool)
	if err := r.fetchGit(t, env); err != nil {
		return nil, err
	}
	for i := range r.lines {
		line := &r.lines[i]
		if line.git != nil && line.local != nil {
			r.localNames[line.name] = true
			more, err := line.local.depends(line.extras)
			if err != nil {
				return nil, err
			}
			depends = append(depends, more...)
			continue
		}
		if line.path == "" || line.refused != "" || !line.marker.Eval(env) || excluded(t, line.name) {
			continue
		}
		at, ok := inProject(path.Clean(t.Path), line.path)
		if !ok {
			line.refuse("is outside of the project; name a folder of it by a relative path")
			continue
		}
		if line.local, err = line.readLocal(project, at); err != nil {
			return nil, err
		}
		line.name = line.local.name
		r.localNames[line.name] = true
		if line.local.itself = at == path.Clean(t.Path); line.local.itself {
			if itself = true; !t.Project {
				notes = append(notes, fmt.Sprintf("%s (%s) is the project itself, which is left out; project: true installs it", shortText(line.text), line.place()))
			}
		}
		if line.marker == (pep.Marker{}) {
			more, err := line.local.depends(line.extras)
			if err != nil {
				return nil, err
			}
			depends = append(depends, more...)
		}
	}
	if t.Project && !itself {
		return nil, &runtimes.InputError{
			File: r.file, Problem: "project: true asks for the project itself, which is not in it",
			Hint: "add the line: -e .",
		}
	}
	for _, line := range depends {
		if !r.localNames[line.name] {
			r.lines = append(r.lines, line)
		}
	}
	return notes, nil
}

// fetchGit reads the sources of lines that name a commit, or asks for all that
// are not known yet.
func (r *requirementsFile) fetchGit(t runtimes.Target, env pep.Environment) error {
	incomplete := &runtimes.Incomplete{LockFile: r.file}
	for i := range r.lines {
		line := &r.lines[i]
		if line.git == nil || line.refused != "" || !line.marker.Eval(env) || excluded(t, line.name) {
			continue
		}
		q := line.git.request()
		files, known := t.Files[q.Key()]
		if !known {
			incomplete.Requests = append(incomplete.Requests, q)
			continue
		}
		p, err := line.git.project(files, line.name, "")
		if err != nil {
			return err
		}
		if p.name == "" {
			return &runtimes.InputError{
				File: line.file, Line: line.line, Problem: "the name of the project at " + line.git.String() + " cannot be told without running it",
				Hint: "write: NAME @ " + line.text,
			}
		}
		line.name, line.local = p.name, &localInput{name: p.name, version: p.version, project: p}
	}
	if len(incomplete.Requests) > 0 {
		return incomplete
	}
	return nil
}

// readLocal reads what lies at a path of the project.
func (line *requirementLine) readLocal(project fs.FS, at string) (*localInput, error) {
	fail := func(hint, format string, args ...any) error {
		return &runtimes.InputError{File: line.file, Line: line.line, Problem: fmt.Sprintf(format, args...), Hint: hint}
	}
	info, err := fs.Stat(project, at)
	if err != nil {
		return nil, fail("paths are relative to the layer's folder", "%s: %v", at, reason(err))
	}
	in := &localInput{}
	if info.IsDir() {
		p, err := readLocalProject(project, at, line.name, "")
		if err != nil {
			return nil, err
		}
		if p.name == "" {
			return nil, fail("give it a pyproject.toml with name in [project], or write: NAME @ file:"+line.path,
				"the name of the project in %s cannot be told without running it", at)
		}
		in.name, in.version, in.project = p.name, p.version, p
		return in, nil
	}
	if wheel, err := pep.ParseWheel(path.Base(at)); err == nil {
		in.name, in.version = wheel.Name, wheel.Version.String()
	} else if name, version, ok := sdistName(path.Base(at)); ok {
		in.name, in.version = name, version
	} else {
		return nil, fail("", "%s is neither a wheel, a source archive nor a folder", at)
	}
	if line.name != "" && line.name != in.name {
		return nil, fail("", "asks for %s and points to a file of %s", line.name, in.name)
	}
	if in.file, err = localFile(project, at); err != nil {
		return nil, err
	}
	if len(line.sha256) > 0 && !slices.Contains(line.sha256, in.file.SHA256) {
		return nil, fail("restore the file, or lock again", "%s is not the file that was locked: its hash is sha256:%s", at, in.file.SHA256)
	}
	return in, nil
}

// depends are the requirements of a local project, as lines of its own: what
// they leave open is resolved with the rest. Those that only a build tells are
// missed by [checkClosed] if they are not in the file.
func (in *localInput) depends(extras []string) ([]requirementLine, error) {
	if in.project == nil || in.project.static == nil {
		return nil, nil
	}
	static := in.project.static.Project
	list := slices.Clone(static.Dependencies)
	for _, extra := range extras {
		more, _ := byNormalName(static.Extras, extra)
		list = append(list, more...)
	}
	var lines []requirementLine
	for _, text := range list {
		line := requirementLine{file: path.Join(in.project.tree.folder, "pyproject.toml"), line: lineOfString(in.project.text, text), text: text}
		if err := line.setRequirement(text); err != nil {
			return nil, &runtimes.InputError{
				File: line.file, Line: line.line, Problem: "a dependency that cannot be read", Err: err,
				Hint: `each dependency is a string of its own, a name and what limits it: "name>=1.0"`,
			}
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// lineOfString is the first line of a TOML file that holds a string in quotes,
// or 0: no decoder tells where an array's elements are.
func lineOfString(data []byte, s string) int {
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		for _, quoted := range []string{`"` + s + `"`, "'" + s + "'", `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`} {
			if strings.Contains(line, quoted) {
				return n
			}
		}
	}
	return 0
}

// leftOut tells whether it is the project itself, and not asked for.
func (in *localInput) leftOut(t runtimes.Target) bool { return in != nil && in.itself && !t.Project }

// merge makes one package of all lines that name it: this one decides.
func (in *localInput) merge(line requirementLine, lines []requirementLine) (lockedRequirement, error) {
	l := lockedRequirement{name: in.name, version: in.version, file: line.file, line: line.line, local: in}
	version, err := pep.ParseVersion(in.version)
	for _, other := range lines {
		switch {
		case other.local != nil && (other.local.file.SHA256 != in.file.SHA256 || other.path != line.path || !sameGit(other.git, line.git)):
			return l, contradiction(line, other, "different files")
		case err == nil && in.version != localVersion && !other.specifiers.Contains(version):
			return l, contradiction(line, other, "different versions")
		}
	}
	return l, nil
}

// locked is it as a package of a lock file.
func (in *localInput) locked(p lockedPackage) lockedPackage {
	if in.project != nil {
		return in.project.locked()
	}
	p.files = []runtimes.File{in.file}
	return p
}
