package propose

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// outputFolder is the folder that builds write to, as a line of a .gitignore.
const outputFolder = ".layerbuild/"

// IgnoreOutput sees to it that Git ignores what builds write below dir. Where
// dir is in a Git repository that does not ignore it yet, a line is added to the
// nearest .gitignore, whose name is returned.
func IgnoreOutput(dir string) (file string, err error) {
	top, ok := repositoryOf(dir)
	if !ok {
		return "", nil
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil {
		return "", err
	}
	rel = filepath.ToSlash(rel)
	repository := os.DirFS(top)
	below := "below" // any name: what is asked is what holds in rel
	if rel != "." {
		below = rel + "/" + below
	}
	patterns := ignoredAbove(repository, below)
	output := strings.Split(strings.TrimSuffix(below, "below")+strings.TrimSuffix(outputFolder, "/"), "/")
	if gitignore.NewMatcher(patterns).Match(output, true) {
		return "", nil
	}
	return addLine(nearestIgnore(dir, top), outputFolder)
}

// repositoryOf finds the top folder of the Git repository that dir lies in.
func repositoryOf(dir string) (string, bool) {
	for {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir, true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", false
		}
		dir = above
	}
}

// nearestIgnore is the .gitignore of dir or of a folder above it up to top; that
// of dir where there is none.
func nearestIgnore(dir, top string) string {
	for at := dir; ; at = filepath.Dir(at) {
		file := filepath.Join(at, ".gitignore")
		if _, err := os.Stat(file); err == nil {
			return file
		}
		if at == top {
			return filepath.Join(dir, ".gitignore")
		}
	}
}

// addLine adds a line to a text file, which it makes where there is none.
func addLine(file, line string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if len(data) > 0 && data[len(data)-1] != '\n' {
		line = "\n" + line
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(line + "\n")
	return file, errors.Join(err, f.Close())
}
