package python

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"

	"github.com/layerbuild/layerbuild/runtimes"
)

// Bounds of a local project: more is hardly its source.
const (
	maxSourceBytes = 64 << 20
	maxSourceFiles = 20_000
	maxIgnoreFile  = 1 << 20
)

// neverSource are names, at any depth, that are no part of a project's source,
// whatever .gitignore says. They are what tools leave behind, and what
// layerbuild itself reads and writes.
var neverSource = []string{
	".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", "*.pyc",
	".tox", ".nox", ".mypy_cache", ".pytest_cache", ".ruff_cache", "*.egg-info",
	".layerbuild", "layerbuild.lock", "layerbuild.yaml", ".DS_Store",
}

// neverSourceTop are likewise, in the project's own folder only: deeper down
// they may well be packages.
var neverSourceTop = []string{"build", "dist"}

// ignoreRule says for messages what is left out of a project's source.
const ignoreRule = "what .gitignore files ignore is left out, see doc/python.md"

// sourceTree is a local project's folder, packed.
type sourceTree struct {
	folder string // in the project
	sha256 string // of tar, which holds names, modes and contents and nothing else
	tar    []byte
}

// file is the tree as the source to build.
func (s *sourceTree) file() runtimes.File {
	return runtimes.File{
		Name: s.folder, SHA256: s.sha256, Size: int64(len(s.tar)),
		Local: &runtimes.LocalFile{Path: s.folder, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(s.tar)), nil
		}},
	}
}

// readSource packs a local project: all files of a folder but what is ignored,
// sorted, with fixed times and owners.
func readSource(project fs.FS, folder string) (*sourceTree, error) {
	folder = path.Clean(folder)
	r := &sourceReader{project: project, folder: folder}
	for _, dir := range above(folder) {
		if err := r.readIgnore(dir); err != nil {
			return nil, err
		}
	}
	return r.tree()
}

// readCommit packs a folder of a commit's files: all that was committed is
// source.
func readCommit(commit fs.FS, folder string) (*sourceTree, error) {
	r := &sourceReader{project: commit, folder: folder, all: true}
	return r.tree()
}

// tree gathers and packs.
func (r *sourceReader) tree() (*sourceTree, error) {
	folder := r.folder
	if err := r.walk(folder, r.patterns); err != nil {
		return nil, err
	}
	slices.SortFunc(r.files, func(a, b sourceFile) int { return strings.Compare(a.name, b.name) })
	buildable := slices.ContainsFunc(r.files, func(f sourceFile) bool { return f.name == "pyproject.toml" || f.name == "setup.py" })
	if !buildable {
		return nil, &runtimes.InputError{
			File: folder, Problem: "is no Python project: it has neither a pyproject.toml nor a setup.py",
			Hint: "if there is one, a .gitignore ignores it: " + ignoreRule,
		}
	}
	data, err := r.pack()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	return &sourceTree{folder: folder, sha256: hex.EncodeToString(sum[:]), tar: data}, nil
}

// above lists the folders that dir lies in, the project's own first.
func above(dir string) []string {
	var dirs []string
	for dir != "." {
		dir = path.Dir(dir)
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// sourceReader gathers the files of a local project.
type sourceReader struct {
	project  fs.FS
	folder   string
	all      bool                // nothing is left out
	patterns []gitignore.Pattern // of the folders above
	files    []sourceFile
	bytes    int64
}

type sourceFile struct {
	name       string // below the folder
	size       int64
	executable bool
}

// readIgnore adds the patterns of a folder's .gitignore.
func (r *sourceReader) readIgnore(dir string) error {
	patterns, err := ignorePatterns(r.project, dir)
	r.patterns = append(r.patterns, patterns...)
	return err
}

func ignorePatterns(project fs.FS, dir string) ([]gitignore.Pattern, error) {
	name := path.Join(dir, ".gitignore")
	info, err := fs.Stat(project, name)
	if err != nil || info.IsDir() {
		return nil, nil // as git has it
	}
	if info.Size() > maxIgnoreFile {
		return nil, &runtimes.InputError{File: name, Problem: fmt.Sprintf("larger than %d MiB, which no .gitignore is", maxIgnoreFile>>20)}
	}
	data, err := readFile(project, name)
	if err != nil {
		return nil, err
	}
	return parseIgnore(data, dir), nil
}

// parseIgnore reads the patterns of a .gitignore in a folder of the project.
func parseIgnore(data []byte, dir string) []gitignore.Pattern {
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	var patterns []gitignore.Pattern
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		line = trimIgnore(line)
		if line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return patterns
}

// trimIgnore drops a line's end and the spaces before it, unless a backslash
// keeps one.
func trimIgnore(line string) string {
	line = strings.TrimRight(line, "\r\n")
	trimmed := strings.TrimRight(line, " ")
	if strings.HasSuffix(trimmed, `\`) && len(trimmed) < len(line) {
		trimmed += " "
	}
	return trimmed
}

// walk gathers the files of a folder and those below it. Patterns are those of
// the folders above it.
func (r *sourceReader) walk(dir string, patterns []gitignore.Pattern) error {
	entries, err := fs.ReadDir(r.project, dir)
	if err != nil {
		return &runtimes.InputError{File: dir, Problem: "cannot be read", Err: reason(err)}
	}
	own, err := ignorePatterns(r.project, dir)
	if err != nil {
		return err
	}
	patterns = slices.Concat(patterns, own)
	ignored := gitignore.NewMatcher(patterns)
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !r.all && (r.never(dir, e.Name()) || ignored.Match(strings.Split(name, "/"), e.IsDir())) {
			continue
		}
		switch {
		case e.IsDir():
			err = r.walk(name, patterns)
		case e.Type().IsRegular():
			err = r.add(name, e)
		default:
			err = &runtimes.InputError{
				File: name, Problem: "is neither a file nor a folder, and cannot be built from as it is",
				Hint: "copy what it links to there, or list it in a .gitignore",
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// never tells whether a name in dir is left out whatever .gitignore says.
func (r *sourceReader) never(dir, name string) bool {
	matches := func(pattern string) bool {
		ok, _ := path.Match(pattern, name) // the patterns are ours
		return ok
	}
	return slices.ContainsFunc(neverSource, matches) || dir == r.folder && slices.ContainsFunc(neverSourceTop, matches)
}

func (r *sourceReader) add(name string, e fs.DirEntry) error {
	info, err := e.Info()
	if err != nil {
		return &runtimes.InputError{File: name, Problem: "cannot be read", Err: reason(err)}
	}
	below := name
	if r.folder != "." {
		below = strings.TrimPrefix(name, r.folder+"/")
	}
	r.files = append(r.files, sourceFile{below, info.Size(), info.Mode()&0o111 != 0})
	if r.bytes += info.Size(); r.bytes > maxSourceBytes || len(r.files) > maxSourceFiles {
		return r.tooLarge()
	}
	return nil
}

func (r *sourceReader) tooLarge() error {
	largest := slices.MaxFunc(r.files, func(a, b sourceFile) int { return cmp.Compare(a.size, b.size) })
	return &runtimes.InputError{
		File: r.folder,
		Problem: fmt.Sprintf("holds more than %d MiB or %d files, which is no source; the largest that was met is %s with %d bytes",
			maxSourceBytes>>20, maxSourceFiles, largest.name, largest.size),
		Hint: "list what the build does not need in a .gitignore: " + ignoreRule,
	}
}

// pack reads the files into a tar.
func (r *sourceReader) pack() ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range r.files {
		data, err := fs.ReadFile(r.project, path.Join(r.folder, f.name))
		if err != nil {
			return nil, &runtimes.InputError{File: path.Join(r.folder, f.name), Problem: "cannot be read", Err: reason(err)}
		}
		// It may have grown since; nothing larger is ever handed on.
		if r.bytes += int64(len(data)) - f.size; r.bytes > maxSourceBytes {
			return nil, r.tooLarge()
		}
		h := &tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Size: int64(len(data)),
			Mode: int64(mode(f.executable)), ModTime: sourceTime,
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
		_, _ = w.Write(data) // into memory
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack %s: %w", r.folder, err)
	}
	return b.Bytes(), nil
}

// sourceTime is the time of all that is built from: the first that a zip
// archive can hold.
var sourceTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
