package propose

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/layerbuild/layerbuild/runtimes"
)

// readLocks proposes a layer for each folder whose packages something locks.
func readLocks(p Project, _ string) (Proposal, error) {
	var proposal Proposal
	dirs, err := folders(p.FS, p.Paths)
	if err != nil {
		return proposal, err
	}
	for _, dir := range dirs {
		for _, language := range p.Languages {
			found, err := language.Detect(p.FS, dir)
			input := (*runtimes.InputError)(nil)
			switch {
			case errors.As(err, &input):
				proposal.Left = append(proposal.Left, Left{Place: dir, Why: reason(input)})
			case err != nil:
				return proposal, err
			case found.LockFile != "":
				proposal.Layers = append(proposal.Layers, p.locked(language, dir, found))
			}
		}
	}
	return proposal, nil
}

// locked is the layer of a folder with a lock file.
func (p Project) locked(language Language, dir string, found runtimes.Detected) Layer {
	l := Layer{Name: Name(path.Base(dir)), Path: dir}
	if dir == "." {
		l.Name = Name(p.Name)
	}
	l.Runtimes = []string{Newest(language.Name())}
	l.Comment("runtime", "Lambda's newest")
	var why string
	l.Arches, why = DefaultArches()
	l.Comment("architectures", why)
	l.Comment("", found.LockFile)
	return l
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
