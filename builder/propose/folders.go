package propose

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/format/gitignore"
)

// neverSearched are names of folders that hold what a tool made or somebody
// else's project. Folders whose name begins with a dot are not searched either.
var neverSearched = []string{
	"node_modules", "bower_components", "vendor", "third_party", "venv", "virtualenv", "site-packages",
	"__pycache__", "target", "build", "dist", "out", "cdk.out", "testdata", "fixtures", "__fixtures__",
}

// maxDepth bounds how deep folders are searched, maxIgnoreFile what is read of a
// .gitignore.
const (
	maxDepth      = 8
	maxIgnoreFile = 1 << 20
)

// folders lists the folders of a project that are worth a look, sorted: a folder
// stands before those in it. A folder that the user named is searched whatever
// ignores it.
func folders(project fs.FS, below []string) ([]string, error) {
	if len(below) == 0 {
		below = []string{"."}
	}
	var all []string
	for _, start := range below {
		start = path.Clean(start)
		patterns := ignoredAbove(project, start)
		if err := walk(project, start, 0, patterns, &all); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	return slices.Compact(all), nil
}

func walk(project fs.FS, dir string, depth int, patterns []gitignore.Pattern, all *[]string) error {
	*all = append(*all, dir)
	patterns = append(slices.Clip(patterns), ignoredBy(project, dir)...)
	entries, err := fs.ReadDir(project, dir)
	if err != nil || depth == maxDepth {
		return err
	}
	ignored := gitignore.NewMatcher(patterns)
	for _, e := range entries {
		child := path.Join(dir, e.Name())
		switch {
		case !e.IsDir(), strings.HasPrefix(e.Name(), "."), slices.Contains(neverSearched, e.Name()):
		case isFile(project, path.Join(child, "pyvenv.cfg")): // a virtual environment of any name
		case ignored.Match(strings.Split(child, "/"), true):
		default:
			if err := walk(project, child, depth+1, patterns, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// ignoredAbove are the patterns of the .gitignore files above dir.
func ignoredAbove(project fs.FS, dir string) []gitignore.Pattern {
	if dir == "." {
		return nil
	}
	above := path.Dir(dir)
	return append(ignoredAbove(project, above), ignoredBy(project, above)...)
}

// ignoredBy are the patterns of a folder's own .gitignore.
func ignoredBy(project fs.FS, dir string) []gitignore.Pattern {
	data, err := readFile(project, path.Join(dir, ".gitignore"), maxIgnoreFile)
	if err != nil {
		return nil
	}
	var domain []string
	if dir != "." {
		domain = strings.Split(dir, "/")
	}
	var patterns []gitignore.Pattern
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, gitignore.ParsePattern(line, domain))
		}
	}
	return patterns
}
